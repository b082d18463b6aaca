//! `POST /sessions/{session_jti}/events`: exactly as many as a session may count.

use std::thread;

use serde_json::{Value, json};

use crate::chain::{Chain, SESSION, SUBAGENT};
use crate::support::{Answer, HOUR, JSON, Service, text, uuid, with};

fn session(service: &Service, chain: &Chain, max_events: u32) -> Value {
    service.posted(
        "/tokens/session",
        &with(&(SESSION.request)(chain), "max_events", max_events),
    )
}

fn count(service: &Service, chain: &Chain, session: &Value, count: u32) -> Answer {
    let body = json!({"customer_id": chain.customer, "count": count});
    service.post(&format!("/sessions/{}/events", text(session, "jti")), &body)
}

fn used(service: &Service, chain: &Chain, session: &Value) -> u64 {
    let path = format!("/tokens/{}?customer_id={}", text(session, "jti"), chain.customer);
    service.get(&path).success()["events_used"].as_u64().unwrap()
}

#[test]
fn a_session_counts_to_its_maximum_and_not_one_further() {
    let mut service = Service::start();
    let chain = Chain::new(&service);
    let session = session(&service, &chain, 10);
    let before = service.events();
    let answer = count(&service, &chain, &session, 4).success();
    assert_eq!(answer, json!({"events_used": 4, "events_remaining": 6}));
    let path = format!("/sessions/{}/events", text(&session, "jti"));
    let one = service.posted(&path, &json!({"customer_id": chain.customer}));
    assert_eq!(one, json!({"events_used": 5, "events_remaining": 5}));
    let one = service.request(
        &format!("POST {path}"),
        &[&format!("Authorization: Bearer {}", chain.token("app"))],
        "",
    );
    assert_eq!(
        one.success()["events_used"],
        6,
        "without a body, the customer from the credential"
    );
    let own = service.post_as(text(&session, "token"), &path, &json!({}));
    assert_eq!(own.success()["events_used"], 7, "a session may count its own");
    assert_eq!(service.events(), before, "the journal does not grow with it");
    for _ in 0..2 {
        let answer = count(&service, &chain, &session, 4);
        assert_eq!(answer.status, 429);
        assert_eq!(answer.header("retry-after"), None, "it never gets more");
        assert_eq!(answer.json()["code"], "session_exhausted");
        assert_eq!(answer.json()["events_remaining"], 3);
        assert_eq!(used(&service, &chain, &session), 7, "nothing was counted");
        service.restart();
    }
    assert_eq!(
        count(&service, &chain, &session, 3).success(),
        json!({"events_used": 10, "events_remaining": 0})
    );
    service.restart();
    assert_eq!(count(&service, &chain, &session, 1).status, 429);
    assert!(service.is_active(text(&session, "token")), "it is exhausted, not dead");
}

#[test]
fn of_32_who_count_at_once_exactly_as_many_succeed_as_there_is_room_for() {
    let mut service = Service::start();
    let chain = Chain::new(&service);
    for (max, step) in [(1_000, 7), (500, 1), (31, 1)] {
        let session = session(&service, &chain, max);
        let before = service.events();
        let line = format!("POST /sessions/{}/events", text(&session, "jti"));
        let body = json!({"customer_id": chain.customer, "count": step}).to_string();
        let answers: Vec<Answer> = thread::scope(|scope| {
            let work = || {
                let mut client = service.connect();
                (0..20)
                    .map(|_| client.exchange(&line, &[JSON], &body).unwrap())
                    .collect::<Vec<_>>()
            };
            let threads: Vec<_> = (0..32).map(|_| scope.spawn(work)).collect();
            threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
        });
        let mut seen: Vec<u64> = Vec::new();
        for answer in &answers {
            match answer.status {
                200 => seen.push(answer.json()["events_used"].as_u64().unwrap()),
                _ => {
                    assert_eq!(answer.status, 429, "{}", answer.text());
                    assert_eq!(answer.json()["code"], "session_exhausted");
                }
            }
        }
        seen.sort_unstable();
        let expected: Vec<u64> = (1..=u64::from(max / step))
            .take(640)
            .map(|n| n * u64::from(step))
            .collect();
        assert_eq!(seen, expected, "each count is told once");
        assert_eq!(used(&service, &chain, &session), *expected.last().unwrap());
        assert_eq!(service.events(), before, "the journal does not grow with it");
        service.restart();
        assert_eq!(used(&service, &chain, &session), *expected.last().unwrap());
    }
}

#[test]
fn a_dead_session_counts_nothing() {
    let mut service = Service::start();
    let chain = Chain::new(&service);
    let own = json!({"customer_id": chain.customer});
    let below = |parent: &str| {
        let body = with(&(SESSION.request)(&chain), "parent_jti", parent);
        service.posted("/tokens/session", &with(&body, "parent_type", "subagent"))
    };
    let fresh = service.posted("/tokens/subagent", &(SUBAGENT.request)(&chain));
    let (revoked, cascaded, orphan) = (
        session(&service, &chain, 10),
        below(chain.jti("subagent")),
        below(text(&fresh, "jti")),
    );
    for token in [&revoked, &cascaded, &orphan, &chain.session] {
        count(&service, &chain, token, 2).success();
    }
    service
        .delete(&format!("/tokens/{}", text(&revoked, "jti")), &own)
        .success();
    service.posted(&format!("/revoke/cascade/{}", chain.jti("subagent")), &own);
    service
        .delete(&format!("/tokens/{}", text(&fresh, "jti")), &own)
        .success();
    for _ in 0..2 {
        for dead in [&revoked, &cascaded] {
            count(&service, &chain, dead, 1).refused(409, "session_inactive", &[]);
            let path = format!("/sessions/{}/events", text(dead, "jti"));
            service
                .post_as(text(dead, "token"), &path, &json!({}))
                .refused(401, "unauthenticated", &[]);
            assert_eq!(used(&service, &chain, dead), 2);
        }
        count(&service, &chain, &orphan, 1).success();
        service.restart();
    }
    service.advance(HOUR);
    count(&service, &chain, &chain.session, 1).refused(409, "session_inactive", &[]);
    assert_eq!(
        used(&service, &chain, &chain.session),
        2,
        "it stays readable for an hour"
    );
    service.advance(HOUR);
    service.restart();
    count(&service, &chain, &chain.session, 1).refused(404, "token_not_found", &[]);
}

#[test]
fn what_is_no_session_of_the_customer_is_not_found_and_fields_are_checked() {
    let service = Service::start();
    let (chain, foreign) = (Chain::new(&service), Chain::new(&service));
    let own = json!({"customer_id": chain.customer});
    for jti in [
        chain.jti("agent"),
        chain.jti("override"),
        foreign.jti("session"),
        &uuid(),
    ] {
        service
            .post(&format!("/sessions/{jti}/events"), &own)
            .refused(404, "token_not_found", &[]);
    }
    service.post("/sessions/x/events", &own).refused(404, "not_found", &[]);
    let path = format!("/sessions/{}/events", chain.jti("session"));
    for (body, fields) in [
        (with(&own, "count", 0), vec!["count"]),
        (with(&own, "count", -1), vec!["count"]),
        (with(&own, "count", 1_000_001), vec!["count"]),
        (with(&own, "count", "1"), vec!["count"]),
        (with(&own, "cuont", 1), vec!["cuont"]),
        (json!({}), vec!["customer_id"]),
    ] {
        service.post(&path, &body).refused(422, "invalid_request", &fields);
    }
    service
        .post(&path, &json!({"customer_id": uuid()}))
        .refused(404, "unknown_customer", &[]);
    for kind in ["bearer", "agent", "subagent", "override"] {
        service
            .post_as(chain.token(kind), &path, &json!({}))
            .refused(403, "forbidden", &[]);
    }
    let other = session(&service, &chain, 5);
    service
        .post_as(text(&other, "token"), &path, &json!({}))
        .refused(403, "forbidden", &[]);
    assert_eq!(used(&service, &chain, &chain.session), 0);
}

#[test]
fn counting_with_and_without_a_key_adds_up_over_restarts() {
    let mut service = Service::start();
    let chain = Chain::new(&service);
    let session = session(&service, &chain, 100);
    let path = format!("/sessions/{}/events", text(&session, "jti"));
    let body = json!({"customer_id": chain.customer, "count": 5});
    let mut expected = 0;
    for round in 0..4 {
        for step in 0..3 {
            let keyed = service
                .post_keyed(&format!("count-{round}-{step}"), &path, &body)
                .success();
            expected += 5;
            assert_eq!(keyed["events_used"], expected);
            count(&service, &chain, &session, 2).success();
            expected += 2;
            let again = service
                .post_keyed(&format!("count-{round}-{step}"), &path, &body)
                .success();
            assert_eq!(again, keyed, "told again, not counted again");
        }
        service.restart();
        assert_eq!(used(&service, &chain, &session), expected);
    }
    assert_eq!(expected, 84);
    let refused = service.post_keyed("too-many", &path, &with(&body, "count", 17));
    assert_eq!(refused.status, 429);
    service
        .post_keyed("too-many", &path, &with(&body, "count", 16))
        .success();
}
