//! A service with an admin token, and the program as its client.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use crate::program::{Program, countersign};

pub(crate) const CUSTOMER: &str = "550e8400-e29b-41d4-a716-446655440000";
pub(crate) const STRANGER: &str = "550e8400-e29b-41d4-a716-446655440001";
pub(crate) const ADMIN: &str = "an-admin-token-of-over-thirty-two-characters";

/// A running service, and a directory for its client.
pub(crate) struct Service {
    program: Program,
    pub(crate) directory: TempDir,
}

/// What a command came to.
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) told: String,
}

impl Ran {
    /// That it succeeded.
    #[track_caller]
    pub(crate) fn done(self) -> Self {
        assert_eq!(self.code, 0, "{}{}", self.out, self.told);
        self
    }

    /// That it ended with this code, said this, and printed nothing.
    #[track_caller]
    pub(crate) fn refused(self, code: i32, told: &str) -> Self {
        assert_eq!((self.code, self.out.as_str()), (code, ""), "{}", self.told);
        assert!(self.told.contains(told), "{}", self.told);
        self
    }

    /// Its one line of JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {}{}", self.out, self.told))
    }

    /// What it printed, without the line break.
    pub(crate) fn line(&self) -> &str {
        self.out.trim_end_matches('\n')
    }
}

/// Runs a prepared command with this on its standard input. No admin token is ever repeated.
pub(crate) fn run(mut command: Command, input: &str) -> Ran {
    let piped = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = piped.spawn().unwrap();
    // A command that does not read its input closes it.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    let ran = Ran {
        code: output.status.code().unwrap(),
        out: String::from_utf8(output.stdout).unwrap(),
        told: String::from_utf8(output.stderr).unwrap(),
    };
    assert!(!ran.told.contains(ADMIN) && !ran.out.contains(ADMIN));
    assert!(!ran.told.contains("qt_"), "no token is told: {}", ran.told);
    ran
}

impl Service {
    /// One with a customer that has a key.
    pub(crate) fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut command = countersign(&directory.path().join("data"));
        command.env("AUTH_ADMIN_TOKEN", ADMIN);
        let service = Self {
            program: Program::start(command),
            directory,
        };
        service.run(&["keys", "create", "--customer", CUSTOMER]).done();
        service
    }

    /// Ends it as an operator does.
    pub(crate) fn stop(mut self) {
        self.program.terminate();
        assert!(self.program.wait().success());
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.program.address)
    }

    /// The program as a client that presents nothing.
    pub(crate) fn stranger(&self, arguments: &[&str]) -> Command {
        let mut command = countersign(&self.directory.path().join("data"));
        command
            .env("AUTH_CLIENT_SERVICE_URL", self.url())
            // The service is on this machine: no proxy may be asked, whatever the environment names.
            .env("http_proxy", "http://127.0.0.1:1")
            .env("ALL_PROXY", "http://127.0.0.1:1")
            .args(arguments);
        command
    }

    /// The program with the admin token.
    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        let mut command = self.stranger(arguments);
        command.env("AUTH_ADMIN_TOKEN", ADMIN);
        run(command, "")
    }

    /// The program with another credential.
    pub(crate) fn run_as(&self, credential: &str, arguments: &[&str]) -> Ran {
        let mut command = self.stranger(arguments);
        command.env("AUTH_CLIENT_CREDENTIAL", credential);
        run(command, "")
    }

    /// A file in the client's directory.
    pub(crate) fn file(&self, name: &str, content: &str) -> String {
        let path: PathBuf = self.directory.path().join(name);
        std::fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// Mints with `--json`.
    pub(crate) fn mint(&self, arguments: &[&str]) -> Value {
        let common = ["mint", "--customer", CUSTOMER, "--json"];
        self.run(&[&common[..], arguments].concat()).done().json()
    }

    /// An app token, a bearer and an agent below it.
    pub(crate) fn chain(&self) -> Chain {
        let app = self.mint(&["app", "--name", "console"]);
        let hash = app["token_hash"].as_str().unwrap();
        let bearer = self.mint(&["bearer", "--app-token-hash", hash]);
        let bearer_jti = bearer["jti"].as_str().unwrap();
        let agent = self.mint(&["agent", "--bearer-jti", bearer_jti, "--agent-id", "reviewer"]);
        Chain { app, bearer, agent }
    }

    /// The customer's published keys, in a file.
    pub(crate) fn jwks(&self) -> String {
        let agent: ureq::Agent = ureq::Agent::config_builder().proxy(None).build().into();
        let url = format!("{}/keys/public/{CUSTOMER}/jwks.json", self.url());
        let keys = agent.get(url).call().unwrap().body_mut().read_to_string().unwrap();
        self.file("jwks.json", &keys)
    }
}

/// Answers about tokens, each derived from the one before.
pub(crate) struct Chain {
    pub(crate) app: Value,
    pub(crate) bearer: Value,
    pub(crate) agent: Value,
}

pub(crate) fn text<'a>(answer: &'a Value, member: &str) -> &'a str {
    answer[member].as_str().unwrap_or_else(|| panic!("{member}: {answer}"))
}
