//! What is stored, byte by byte: a later version has to read what this one wrote, and writes it no differently.
//!
//! Each file beside this one holds one value. A test makes the value, compares its bytes with the file, and reads the file back.
//! A new kind of value fails until it has a file: `COUNTERSIGN_GOLDEN=write cargo test -p countersign-actors --test golden` writes
//! those that are missing, and never changes one that is there.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod events;
mod folded;
mod journal;
mod rows;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use countersign_actors::clock::UnixMillis;
use countersign_actors::crypto::keys::PublicKey;
use countersign_actors::id::CustomerId;
use serde::de::DeserializeOwned;
use uuid::Uuid;

/// 2026-03-01T00:00:00Z.
const AT: UnixMillis = UnixMillis::new(1_772_323_200_000);

fn uuid(number: u128) -> Uuid {
    Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0000 + number)
}

fn customer() -> CustomerId {
    CustomerId::new(uuid(1))
}

/// The base point of P-256 (SEC 2 section 2.4.2): a valid public key that everybody knows.
fn public_key() -> PublicKey {
    let x = "axfR8uEsQkf4vOblY6RA8ncDfYEt6zOg9KE5RdiYwpY";
    let y = "T-NC4v4af5uO5-tKfA-eFivOM1drMV7Oy7ZAaDe_UfU";
    PublicKey::from_base64url(x, y).expect("a point of the curve")
}

fn path_of(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

/// The content of a golden file, after comparing it with what is written today.
#[track_caller]
fn golden(name: &str, written: &str) -> String {
    let path = path_of(name);
    if !path.exists() && std::env::var_os("COUNTERSIGN_GOLDEN").is_some_and(|value| value == "write") {
        fs::write(&path, format!("{written}\n")).expect("the file is written");
    }
    let kept = kept(name);
    assert_eq!(kept, written, "{name} is written differently");
    kept
}

/// The content of a golden file, which need not be what is written today.
#[track_caller]
fn kept(name: &str) -> String {
    let path = path_of(name);
    let kept = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    kept.trim_end_matches('\n').to_owned()
}

/// That the files of a directory are those of the values, no more and no less.
fn all_files_are_used(directory: &str, used: &[String]) {
    let entries = fs::read_dir(path_of(directory)).expect("a directory");
    let there: BTreeSet<String> = entries
        .map(|entry| {
            let name = entry.expect("an entry").file_name();
            format!("{directory}/{}", name.to_string_lossy())
        })
        .collect();
    let used: BTreeSet<String> = used.iter().cloned().collect();
    assert_eq!(there, used);
}

/// The names of all variants of an enum, as its reader lists them when it is given another.
fn variants<T: DeserializeOwned>() -> Vec<String> {
    let error = serde_json::from_str::<T>(r#"{"?":0}"#)
        .err()
        .expect("no variant has this name");
    let message = error.to_string();
    let (_, expected) = message.split_once("expected ").expect("it tells them");
    let names: Vec<String> = expected.split('`').skip(1).step_by(2).map(str::to_owned).collect();
    assert!(names.len() > 1, "{message}");
    names
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    let digits = text.as_bytes().chunks(2);
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    digits.map(|pair| byte(pair).expect("hexadecimal digits")).collect()
}

/// Keys and values, a pair a line.
fn lines<'a>(pairs: impl IntoIterator<Item = (&'a [u8], &'a [u8])>) -> String {
    let lines: Vec<String> = pairs
        .into_iter()
        .map(|(key, value)| format!("{} {}", hex(key), hex(value)))
        .collect();
    lines.join("\n")
}

fn pairs(lines: &str) -> Vec<(Vec<u8>, Vec<u8>)> {
    let pair = |line: &str| line.split_once(' ').map(|(key, value)| (unhex(key), unhex(value)));
    lines.lines().map(|line| pair(line).expect("a pair")).collect()
}
