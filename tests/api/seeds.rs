//! The requests of the public documents as they stand there; only ids are replaced.

use serde_json::{Value, json};

use crate::chain::{AGENT, APP, BEARER, Chain, OVERRIDE};
use crate::support::{JSON, Service, members, with};

const AGENT_BODY: &str = include_str!("data/seed_agent.json");
const OVERRIDE_BODY: &str = include_str!("data/seed_override.json");
/// The customer of the documents.
const CUSTOMER: &str = "550e8400-e29b-41d4-a716-446655440000";
const BEARER_JTI: &str = "8a3b9c4d-e5f6-7890-abcd-1234567890ab";

/// Posts a body as it stands, and asserts the documented fields, first and in order.
fn post(service: &Service, path: &str, body: &str, documented: &[&str]) -> Value {
    let answer = service.request(&format!("POST {path}"), &[JSON], body);
    let json = answer.success();
    let members = members(&answer.body);
    let names: Vec<&str> = members.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(&names[..documented.len()], documented);
    assert_eq!(&names[documented.len()..], ["claims"], "and one more");
    assert!(
        members[..documented.len()]
            .iter()
            .all(|(_, value)| value.get().starts_with('"'))
    );
    json
}

fn customer(service: &Service) -> Chain {
    service.posted("/keys/signing", &json!({"customer_id": CUSTOMER}));
    let mut chain = Chain::new(service);
    chain.customer = CUSTOMER.to_owned();
    chain.app = service.posted("/tokens/app", &(APP.request)(&chain));
    chain.bearer = service.posted("/tokens/bearer", &(BEARER.request)(&chain));
    chain
}

#[test]
fn the_agent_of_the_documents() {
    let service = Service::start();
    let chain = customer(&service);
    let body = AGENT_BODY.replace(BEARER_JTI, chain.jti("bearer"));
    let answer = post(&service, "/tokens/agent", &body, AGENT.answer);
    assert!(
        answer["token"]
            .as_str()
            .unwrap()
            .starts_with("qt_agent_eyJhbGciOiJFUzI1NiIs")
    );
    assert_eq!(answer["agent_id"], "code-review-agent");
    assert_eq!(answer["expires_at"], "2026-03-02T00:00:00Z", "as the documents show it");
    let asked: Value = serde_json::from_str(AGENT_BODY).unwrap();
    let expected = with(&asked["rbac"], "sensitivity_level", 3);
    assert_eq!(answer["claims"]["rbac"], expected);
}

#[test]
fn the_override_of_the_documents() {
    let service = Service::start();
    customer(&service);
    let answer = post(&service, "/tokens/override", OVERRIDE_BODY, OVERRIDE.answer);
    assert!(
        answer["token"]
            .as_str()
            .unwrap()
            .starts_with("qt_override_eyJhbGciOiJFUzI1NiIs")
    );
    assert_eq!(answer["event_id"], "evt-a1b2c3d4-5678-9012-abcd-ef3456789012");
    assert_eq!(answer["expires_at"], "2026-03-01T00:05:00Z", "as the documents show it");
    assert_eq!(answer["claims"]["allowed_decisions"], json!(["approve", "reject"]));
}
