//! `/revocation`, `/revoke`, `DELETE /tokens/{jti}`, `/keys/{key_id}/revoke`: what ends a token, and what it takes with it.

use serde_json::{Value, json};

use crate::chain::{Chain, ENDPOINTS, KINDS, SESSION, SUBAGENT};
use crate::support::{ADMIN, JSON, Service, text, uuid, with};

mod bulk;
mod cascades;
mod keys;

/// A fresh token like the chain's of this kind.
fn another(service: &Service, chain: &Chain, kind: &str) -> Value {
    let endpoint = ENDPOINTS.iter().find(|endpoint| endpoint.kind == kind).unwrap();
    let mut body = (endpoint.request)(chain);
    if kind == "override" {
        body = with(&body, "event_id", uuid());
    }
    service.posted(endpoint.path, &body)
}

/// Which of the chain's tokens are active, in the order of [`KINDS`].
fn active(service: &Service, chain: &Chain) -> [bool; 6] {
    KINDS.map(|kind| service.is_active(chain.token(kind)))
}

#[test]
fn a_token_of_every_kind_is_revoked_by_both_spellings_wherever_the_customer_stands() {
    let mut service = Service::start();
    let chain = Chain::new(&service);
    let mut revoked = Vec::new();
    for spelling in ["/revocation", "/tokens"] {
        for kind in KINDS {
            let customer = json!({"customer_id": chain.customer});
            let query = format!("?customer_id={}", chain.customer);
            for (query, body) in [
                ("", customer.clone()),
                (query.as_str(), Value::Null),
                (query.as_str(), json!({})),
                (query.as_str(), customer.clone()),
                ("", with(&with(&customer, "token_type", kind), "reason", "it leaked")),
                (
                    "",
                    with(&with(&customer, "token_type", Value::Null), "reason", Value::Null),
                ),
            ] {
                let token = another(&service, &chain, kind);
                let jti = text(&token, "jti");
                assert!(service.is_active(text(&token, "token")));
                let path = format!("{spelling}/{jti}{query}");
                let before = service.events();
                for _ in 0..2 {
                    let answer = service.delete(&path, &body);
                    assert_eq!(answer.success(), json!({"revoked": true, "jti": jti}), "{kind} {path}");
                    assert_eq!(answer.member_names(), ["revoked", "jti"]);
                    assert_eq!(service.events(), before + 1, "once is enough");
                    assert!(!service.is_active(text(&token, "token")), "{kind} {path} {body}");
                }
                revoked.push(text(&token, "token").to_owned());
            }
        }
    }
    service.restart();
    assert!(revoked.iter().all(|token| !service.is_active(token)));
    assert_eq!(active(&service, &chain), [true; 6], "nothing else was touched");
}

#[test]
fn the_customer_may_also_come_from_the_credential() {
    let service = Service::credentialed();
    let chain = Chain::by(|path, body| service.post_as_operator(path, body));
    let bearer = |credential: &str| format!("Authorization: Bearer {credential}");
    let app = bearer(chain.token("app"));
    let path = format!("/tokens/{}", chain.jti("session"));
    let answer = service.request(&format!("DELETE {path}"), &[&app], "");
    assert_eq!(answer.success()["revoked"], true);
    let path = format!("POST /revoke/cascade/{}", chain.jti("agent"));
    assert_eq!(service.request(&path, &[&app], "").success()["revoked_count"], 3);
    // What presents itself does not revoke itself, nor does the operator without a name.
    for kind in ["bearer", "override"] {
        let answer = service.request(&path, &[&bearer(chain.token(kind))], "");
        answer.refused(403, "forbidden", &[]);
    }
    let answer = service.request(&path, &[&bearer(ADMIN)], "");
    answer.refused(422, "invalid_request", &["customer_id"]);
    service.request(&path, &[], "").refused(401, "unauthenticated", &[]);
    // An app token may end itself; after that it covers nothing.
    let path = format!("DELETE /tokens/{}", chain.jti("app"));
    service.request(&path, &[&app], "").success();
    service.request(&path, &[&app], "").refused(401, "unauthenticated", &[]);
}

/// Requests that are at fault before any token is looked for.
fn malformed_are_refused(service: &Service, chain: &Chain, foreign: &Chain) {
    let own = json!({"customer_id": chain.customer});
    let agent = chain.jti("agent");
    let disagreeing = format!("/tokens/{agent}?customer_id={}", foreign.customer);
    service.delete(&disagreeing, &own).refused(404, "unknown_customer", &[]);
    let answer = service.delete(
        &format!("/tokens/{agent}?customer_id={}&x=1", chain.customer),
        &Value::Null,
    );
    answer.refused(422, "invalid_request", &["x"]);
    let answer = service.request(&format!("DELETE /tokens/{agent}"), &[JSON], "{");
    answer.refused(400, "malformed_json", &[]);
    let answer = service.request(&format!("DELETE /tokens/{agent}"), &[], &own.to_string());
    answer.refused(415, "unsupported_media_type", &[]);
    service
        .post(&format!("/revocation/{agent}"), &own)
        .refused(405, "method_not_allowed", &[]);
}

#[test]
fn what_does_not_fit_is_refused_and_revokes_nothing() {
    let service = Service::start();
    let (chain, foreign) = (Chain::new(&service), Chain::new(&service));
    let own = json!({"customer_id": chain.customer});
    let agent = chain.jti("agent");
    let unknown = uuid();
    let long = "x".repeat(1_001);
    let cases: Vec<(&str, Value, u16, &str, &[&str])> = vec![
        (&unknown, own.clone(), 404, "token_not_found", &[]),
        (foreign.jti("agent"), own.clone(), 404, "token_not_found", &[]),
        (chain.key_id(), own.clone(), 404, "token_not_found", &[]),
        (agent, with(&own, "token_type", "subagent"), 404, "token_not_found", &[]),
        (agent, with(&own, "token_type", "app"), 404, "token_not_found", &[]),
        (agent, json!({"customer_id": uuid()}), 404, "unknown_customer", &[]),
        (
            agent,
            with(&own, "token_type", "Agent"),
            422,
            "invalid_request",
            &["token_type"],
        ),
        (
            agent,
            with(&own, "token_type", 1),
            422,
            "invalid_request",
            &["token_type"],
        ),
        (
            agent,
            with(&own, "reason", long.as_str()),
            422,
            "invalid_request",
            &["reason"],
        ),
        (agent, with(&own, "resaon", "x"), 422, "invalid_request", &["resaon"]),
        (agent, json!({}), 422, "invalid_request", &["customer_id"]),
        (
            agent,
            json!({"customer_id": "x"}),
            422,
            "invalid_request",
            &["customer_id"],
        ),
        ("x", own.clone(), 404, "not_found", &[]),
    ];
    let before = service.events();
    for (jti, body, status, code, fields) in &cases {
        for path in [format!("/revocation/{jti}"), format!("/tokens/{jti}")] {
            service.delete(&path, body).refused(*status, code, fields);
        }
        for path in [format!("/revocation/cascade/{jti}"), format!("/revoke/cascade/{jti}")] {
            service.post(&path, body).refused(*status, code, fields);
        }
    }
    malformed_are_refused(&service, &chain, &foreign);
    assert_eq!(service.events(), before);
    assert_eq!(active(&service, &chain), [true; 6]);
    assert_eq!(active(&service, &foreign), [true; 6]);
    // As long as it may be.
    let reason = with(&own, "reason", "é".repeat(1_000));
    service.delete(&format!("/tokens/{agent}"), &reason).success();
}

#[test]
fn a_revoked_tokens_children_stay_and_it_has_no_more() {
    let mut service = Service::start();
    let chain = Chain::new(&service);
    service
        .delete(
            &format!("/revocation/{}", chain.jti("agent")),
            &json!({"customer_id": chain.customer}),
        )
        .success();
    for _ in 0..2 {
        assert_eq!(active(&service, &chain), [true, true, false, true, true, true]);
        for endpoint in [&SUBAGENT, &SESSION] {
            let answer = service.post(endpoint.path, &(endpoint.request)(&chain));
            answer.refused(409, "parent_revoked", &[]);
        }
        let presented = service.post_as(chain.token("agent"), "/tokens/subagent", &json!({"agent_id": "x"}));
        presented.refused(401, "unauthenticated", &[]);
        let below = service.post_as(chain.token("subagent"), "/tokens/subagent", &json!({"agent_id": "x"}));
        below.success();
        service.restart();
    }
}
