//! `docs/cli.md` says what the program says.

use std::path::Path;
use std::process::Command;

use crate::support::{ADMIN, CUSTOMER, Service};

const DOCUMENT: &str = include_str!("../../docs/cli.md");

/// The fenced blocks of this kind.
fn blocks(kind: &str) -> Vec<String> {
    let fence = format!("```{kind}");
    let mut blocks = Vec::new();
    let mut lines = DOCUMENT.lines();
    while let Some(line) = lines.next() {
        if line == fence {
            let block: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
            blocks.push(format!("{}\n", block.join("\n")));
        }
    }
    blocks
}

/// A text with every identifier and every time made the same.
fn steady(text: &str) -> String {
    let is_part = |c: char| c.is_ascii_hexdigit() || "-:TZ".contains(c);
    let shape = |word: &str| match (word.len(), word.matches('-').count()) {
        (36, 4) => "UUID".to_owned(),
        (20, 2) if word.ends_with('Z') => "TIME".to_owned(),
        _ => word.to_owned(),
    };
    text.split_inclusive(|c: char| !is_part(c))
        .map(|piece| {
            let word = piece.trim_end_matches(|c: char| !is_part(c));
            format!("{}{}", shape(word), &piece[word.len()..])
        })
        .collect()
}

#[test]
fn the_help_is_the_programs_own() {
    let output = Command::new(env!("CARGO_BIN_EXE_countersign"))
        .arg("--help")
        .output()
        .unwrap();
    assert_eq!(blocks("text help"), [String::from_utf8(output.stdout).unwrap()]);
}

#[test]
fn the_walk_runs_and_its_transcript_is_what_the_program_prints() {
    let service = Service::start();
    // The walk makes the customer's key itself.
    service.run(&["customers", "erase", CUSTOMER, "--yes"]).done();
    let (transcripts, walks) = (blocks("text transcript"), blocks("sh walk"));
    assert_eq!((transcripts.len(), walks.len()), (1, 2));
    let (command, expected) = transcripts[0].split_once('\n').unwrap();
    let command = command.strip_prefix("$ ").unwrap();
    let program = Path::new(env!("CARGO_BIN_EXE_countersign"));
    let path = format!(
        "{}:{}",
        program.parent().unwrap().display(),
        std::env::var("PATH").unwrap()
    );
    let script = format!("set -euo pipefail\n{}{}{command} > drawn\n", walks[0], walks[1]);
    let mut shell = Command::new("bash");
    let output = shell
        .args(["-c", &script])
        .env("PATH", path)
        .env("SERVICE", service.url())
        .env("CUSTOMER", CUSTOMER)
        .env("AUTH_CLIENT_SERVICE_URL", service.url())
        .env("AUTH_ADMIN_TOKEN", ADMIN)
        .current_dir(service.directory.path())
        .output()
        .unwrap();
    let shown = String::from_utf8(output.stdout).unwrap();
    assert!(
        output.status.success(),
        "{shown}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert_eq!(shown.matches("valid       signature and time").count(), 2, "{shown}");
    assert!(shown.contains("as far as 0 revocations say"), "{shown}");
    let drawn = std::fs::read_to_string(service.directory.path().join("drawn")).unwrap();
    assert_eq!(steady(&drawn), steady(expected));
    assert!(
        steady(expected).contains("  UUID  active until TIME"),
        "{}",
        steady(expected)
    );
}
