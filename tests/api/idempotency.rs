//! `Idempotency-Key` (section 9 of the contract): a repetition has the effect, and the answer, of the first.

use std::thread;

use serde_json::{Value, json};

use crate::chain::{AGENT, APP, Chain, ENDPOINTS, OVERRIDE};
use crate::support::{ADMIN, Answer, DAY, HOUR, JSON, Service, text, uuid, with};

/// Everything of an answer but the token, whose signature may differ.
fn shown(answer: &Answer) -> (u16, Value) {
    (answer.status, with(&answer.success(), "token", Value::Null))
}

#[test]
fn a_repeated_mint_is_the_same_token_over_a_restart_and_for_a_day() {
    let mut service = Service::start();
    let chain = Chain::new(&service);
    let first: Vec<Answer> = ENDPOINTS
        .iter()
        .map(|endpoint| {
            let body = with(&(endpoint.request)(&chain), endpoint.ttl.field, endpoint.ttl.max);
            service.post_keyed("mint", endpoint.path, &body)
        })
        .collect();
    for seconds in [0, 1, HOUR, 22 * HOUR] {
        service.advance(seconds);
        let before = service.events();
        for (endpoint, first) in ENDPOINTS.iter().zip(&first) {
            if endpoint.kind == "override" && seconds == 22 * HOUR {
                continue;
            }
            let body = with(&(endpoint.request)(&chain), endpoint.ttl.field, endpoint.ttl.max);
            let again = service.post_keyed("mint", endpoint.path, &body);
            assert_eq!(again.status, 200, "{} after {seconds}: {}", endpoint.kind, again.text());
            assert_eq!(shown(&again), shown(first), "{}", endpoint.kind);
            assert!(service.is_active(text(&again.json(), "token")));
            if endpoint.kind == "app" {
                assert_eq!(again.body, first.body, "the very same string and hash");
            }
        }
        assert_eq!(service.events(), before);
        service.restart();
    }
    service.advance(HOUR - 2);
    let app = service.post_keyed("mint", APP.path, &with(&(APP.request)(&chain), "ttl_days", 3_650));
    assert_eq!(app.body, first[0].body);
    service.advance(1);
    let later = service.post_keyed("mint", APP.path, &with(&(APP.request)(&chain), "ttl_days", 3_650));
    assert_ne!(later.success()["jti"], first[0].json()["jti"], "a day has passed");
    for _ in 0..2 {
        let again = service.post_keyed("mint", APP.path, &with(&(APP.request)(&chain), "ttl_days", 3_650));
        assert_eq!(again.body, later.body, "and the key is used anew");
        service.restart();
    }
}

#[test]
fn many_records_grow_old_together() {
    let mut service = Service::start();
    let chain = Chain::new(&service);
    let mint = |service: &Service, at: usize| {
        let answer = service.post_keyed(
            &format!("key-{at}"),
            "/tokens/bearer",
            &(crate::chain::BEARER.request)(&chain),
        );
        text(&answer.success(), "jti").to_owned()
    };
    let first: Vec<String> = (0..100).map(|at| mint(&service, at)).collect();
    service.advance(DAY);
    let last = mint(&service, 99);
    assert_ne!(last, first[99], "whatever else is as old");
    for _ in 0..2 {
        for _ in 0..10 {
            service
                .get(&format!("/tokens?customer_id={}", chain.customer))
                .success();
        }
        assert_eq!(mint(&service, 99), last, "the new record is not forgotten with the old");
        service.restart();
    }
    assert!((0..99).all(|at| mint(&service, at) != first[at]));
    assert_eq!(mint(&service, 99), last);
}

#[test]
fn another_body_with_the_same_key_is_refused_and_another_spelling_is_the_same() {
    let service = Service::start();
    let chain = Chain::new(&service);
    let customer = &chain.customer;
    let bearer = chain.jti("bearer");
    let send = |path: &str, body: &str| service.request(&format!("POST {path}"), &[JSON, "Idempotency-Key: k"], body);
    let body = format!(
        r#"{{"customer_id":"{customer}","bearer_jti":"{bearer}","agent_id":"é","rbac":{{"allowed_actions":["a:*","b:*"]}}}}"#
    );
    let first = send("/tokens/agent", &body).success();
    let before = service.events();
    for spelling in [
        format!(
            " {{\n\"agent_id\" : \"\\u00e9\", \"rbac\":{{\"allowed_actions\" :[ \"a:*\", \"b:*\"]}},\t\"bearer_jti\":\"{bearer}\",\"customer_id\":\"{customer}\"}}\n"
        ),
        body.replace(r#""agent_id""#, r#""\u0061gent_id""#),
        body.replace(r#""agent_id""#, r#""agent_name":null,"ttl_hours":null,"agent_id""#),
        body.replace(r#""allowed_actions""#, r#""denied_actions":null,"allowed_actions""#),
    ] {
        let again = send("/tokens/agent", &spelling).success();
        assert_eq!(again["jti"], first["jti"], "{spelling}");
    }
    for other in [
        body.replace("é", "e"),
        body.replace(r#"["a:*","b:*"]"#, r#"["b:*","a:*"]"#),
        body.replace(r#""agent_id""#, r#""ttl_hours":24,"agent_id""#),
        body.replace(bearer, &uuid()),
    ] {
        send("/tokens/agent", &other).refused(422, "idempotency_key_reused", &[]);
    }
    assert_eq!(service.events(), before);
    // Another path, or another customer, is another call.
    let subagent = json!({"customer_id": customer, "parent_agent_jti": chain.jti("agent"), "agent_id": "x"});
    send("/tokens/subagent", &subagent.to_string()).success();
    let foreign = Chain::new(&service);
    let theirs = service
        .post_keyed("k", "/tokens/agent", &(AGENT.request)(&foreign))
        .success();
    assert_eq!(theirs["claims"]["sub"], foreign.customer.as_str());
    let again = service
        .post_keyed("k", "/tokens/agent", &(AGENT.request)(&foreign))
        .success();
    assert_eq!(again["jti"], theirs["jti"]);
    assert_eq!(send("/tokens/agent", &body).success()["jti"], first["jti"]);
    for keys in [
        vec!["Idempotency-Key: "],
        vec!["Idempotency-Key: a", "Idempotency-Key: a"],
        vec!["Idempotency-Key: \u{e9}"],
    ] {
        let headers = [vec![JSON], keys.clone()].concat();
        let answer = service.request("POST /tokens/agent", &headers, &body);
        answer.refused(422, "invalid_request", &["Idempotency-Key"]);
    }
    let (longest, longer) = ("k".repeat(255), "k".repeat(256));
    service
        .post_keyed(&longest, "/tokens/agent", &(AGENT.request)(&chain))
        .success();
    let answer = service.post_keyed(&longer, "/tokens/agent", &(AGENT.request)(&chain));
    answer.refused(422, "invalid_request", &["Idempotency-Key"]);
}

#[test]
fn of_32_who_call_at_once_with_one_key_all_get_one_token() {
    let service = Service::start();
    let chain = Chain::new(&service);
    for endpoint in ENDPOINTS {
        for round in 0..5 {
            let body = (endpoint.request)(&chain);
            let before = service.events();
            let key = format!("at-once-{round}");
            let answers: Vec<Answer> = thread::scope(|scope| {
                let threads: Vec<_> = (0..32)
                    .map(|_| scope.spawn(|| service.post_keyed(&key, endpoint.path, &body)))
                    .collect();
                threads.into_iter().map(|thread| thread.join().unwrap()).collect()
            });
            for answer in &answers {
                assert_eq!(shown(answer), shown(&answers[0]), "{}", endpoint.kind);
                if endpoint.kind == "app" {
                    assert_eq!(answer.body, answers[0].body);
                }
            }
            assert_eq!(service.events(), before + 1, "{}", endpoint.kind);
        }
    }
}

#[test]
fn a_result_that_is_dead_since_is_gone() {
    let mut service = Service::start();
    let chain = Chain::new(&service);
    let own = json!({"customer_id": chain.customer});
    let gone = |service: &Service, key: &str, path: &str, body: &Value| {
        service
            .post_keyed(key, path, body)
            .refused(409, "idempotent_result_gone", &[]);
    };
    for endpoint in ENDPOINTS {
        let body = (endpoint.request)(&chain);
        let minted = service.post_keyed("revoked", endpoint.path, &body).success();
        service
            .delete(&format!("/tokens/{}", text(&minted, "jti")), &own)
            .success();
        gone(&service, "revoked", endpoint.path, &body);
    }
    let agent = service
        .post_keyed("above", "/tokens/agent", &(AGENT.request)(&chain))
        .success();
    let below = json!({"customer_id": chain.customer, "parent_agent_jti": agent["jti"], "agent_id": "x"});
    service.post_keyed("below", "/tokens/subagent", &below).success();
    service.posted(&format!("/revoke/cascade/{}", text(&agent, "jti")), &own);
    // A used override token, and one beside it whose event is decided.
    let flagged = with(&(OVERRIDE.request)(&chain), "event_id", "decided");
    let used = service.post_keyed("used", "/tokens/override", &flagged).success();
    service.post_keyed("beside", "/tokens/override", &flagged).success();
    let decision = json!({"customer_id": chain.customer, "override_jti": used["jti"], "decision": "approve"});
    service.posted("/overrides/decided/decide", &decision);
    let short = with(&(OVERRIDE.request)(&chain), "event_id", "short");
    service.post_keyed("expired", "/tokens/override", &short).success();
    service.advance(5 * 60);
    for _ in 0..2 {
        gone(&service, "above", "/tokens/agent", &(AGENT.request)(&chain));
        gone(&service, "below", "/tokens/subagent", &below);
        gone(&service, "used", "/tokens/override", &flagged);
        gone(&service, "beside", "/tokens/override", &flagged);
        gone(&service, "expired", "/tokens/override", &short);
        service.restart();
    }
    // A key that was made by a keyed call and revoked since.
    let customer = json!({"customer_id": uuid()});
    let made = service.post_keyed("key", "/keys/signing", &customer).success();
    let again = service.post_keyed("key", "/keys/signing", &customer);
    assert_eq!(again.success(), made);
    let rotate = format!("/keys/{}/rotate", text(&made, "key_id"));
    let rotated = service.post_keyed("key", &rotate, &customer).success();
    assert_eq!(service.post_keyed("key", &rotate, &customer).success(), rotated);
    service.posted(&format!("/keys/{}/revoke", text(&rotated, "key_id")), &customer);
    gone(&service, "key", &rotate, &customer);
    service.posted(&format!("/keys/{}/revoke", text(&made, "key_id")), &customer);
    gone(&service, "key", "/keys/signing", &customer);
}

#[test]
fn a_suspended_customers_results_are_not_gone_and_not_given() {
    let service = Service::start();
    let chain = Chain::new(&service);
    let minted = service
        .post_keyed("k", "/tokens/agent", &(AGENT.request)(&chain))
        .success();
    service.posted(&format!("/customers/{}/suspend", chain.customer), &json!({}));
    let answer = service.post_keyed("k", "/tokens/agent", &(AGENT.request)(&chain));
    assert_eq!(
        (answer.status, &answer.json()["code"]),
        (403, &json!("customer_suspended"))
    );
    service.posted(&format!("/customers/{}/resume", chain.customer), &json!({}));
    let again = service
        .post_keyed("k", "/tokens/agent", &(AGENT.request)(&chain))
        .success();
    assert_eq!(again["jti"], minted["jti"]);
}

#[test]
fn a_decision_and_a_count_are_told_again_and_not_made_again() {
    let mut service = Service::start();
    let chain = Chain::new(&service);
    let decision = json!({"customer_id": chain.customer, "override_jti": chain.jti("override"), "decision": "reject"});
    let path = "/overrides/evt-1/decide";
    let counting = format!("/sessions/{}/events", chain.jti("session"));
    let counted = json!({"customer_id": chain.customer, "count": 10});
    let decided = service.post_keyed("k", path, &decision);
    let first = service.post_keyed("k", &counting, &counted);
    assert_eq!(first.success(), json!({"events_used": 10, "events_remaining": 990}));
    for _ in 0..2 {
        assert_eq!(service.post_keyed("k", path, &decision).body, decided.body);
        service
            .post_keyed("other", path, &decision)
            .refused(409, "event_decided", &[]);
        let other = with(&decision, "decision", "approve");
        service
            .post_keyed("k", path, &other)
            .refused(422, "idempotency_key_reused", &[]);
        assert_eq!(service.post_keyed("k", &counting, &counted).body, first.body);
        service.restart();
    }
    let answers: Vec<Answer> = thread::scope(|scope| {
        let threads: Vec<_> = (0..32)
            .map(|_| scope.spawn(|| service.post_keyed("once", &counting, &counted)))
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(answers.iter().all(|answer| answer.body == answers[0].body));
    let used = service.posted(&counting, &json!({"customer_id": chain.customer}));
    assert_eq!(used["events_used"], 21);
}

#[test]
fn what_failed_may_be_tried_again_with_the_same_key() {
    let mut service = Service::start();
    let chain = Chain::new(&service);
    let body = (AGENT.request)(&chain);
    let unknown = with(&body, "bearer_jti", uuid());
    service
        .post_keyed("k", "/tokens/agent", &unknown)
        .refused(404, "parent_not_found", &["bearer_jti"]);
    service
        .post_keyed("k", "/tokens/agent", &with(&body, "ttl_hours", 0))
        .refused(422, "invalid_request", &["ttl_hours"]);
    service.restart();
    let minted = service.post_keyed("k", "/tokens/agent", &body).success();
    // What changed nothing is not kept either.
    let second = json!({"customer_id": chain.customer});
    service
        .post_keyed("k", "/keys/signing", &second)
        .refused(409, "signing_key_exists", &[]);
    assert_eq!(
        service.post_keyed("k", "/tokens/agent", &body).success()["jti"],
        minted["jti"]
    );
}

#[test]
fn a_key_tells_nothing_to_who_may_not_make_the_call() {
    let service = Service::credentialed();
    let [chain, foreign] = [(), ()].map(|()| Chain::by(|path, body| service.post_as_operator(path, body)));
    let send = |credential: Option<&str>, body: &Value| {
        let authorization = credential.map(|credential| format!("Authorization: Bearer {credential}"));
        let mut headers = vec![JSON, "Idempotency-Key: k"];
        headers.extend(authorization.as_deref());
        service.request("POST /tokens/agent", &headers, &body.to_string())
    };
    let body = (AGENT.request)(&chain);
    let minted = send(Some(ADMIN), &body).success();
    let other = with(&body, "agent_id", "other");
    for body in [&body, &other] {
        send(None, body).refused(401, "unauthenticated", &[]);
        send(Some("qt_app_x.y.z"), body).refused(401, "unauthenticated", &[]);
        send(Some(foreign.token("app")), body).refused(404, "unknown_customer", &[]);
        for kind in ["agent", "subagent", "session", "override"] {
            send(Some(chain.token(kind)), body).refused(403, "forbidden", &[]);
        }
    }
    assert_eq!(send(Some(ADMIN), &body).success()["jti"], minted["jti"]);
    // What is presented is part of what is asked.
    let presented = json!({"agent_id": "x"});
    let header = |token: &str| format!("Authorization: Bearer {token}");
    let twin = service.post_as_operator("/tokens/agent", &body);
    let send = |token: &str| {
        let headers = [JSON, "Idempotency-Key: p", &header(token)];
        service.request("POST /tokens/subagent", &headers, &presented.to_string())
    };
    let first = send(chain.token("agent")).success();
    assert_eq!(send(chain.token("agent")).success()["jti"], first["jti"]);
    send(text(&twin, "token")).refused(422, "idempotency_key_reused", &[]);
}
