//! The program itself: its one line, its signals, its exit codes.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Output, Stdio};

fn countersign() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_countersign"));
    // Variables of the developer's own must not decide a test.
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("AUTH_")) {
        command.env_remove(name);
    }
    command
}

struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn signal(process: &Process, name: &str) {
    assert!(
        Command::new("kill")
            .args([name, &process.0.id().to_string()])
            .status()
            .unwrap()
            .success()
    );
}

#[test]
fn it_prints_one_line_serves_and_stops_on_either_signal() {
    let directory = tempfile::tempdir().unwrap();
    for name in ["-TERM", "-INT"] {
        let mut command = countersign();
        command
            .current_dir(&directory)
            .env("AUTH_PORT", "0")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut process = Process(command.spawn().unwrap());
        let mut out = BufReader::new(process.0.stdout.take().unwrap());
        let mut line = String::new();
        out.read_line(&mut line).unwrap();
        let address = line.strip_prefix("listening on http://").unwrap().trim_end().to_owned();
        let mut stream = TcpStream::connect(&address).unwrap();
        let request =
            "GET /health?token=hush HTTP/1.1\r\nHost: localhost\r\nx-request-id: trace-1\r\nConnection: close\r\n\r\n";
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"));

        signal(&process, name);
        assert!(process.0.wait().unwrap().success(), "{name}");
        let mut rest = String::new();
        out.read_to_string(&mut rest).unwrap();
        assert_eq!(rest, "", "one line and no more");
        let mut log = String::new();
        process.0.stderr.take().unwrap().read_to_string(&mut log).unwrap();
        assert_eq!(log.matches("any process on this machine can mint").count(), 1, "{log}");
        assert_eq!(log.matches("trace-1").count(), 1, "one line per request: {log}");
        assert!(log.contains("/health") && !log.contains("hush"), "{log}");
    }
}

fn check_config(variables: &[(&str, &str)], arguments: &[&str]) -> Output {
    let directory = tempfile::tempdir().unwrap();
    let mut command = countersign();
    command
        .current_dir(&directory)
        .arg("check-config")
        .args(arguments)
        .envs(variables.iter().copied());
    command.output().unwrap()
}

#[test]
fn check_config_shows_what_is_in_force_and_withholds_secrets() {
    let token = "an-admin-token-of-over-thirty-two-characters";
    let output = check_config(
        &[
            ("AUTH_ADMIN_TOKEN", token),
            ("AUTH_HOST", "0.0.0.0"),
            ("AUTH_PORT", "9"),
        ],
        &[],
    );
    let shown = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success());
    assert!(
        shown.contains("host = \"0.0.0.0\"") && shown.contains("port = 9"),
        "{shown}"
    );
    assert!(shown.contains("admin token: given") && !shown.contains(token));
}

#[test]
fn check_config_exits_with_1_and_names_every_problem() {
    let output = check_config(&[("AUTH_ADMIN_TOKEN", "hush"), ("AUTH_PORT", "x")], &[]);
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(
        told.contains("AUTH_PORT (server.port)") && told.contains("at least 32 characters"),
        "{told}"
    );
    assert!(!told.contains("hush"));
    let output = check_config(&[], &["--config", "missing.toml"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8(output.stderr).unwrap().contains("missing.toml"));
}

#[test]
fn serving_a_network_without_a_credential_is_refused_before_anything_listens() {
    let output = countersign()
        .env("AUTH_HOST", "0.0.0.0")
        .env("AUTH_PORT", "0")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(output.stdout.is_empty());
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(
        told.contains("server.host") && told.contains("allow_unauthenticated_network"),
        "{told}"
    );
}
