//! What was answered is in force after the process was killed, and the audit tells of it.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use crate::support::{call, new_customer, new_key, rule};

struct Process {
    child: Child,
    base: String,
}

impl Process {
    fn start(directory: &Path) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_countersign"));
        // Variables of the developer's own must not decide a test.
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("AUTH_")) {
            command.env_remove(name);
        }
        command
            .current_dir(directory)
            .env("AUTH_PORT", "0")
            .env("AUTH_STORAGE_DISK_FREE_MIN_MIB", "0")
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let base = line.trim_end().strip_prefix("listening on ").unwrap().to_owned();
        Self { child, base }
    }

    /// SIGKILL: nothing is written, nothing is closed.
    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    fn ask(&self, key: &str, method: &str, path: &str, body: Option<&Value>) -> Value {
        let body = body.map(Value::to_string);
        let answer = call(
            &self.base,
            method,
            &format!("/api/v1{path}"),
            &[("x-api-key", key)],
            body.as_deref(),
        );
        assert!((200..300).contains(&answer.status), "{}", answer.text);
        answer.json()["data"].clone()
    }

    fn source(&self, key: &str) -> Value {
        let body = json!({"adminId": "user", "path": "billing", "action": "delete"});
        self.ask(key, "POST", "/permissions/check", Some(&body))["source"].clone()
    }

    fn last_change(&self, key: &str) -> (Value, Value) {
        let entry = self.ask(key, "GET", "/permissions/audit/changes?limit=1", None)["entries"][0].clone();
        (entry["action"].clone(), entry["target"].clone())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn an_answered_change_survives_a_kill_with_its_audit_entry() {
    let directory = tempfile::tempdir().unwrap();
    let process = Process::start(directory.path());
    let key = new_key(&process.base, &new_customer(&process.base), &["*"]);
    drop(process);
    for round in 0..4 {
        let process = Process::start(directory.path());
        assert_eq!(process.source(&key), "none", "round {round}");
        let body = rule("user", "DENY", "billing:delete");
        let id = process.ask(&key, "POST", "/permissions/overrides", Some(&body))["id"].clone();
        process.kill();
        let process = Process::start(directory.path());
        assert_eq!(process.source(&key), "override_deny", "round {round}");
        assert_eq!(process.last_change(&key), (json!("override.created"), id.clone()));
        let path = format!("/permissions/overrides/remove/{}", id.as_str().unwrap());
        process.ask(&key, "DELETE", &path, None);
        process.kill();
        let process = Process::start(directory.path());
        assert_eq!(process.source(&key), "none", "round {round}");
        assert_eq!(process.last_change(&key), (json!("override.deleted"), id));
        process.kill();
    }
}
