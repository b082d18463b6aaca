//! A whole data directory as an earlier version left it: a later one opens it, answers what it answered, and goes on from there.
//!
//! `golden/v1.tar.gz` is the directory, `golden/v1.json` what was asked of it and answered.
//! `COUNTERSIGN_GOLDEN=write cargo test --test api golden` makes both if they are missing, and never changes them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use countersign::config::Secret;
use serde_json::{Value, json};

use crate::chain::{AGENT, Chain, KINDS, OVERRIDE};
use crate::support::{Answer, JSON, MINUTE, Service, with};

/// Between what happened and what is asked, in seconds: override tokens have expired by then, and sessions have not.
const LATER: i64 = 30 * MINUTE;
const MASTER_KEY: &str = "the-master-key-of-a-store-that-everybody-may-read";

fn path_of(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/api/golden")
        .join(name)
}

/// A service whose data directory was prepared.
fn service(prepare: impl FnOnce(&Path)) -> Service {
    Service::with(|config| {
        config.secrets.master_key = Some(Secret::new(MASTER_KEY.into()));
        fs::create_dir(&config.storage.data_dir).unwrap();
        prepare(&config.storage.data_dir);
    })
}

fn tar(arguments: &[&str], archive: &Path, directory: &Path) {
    let mut command = Command::new("tar");
    command.args(arguments).arg(archive).arg("-C").arg(directory);
    if arguments.contains(&"-czf") {
        command.arg(".");
    }
    assert!(command.status().unwrap().success());
}

/// One request, as it is kept beside its answer.
fn ask(service: &Service, question: &Value) -> Answer {
    let header = |name: &str, value: &Value| value.as_str().map(|value| format!("{name}: {value}"));
    let headers: Vec<String> = [
        header("x-api-key", &question["key"]),
        header("Idempotency-Key", &question["idempotency"]),
    ]
    .into_iter()
    .flatten()
    .chain([JSON.to_owned()])
    .collect();
    let headers: Vec<&str> = headers.iter().map(String::as_str).collect();
    let body = match &question["body"] {
        Value::Null => String::new(),
        body => body.to_string(),
    };
    service.request(question["line"].as_str().unwrap(), &headers, &body)
}

/// Whether everything in `kept` stands in `found`: answers may gain members and lose none.
fn holds(found: &Value, kept: &Value) -> bool {
    match (found, kept) {
        (Value::Object(found), Value::Object(kept)) => kept
            .iter()
            .all(|(name, kept)| found.get(name).is_some_and(|found| holds(found, kept))),
        (Value::Array(found), Value::Array(kept)) => {
            found.len() == kept.len() && found.iter().zip(kept).all(|(found, kept)| holds(found, kept))
        }
        _ => found == kept,
    }
}

#[track_caller]
fn assert_answered_as_ever(service: &Service, questions: &[Value]) {
    for question in questions {
        let answer = ask(service, question);
        assert_eq!(answer.status, question["status"], "{question}: {}", answer.text());
        // What a signature is made of changes with every signature, if the token is not an app's.
        let mut found = answer.json();
        if question["idempotency"].is_string() {
            found["token"] = question["answer"]["token"].clone();
        }
        assert!(holds(&found, &question["answer"]), "{question}: {}", answer.text());
    }
}

/// Makes a store with something of everything in it, and the questions about it.
fn live(service: &Service) -> (Chain, Vec<Value>) {
    let chain = Chain::new(service);
    let customer = chain.customer.clone();
    let body = |members: Value| with(&members, "customer_id", customer.as_str());
    let done = |line: &str, body: &Value| ask(service, &json!({"line": line, "body": body})).success();
    let second = service.posted("/tokens/agent", &with(&(AGENT.request)(&chain), "agent_id", "second"));
    let third = service.posted("/tokens/agent", &with(&(AGENT.request)(&chain), "agent_id", "third"));
    let keyed = json!({"line": "POST /tokens/agent", "idempotency": "a-key", "body": (AGENT.request)(&chain)});
    ask(service, &keyed).success();
    let session = chain.jti("session").to_owned();
    done(&format!("POST /sessions/{session}/events"), &body(json!({"count": 41})));
    let counted = json!({
        "line": format!("POST /sessions/{session}/events"), "idempotency": "another-key", "body": body(json!({"count": 1}))
    });
    ask(service, &counted).success();
    let decision = json!({"override_jti": chain.jti("override"), "decision": "reject", "decided_by": "alice", "reason": "looked at it"});
    done("POST /overrides/evt-1/decide", &body(decision));
    let flagged = service.posted(
        "/tokens/override",
        &with(&(OVERRIDE.request)(&chain), "event_id", "evt-2"),
    );
    done(
        &format!("POST /keys/{}/rotate", chain.key_id()),
        &body(json!({"immediate": true})),
    );
    let late = service.posted("/tokens/agent", &with(&(AGENT.request)(&chain), "agent_id", "late"));
    let jti = |answer: &Value| answer["jti"].as_str().unwrap().to_owned();
    done(
        &format!("POST /revocation/cascade/{}", jti(&second)),
        &body(json!({"reason": "a test"})),
    );
    done("POST /revocation/bulk", &body(json!({"agent_id": "third"})));
    permissions(service, chain.token("app"));

    let other = Chain::new(service);
    let theirs = |members: Value| with(&members, "customer_id", other.customer.as_str());
    done(
        &format!("POST /keys/{}/revoke", other.key_id()),
        &theirs(json!({"reason": "stolen"})),
    );
    let suspended = Chain::new(service);
    done(
        &format!("POST /customers/{}/suspend", suspended.customer),
        &json!({"reason": "unpaid"}),
    );
    let erased = Chain::new(service);
    let gone = service.delete(&format!("/customers/{}", erased.customer), &Value::Null);
    assert_eq!(gone.status, 200);

    service.advance(LATER);
    let mut questions = vec![keyed, counted];
    for token in [&second, &third, &flagged, &late] {
        questions.push(json!({"line": "POST /tokens/introspect", "body": {"token": token["token"]}}));
    }
    for chain in [&chain, &other, &suspended] {
        questions.extend(questions_about(chain));
    }
    questions.push(json!({"line": "POST /tokens/introspect", "body": {"token": erased.token("agent")}}));
    questions.push(json!({"line": format!("GET /customers/{}", erased.customer)}));
    let key = chain.token("app");
    for path in [
        "overrides/alice",
        "resolve/alice",
        "users/alice/roles",
        "roles",
        "audit",
        "audit/changes",
    ] {
        questions.push(json!({"line": format!("GET /api/v1/permissions/{path}"), "key": key}));
    }
    questions.push(json!({"line": "GET /customers"}));
    (chain, questions)
}

fn permissions(service: &Service, key: &str) {
    let done = |line: &str, status: u16, body: Value| {
        let answer = ask(service, &json!({"line": format!("{line}"), "key": key, "body": body}));
        assert_eq!(answer.status, status, "{line}: {}", answer.text());
        answer.json()["data"].clone()
    };
    let rule = |path: &str, effect: &str| json!({"adminId": "alice", "path": path, "action": "read", "effect": effect, "reason": "because a test says so"});
    let overrides = "POST /api/v1/permissions/overrides";
    done(overrides, 201, rule("orders.*", "DENY"));
    done(
        overrides,
        201,
        with(&rule("orders.refunds", "GRANT"), "expiresAt", "2026-03-01T01:00:00Z"),
    );
    let deleted = done(overrides, 201, rule("billing", "GRANT"));
    let id = deleted["id"].as_str().unwrap();
    done(
        &format!("DELETE /api/v1/permissions/overrides/remove/{id}"),
        200,
        Value::Null,
    );
    let role = json!({"name": "auditor", "capabilities": ["billing.*:read", "*:list"]});
    let role = done("POST /api/v1/permissions/roles", 201, role);
    let assigned = json!({"roleIds": [role["id"], "viewer"]});
    done("PUT /api/v1/permissions/users/alice/roles", 200, assigned);
}

fn questions_about(chain: &Chain) -> Vec<Value> {
    let customer = &chain.customer;
    let mut questions = Vec::new();
    for kind in KINDS {
        let token = chain.token(kind);
        questions.push(json!({"line": "POST /tokens/introspect", "body": {"token": token}}));
        let action = json!({"token": token, "action": "code:read:file", "resource": "repo:a"});
        questions.push(json!({"line": "POST /tokens/authorize", "body": action}));
        questions.push(json!({"line": format!("GET /tokens/{}?customer_id={customer}", chain.jti(kind))}));
    }
    for line in [
        format!("keys/public/{customer}"),
        format!("customers/{customer}"),
        format!("tokens?customer_id={customer}"),
        format!("tokens/{}/lineage?customer_id={customer}", chain.jti("bearer")),
        format!("revocations?customer_id={customer}&wait=0"),
        format!("audit?customer_id={customer}"),
        format!("overrides/evt-1?customer_id={customer}"),
    ] {
        questions.push(json!({"line": format!("GET /{line}")}));
    }
    questions
}

/// Makes the archive and the answers.
fn write(archive: &Path, answers: &Path) {
    let mut service = service(|_| {});
    let (chain, mut questions) = live(&service);
    service.restart();
    for question in &mut questions {
        let answer = ask(&service, question);
        question["status"] = answer.status.into();
        // Of a refusal only the code is for programs.
        question["answer"] = match answer.status {
            200 => answer.json(),
            _ => json!({"code": answer.json()["code"]}),
        };
    }
    service.stop();
    tar(&["-czf"], archive, service.data_dir());
    let requests = json!({
        "agent": (AGENT.request)(&chain), "rotate": format!("/keys/{}/rotate", chain.key_id()), "customer": chain.customer
    });
    // A line each, so that a reader finds what was asked.
    let questions: Vec<String> = questions.iter().map(Value::to_string).collect();
    let kept = format!(
        "{{\"requests\": {requests},\n\"questions\": [\n{}\n]}}\n",
        questions.join(",\n")
    );
    fs::write(answers, kept).unwrap();
}

#[test]
fn a_store_of_an_earlier_version_is_read_and_gone_on_with() {
    let (archive, answers) = (path_of("v1.tar.gz"), path_of("v1.json"));
    if !archive.exists() && std::env::var_os("COUNTERSIGN_GOLDEN").is_some_and(|value| value == "write") {
        write(&archive, &answers);
    }
    let kept: Value = serde_json::from_str(&fs::read_to_string(answers).unwrap()).unwrap();
    let questions = kept["questions"].as_array().unwrap();
    let mut service = service(|data| tar(&["-xzf"], &archive, data));
    service.advance(LATER);
    assert_answered_as_ever(&service, questions);

    let requests = &kept["requests"];
    let agent = service.posted("/tokens/agent", &requests["agent"]);
    let customer = json!({"customer_id": requests["customer"]});
    let public = service.get(&format!("/keys/public/{}", requests["customer"].as_str().unwrap()));
    let active = public.success()["keys"][0]["kid"].as_str().unwrap().to_owned();
    service.posted(&format!("/keys/{active}/rotate"), &customer);
    assert!(service.is_active(agent["token"].as_str().unwrap()));
    service.restart();
    assert!(service.is_active(agent["token"].as_str().unwrap()));
}

#[test]
fn answers_may_gain_members_and_lose_none() {
    let kept = json!({"a": 1, "b": [{"c": null}]});
    for (found, expected) in [
        (kept.clone(), true),
        (json!({"a": 1, "b": [{"c": null, "d": 2}], "e": 3}), true),
        (json!({"a": 2, "b": [{"c": null}]}), false),
        (json!({"a": 1, "b": [{}]}), false),
        (json!({"a": 1, "b": []}), false),
    ] {
        assert_eq!(holds(&found, &kept), expected, "{found}");
    }
}
