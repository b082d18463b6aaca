//! A directory with a service, and the commands beside it.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::program::{Program, countersign};

/// One call; the status and the answer.
pub(crate) fn call(base: &str, method: &str, path: &str, key: Option<&str>, body: Option<&Value>) -> (u16, Value) {
    let config = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .proxy(None)
        .timeout_global(Some(Duration::from_secs(30)));
    let agent: ureq::Agent = config.build().into();
    let mut request = ureq::http::Request::builder()
        .method(method)
        .uri(format!("{base}{path}"));
    if let Some(key) = key {
        request = request.header("x-api-key", key);
    }
    let response = match body {
        Some(body) => {
            let request = request.header("content-type", "application/json");
            agent.run(request.body(body.to_string()).unwrap())
        }
        None => agent.run(request.body(()).unwrap()),
    };
    let (parts, mut body) = response.unwrap().into_parts();
    (parts.status.as_u16(), body.read_json().unwrap())
}

/// A service on a directory.
pub(crate) struct Service {
    pub(crate) program: Program,
    pub(crate) base: String,
}

impl Service {
    pub(crate) fn start(data_dir: &Path, variables: &[(&str, &str)]) -> Self {
        let mut command = countersign(data_dir);
        command.envs(variables.iter().copied());
        let program = Program::start(command);
        let base = format!("http://{}", program.address);
        Self { program, base }
    }

    pub(crate) fn get(&self, path: &str) -> (u16, Value) {
        call(&self.base, "GET", path, None, None)
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        call(&self.base, "POST", path, None, Some(body))
    }

    /// A call that has to succeed.
    #[track_caller]
    pub(crate) fn ok(&self, path: &str, body: &Value) -> Value {
        let (status, answer) = self.post(path, body);
        assert_eq!(status, 200, "{path}: {answer}");
        answer
    }

    /// A call that has to be refused with this status and code.
    #[track_caller]
    pub(crate) fn refused(&self, path: &str, body: &Value, status: u16, code: &str) {
        let (told, answer) = self.post(path, body);
        assert_eq!((told, &answer["code"]), (status, &json!(code)), "{path}: {answer}");
    }

    pub(crate) fn api(&self, method: &str, path: &str, key: &str, body: Option<&Value>) -> Value {
        let path = format!("/api/v1/permissions{path}");
        let (status, answer) = call(&self.base, method, &path, Some(key), body);
        assert!(status < 300, "{path}: {answer}");
        answer["data"].clone()
    }

    pub(crate) fn is_active(&self, token: &Value) -> bool {
        self.ok("/tokens/introspect", &json!({"token": token}))["active"] == true
    }

    pub(crate) fn port(&self) -> String {
        self.program.address.port().to_string()
    }

    pub(crate) fn stop(mut self) {
        self.program.terminate();
        assert!(self.program.wait().success());
    }
}

/// Runs a command on a directory.
pub(crate) fn run(data_dir: &Path, variables: &[(&str, &str)], arguments: &[&str]) -> Output {
    let mut command: Command = countersign(data_dir);
    command.envs(variables.iter().copied()).args(arguments);
    command.output().unwrap()
}

/// Runs a command that has to succeed, and reads the JSON that it prints.
#[track_caller]
pub(crate) fn done(data_dir: &Path, variables: &[(&str, &str)], arguments: &[&str]) -> Value {
    let output = run(data_dir, variables, arguments);
    assert!(
        output.status.success(),
        "{arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Runs a command that has to fail with 1; gives what it said on standard error.
#[track_caller]
pub(crate) fn failed(data_dir: &Path, variables: &[(&str, &str)], arguments: &[&str]) -> String {
    let output = run(data_dir, variables, arguments);
    assert_eq!(output.status.code(), Some(1), "{arguments:?}");
    String::from_utf8(output.stderr).unwrap()
}

/// Directories that are removed afterwards.
pub(crate) struct Place {
    root: TempDir,
}

impl Place {
    pub(crate) fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        Self { root }
    }

    pub(crate) fn at(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    /// As an argument of a command.
    pub(crate) fn text(&self, name: &str) -> String {
        self.at(name).to_str().unwrap().to_owned()
    }
}

pub(crate) fn customer(number: u8) -> String {
    format!("550e8400-e29b-41d4-a716-4466554400{number:02}")
}

/// A customer's bearer token, made from nothing; and the app token.
pub(crate) fn bearer(service: &Service, customer: &str) -> (Value, Value) {
    service.ok("/keys/signing", &json!({"customer_id": customer}));
    let app = service.ok("/tokens/app", &json!({"customer_id": customer, "name": "console"}));
    let body = json!({"customer_id": customer, "app_token_hash": app["token_hash"]});
    (service.ok("/tokens/bearer", &body), app)
}

pub(crate) fn agent(service: &Service, customer: &str, bearer: &Value) -> Value {
    let body = json!({"customer_id": customer, "bearer_jti": bearer["jti"], "agent_id": "agent"});
    service.ok("/tokens/agent", &body)
}

pub(crate) fn flagged(service: &Service, customer: &str, event: &str) -> Value {
    let body = json!({"customer_id": customer, "event_id": event, "ttl_minutes": 60});
    service.ok("/tokens/override", &body)
}

/// Agents with policies as large as may be, in batches of a hundred: half a mebibyte of a backup each.
pub(crate) fn mint_large(service: &Service, customer: &str, bearer: &Value, batches: usize) {
    let patterns: Vec<String> = (0..60)
        .map(|at| format!("action-{at:03}:{}:*", "x".repeat(40)))
        .collect();
    let rbac = json!({"allowed_actions": patterns});
    let agent = json!({"type": "agent", "bearer_jti": bearer["jti"], "agent_id": "agent", "rbac": rbac});
    let body = json!({"customer_id": customer, "requests": vec![agent; 100]});
    for _ in 0..batches {
        let answer = service.ok("/tokens/batch", &body);
        let results = answer["results"].as_array().unwrap();
        assert!(results.iter().all(|result| result["status"] == 200), "{answer}");
    }
}
