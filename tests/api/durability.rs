//! What was answered is there after a restart.

use serde_json::{Value, json};

use crate::chain::{AGENT, APP, BEARER, Chain, ENDPOINTS, SESSION, SUBAGENT};
use crate::support::{HOUR, Service, rfc3339, with};

/// Every token works as a parent, named and presented.
fn all_usable(service: &Service, chain: &Chain) {
    for endpoint in ENDPOINTS {
        let answer = service.posted(endpoint.path, &(endpoint.request)(chain));
        if let Some((_, parents)) = endpoint.parent {
            assert_eq!(answer["claims"]["parent_jti"], chain.of(parents[0])["jti"]);
        }
    }
    for (parent, path, body) in [
        ("app", "/tokens/bearer", json!({})),
        ("bearer", "/tokens/agent", json!({"agent_id": "x"})),
        ("agent", "/tokens/subagent", json!({"agent_id": "x"})),
        ("subagent", "/tokens/session", json!({"session_id": "x"})),
        ("session", "/tokens/override", json!({"event_id": "x"})),
    ] {
        service.post_as(chain.token(parent), path, &body).success();
    }
}

#[test]
fn everything_minted_is_usable_as_a_parent_after_a_restart() {
    let mut service = Service::start();
    let chains = [Chain::new(&service), Chain::new(&service), Chain::new(&service)];
    for _ in 0..3 {
        service.restart();
        for chain in &chains {
            all_usable(&service, chain);
        }
    }
}

#[test]
fn the_key_set_is_the_same_to_the_byte_and_still_one_key_per_customer() {
    let mut service = Service::start();
    let chain = Chain::new(&service);
    let path = format!("/keys/public/{}/jwks.json", chain.customer);
    let before = service.get(&path);
    service.restart();
    let after = service.get(&path);
    assert_eq!(
        (after.header("etag"), &after.body),
        (before.header("etag"), &before.body)
    );
    let again = service.post("/keys/signing", &json!({"customer_id": chain.customer}));
    again.refused(409, "signing_key_exists", &[]);
}

#[test]
fn a_rotation_under_way_goes_on() {
    let mut service = Service::start();
    let chain = Chain::new(&service);
    let path = format!("/keys/{}/rotate", chain.key_id());
    let body = json!({"customer_id": chain.customer});
    let new = service.posted(&path, &body);
    service.restart();
    service.post(&path, &body).refused(409, "rotation_pending", &[]);
    service.advance(300);
    let public = service.get(&format!("/keys/public/{}", chain.customer)).success();
    assert_eq!(public["public_key"], new["public_key"]);
    assert_eq!(
        public["keys"][1]["kid"], chain.key["key_id"],
        "the old one is still needed"
    );
    service.restart();
    all_usable(&service, &chain);
}

#[test]
fn rules_go_on_from_what_was_recorded() {
    let mut service = Service::start();
    let mut chain = Chain::new(&service);
    let rbac = json!({"allowed_actions": ["data:read:*"], "max_sensitivity_level": 2, "max_risk_score": 5});
    chain.agent = service.posted("/tokens/agent", &with(&(AGENT.request)(&chain), "rbac", rbac));
    chain.subagent = service.posted("/tokens/subagent", &(SUBAGENT.request)(&chain));
    service.restart();
    let child = with(&(SUBAGENT.request)(&chain), "parent_agent_jti", chain.jti("subagent"));
    let answer = service.posted("/tokens/subagent", &child);
    assert_eq!(
        answer["claims"]["rbac"], chain.agent["claims"]["rbac"],
        "the inherited policy"
    );
    assert_eq!(answer["delegation_depth"], 2);
    let wider = with(&child, "rbac", json!({"allowed_actions": ["data:*"]}));
    let answer = service.post("/tokens/subagent", &wider);
    answer.refused(400, "permission_escalation", &["rbac.allowed_actions"]);
    service.advance(23 * HOUR);
    let answer = service.posted(
        "/tokens/session",
        &with(&(SESSION.request)(&chain), "ttl_minutes", 1_440),
    );
    assert_eq!(answer["expires_at"], chain.agent["expires_at"], "the recorded end");
}

#[test]
fn what_has_expired_does_not_come_back() {
    let mut service = Service::start();
    let chain = Chain::new(&service);
    service.advance(24 * HOUR + HOUR / 2);
    service.restart();
    service
        .post("/tokens/subagent", &(SUBAGENT.request)(&chain))
        .refused(409, "parent_expired", &[]);
    let answer = service.post_as(chain.token("agent"), "/tokens/subagent", &json!({"agent_id": "x"}));
    answer.refused(401, "unauthenticated", &[]);
    service.posted("/tokens/agent", &(AGENT.request)(&chain));
}

#[test]
fn time_does_not_run_backwards_over_a_restart() {
    let mut service = Service::start();
    let chain = Chain::new(&service);
    service.advance(10 * HOUR);
    service.posted("/tokens/app", &(APP.request)(&chain));
    let recorded = service.now();
    service.advance(-5 * HOUR);
    service.restart();
    let answer = service.posted("/tokens/bearer", &(BEARER.request)(&chain));
    assert_eq!(answer["claims"]["iat"], recorded);
    assert_eq!(answer["expires_at"], rfc3339(recorded + 90 * 24 * HOUR));
}

#[test]
fn a_refusal_leaves_nothing_behind() {
    let mut service = Service::start();
    let chain = Chain::new(&service);
    let refused: Vec<(&str, Value)> = vec![
        ("/tokens/agent", with(&(AGENT.request)(&chain), "ttl_hours", 0)),
        (
            "/tokens/session",
            with(&(SESSION.request)(&chain), "parent_type", "subagent"),
        ),
        ("/keys/signing", json!({"customer_id": chain.customer})),
    ];
    let before = service.get(&format!("/keys/public/{}", chain.customer)).body;
    for (path, body) in &refused {
        assert!(service.post(path, body).status >= 400);
    }
    let unknown = crate::support::uuid();
    service
        .post("/tokens/app", &json!({"customer_id": unknown, "name": "x"}))
        .refused(404, "unknown_customer", &[]);
    service.restart();
    assert_eq!(service.get(&format!("/keys/public/{}", chain.customer)).body, before);
    service
        .get(&format!("/keys/public/{unknown}"))
        .refused(404, "unknown_customer", &[]);
}
