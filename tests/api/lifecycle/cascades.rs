//! Cascades: a token with all below it.

use serde_json::{Value, json};

use super::active;
use crate::chain::{BEARER, Chain, SESSION, SUBAGENT};
use crate::support::{DAY, HOUR, MINUTE, Service, text, with};

fn cascade(service: &Service, chain: &Chain, jti: &str) -> Value {
    service.posted(
        &format!("/revocation/cascade/{jti}"),
        &json!({"customer_id": chain.customer}),
    )
}

/// Every name in the subtree refuses children.
fn refuses_children(service: &Service, chain: &Chain, below: &str) {
    for (parent, parent_type) in [
        (chain.jti("agent"), "agent"),
        (chain.jti("subagent"), "subagent"),
        (below, "subagent"),
    ] {
        let body = with(&(SESSION.request)(chain), "parent_jti", parent);
        let answer = service.post("/tokens/session", &with(&body, "parent_type", parent_type));
        answer.refused(409, "parent_revoked", &[]);
    }
}

#[test]
fn a_cascade_answers_the_root_first_then_everything_that_has_not_expired_and_twice_the_same() {
    let mut service = Service::start();
    let chain = Chain::new(&service);
    let below = with(&(SUBAGENT.request)(&chain), "parent_agent_jti", chain.jti("subagent"));
    let below = service.posted("/tokens/subagent", &below);
    let brief = with(&(SESSION.request)(&chain), "ttl_minutes", 1);
    let brief = service.posted("/tokens/session", &brief);
    let answer = service.post_as(
        chain.token("session"),
        "/tokens/override",
        &json!({"event_id": "below"}),
    );
    let flagged = answer.success();
    service.advance(2 * MINUTE);
    // Dead already, and still an intermediate.
    service
        .delete(
            &format!("/tokens/{}", chain.jti("subagent")),
            &json!({"customer_id": chain.customer}),
        )
        .success();
    assert!(service.is_active(text(&below, "token")));
    let before = service.events();
    let path = format!("/revocation/cascade/{}", chain.jti("agent"));
    let body = json!({"customer_id": chain.customer, "token_type": "agent", "reason": "it went astray"});
    let raw = service.post(&path, &body);
    assert_eq!(raw.member_names(), ["revoked_count", "revoked_jtis"]);
    let answer = raw.success();
    assert_eq!(service.events(), before + 1, "one event, whatever it reaches");
    assert_eq!(answer["revoked_count"], 5);
    let listed = answer["revoked_jtis"].as_array().unwrap().iter();
    let mut listed: Vec<&str> = listed.map(|jti| jti.as_str().unwrap()).collect();
    assert_eq!(listed[0], chain.jti("agent"));
    assert!(!listed.contains(&text(&brief, "jti")), "it had expired");
    let mut expected = vec![
        chain.jti("agent"),
        chain.jti("subagent"),
        text(&below, "jti"),
        chain.jti("session"),
        text(&flagged, "jti"),
    ];
    listed.sort_unstable();
    expected.sort_unstable();
    assert_eq!(listed, expected);
    for round in 0..2 {
        for spelling in ["/revocation/cascade", "/revoke/cascade"] {
            let again = service.posted(
                &format!("{spelling}/{}?customer_id={}", chain.jti("agent"), chain.customer),
                &json!({}),
            );
            assert_eq!(again, answer);
        }
        if round == 0 {
            assert_eq!(service.events(), before + 1);
        }
        assert_eq!(active(&service, &chain), [true, true, false, false, false, true]);
        for token in [&below, &flagged] {
            assert!(!service.is_active(text(token, "token")));
        }
        refuses_children(&service, &chain, text(&below, "jti"));
        service.restart();
    }
    service.advance(DAY);
    let answer = service.posted(&path, &body);
    assert_eq!(
        answer["revoked_count"], 1,
        "only the root is named once all have expired: {answer}"
    );
}

#[test]
fn a_revocation_can_be_widened_to_a_cascade_and_never_narrowed() {
    let service = Service::start();
    let chain = Chain::new(&service);
    let customer = json!({"customer_id": chain.customer});
    let path = format!("/tokens/{}", chain.jti("bearer"));
    service.delete(&path, &customer).success();
    assert_eq!(active(&service, &chain), [true, false, true, true, true, true]);
    cascade(&service, &chain, chain.jti("bearer"));
    service.delete(&path, &customer).success();
    assert_eq!(active(&service, &chain), [true, false, false, false, false, true]);
    let all = cascade(&service, &chain, chain.jti("app"));
    assert_eq!(all["revoked_count"], 5, "the override has no parent: {all}");
}

#[test]
fn a_cascade_over_what_expired_long_ago_still_reaches_what_has_not() {
    let service = Service::start();
    let chain = Chain::new(&service);
    let customer = json!({"customer_id": chain.customer});
    let bearer = service.posted("/tokens/bearer", &(BEARER.request)(&chain));
    let agent = |hours: u32| json!({"type": "agent", "bearer_jti": bearer["jti"], "agent_id": "x", "ttl_hours": hours});
    let mint = |count: usize, hours: u32| {
        for at in (0..count).step_by(100) {
            let items = vec![agent(hours); 100.min(count - at)];
            service.posted(
                "/tokens/batch",
                &json!({"customer_id": chain.customer, "requests": items}),
            );
        }
    };
    // One slice of the walk ends among those that are forgotten before the next begins.
    mint(40, 200);
    mint(1_040, 1);
    service.advance(HOUR + 61 * MINUTE);
    let answer = service.posted(&format!("/revoke/cascade/{}", text(&bearer, "jti")), &customer);
    let listed = answer["revoked_jtis"].as_array().unwrap().len();
    assert_eq!((answer["revoked_count"].as_u64(), listed), (Some(41), 41));
}
