//! `/tokens/authorize`: its steps, and what decided.

use serde_json::{Value, json};

use crate::chain::{AGENT, Chain, SESSION, SUBAGENT};
use crate::support::{Service, text, with};

/// Action, resource and level, the step that decides, and its pattern.
fn decided() -> [(&'static str, Value, Value, &'static str, Value); 9] {
    [
        (
            "code:delete:x",
            json!("repo:other/secret"),
            json!(4),
            "denied_actions",
            json!("*:delete:*"),
        ),
        (
            "mail:send:x",
            json!("repo:other/secret"),
            json!(4),
            "allowed_actions",
            json!(null),
        ),
        (
            "code:read:x",
            json!("repo:org/secret"),
            json!(4),
            "denied_resources",
            json!("*secret*"),
        ),
        (
            "code:read:x",
            json!("repo:other/x"),
            json!(4),
            "allowed_resources",
            json!(null),
        ),
        ("code:read:x", json!(null), json!(0), "allowed_resources", json!(null)),
        ("code:read:x", json!("repo:org/x"), json!(3), "sensitivity", json!(null)),
        ("code:read:x", json!("repo:org/x"), json!(2), "allowed", json!("code:*")),
        (
            "data:read:x",
            json!("repo:org/x"),
            json!(null),
            "allowed",
            json!("data:read:*"),
        ),
        (
            "CODE:read:x",
            json!("repo:org/x"),
            json!(0),
            "allowed_actions",
            json!(null),
        ),
    ]
}

#[test]
fn authorisation_goes_through_its_steps_in_order_and_names_what_decided() {
    let service = Service::start();
    let mut chain = Chain::new(&service);
    let rbac = json!({
        "allowed_actions": ["code:*", "data:read:*"],
        "denied_actions": ["*:delete:*"],
        "allowed_resources": ["repo:org/*"],
        "denied_resources": ["*secret*"],
        "max_sensitivity_level": 2,
    });
    chain.agent = service.posted("/tokens/agent", &with(&(AGENT.request)(&chain), "rbac", rbac));
    chain.subagent = service.posted("/tokens/subagent", &(SUBAGENT.request)(&chain));
    chain.session = service.posted("/tokens/session", &(SESSION.request)(&chain));
    let below = with(&(SESSION.request)(&chain), "parent_jti", chain.jti("subagent"));
    let below = service.posted("/tokens/session", &with(&below, "parent_type", "subagent"));
    let before = service.events();
    for (action, resource, level, step, pattern) in decided() {
        for token in [
            chain.token("agent"),
            chain.token("subagent"),
            chain.token("session"),
            text(&below, "token"),
        ] {
            let body = json!({"token": token, "action": action, "resource": resource, "sensitivity_level": level});
            let raw = service.post("/tokens/authorize", &body);
            let answer = raw.success();
            assert_eq!(raw.member_names(), ["allowed", "step", "reason", "pattern"]);
            assert_eq!(answer["step"], step, "{body}");
            assert_eq!(answer["allowed"], step == "allowed");
            assert_eq!(answer["pattern"], pattern, "{body}");
            assert!(answer["reason"].is_string());
        }
    }
    for kind in ["app", "bearer", "override"] {
        let body = json!({"token": chain.token(kind), "action": "code:read:x", "resource": "repo:org/x"});
        let answer = service.posted("/tokens/authorize", &body);
        assert_eq!(
            (&answer["allowed"], &answer["step"]),
            (&json!(false), &json!("token_type")),
            "{kind}"
        );
        assert_eq!(answer["pattern"], Value::Null);
    }
    assert_eq!(service.events(), before, "asking changes nothing and counts nothing");
    let used = service.get(&format!(
        "/tokens/{}?customer_id={}",
        chain.jti("session"),
        chain.customer
    ));
    assert_eq!(used.success()["events_used"], 0);
}

#[test]
fn a_session_allows_what_its_parent_does_even_if_that_was_revoked_alone() {
    let mut service = Service::start();
    let chain = Chain::new(&service);
    service.restart();
    let own = json!({"customer_id": chain.customer});
    service
        .delete(&format!("/tokens/{}", chain.jti("agent")), &own)
        .success();
    let body = json!({"token": chain.token("session"), "action": "code:read:x", "resource": "repo:org/x"});
    assert_eq!(
        service.posted("/tokens/authorize", &body)["step"],
        "allowed",
        "its parent was revoked alone"
    );
    service.posted(&format!("/revoke/cascade/{}", chain.jti("agent")), &own);
    assert_eq!(service.posted("/tokens/authorize", &body)["step"], "token");
}
