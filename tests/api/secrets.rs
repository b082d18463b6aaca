//! What must not be seen: no credential in a log, in a refusal, or on the disk.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::chain::{Chain, ENDPOINTS};
use crate::program::{Program, countersign};
use crate::support::{ADMIN, Answer, Client, JSON};

/// A text and what it is, for the message.
struct Secret {
    what: String,
    bytes: Vec<u8>,
}

impl Secret {
    fn new(what: impl Into<String>, bytes: impl Into<Vec<u8>>) -> Self {
        Self {
            what: what.into(),
            bytes: bytes.into(),
        }
    }
}

/// Every credential of a chain: whole strings, signatures alone, and what names an app token as a parent.
fn secrets_of(chain: &Chain) -> Vec<Secret> {
    let mut secrets = Vec::new();
    for endpoint in ENDPOINTS {
        let kind = endpoint.kind;
        let token = chain.token(kind);
        let (rest, signature) = token.rsplit_once('.').unwrap();
        secrets.push(Secret::new(format!("the {kind} token"), token));
        secrets.push(Secret::new(format!("the {kind} token's signature"), signature));
        let raw = URL_SAFE_NO_PAD.decode(signature).unwrap();
        secrets.push(Secret::new(format!("the {kind} token's signature, raw"), raw));
        let claims = rest.rsplit_once('.').unwrap().1;
        secrets.push(Secret::new(format!("the {kind} token's claims"), claims));
    }
    let hash = chain.app["token_hash"].as_str().unwrap();
    secrets.push(Secret::new("the token_hash", hash));
    let digest = countersign_actors::crypto::digest::sha256(chain.token("app").as_bytes());
    secrets.push(Secret::new("the token_hash, raw", digest));
    secrets
}

#[track_caller]
fn assert_absent(secrets: &[Secret], place: &str, content: &[u8]) {
    for secret in secrets {
        let found = content.windows(secret.bytes.len()).any(|window| window == secret.bytes);
        assert!(!found, "{} stands in {place}", secret.what);
    }
}

fn files_under(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files_under(&path, found);
        } else {
            found.push(path);
        }
    }
}

/// Requests that are refused, each with a credential where it does not belong.
fn misplaced(chain: &Chain, post: &dyn Fn(&str, &str, &str, &str) -> Answer) -> Vec<Answer> {
    let mut refusals = Vec::new();
    let hash = chain.app["token_hash"].as_str().unwrap().to_owned();
    let tokens = ENDPOINTS.iter().map(|endpoint| chain.token(endpoint.kind).to_owned());
    for secret in tokens.chain([hash, ADMIN.to_owned()]) {
        for endpoint in ENDPOINTS {
            let request = (endpoint.request)(chain);
            for name in [
                "customer_id",
                "bearer_jti",
                "parent_jti",
                "parent_type",
                "environment",
                "ttl_hours",
            ] {
                let body = crate::support::with(&request, name, secret.as_str()).to_string();
                refusals.push(post("POST", endpoint.path, ADMIN, &body));
            }
            for name in ["scopes", "allowed_decisions", "app_token_hash"] {
                let body = crate::support::with(&request, name, json!([secret])).to_string();
                refusals.push(post("POST", endpoint.path, ADMIN, &body));
            }
            refusals.push(post("POST", endpoint.path, ADMIN, &format!("{{\"name\": {secret}}}")));
            refusals.push(post("POST", endpoint.path, &format!("{secret}x"), &request.to_string()));
            refusals.push(post("POST", &format!("{}?token={secret}", endpoint.path), ADMIN, "{}"));
        }
        refusals.push(post("GET", &format!("/keys/public/{secret}"), ADMIN, ""));
        refusals.push(post("GET", &format!("/{secret}"), ADMIN, ""));
        refusals.push(post(&secret.replace(['_', '.'], "-")[..20], "/health", ADMIN, ""));
    }
    refusals
}

#[test]
fn no_credential_stands_in_a_log_a_refusal_or_a_file() {
    let directory = tempfile::tempdir().unwrap();
    let (data, log) = (directory.path().join("data"), directory.path().join("log"));
    let mut all = Vec::new();
    let mut refusals = Vec::new();
    for _ in 0..2 {
        let mut command = countersign(&data);
        command
            .env("AUTH_ADMIN_TOKEN", ADMIN)
            .env("AUTH_LOG", "debug,countersign=trace,countersign_actors=trace")
            .stderr(File::options().append(true).create(true).open(&log).unwrap());
        let mut program = Program::start(command);
        let address = program.address;
        let post = |method: &str, path: &str, credential: &str, body: &str| {
            let authorization = format!("Authorization: Bearer {credential}");
            let mut client = Client::open(address).unwrap();
            client
                .exchange(&format!("{method} {path}"), &[JSON, &authorization], body)
                .unwrap()
        };
        let chain = Chain::by(|path, body| post("POST", path, ADMIN, &body.to_string()).success());
        let child = post("POST", "/tokens/subagent", chain.token("agent"), r#"{"agent_id":"x"}"#);
        let child: Value = child.success();
        all.push(Secret::new(
            "a presented parent's child",
            child["token"].as_str().unwrap(),
        ));
        refusals.extend(misplaced(&chain, &post));
        all.extend(secrets_of(&chain));
        program.terminate();
        assert!(program.wait().success());
    }
    all.push(Secret::new("the admin token", ADMIN));
    let key = fs::read_to_string(data.join("master.key")).unwrap();
    all.push(Secret::new("the master key's text", key.trim_end()));
    all.push(Secret::new(
        "the master key",
        URL_SAFE_NO_PAD.decode(key.trim_end()).unwrap(),
    ));

    let refused = refusals.iter().filter(|answer| answer.status >= 400).count();
    assert!(refused > 500, "{refused}");
    for answer in refusals.iter().filter(|answer| answer.status >= 400) {
        assert_absent(&all, "a refusal", &answer.body);
        let headers = format!("{:?}", answer.headers);
        assert_absent(&all, "a refusal's headers", headers.as_bytes());
    }
    let logged = fs::read(&log).unwrap();
    assert!(logged.len() > 10_000, "there is a log to look at");
    assert_absent(&all, "the log", &logged);
    let mut files = Vec::new();
    files_under(&data, &mut files);
    assert!(files.len() > 3, "{files:?}");
    for file in files.iter().filter(|file| !file.ends_with("master.key")) {
        assert_absent(&all, &file.display().to_string(), &fs::read(file).unwrap());
    }
}
