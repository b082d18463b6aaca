//! Whatever is read from outside or from the disk, fed with what is nearly right and with what is not. The checks are those that the
//! fuzz targets call; the inputs here are built so that many of them are accepted.
//!
//! `PROPTEST_CASES=100000 cargo test -p countersign-actors --test any_input` looks longer.
#![expect(clippy::expect_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use countersign_actors::crypto::keys::{PublicKey, SigningKey};
use countersign_actors::id::{CustomerId, Jti, KeyId};
use countersign_actors::testing::checks;
use countersign_actors::token::claims::Details;
use countersign_actors::token::jwt::compose;
use countersign_actors::token::{Claims, Scopes, jwt};
use proptest::prelude::*;
use proptest::sample::{Index, select};
use uuid::Uuid;

/// Pieces that grammars trip over.
fn piece() -> impl Strategy<Value = String> {
    let known = select(vec![
        "*",
        "?",
        "[",
        "]",
        "[!",
        "[a-z]",
        "[]]",
        "-",
        ":",
        ".",
        "/",
        "|",
        "\\",
        "{",
        "}",
        ",",
        "^",
        "**",
        "a",
        "Z",
        "9",
        "_",
        "@",
        "é",
        "\u{0}",
        "\u{7f}",
        "\u{85}",
        "\u{202e}",
        "\u{10ffff}",
        " ",
        "\n",
        "orders",
        "code:read",
        "super-admin",
        "role_",
        "ovr_",
        "0123456789abcdef0123456789abcdef",
        "2026-03-01T00:00:00Z",
        "2026-02-29T23:59:60+24:00",
        "GRANT",
        "approve",
    ]);
    prop_oneof![
        8 => known.prop_map(str::to_owned),
        1 => any::<char>().prop_map(String::from),
        1 => (select(vec!["a", "*", "é", "["]), 60..300_usize).prop_map(|(text, times)| text.repeat(times)),
    ]
}

fn text() -> impl Strategy<Value = Vec<u8>> {
    let pieces = prop::collection::vec(piece(), 0..12).prop_map(|pieces| pieces.concat().into_bytes());
    prop_oneof![9 => pieces, 1 => prop::collection::vec(any::<u8>(), 0..64)]
}

/// A change of bytes: one replaced, one inserted, some cut out, some repeated.
fn change() -> impl Strategy<Value = (u8, Index, Index, u8)> {
    let byte = prop_oneof![select(b"\"{}[],:\\ \0\x7f\xff09.e-_=".to_vec()), any::<u8>()];
    (0..4_u8, any::<Index>(), any::<Index>(), byte)
}

fn changed(mut bytes: Vec<u8>, changes: &[(u8, Index, Index, u8)]) -> Vec<u8> {
    for (kind, from, to, byte) in changes {
        if bytes.is_empty() {
            return bytes;
        }
        let (from, to) = (from.index(bytes.len()), to.index(bytes.len()));
        let (from, to) = (from.min(to), from.max(to).min(from.min(to) + 40));
        match kind {
            0 => bytes[from] = *byte,
            1 => bytes.insert(from, *byte),
            2 => drop(bytes.drain(from..to)),
            _ => {
                let part = bytes[from..to].to_vec();
                bytes.splice(to..to, part);
            }
        }
    }
    bytes
}

/// Golden events: right ones to begin with.
fn events() -> Vec<Vec<u8>> {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/events");
    let files = std::fs::read_dir(directory).expect("golden files");
    files
        .map(|file| std::fs::read(file.expect("a file").path()).expect("a file"))
        .collect()
}

/// Golden rows: a byte for the length of the key, the key, the value.
fn rows() -> Vec<Vec<u8>> {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/rows");
    let files = std::fs::read_dir(directory).expect("golden files");
    let mut rows = Vec::new();
    for file in files {
        let lines = std::fs::read_to_string(file.expect("a file").path()).expect("a text");
        for (key, value) in lines.lines().filter_map(|line| line.split_once(' ')) {
            let bytes = |text: &str| -> Vec<u8> {
                let digits = text
                    .as_bytes()
                    .chunks(2)
                    .filter_map(|pair| std::str::from_utf8(pair).ok());
                digits.filter_map(|pair| u8::from_str_radix(pair, 16).ok()).collect()
            };
            let key = bytes(key);
            let length = u8::try_from(key.len()).expect("a short key");
            rows.push([vec![length], key, bytes(value)].concat());
        }
    }
    rows
}

struct Signer {
    key: SigningKey,
    public: PublicKey,
    stranger: PublicKey,
}

impl Signer {
    fn new() -> Self {
        let (key, public) = SigningKey::generate().expect("a key");
        let (_, stranger) = SigningKey::generate().expect("a key");
        Self { key, public, stranger }
    }

    fn token(&self, words: &[&str], exp: u64) -> String {
        let claims = Claims {
            jti: Jti::new(Uuid::from_u128(1)),
            sub: CustomerId::new(Uuid::from_u128(2)),
            iat: 5,
            exp,
            details: Details::App {
                scopes: Scopes::parse(words).expect("scopes"),
            },
        };
        let signed = compose(KeyId::new(Uuid::from_u128(3)), &claims, |input| {
            self.key.sign_deterministic(input)
        });
        signed.expect("a token").token().to_owned()
    }
}

#[test]
fn a_token_verifies_and_with_one_character_changed_it_does_not() {
    let signer = Signer::new();
    let token = signer.token(&["tokens:mint"], 1_772_323_200);
    checks::token(token.as_bytes(), &signer.stranger);
    assert!(jwt::parse(&token).expect("a token").verify(&signer.public));
    for at in 0..token.len() {
        for other in "A_-9.=q\u{0}".chars().filter(|other| !token[at..].starts_with(*other)) {
            let mut text = token[..at].to_owned();
            text.push(other);
            text.push_str(&token[at + 1..]);
            let accepted = jwt::parse(&text).is_ok_and(|presented| presented.verify(&signer.public));
            assert!(!accepted, "{other:?} at {at}");
            checks::token(text.as_bytes(), &signer.stranger);
        }
    }
}

proptest! {
    #[test]
    fn tokens(exp in any::<u64>(), changes in prop::collection::vec(change(), 0..4), garbage in text()) {
        thread_local!(static SIGNER: Signer = Signer::new());
        SIGNER.with(|signer| {
            let token = signer.token(&["*"], exp).into_bytes();
            checks::token(&changed(token.clone(), &changes), &signer.stranger);
            checks::token(&[&token[..7], &garbage].concat(), &signer.stranger);
            // Claims of a caller's own making under a true header.
            let claims = String::from_utf8_lossy(&garbage).into_owned();
            let claims = format!(r#"{{"jti":"00000000-0000-0000-0000-000000000001","sub":"00000000-0000-0000-0000-000000000002","typ":"app","iat":{exp},"exp":{exp},"x":{claims:?}}}"#);
            let parts: Vec<&[u8]> = token.split(|byte| *byte == b'.').collect();
            let claims = changed(claims.into_bytes(), &changes);
            let encoded = base64::Engine::encode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, claims);
            checks::token(&[parts[0], encoded.as_bytes(), parts[2]].join(&b'.'), &signer.stranger);
        });
    }

    #[test]
    fn patterns(lines in prop::collection::vec(text(), 0..5)) {
        checks::patterns(&lines.join(&b'\n'));
    }

    #[test]
    fn texts(text in text()) {
        checks::texts(&text);
    }

    #[test]
    fn records(input in prop::collection::vec(any::<u8>(), 0..300), times in 1..60_usize) {
        checks::record(&input.repeat(times));
    }

    #[test]
    fn stored_events(event in select(events()), changes in prop::collection::vec(change(), 0..3)) {
        checks::event(&changed(event, &changes));
    }

    #[test]
    fn stored_rows(row in select(rows()), changes in prop::collection::vec(change(), 0..3)) {
        checks::stored_row(&changed(row, &changes));
    }

    #[test]
    fn arbitrary_bytes(input in prop::collection::vec(any::<u8>(), 0..200)) {
        checks::event(&input);
        checks::stored_row(&input);
        checks::record(&input);
        checks::texts(&input);
        checks::patterns(&input);
    }
}
