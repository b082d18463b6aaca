//! Revocation in bulk, by agent and by age.

use serde_json::{Value, json};

use super::active;
use crate::chain::{AGENT, APP, BEARER, Chain, KINDS, SUBAGENT};
use crate::support::{Service, rfc3339, text, uuid, with};

#[test]
fn a_bulk_revocation_takes_an_agents_tokens_with_all_below_them_and_spares_later_ones() {
    let mut service = Service::start();
    let chain = Chain::new(&service);
    let twin = service.posted("/tokens/agent", &(AGENT.request)(&chain));
    let other = service.posted("/tokens/agent", &with(&(AGENT.request)(&chain), "agent_id", "other"));
    let body = json!({"customer_id": chain.customer, "agent_id": "reviewer", "reason": "retired"});
    let before = service.events();
    assert_eq!(service.posted("/revocation/bulk", &body), json!({"revoked_count": 4}));
    assert_eq!(service.events(), before + 1);
    let later = service.posted("/tokens/agent", &(AGENT.request)(&chain));
    for _ in 0..2 {
        assert_eq!(active(&service, &chain), [true, true, false, false, false, true]);
        assert!(!service.is_active(text(&twin, "token")));
        assert!(service.is_active(text(&other, "token")));
        assert!(service.is_active(text(&later, "token")), "it is a new one");
        service
            .post("/tokens/subagent", &(SUBAGENT.request)(&chain))
            .refused(409, "parent_revoked", &[]);
        service.restart();
    }
    // A subagent's id is an agent's id too.
    let body = with(&(SUBAGENT.request)(&chain), "parent_agent_jti", later["jti"].clone());
    let reader = service.posted("/tokens/subagent", &body);
    let answer = service.posted(
        "/revocation/bulk",
        &json!({"customer_id": chain.customer, "agent_id": "reader"}),
    );
    assert!(!service.is_active(text(&reader, "token")));
    assert!(service.is_active(text(&later, "token")));
    assert_eq!(
        answer["revoked_count"], 2,
        "and the chain's own, which is dead: {answer}"
    );
    let nobody = json!({"customer_id": chain.customer, "agent_id": "nobody"});
    assert_eq!(service.posted("/revocation/bulk", &nobody), json!({"revoked_count": 0}));
}

#[test]
fn a_bulk_revocation_by_age_spares_what_is_issued_in_the_second_named() {
    let mut service = Service::start();
    let chain = Chain::new(&service);
    service.advance(10);
    let later = service.posted("/tokens/app", &(APP.request)(&chain));
    let below = with(&(BEARER.request)(&chain), "app_token_hash", later["token_hash"].clone());
    let below = service.posted("/tokens/bearer", &below);
    let child_of_old = service.posted("/tokens/agent", &(AGENT.request)(&chain));
    let body = json!({"customer_id": chain.customer, "issued_before": rfc3339(service.now())});
    assert_eq!(service.posted("/revocation/bulk", &body), json!({"revoked_count": 7}));
    for _ in 0..2 {
        assert_eq!(active(&service, &chain), [false; 6]);
        assert!(
            !service.is_active(text(&child_of_old, "token")),
            "younger, but derived from an old one"
        );
        assert!(service.is_active(text(&later, "token")) && service.is_active(text(&below, "token")));
        service.restart();
    }
    let before = service.events();
    let earlier = json!({"customer_id": chain.customer, "issued_before": rfc3339(service.now() - 5)});
    service.posted("/revocation/bulk", &earlier);
    service.posted("/revocation/bulk", &body);
    assert_eq!(service.events(), before, "covered by what was revoked already");
    let zoned = json!({"customer_id": chain.customer, "issued_before": "2026-03-01T02:00:05+02:00"});
    service.posted("/revocation/bulk", &zoned);
}

#[test]
fn a_bulk_revocation_never_means_everything() {
    let service = Service::start();
    let chain = Chain::new(&service);
    let own = json!({"customer_id": chain.customer});
    let now = rfc3339(service.now());
    let cases: Vec<(Value, u16, &str, &[&str])> = vec![
        (own.clone(), 422, "invalid_request", &["agent_id"]),
        (
            with(&own, "agent_id", Value::Null),
            422,
            "invalid_request",
            &["agent_id"],
        ),
        (
            with(&with(&own, "agent_id", "reviewer"), "issued_before", now.as_str()),
            422,
            "invalid_request",
            &["issued_before"],
        ),
        (
            with(&own, "issued_before", rfc3339(service.now() + 1)),
            422,
            "invalid_request",
            &["issued_before"],
        ),
        (
            with(&own, "issued_before", "2026-03-01"),
            422,
            "invalid_request",
            &["issued_before"],
        ),
        (
            with(&own, "issued_before", 0),
            422,
            "invalid_request",
            &["issued_before"],
        ),
        (with(&own, "agent_id", ""), 422, "invalid_request", &["agent_id"]),
        (
            json!({"agent_id": "reviewer"}),
            422,
            "invalid_request",
            &["customer_id"],
        ),
        (
            json!({"customer_id": uuid(), "agent_id": "x"}),
            404,
            "unknown_customer",
            &[],
        ),
    ];
    let before = service.events();
    for (body, status, code, fields) in cases {
        let answer = service.post("/revocation/bulk", &body);
        assert_eq!(answer.status, status, "{body}: {}", answer.text());
        let problem = answer.json();
        assert_eq!(problem["code"], code, "{body}");
        let named: Vec<&str> = problem["errors"].as_array().map_or(Vec::new(), |errors| {
            errors.iter().map(|error| error["field"].as_str().unwrap()).collect()
        });
        assert!(fields.iter().all(|field| named.contains(field)), "{body}: {problem}");
    }
    assert_eq!(service.events(), before);
    assert_eq!(active(&service, &chain), [true; 6]);
}

#[test]
fn bulk_and_key_revocation_are_the_operators_alone() {
    let service = Service::credentialed();
    let chain = Chain::by(|path, body| service.post_as_operator(path, body));
    let before = service.events();
    for (path, body) in [
        ("/revocation/bulk".to_owned(), json!({"agent_id": "reviewer"})),
        (format!("/keys/{}/revoke", chain.key_id()), json!({})),
    ] {
        for kind in KINDS {
            let answer = service.post_as(chain.token(kind), &path, &body);
            answer.refused(403, "forbidden", &[]);
        }
        service.post(&path, &body).refused(401, "unauthenticated", &[]);
    }
    assert_eq!(service.events(), before);
}
