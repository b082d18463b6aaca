//! The commands beside `serve`, as a shell drives them.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use countersign_actors::{TokenKind, verify_offline};
use serde_json::Value;
use tempfile::TempDir;

const CUSTOMER: &str = "550e8400-e29b-41d4-a716-446655440000";
const STRANGER: &str = "550e8400-e29b-41d4-a716-446655440001";
const ADMIN: &str = "an-admin-token-of-over-thirty-two-characters";

/// The program in a directory, with no variables but these.
fn countersign(directory: &Path, variables: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_countersign"));
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("AUTH_")) {
        command.env_remove(name);
    }
    // The service is on this machine: no proxy may be asked, whatever the environment names.
    command
        .env("http_proxy", "http://127.0.0.1:1")
        .env("ALL_PROXY", "http://127.0.0.1:1");
    command.current_dir(directory).envs(variables.iter().copied());
    command
}

fn run(directory: &Path, variables: &[(&str, &str)], arguments: &[&str]) -> Output {
    countersign(directory, variables).args(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

fn bootstrap(directory: &Path, variables: &[(&str, &str)]) -> Value {
    let output = run(directory, variables, &["bootstrap", "--customer", CUSTOMER, "--json"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let made: Value = serde_json::from_slice(&output.stdout).unwrap();
    let token = made["token"].as_str().unwrap();
    assert!(token.starts_with("qt_app_"));
    for secret in [token, made["token_hash"].as_str().unwrap()] {
        assert!(
            !text(&output.stderr).contains(secret),
            "it is printed once, on standard output"
        );
    }
    made
}

/// A service that is killed if the test fails.
struct Service {
    process: Child,
    port: String,
}

impl Service {
    fn start(directory: &Path, variables: &[(&str, &str)]) -> Self {
        let mut command = countersign(directory, variables);
        command
            .env("AUTH_PORT", "0")
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut process = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let port = line.trim_end().rsplit_once(':').unwrap().1.to_owned();
        Self { process, port }
    }

    fn get(&self, path: &str) -> String {
        let agent: ureq::Agent = ureq::Agent::config_builder().proxy(None).build().into();
        let url = format!("http://127.0.0.1:{}{path}", self.port);
        agent.get(url).call().unwrap().body_mut().read_to_string().unwrap()
    }

    fn stop(mut self) {
        let id = self.process.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
        assert!(self.process.wait().unwrap().success());
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn directory() -> TempDir {
    tempfile::tempdir().unwrap()
}

#[test]
fn bootstrap_makes_one_key_and_a_token_each_time_beside_a_service_and_without() {
    let directory = directory();
    let first = bootstrap(directory.path(), &[]);
    let second = bootstrap(directory.path(), &[]);
    let service = Service::start(directory.path(), &[]);
    let third = bootstrap(directory.path(), &[("AUTH_PORT", &service.port)]);
    for made in [&first, &second, &third] {
        assert_eq!(made["customer_id"], CUSTOMER);
        assert_eq!(made["key_id"], first["key_id"]);
        assert!(made["expires_at"].as_str().unwrap().ends_with('Z'));
    }
    assert_ne!(first["token"], second["token"]);
    assert_ne!(second["token"], third["token"]);

    let keys = service.get(&format!("/keys/public/{CUSTOMER}/jwks.json"));
    let keys = countersign_actors::keys_of_jwks(&keys).unwrap();
    for made in [&first, &second, &third] {
        let verified = verify_offline(made["token"].as_str().unwrap(), &keys, 0).unwrap();
        assert_eq!(verified.kind, TokenKind::App);
        assert_eq!(verified.jti.to_string(), made["jti"].as_str().unwrap());
        assert_eq!(verified.kid.to_string(), made["key_id"].as_str().unwrap());
    }
    service.stop();
}

#[test]
fn bootstrap_prints_lines_for_people_and_names_the_token() {
    let directory = directory();
    let output = run(
        directory.path(),
        &[],
        &["bootstrap", "--customer", CUSTOMER, "--name", "the console"],
    );
    assert!(output.status.success());
    let shown = text(&output.stdout);
    let labels: Vec<&str> = shown.lines().map(|line| line.split("  ").next().unwrap()).collect();
    assert_eq!(labels, ["customer", "key id", "app token", "token hash", "expires at"]);
    assert_eq!(shown.matches("qt_app_").count(), 1);
    let events = run(directory.path(), &[], &["inspect"]);
    assert!(text(&events.stdout).contains("\"the console\""));
}

#[test]
fn bootstrap_presents_the_admin_token_and_explains_a_service_that_refuses_or_is_not_there() {
    let directory = directory();
    let service = Service::start(directory.path(), &[("AUTH_ADMIN_TOKEN", ADMIN)]);
    let port = ("AUTH_PORT", service.port.as_str());
    let made = bootstrap(directory.path(), &[port, ("AUTH_ADMIN_TOKEN", ADMIN)]);
    assert_eq!(made["customer_id"], CUSTOMER);

    let another = "another-token-of-over-thirty-two-characters";
    let refused = [
        (
            &[port][..],
            4,
            "refuses calls without a credential (401 unauthenticated)",
        ),
        (
            &[port, ("AUTH_ADMIN_TOKEN", another)],
            4,
            "refuses the presented credential (401 unauthenticated)",
        ),
        (&[("AUTH_PORT", "1")], 3, "no service answers at http://127.0.0.1:1"),
        (&[("AUTH_PORT", "0")], 3, "set server.port (AUTH_PORT)"),
    ];
    for (variables, code, expected) in refused {
        let output = run(directory.path(), variables, &["bootstrap", "--customer", CUSTOMER]);
        let told = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{told}");
        assert!(told.contains(expected), "{told}");
        assert!(output.stdout.is_empty() && !told.contains(another));
    }
    service.stop();
}

#[test]
fn bootstrap_refuses_a_wrong_command_line_with_2_and_a_wrong_master_key_with_1() {
    let directory = directory();
    for arguments in [
        &["bootstrap"][..],
        &["bootstrap", "--customer", "someone"],
        &["bootstrap", "--customer", CUSTOMER, "--name", ""],
    ] {
        assert_eq!(
            run(directory.path(), &[], arguments).status.code(),
            Some(2),
            "{arguments:?}"
        );
    }
    assert!(!directory.path().join("data").exists());
    bootstrap(directory.path(), &[]);
    let wrong = ("AUTH_MASTER_KEY", "a-master-key-of-over-thirty-two-characters");
    let output = run(directory.path(), &[wrong], &["bootstrap", "--customer", CUSTOMER]);
    assert_eq!(output.status.code(), Some(1));
    assert!(output.stdout.is_empty() && text(&output.stderr).contains("master key"));
}

/// Everything that must not be seen in what inspect prints, for this app token.
fn assert_withheld(shown: &str, made: &Value) {
    let token = made["token"].as_str().unwrap();
    assert!(!shown.contains(token) && !shown.contains("qt_"));
    for part in token.split(['_', '.']).filter(|part| part.len() > 20) {
        assert!(!shown.contains(part), "no part of a token");
    }
    assert!(!shown.contains(made["token_hash"].as_str().unwrap()));
    assert!(shown.contains("\"hash\":\"(withheld)\""));
}

#[test]
fn inspect_shows_the_events_of_a_stopped_store_without_secrets_or_a_master_key() {
    let directory = directory();
    let made = bootstrap(directory.path(), &[]);
    let again = bootstrap(directory.path(), &[]);
    std::fs::remove_file(directory.path().join("data/master.key")).unwrap();
    let shown = run(directory.path(), &[], &["inspect"]);
    assert!(shown.status.success(), "{}", text(&shown.stderr));
    let shown = text(&shown.stdout);
    assert_withheld(shown, &made);
    assert_withheld(shown, &again);
    let lines: Vec<&str> = shown.lines().collect();
    assert_eq!(lines.len(), 4);
    assert_eq!(lines[0], format!("customer {CUSTOMER}"));
    for (line, (sequence, event)) in lines[1..].iter().zip([
        ("1", "signing_key_created"),
        ("2", "token_minted"),
        ("3", "token_minted"),
    ]) {
        let words: Vec<&str> = line.split_whitespace().collect();
        assert_eq!((words[0], words[2]), (sequence, event), "{line}");
        assert!(words[1].ends_with('Z'), "{line}");
    }

    let output = run(directory.path(), &[], &["inspect", "--customer", CUSTOMER, "--json"]);
    let events: Vec<Value> = text(&output.stdout)
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(events.len(), 3, "looking changed nothing");
    assert_eq!(events[0]["event"], "signing_key_created");
    assert_eq!(events[0]["details"]["kid"], made["key_id"]);
    assert_eq!(events[2]["details"]["jti"], again["jti"]);
    assert_eq!(events[2]["sequence"], 3);
    assert_withheld(text(&output.stdout), &made);
}

#[test]
fn inspect_is_refused_beside_a_service_and_where_there_is_nothing() {
    let directory = directory();
    let output = run(directory.path(), &[], &["inspect"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("holds no data"));
    assert!(!directory.path().join("data").exists(), "looking makes nothing");

    let service = Service::start(directory.path(), &[]);
    let output = run(directory.path(), &[], &["inspect"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(output.stdout.is_empty());
    assert!(text(&output.stderr).contains("stop the service first"));
    service.stop();

    let output = run(directory.path(), &[], &["inspect", "--customer", STRANGER]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains(STRANGER));
    let output = run(directory.path(), &[], &["inspect"]);
    assert!(output.status.success() && output.stdout.is_empty(), "nobody yet");
}

#[test]
fn help_names_every_command_and_the_exit_codes() {
    let directory = directory();
    let help = run(directory.path(), &[], &["--help"]);
    let help = text(&help.stdout);
    for word in ["serve", "check-config", "bootstrap", "purge", "inspect", "Exit codes"] {
        assert!(help.contains(word), "{word}");
    }
}

#[test]
fn purge_works_beside_a_service_and_without() {
    let directory = directory();
    bootstrap(directory.path(), &[]);
    let purged = |variables: &[(&str, &str)]| {
        let output = run(directory.path(), variables, &["purge"]);
        assert!(output.status.success(), "{}", text(&output.stderr));
        text(&output.stdout).to_owned()
    };
    assert_eq!(purged(&[]), "0 permission overrides forgotten\n");
    let service = Service::start(directory.path(), &[]);
    assert_eq!(
        purged(&[("AUTH_PORT", &service.port)]),
        "0 permission overrides forgotten\n"
    );
    service.stop();
}
