//! Starts that are refused, and harm nothing.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::load::{Acknowledged, Load, check, customers, works};
use crate::program::{Program, countersign};

const KEY: &str = "a-master-key-of-forty-characters-for-all";
const OTHER_KEY: &str = "another-master-key-of-forty-two-characters";

/// Runs a program that has to refuse to start, and returns what it said.
#[track_caller]
fn refusal(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(output.stdout.is_empty(), "nothing listens");
    assert!(!told.contains(KEY) && !told.contains(OTHER_KEY), "{told}");
    told
}

/// Every file with its content.
fn contents(directory: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.append(&mut contents(&path));
        } else {
            found.insert(path.clone(), fs::read(&path).unwrap());
        }
    }
    found
}

fn mint_some(program: &Program) -> Vec<Acknowledged> {
    let load = Load::start(program.address, customers(2));
    std::thread::sleep(std::time::Duration::from_millis(100));
    load.join()
}

fn sealed_with(data: &Path, key: &str) -> Command {
    let mut command = countersign(data);
    command.env("AUTH_MASTER_KEY", key);
    command
}

#[test]
fn a_second_process_on_the_same_data_is_refused_and_the_first_goes_on() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let program = Program::start(countersign(&data));
    let known = mint_some(&program);
    let before = contents(&data);
    for _ in 0..3 {
        let told = refusal(&mut countersign(&data));
        assert!(
            told.contains("is in use by another process") && told.contains("data"),
            "{told}"
        );
    }
    let names = |files: &BTreeMap<PathBuf, Vec<u8>>| files.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&contents(&data)), names(&before));
    check(program.address, &known, &customers(2));
    works(program.address);
    drop(program);
    let program = Program::start(countersign(&data));
    check(program.address, &known, &customers(2));
}

#[test]
fn another_master_key_or_none_is_refused_and_nothing_is_written() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let mut program = Program::start(sealed_with(&data, KEY));
    let known = mint_some(&program);
    program.terminate();
    assert!(program.wait().success());
    let before = contents(&data);
    assert!(
        !data.join("master.key").exists(),
        "a key that was given is not written down"
    );

    let told = refusal(&mut sealed_with(&data, OTHER_KEY));
    assert!(told.contains("master key is not the one"), "{told}");
    let told = refusal(&mut countersign(&data));
    assert!(told.contains("master key is missing"), "{told}");
    let told = refusal(&mut sealed_with(&data, &KEY[..31]));
    assert!(told.contains("at least 32 bytes"), "{told}");
    let told = refusal(&mut sealed_with(&data, ""));
    assert!(told.contains("master key"), "{told}");
    assert_eq!(contents(&data), before, "not a byte");

    let program = Program::start(sealed_with(&data, KEY));
    check(program.address, &known, &customers(2));
    works(program.address);
}

#[test]
fn a_generated_key_that_is_lost_is_not_made_again() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let mut program = Program::start(countersign(&data));
    let known = mint_some(&program);
    program.terminate();
    assert!(program.wait().success());
    let (key, kept) = (data.join("master.key"), directory.path().join("kept"));
    fs::rename(&key, &kept).unwrap();
    let before = contents(&data);
    let told = refusal(&mut countersign(&data));
    assert!(told.contains("master key is missing"), "{told}");
    assert_eq!(contents(&data), before);
    fs::rename(&kept, &key).unwrap();
    let program = Program::start(countersign(&data));
    check(program.address, &known, &customers(2));
}

#[test]
fn a_network_without_an_admin_credential_is_refused_before_anything_is_written() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    for host in ["0.0.0.0", "::", "192.0.2.1"] {
        let told = refusal(countersign(&data).env("AUTH_HOST", host));
        assert!(told.contains("AUTH_ADMIN_TOKEN") && told.contains(host), "{told}");
    }
    let told = refusal(
        countersign(&data)
            .env("AUTH_HOST", "0.0.0.0")
            .env("AUTH_ADMIN_TOKEN", "short"),
    );
    assert!(
        told.contains("at least 32 characters") && !told.contains("short"),
        "{told}"
    );
    assert!(!data.exists());
    let mut permitted = countersign(&data);
    permitted
        .env("AUTH_HOST", "0.0.0.0")
        .env("AUTH_ADMIN_TOKEN", "x".repeat(32));
    drop(Program::start(permitted));
    let mut permitted = countersign(&data);
    permitted
        .env("AUTH_HOST", "0.0.0.0")
        .env("AUTH_SERVER_ALLOW_UNAUTHENTICATED_NETWORK", "true");
    drop(Program::start(permitted));
}
