//! `/tokens/{app,bearer,agent,subagent,session,override}`: what each mints, and what each refuses.

use serde_json::{Value, json};

use crate::chain::{AGENT, APP, BEARER, Chain, ENDPOINTS, OVERRIDE};
use crate::support::{Service, decode, member_names, members, rfc3339, uuid, with};

mod fields;
mod limits;
mod parents;

const SHARED_CLAIMS: [&str; 5] = ["jti", "sub", "typ", "iat", "exp"];

/// Posts a request that has to be refused, and asserts that nothing was recorded.
#[track_caller]
fn refused(service: &Service, path: &str, body: &Value, status: u16, code: &str, fields: &[&str]) -> Value {
    let before = service.events();
    let answer = service.post(path, body);
    assert_eq!(answer.status, status, "{path} {body}\n{}", answer.text());
    let problem = answer.refused(status, code, fields);
    assert_eq!(service.events(), before, "a refusal was recorded: {path} {body}");
    problem
}

#[track_caller]
fn invalid(service: &Service, path: &str, body: &Value, field: &str) {
    refused(service, path, body, 422, "invalid_request", &[field]);
}

#[test]
fn each_kind_is_answered_with_its_fields_in_order_and_claims_exactly_the_table() {
    let service = Service::start();
    let chain = Chain::new(&service);
    for endpoint in ENDPOINTS {
        let before = service.events();
        let raw = service.post(endpoint.path, &(endpoint.request)(&chain));
        let answer = raw.success();
        assert_eq!(service.events(), before + 1, "one token is one event");
        let names = [endpoint.answer, &["claims"]].concat();
        assert_eq!(raw.member_names(), names, "{}", endpoint.path);

        let token = answer["token"].as_str().unwrap();
        assert!(token.starts_with(&format!("qt_{}_eyJ", endpoint.kind)));
        let (header, payload) = decode(token);
        assert_eq!(
            header,
            json!({"alg": "ES256", "typ": "JWT", "kid": chain.key["key_id"]})
        );
        let names = [&SHARED_CLAIMS[..], endpoint.claims].concat();
        assert_eq!(member_names(payload.as_bytes()), names, "{}", endpoint.path);
        let claims: Value = serde_json::from_str(&payload).unwrap();
        assert_eq!(answer["claims"], claims, "{}", endpoint.path);
        assert_eq!(claims["jti"], answer["jti"]);
        assert_eq!(claims["sub"], chain.customer.as_str());
        assert_eq!(claims["typ"], endpoint.kind);
        assert_eq!(claims["iat"], service.now());
        let expires_at = service.now() + endpoint.ttl.default * endpoint.ttl.unit;
        assert_eq!(claims["exp"], expires_at, "{}", endpoint.path);
        assert_eq!(answer["expires_at"], rfc3339(expires_at), "{}", endpoint.path);
        for (name, value) in members(payload.as_bytes()) {
            if ["iat", "exp", "depth", "max_events"].contains(&name.as_str()) {
                assert!(value.get().bytes().all(|byte| byte.is_ascii_digit()), "{name}: {value}");
            }
        }
    }
}

#[test]
fn what_was_asked_for_comes_back_and_is_claimed() {
    let service = Service::start();
    let chain = Chain::new(&service);
    assert_eq!(chain.app["claims"]["scopes"], json!(["*"]));
    let hash = chain.app["token_hash"].as_str().unwrap();
    let own = countersign_actors::crypto::digest::sha256_hex(chain.token("app").as_bytes());
    assert_eq!(hash, own, "SHA-256 of the whole string, in lower-case hex");
    assert_eq!(chain.bearer["environment"], "production");
    assert_eq!(chain.bearer["claims"]["env"], "production");
    assert_eq!(chain.bearer["claims"]["parent_jti"], chain.app["jti"]);
    assert_eq!(chain.agent["agent_id"], "reviewer");
    assert_eq!(chain.agent["claims"]["parent_jti"], chain.bearer["jti"]);
    assert_eq!(
        chain.agent["claims"]["rbac"],
        json!({
            "allowed_actions": ["*:*:*"],
            "denied_actions": [],
            "allowed_resources": ["*"],
            "denied_resources": [],
            "max_sensitivity_level": 4,
            "sensitivity_level": 4,
        })
    );
    assert_eq!(chain.subagent["delegation_depth"], 1);
    assert_eq!(chain.subagent["claims"]["depth"], 1);
    assert_eq!(chain.subagent["claims"]["parent_jti"], chain.agent["jti"]);
    assert_eq!(chain.session["max_events"], 1_000);
    assert_eq!(chain.session["claims"]["max_events"], 1_000);
    assert_eq!(chain.session["claims"]["session_id"], "session-1");
    assert_eq!(chain.r#override["event_id"], "evt-1");
    assert_eq!(
        chain.r#override["claims"]["allowed_decisions"],
        json!(["approve", "reject"])
    );
    for environment in ["development", "staging", "production"] {
        let body = with(&(BEARER.request)(&chain), "environment", environment);
        let answer = service.posted("/tokens/bearer", &body);
        assert_eq!(answer["environment"], environment);
        assert_eq!(answer["claims"]["env"], environment);
    }
    let body = with(&(OVERRIDE.request)(&chain), "allowed_decisions", json!(["reject"]));
    let answer = service.posted("/tokens/override", &body);
    assert_eq!(answer["claims"]["allowed_decisions"], json!(["reject"]));
    let named = with(&(AGENT.request)(&chain), "agent_name", "Code Review Agent");
    let answer = service.posted("/tokens/agent", &named);
    assert!(
        !answer.to_string().contains("Code Review Agent"),
        "stored and shown, not a claim"
    );
}

#[test]
fn a_customer_that_is_not_known_is_404_and_the_answer_says_what_creates_it() {
    let service = Service::start();
    let chain = Chain::new(&service);
    for endpoint in ENDPOINTS {
        let body = with(&(endpoint.request)(&chain), "customer_id", uuid());
        let problem = refused(&service, endpoint.path, &body, 404, "unknown_customer", &[]);
        assert!(
            problem["detail"].as_str().unwrap().contains("POST /keys/signing"),
            "{problem}"
        );
    }
}

#[test]
fn ids_are_taken_in_any_spelling_of_a_uuid_and_answered_in_one() {
    let service = Service::start();
    let chain = Chain::new(&service);
    let body = json!({
        "customer_id": chain.customer.to_uppercase(),
        "bearer_jti": chain.jti("bearer").replace('-', ""),
        "agent_id": "x",
    });
    let answer = service.posted("/tokens/agent", &body);
    assert_eq!(answer["claims"]["sub"], chain.customer.as_str());
    assert_eq!(answer["claims"]["parent_jti"], chain.bearer["jti"]);
}

#[test]
fn app_tokens_never_collide_and_name_their_own_bearers() {
    let service = Service::start();
    let chain = Chain::new(&service);
    let other = service.posted("/tokens/app", &(APP.request)(&chain));
    assert_ne!(other["token_hash"], chain.app["token_hash"]);
    let body = with(&(BEARER.request)(&chain), "app_token_hash", other["token_hash"].clone());
    assert_eq!(
        service.posted("/tokens/bearer", &body)["claims"]["parent_jti"],
        other["jti"]
    );
}
