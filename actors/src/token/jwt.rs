//! Compact JWS with ES256 (RFC 7515 section 3.1, RFC 7518 section 3.4): composed once, read strictly.
//!
//! A token is its kind's prefix followed by `header.payload.signature`. The signature covers `header.payload`, without the prefix;
//! the prefix is bound because it must agree with the signed `typ`.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::claims::Claims;
use super::kind::TokenKind;
use super::members::Members;
use crate::crypto::CryptoError;
use crate::crypto::keys::{PublicKey, SIGNATURE_BYTES, VerifyingKey};
use crate::id::{CustomerId, Jti, KeyId};
use crate::limits::TOKEN_BYTES_MAX;

/// `{"alg":"ES256","typ":"JWT","kid":` in base64url: 33 bytes, so that what follows begins on a boundary of the encoding.
const HEADER_START: &str = "eyJhbGciOiJFUzI1NiIsInR5cCI6IkpXVCIsImtpZCI6";

/// Characters of the header, the two dots, the signature and the longest prefix.
const FRAME_CHARS: usize = 96 + 2 + 86 + "qt_subagent_".len();

/// Bytes of claims without a policy, most of the time: room for them saves growing.
const CLAIMS_BYTES_USUAL: usize = 512;

/// A minted token. Its text is a credential: it leaves through [`Self::token`] only, never through `Debug`.
pub struct SignedToken {
    kind: TokenKind,
    jti: Jti,
    token: String,
    claims: String,
}

impl SignedToken {
    /// The kind of token.
    pub fn kind(&self) -> TokenKind {
        self.kind
    }

    /// The token's id.
    pub fn jti(&self) -> Jti {
        self.jti
    }

    /// The whole string, prefix included: what its holder presents.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// The payload as JSON, to stand in an answer beside the token.
    pub fn claims(&self) -> &str {
        &self.claims
    }

    /// The token and the claims, for an answer that takes them over.
    pub fn into_parts(self) -> (String, String) {
        (self.token, self.claims)
    }
}

impl fmt::Debug for SignedToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignedToken")
            .field("kind", &self.kind)
            .field("jti", &self.jti)
            .finish_non_exhaustive()
    }
}

/// Writes and signs a token of the claims' kind.
///
/// # Errors
/// Those of `sign`, and [`CryptoError::UnwritableClaims`] if the claims cannot be written as JSON.
pub fn compose<E: From<CryptoError>>(
    kid: KeyId,
    claims: &Claims<'_>,
    sign: impl FnOnce(&[u8]) -> Result<[u8; SIGNATURE_BYTES], E>,
) -> Result<SignedToken, E> {
    let kind = claims.kind();
    let payload = write_claims(claims)?;
    let mut token = String::with_capacity(FRAME_CHARS + payload.len().div_ceil(3) * 4);
    token.push_str(kind.prefix());
    token.push_str(HEADER_START);
    URL_SAFE_NO_PAD.encode_string(format!("\"{kid}\"}}"), &mut token);
    token.push('.');
    URL_SAFE_NO_PAD.encode_string(&payload, &mut token);
    let signature = sign(token.get(kind.prefix().len()..).unwrap_or_default().as_bytes())?;
    token.push('.');
    URL_SAFE_NO_PAD.encode_string(signature, &mut token);
    Ok(SignedToken {
        kind,
        jti: claims.jti,
        token,
        claims: payload,
    })
}

/// The payload of a token.
///
/// # Errors
/// [`CryptoError::UnwritableClaims`] if the claims cannot be written as JSON.
pub(crate) fn write_claims(claims: &Claims<'_>) -> Result<String, CryptoError> {
    let mut json = Vec::with_capacity(CLAIMS_BYTES_USUAL);
    serde_json::to_writer(&mut json, claims).map_err(|_| CryptoError::UnwritableClaims)?;
    String::from_utf8(json).map_err(|_| CryptoError::UnwritableClaims)
}

/// Why a text is no token of ours. It says which rule, never what stood there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidToken {
    /// Longer than [`TOKEN_BYTES_MAX`].
    #[error("the token is too long")]
    TooLong,
    /// No kind has this prefix.
    #[error("the token's prefix is unknown")]
    UnknownPrefix,
    /// Not three parts between two dots.
    #[error("the token does not have three parts")]
    NotThreeParts,
    /// A part is not base64url, is padded, or has bits left over that mean nothing.
    #[error("a part of the token is not canonical base64url")]
    NotBase64url,
    /// The header or the claims are no JSON object, or not UTF-8.
    #[error("the header or the claims are not a JSON object")]
    NotAnObject,
    /// A member of the header or of the claims stands there twice: readers differ on which one counts.
    #[error("a member of the header or the claims is repeated")]
    RepeatedMember,
    /// More than [`crate::limits::TOKEN_MEMBERS_MAX`] members in the header or the claims.
    #[error("the header or the claims have too many members")]
    TooManyMembers,
    /// The algorithm is not ES256, or the type not JWT.
    #[error("the token's algorithm or type is not supported")]
    UnsupportedHeader,
    /// The header demands an extension (RFC 7515 section 4.1.11).
    #[error("the token demands an extension")]
    CriticalExtension,
    /// The key id is missing or no UUID.
    #[error("the token's key id is not a UUID")]
    InvalidKeyId,
    /// `jti` or `sub` is missing or no UUID, or a time is no whole number of seconds.
    #[error("the token's registered claims are invalid")]
    InvalidClaims,
    /// The claims are of another kind than the prefix.
    #[error("the token's type does not agree with its prefix")]
    KindMismatch,
    /// The signature has not 64 bytes.
    #[error("the token's signature does not have 64 bytes")]
    InvalidSignatureLength,
}

/// A token as someone presents it: well-formed, and nothing more. Until [`Self::verify`] says so, all of it may be invented.
pub struct Presented<'a> {
    kind: TokenKind,
    kid: KeyId,
    customer: CustomerId,
    jti: Jti,
    issued_at: u64,
    expires_at: u64,
    signing_input: &'a str,
    compact: &'a str,
    signature: [u8; SIGNATURE_BYTES],
    payload: String,
}

impl<'a> Presented<'a> {
    /// The kind that prefix and claims name.
    pub fn kind(&self) -> TokenKind {
        self.kind
    }

    /// The key it claims to be signed with.
    pub fn kid(&self) -> KeyId {
        self.kid
    }

    /// The customer it claims to belong to.
    pub fn customer(&self) -> CustomerId {
        self.customer
    }

    /// The id it claims.
    pub fn jti(&self) -> Jti {
        self.jti
    }

    /// When it claims to be minted, in seconds since 1970.
    pub fn issued_at(&self) -> u64 {
        self.issued_at
    }

    /// When it claims to expire, in seconds since 1970. The record of the token decides, not this.
    pub fn expires_at(&self) -> u64 {
        self.expires_at
    }

    /// The claims as they stand in the token.
    pub fn payload(&self) -> &str {
        &self.payload
    }

    /// The claims, for an answer that takes them over.
    pub fn into_payload(self) -> String {
        self.payload
    }

    /// What the signature covers: header and payload, without the prefix.
    pub fn signing_input(&self) -> &'a str {
        self.signing_input
    }

    /// The signature, r‖s.
    pub fn signature(&self) -> &[u8; SIGNATURE_BYTES] {
        &self.signature
    }

    /// The JWS without the prefix, as other libraries read it.
    pub(super) fn compact(&self) -> &'a str {
        self.compact
    }

    /// Whether `key` signed it.
    pub fn verify(&self, key: &PublicKey) -> bool {
        key.verify(self.signing_input.as_bytes(), &self.signature)
    }

    /// Whether a key signed it that is kept parsed.
    pub fn verify_with(&self, key: &VerifyingKey) -> bool {
        key.verify(self.signing_input.as_bytes(), &self.signature)
    }
}

impl fmt::Debug for Presented<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Presented")
            .field("kind", &self.kind)
            .field("kid", &self.kid)
            .field("jti", &self.jti)
            .finish_non_exhaustive()
    }
}

/// Reads a token without believing it: no signature is checked and no time compared.
///
/// # Errors
/// [`InvalidToken`] names the first rule that the text breaks.
pub fn parse(token: &str) -> Result<Presented<'_>, InvalidToken> {
    if token.len() > TOKEN_BYTES_MAX {
        return Err(InvalidToken::TooLong);
    }
    let (kind, compact) = TokenKind::from_prefix(token).ok_or(InvalidToken::UnknownPrefix)?;
    // The last dot first: what stands before it is what the signature covers.
    let (signing_input, signature) = compact.rsplit_once('.').ok_or(InvalidToken::NotThreeParts)?;
    let (header, payload) = signing_input.split_once('.').ok_or(InvalidToken::NotThreeParts)?;
    if payload.contains('.') {
        return Err(InvalidToken::NotThreeParts);
    }
    let kid = read_header(&decode_text(header)?)?;
    let payload = decode_text(payload)?;
    let registered = read_claims(&payload)?;
    if registered.kind != kind {
        return Err(InvalidToken::KindMismatch);
    }
    let signature = decode(signature)?
        .try_into()
        .map_err(|_| InvalidToken::InvalidSignatureLength)?;
    Ok(Presented {
        kind,
        kid,
        customer: registered.sub,
        jti: registered.jti,
        issued_at: registered.iat,
        expires_at: registered.exp,
        signing_input,
        compact,
        signature,
        payload,
    })
}

/// The engine refuses padding, foreign characters and left-over bits, so that every value has one text.
fn decode(part: &str) -> Result<Vec<u8>, InvalidToken> {
    URL_SAFE_NO_PAD.decode(part).map_err(|_| InvalidToken::NotBase64url)
}

fn decode_text(part: &str) -> Result<String, InvalidToken> {
    String::from_utf8(decode(part)?).map_err(|_| InvalidToken::NotAnObject)
}

fn read_header(json: &str) -> Result<KeyId, InvalidToken> {
    let header = Members::parse(json)?;
    if header.get("crit").is_some() {
        return Err(InvalidToken::CriticalExtension);
    }
    if header.text("alg") != Some("ES256") || header.text("typ") != Some("JWT") {
        return Err(InvalidToken::UnsupportedHeader);
    }
    header
        .uuid("kid")
        .and_then(KeyId::parse)
        .ok_or(InvalidToken::InvalidKeyId)
}

/// The claims that all kinds share.
struct Registered {
    jti: Jti,
    sub: CustomerId,
    kind: TokenKind,
    iat: u64,
    exp: u64,
}

fn read_claims(json: &str) -> Result<Registered, InvalidToken> {
    let claims = Members::parse(json)?;
    let kind = claims
        .text("typ")
        .and_then(TokenKind::parse)
        .ok_or(InvalidToken::KindMismatch)?;
    let registered = || {
        Some(Registered {
            jti: claims.uuid("jti").and_then(Jti::parse)?,
            sub: claims.uuid("sub").and_then(CustomerId::parse)?,
            kind,
            iat: claims.seconds("iat")?,
            exp: claims.seconds("exp")?,
        })
    };
    registered().ok_or(InvalidToken::InvalidClaims)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::value::RawValue;
    use uuid::Uuid;

    use super::super::claims::{Details, Scope};
    use super::*;
    use crate::crypto::digest::sha256_hex;
    use crate::crypto::keys::SigningKey;
    use crate::id::{AgentId, EventId};
    use crate::limits::TOKEN_MEMBERS_MAX;

    const KID: &str = "3f2504e0-4f89-41d3-9a0c-0305e82c3301";
    const JTI: &str = "c1d2e3f4-a5b6-7890-cdef-1234567890ab";
    const SUB: &str = "550e8400-e29b-41d4-a716-446655440000";

    fn kid() -> KeyId {
        KeyId::parse(KID).unwrap()
    }

    fn claims(details: Details<'_>) -> Claims<'_> {
        Claims {
            jti: Jti::parse(JTI).unwrap(),
            sub: CustomerId::parse(SUB).unwrap(),
            iat: 1_795_351_643,
            exp: 1_826_887_643,
            details,
        }
    }

    fn app_claims() -> Claims<'static> {
        claims(Details::App {
            scopes: [Scope::TokensRead, Scope::TokensMint].into_iter().collect(),
        })
    }

    fn unsigned(_: &[u8]) -> Result<[u8; SIGNATURE_BYTES], CryptoError> {
        Ok([1; SIGNATURE_BYTES])
    }

    /// A token of these parts as they are, with a signature of the right length.
    fn token_of(prefix: &str, header: &str, payload: &str) -> String {
        let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
        format!(
            "{prefix}{}.{}.{}",
            part(header),
            part(payload),
            URL_SAFE_NO_PAD.encode([1; 64])
        )
    }

    fn header() -> String {
        format!(r#"{{"alg":"ES256","typ":"JWT","kid":"{KID}"}}"#)
    }

    fn payload() -> String {
        format!(r#"{{"jti":"{JTI}","sub":"{SUB}","typ":"agent","iat":1,"exp":2}}"#)
    }

    #[test]
    fn a_composed_token_is_its_prefix_and_three_parts_that_say_what_was_meant() {
        let token = compose(kid(), &app_claims(), unsigned).unwrap();
        let mut parts = token.token().strip_prefix("qt_app_").unwrap().split('.');
        let mut decoded = || String::from_utf8(URL_SAFE_NO_PAD.decode(parts.next().unwrap()).unwrap()).unwrap();
        assert_eq!(decoded(), header());
        assert_eq!(decoded(), token.claims());
        assert_eq!(token.claims(), serde_json::to_string(&app_claims()).unwrap());
        assert_eq!(
            (token.kind(), token.jti().to_string()),
            (TokenKind::App, JTI.to_owned())
        );
        let room = token.token.capacity();
        assert!(
            room >= token.token.len() && room < token.token.len() + 16,
            "one allocation, of the right size"
        );
    }

    #[test]
    fn what_is_composed_is_read_back_and_verifies() {
        let (key, public) = SigningKey::generate().unwrap();
        let (_, other) = SigningKey::generate().unwrap();
        let token = compose(kid(), &app_claims(), |message| key.sign(message)).unwrap();
        let presented = parse(token.token()).unwrap();
        assert_eq!(presented.kind(), TokenKind::App);
        assert_eq!(presented.kid(), kid());
        assert_eq!(presented.jti().to_string(), JTI);
        assert_eq!(presented.customer().to_string(), SUB);
        assert_eq!(
            (presented.issued_at(), presented.expires_at()),
            (1_795_351_643, 1_826_887_643)
        );
        assert_eq!(presented.payload(), token.claims());
        assert_eq!(format!("qt_app_{}", presented.compact()), token.token());
        assert!(presented.verify(&public) && presented.verify_with(&public.verifying().unwrap()));
        assert!(!presented.verify(&other) && !presented.verify_with(&other.verifying().unwrap()));
    }

    #[test]
    fn an_app_token_is_the_same_string_every_time_and_the_one_another_implementation_makes() {
        let key = crate::crypto::keys::tests::rfc_6979_key();
        let make = || compose(kid(), &app_claims(), |message| key.sign_deterministic(message)).unwrap();
        assert_eq!(make().token(), make().token());
        // The token of `offline::tests::FOREIGN`, made in Python with its own RFC 6979.
        assert_eq!(
            sha256_hex(make().token().as_bytes()),
            "66f31af38ec475f9510324c1ba65826a26bc6f20093b22e475459ff9d97e590d"
        );
    }

    #[test]
    fn the_error_of_the_signer_comes_through() {
        let failed = compose(kid(), &app_claims(), |_| Err(CryptoError::SealBroken));
        assert_eq!(failed.unwrap_err(), CryptoError::SealBroken);
    }

    #[test]
    fn the_largest_token_that_the_limits_allow_can_be_presented() {
        let agent_id = AgentId::parse(&"\u{10ffff}".repeat(255)).unwrap();
        let quoted = AgentId::parse(&"\"".repeat(255)).unwrap();
        let policy = format!("\"{}\"", "a".repeat(crate::limits::POLICY_BYTES_MAX - 2));
        let rbac = RawValue::from_string(policy).unwrap();
        for agent_id in [&agent_id, &quoted] {
            let details = Details::Subagent {
                parent_jti: Jti::parse(JTI).unwrap(),
                agent_id,
                rbac: &rbac,
                depth: 255,
            };
            let token = compose(
                kid(),
                &Claims {
                    iat: u64::MAX,
                    exp: u64::MAX,
                    ..claims(details)
                },
                unsigned,
            )
            .unwrap();
            assert!(parse(token.token()).is_ok(), "{} bytes", token.token().len());
        }
    }

    #[test]
    fn every_broken_rule_of_the_frame_is_named() {
        let good = token_of("qt_agent_", &header(), &payload());
        assert!(parse(&good).is_ok());
        let (body, signature) = good.rsplit_once('.').unwrap();
        let (head, middle) = body.split_once('.').unwrap();
        let cases = [
            (String::new(), InvalidToken::UnknownPrefix),
            (good.replace("qt_agent_", ""), InvalidToken::UnknownPrefix),
            (good.replace("qt_agent_", "qt_root_"), InvalidToken::UnknownPrefix),
            (good.replace("qt_agent_", "QT_agent_"), InvalidToken::UnknownPrefix),
            (format!(" {good}"), InvalidToken::UnknownPrefix),
            (good.replace("qt_agent_", "qt_subagent_"), InvalidToken::KindMismatch),
            ("qt_agent_".to_owned(), InvalidToken::NotThreeParts),
            (body.to_owned(), InvalidToken::NotThreeParts),
            (head.to_owned(), InvalidToken::NotThreeParts),
            (format!("{good}."), InvalidToken::NotThreeParts),
            (format!("{good}.{signature}"), InvalidToken::NotThreeParts),
            (format!("{head}.{middle}."), InvalidToken::InvalidSignatureLength),
            (format!("{head}..{signature}"), InvalidToken::NotAnObject),
            (format!("{good}\n"), InvalidToken::NotBase64url),
            (format!("{good}=="), InvalidToken::NotBase64url),
            (format!("{head}=.{middle}.{signature}"), InvalidToken::NotBase64url),
            (
                format!("{head}.{middle}.{}", signature.replace('A', "+")),
                InvalidToken::NotBase64url,
            ),
            (
                format!("{body}.{}", URL_SAFE_NO_PAD.encode([1; 63])),
                InvalidToken::InvalidSignatureLength,
            ),
            (
                format!("{body}.{}", URL_SAFE_NO_PAD.encode([1; 65])),
                InvalidToken::InvalidSignatureLength,
            ),
            (
                format!("{head}.{}.{signature}", URL_SAFE_NO_PAD.encode(b"\xff{}")),
                InvalidToken::NotAnObject,
            ),
            (
                format!("qt_agent_{}", "a".repeat(TOKEN_BYTES_MAX)),
                InvalidToken::TooLong,
            ),
        ];
        for (token, expected) in cases {
            assert_eq!(parse(&token).unwrap_err(), expected, "{token}");
        }
    }

    #[test]
    fn bits_left_over_in_the_last_character_are_refused() {
        let good = token_of("qt_agent_", &header(), &payload());
        // 64 bytes of 1 end in `...AQ`; of the last character only the first two bits count.
        let same_bytes = format!("{}R", good.strip_suffix('Q').unwrap());
        assert_eq!(parse(&same_bytes).unwrap_err(), InvalidToken::NotBase64url);
    }

    #[test]
    fn every_broken_rule_of_the_header_is_named() {
        let kid_member = format!(r#""kid":"{KID}""#);
        let cases = [
            (r#"{"typ":"JWT",KID}"#, InvalidToken::UnsupportedHeader),
            (r#"{"alg":"none","typ":"JWT",KID}"#, InvalidToken::UnsupportedHeader),
            (r#"{"alg":"HS256","typ":"JWT",KID}"#, InvalidToken::UnsupportedHeader),
            (r#"{"alg":"es256","typ":"JWT",KID}"#, InvalidToken::UnsupportedHeader),
            (r#"{"alg":["ES256"],"typ":"JWT",KID}"#, InvalidToken::UnsupportedHeader),
            (r#"{"alg":null,"typ":"JWT",KID}"#, InvalidToken::UnsupportedHeader),
            (r#"{"alg":"ES256",KID}"#, InvalidToken::UnsupportedHeader),
            (r#"{"alg":"ES256","typ":"JWE",KID}"#, InvalidToken::UnsupportedHeader),
            (
                r#"{"alg":"ES256","typ":"JWT",KID,"crit":[]}"#,
                InvalidToken::CriticalExtension,
            ),
            (
                r#"{"alg":"ES256","typ":"JWT",KID,"\u0063rit":["b64"],"b64":false}"#,
                InvalidToken::CriticalExtension,
            ),
            (
                r#"{"alg":"ES256","typ":"JWT",KID,"alg":"none"}"#,
                InvalidToken::RepeatedMember,
            ),
            (
                r#"{"alg":"none","typ":"JWT",KID,"\u0061lg":"ES256"}"#,
                InvalidToken::RepeatedMember,
            ),
            (r#"{"alg":"ES256","typ":"JWT"}"#, InvalidToken::InvalidKeyId),
            (
                r#"{"alg":"ES256","typ":"JWT","kid":"key-1"}"#,
                InvalidToken::InvalidKeyId,
            ),
            (
                r#"{"alg":"ES256","typ":"JWT","kid":"3F2504E0-4F89-41D3-9A0C-0305E82C3301"}"#,
                InvalidToken::InvalidKeyId,
            ),
            (
                r#"{"alg":"ES256","typ":"JWT","kid":"3f2504e04f8941d39a0c0305e82c3301"}"#,
                InvalidToken::InvalidKeyId,
            ),
            (r#"["ES256"]"#, InvalidToken::NotAnObject),
            (r#"{"alg":"ES256","typ":"JWT",KID} x"#, InvalidToken::NotAnObject),
            (r#"{"alg":"ES256","typ":"JWT",KID"#, InvalidToken::NotAnObject),
            ("", InvalidToken::NotAnObject),
        ];
        for (header, expected) in cases {
            let token = token_of("qt_agent_", &header.replace("KID", &kid_member), &payload());
            assert_eq!(parse(&token).unwrap_err(), expected, "{header}");
        }
    }

    #[test]
    fn every_broken_rule_of_the_claims_is_named() {
        let cases = [
            (payload().replace("\"agent\"", "\"app\""), InvalidToken::KindMismatch),
            (payload().replace("\"agent\"", "\"root\""), InvalidToken::KindMismatch),
            (payload().replace("\"typ\"", "\"type\""), InvalidToken::KindMismatch),
            (payload().replace(SUB, "customer-1"), InvalidToken::InvalidClaims),
            (payload().replace("\"sub\"", "\"Sub\""), InvalidToken::InvalidClaims),
            (payload().replace(JTI, &JTI.to_uppercase()), InvalidToken::InvalidClaims),
            (payload().replace("\"jti\"", "\"j\""), InvalidToken::InvalidClaims),
            (
                payload().replace("\"exp\":2", "\"exp\":2.0"),
                InvalidToken::InvalidClaims,
            ),
            (
                payload().replace("\"exp\":2", "\"exp\":\"2\""),
                InvalidToken::InvalidClaims,
            ),
            (
                payload().replace("\"exp\":2", "\"exp\":-2"),
                InvalidToken::InvalidClaims,
            ),
            (payload().replace("\"iat\":1,", ""), InvalidToken::InvalidClaims),
            (
                payload().replace("\"exp\":2", "\"exp\":2,\"exp\":3"),
                InvalidToken::RepeatedMember,
            ),
            (
                payload().replace("\"exp\":2", "\"exp\":2,\"x\":1,\"x\":1"),
                InvalidToken::RepeatedMember,
            ),
            (
                payload().replace("\"exp\":2", "\"exp\":2,\"su\\u0062\":\"x\""),
                InvalidToken::RepeatedMember,
            ),
            (payload().replace('{', "[{") + "]", InvalidToken::NotAnObject),
            (payload().replace("\"exp\":2", "\"exp\":02"), InvalidToken::NotAnObject),
        ];
        for (payload, expected) in cases {
            assert_eq!(
                parse(&token_of("qt_agent_", &header(), &payload)).unwrap_err(),
                expected,
                "{payload}"
            );
        }
        let many: String = (0..TOKEN_MEMBERS_MAX)
            .map(|number| format!(",\"m{number}\":0"))
            .collect();
        let crowded = payload().replace("\"exp\":2", &format!("\"exp\":2{many}"));
        assert_eq!(
            parse(&token_of("qt_agent_", &header(), &crowded)).unwrap_err(),
            InvalidToken::TooManyMembers
        );
    }

    #[test]
    fn claims_that_a_later_version_adds_are_passed_over() {
        let later = payload().replace("\"exp\":2", "\"exp\":2,\"tier\":{\"a\":[1]}");
        assert!(parse(&token_of("qt_agent_", &header(), &later)).is_ok());
    }

    #[test]
    fn no_debug_or_error_shows_token_text() {
        let event_id = EventId::parse("evt-1").unwrap();
        let details = Details::Override {
            event_id: &event_id,
            allowed_decisions: super::super::claims::DecisionSet::Either,
        };
        let token = compose(kid(), &claims(details), unsigned).unwrap();
        let presented = parse(token.token()).unwrap();
        let error = parse(token.token().strip_suffix('Q').unwrap()).unwrap_err();
        let shown = format!("{token:?} {token:#?} {presented:?} {presented:#?} {error:?} {error}");
        assert!(shown.contains(JTI), "the id names the token in logs");
        for part in token.token().strip_prefix("qt_override_").unwrap().split('.') {
            assert!(
                !part
                    .as_bytes()
                    .windows(8)
                    .any(|window| shown.contains(std::str::from_utf8(window).unwrap()))
            );
        }
        assert!(!shown.contains("evt-1") && !shown.contains("qt_override_"));
    }

    fn signed_sample() -> (String, PublicKey) {
        let (key, public) = SigningKey::generate().unwrap();
        let token = compose(kid(), &app_claims(), |message| key.sign(message)).unwrap();
        (token.into_parts().0, public)
    }

    proptest! {
        #[test]
        fn no_text_makes_parsing_panic(text in ".{0,300}") {
            let _ = parse(&text);
            for kind in TokenKind::ALL {
                let _ = parse(&format!("{}{text}", kind.prefix()));
            }
        }

        #[test]
        fn no_header_or_payload_makes_parsing_panic(header in any::<Vec<u8>>(), payload in any::<Vec<u8>>(), signature in any::<[u8; 3]>()) {
            let part = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
            let _ = parse(&format!("qt_app_{}.{}.{}", part(&header), part(&payload), part(&signature)));
            let _ = parse(&token_of("qt_app_", &String::from_utf8_lossy(&header), &String::from_utf8_lossy(&payload)));
        }

        #[test]
        fn no_mutation_of_a_token_verifies(
            at in any::<prop::sample::Index>(),
            byte in 0x20_u8..0x7f,
            action in 0..4,
            uuid in any::<u128>(),
        ) {
            let (token, public) = signed_sample();
            let at = at.index(token.len());
            let byte = char::from(byte);
            let mutated = match action {
                0 => format!("{}{byte}{}", &token[..at], &token[at + 1..]),
                1 => format!("{}{}", &token[..at], &token[at + 1..]),
                2 => format!("{}{byte}{}", &token[..at], &token[at..]),
                // Another token altogether under the same signature.
                _ => {
                    let jti = Jti::new(Uuid::from_u128(uuid));
                    let other = compose(kid(), &Claims { jti, ..app_claims() }, unsigned).unwrap();
                    let (body, _) = other.token().rsplit_once('.').unwrap();
                    format!("{body}.{}", token.rsplit_once('.').unwrap().1)
                }
            };
            prop_assume!(mutated != token);
            let verifies = parse(&mutated).is_ok_and(|presented| presented.verify(&public));
            prop_assert!(!verifies, "{mutated}");
        }
    }
}
