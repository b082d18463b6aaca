//! `/overrides`: an event is decided once, by whom the operator lets decide.

use countersign_actors::crypto::digest::hmac_sha256_hex;
use serde_json::{Value, json};

use crate::chain::{Chain, OVERRIDE};
use crate::support::{ADMIN, Answer, DAY, HOUR, MINUTE, Service, rfc3339, text, uuid, with, without};

/// An override token for an event.
fn flagged(service: &Service, chain: &Chain, event: &str) -> Value {
    service.posted("/tokens/override", &with(&(OVERRIDE.request)(chain), "event_id", event))
}

fn decision(chain: &Chain, token: &Value, decision: &str) -> Value {
    json!({"customer_id": chain.customer, "override_jti": token["jti"], "decision": decision})
}

fn decide(service: &Service, event: &str, body: &Value) -> Answer {
    service.post(&format!("/overrides/{event}/decide"), body)
}

fn find(service: &Service, chain: &Chain, event: &str) -> Value {
    service
        .get(&format!("/overrides/{event}?customer_id={}", chain.customer))
        .success()
}

/// Every further decision on the event of these tokens, and every further token, is refused with the standing one.
fn is_decided(service: &Service, chain: &Chain, tokens: &[Value], standing: &Value) {
    let event = text(standing, "event_id");
    for token in tokens {
        for other in ["approve", "reject"] {
            let answer = decide(service, event, &decision(chain, token, other));
            assert_eq!(answer.refused(409, "event_decided", &[])["decision"], *standing);
        }
        assert!(
            !service.is_active(text(token, "token")),
            "the event has no use for it any more"
        );
    }
    let again = service.post("/tokens/override", &with(&(OVERRIDE.request)(chain), "event_id", event));
    assert_eq!(again.refused(409, "event_decided", &[])["decision"], *standing);
}

#[test]
fn a_decision_is_taken_once_and_stands_with_its_cosignature() {
    let mut service = Service::start();
    let chain = Chain::new(&service);
    for (word, by) in [("approve", json!("alice@example.com")), ("reject", Value::Null)] {
        let event = format!("evt-{word}");
        let tokens = [(); 3].map(|()| flagged(&service, &chain, &event));
        let waiting = find(&service, &chain, &event);
        assert_eq!(waiting["override_tokens"].as_array().unwrap().len(), 3);
        assert_eq!(
            (&waiting["decision"], &waiting["cosignature"]),
            (&Value::Null, &Value::Null)
        );
        let body = with(&decision(&chain, &tokens[1], word), "reason", "looked at it");
        let body = with(&body, "decided_by", by.clone());
        let before = service.events();
        let raw = decide(&service, &event, &body);
        assert_eq!(raw.member_names(), ["event_id", "decision", "cosignature"]);
        let taken = raw.success();
        assert_eq!(service.events(), before + 1);
        assert_eq!(
            (text(&taken, "event_id"), text(&taken, "decision")),
            (event.as_str(), word)
        );
        let cosignature = text(&taken, "cosignature");
        assert!(cosignature.len() == 64 && cosignature.bytes().all(|byte| b"0123456789abcdef".contains(&byte)));
        let decided_at = rfc3339(service.now());
        for _ in 0..2 {
            let file = find(&service, &chain, &event);
            for (name, value) in [
                ("event_id", json!(event)),
                ("decision", json!(word)),
                ("override_jti", tokens[1]["jti"].clone()),
                ("decided_by", by.clone()),
                ("decided_at", json!(decided_at)),
                ("reason", json!("looked at it")),
                ("cosignature", json!(cosignature)),
            ] {
                assert_eq!(file[name], value, "{name}");
            }
            let standing = json!({
                "event_id": event,
                "decision": word,
                "override_jti": tokens[1]["jti"],
                "decided_by": by,
                "decided_at": decided_at,
            });
            is_decided(&service, &chain, &tokens, &standing);
            let statuses: Vec<Value> = file["override_tokens"]
                .as_array()
                .unwrap()
                .iter()
                .map(|token| token["status"].clone())
                .collect();
            assert_eq!(statuses, ["used", "used", "used"]);
            for token in &tokens {
                let path = format!("/tokens/{}?customer_id={}", text(token, "jti"), chain.customer);
                assert_eq!(service.get(&path).success()["status"], "used");
            }
            service.restart();
        }
    }
}

#[test]
fn a_cosignature_is_this_customers_for_this_decision_on_this_event_by_this_token() {
    let mut service = Service::start();
    let (chain, foreign) = (Chain::new(&service), Chain::new(&service));
    let event = chain.r#override["event_id"].as_str().unwrap().to_owned();
    let taken = decide(&service, &event, &decision(&chain, &chain.r#override, "approve")).success();
    let body = with(
        &decision(&chain, &chain.r#override, "approve"),
        "cosignature",
        taken["cosignature"].clone(),
    );
    let verify = |service: &Service, event: &str, body: &Value| {
        let answer = service.posted(&format!("/overrides/{event}/verify"), body);
        assert_eq!(answer.as_object().unwrap().len(), 1);
        answer["valid"].as_bool().unwrap()
    };
    for _ in 0..2 {
        assert!(verify(&service, &event, &body));
        let cosignature = text(&taken, "cosignature");
        for at in 0..cosignature.len() {
            let flipped: String = cosignature
                .char_indices()
                .map(|(place, digit)| match (place == at, digit) {
                    (false, digit) => digit,
                    (true, '0') => '1',
                    (true, _) => '0',
                })
                .collect();
            assert!(!verify(&service, &event, &with(&body, "cosignature", flipped)));
        }
        let public = format!("override|{event}|approve|{}", chain.jti("override"));
        for other in [
            cosignature[1..].to_owned(),
            format!("{cosignature}0"),
            cosignature.to_uppercase(),
            "x".repeat(10_000),
            hmac_sha256_hex(chain.customer.as_bytes(), public.as_bytes()),
            hmac_sha256_hex(&[0; 32], public.as_bytes()),
        ] {
            assert!(!verify(&service, &event, &with(&body, "cosignature", other)));
        }
        assert!(!verify(&service, "evt-2", &body));
        assert!(!verify(&service, &event, &with(&body, "decision", "reject")));
        assert!(!verify(
            &service,
            &event,
            &with(&body, "override_jti", chain.jti("agent"))
        ));
        assert!(!verify(
            &service,
            &event,
            &with(&body, "customer_id", foreign.customer.as_str())
        ));
        service.restart();
    }
    // It needs no record, and outlives the key that signed the token.
    let own = json!({"customer_id": chain.customer});
    service.posted(&format!("/keys/{}/revoke", chain.key_id()), &own);
    service.posted("/keys/signing", &own);
    service.advance(100 * DAY);
    service.restart();
    assert!(verify(&service, &event, &body));
}

#[test]
fn a_verification_names_its_fields_at_fault() {
    let service = Service::start();
    let chain = Chain::new(&service);
    let event = "evt-1";
    let body = with(&decision(&chain, &chain.r#override, "approve"), "cosignature", "x");
    service.posted(&format!("/overrides/{event}/verify"), &body);
    for (body, fields) in [
        (without(&body, "cosignature"), vec!["cosignature"]),
        (without(&body, "decision"), vec!["decision"]),
        (without(&body, "override_jti"), vec!["override_jti"]),
        (without(&body, "customer_id"), vec!["customer_id"]),
        (with(&body, "decision", "allow"), vec!["decision"]),
        (with(&body, "reason", "x"), vec!["reason"]),
    ] {
        let answer = service.post(&format!("/overrides/{event}/verify"), &body);
        answer.refused(422, "invalid_request", &fields);
    }
}

#[test]
fn checks_come_in_the_contracts_order() {
    let mut service = Service::start();
    let (chain, foreign) = (Chain::new(&service), Chain::new(&service));
    let own = json!({"customer_id": chain.customer});
    let narrow = |event: &str| {
        let body = with(&(OVERRIDE.request)(&chain), "event_id", event);
        service.posted(
            "/tokens/override",
            &with(&body, "allowed_decisions", json!(["approve"])),
        )
    };
    let revoke = |token: &Value| {
        service
            .delete(&format!("/tokens/{}", text(token, "jti")), &own)
            .success();
    };
    // Everything is wrong with it, then one thing less each time.
    let (decided, decided_by) = (narrow("decided"), narrow("decided"));
    let (revoked, expired, good) = (narrow("revoked"), narrow("expired"), narrow("good"));
    revoke(&decided);
    revoke(&revoked);
    let reject = |token: &Value| decision(&chain, token, "reject");
    let approve = |token: &Value| decision(&chain, token, "approve");
    decide(&service, "decided", &approve(&decided_by)).success();
    service.advance(4 * MINUTE + 59);
    let checks: [(&str, Value, u16, &str, &[&str]); 8] = [
        ("decided", reject(&json!({"jti": uuid()})), 404, "token_not_found", &[]),
        ("decided", reject(&foreign.r#override), 404, "token_not_found", &[]),
        ("decided", reject(&chain.agent), 404, "token_not_found", &[]),
        ("other", reject(&decided), 400, "event_differs", &["event_id"]),
        ("decided", reject(&decided), 409, "event_decided", &[]),
        ("revoked", reject(&revoked), 403, "override_revoked", &[]),
        ("good", reject(&good), 400, "decision_not_allowed", &["decision"]),
        ("expired", reject(&expired), 400, "decision_not_allowed", &["decision"]),
    ];
    let before = service.events();
    for (event, body, status, code, fields) in &checks {
        let answer = decide(&service, event, body);
        assert_eq!(answer.status, *status, "{event}: {}", answer.text());
        if *status == 403 {
            assert_eq!(answer.json()["code"], *code);
        } else {
            answer.refused(*status, code, fields);
        }
    }
    assert_eq!(service.events(), before);
    service.advance(1);
    for _ in 0..2 {
        for token in [&revoked, &expired] {
            let event = text(token, "event_id").to_owned();
            let (status, code) = if event == "revoked" {
                (403, "override_revoked")
            } else {
                (410, "override_expired")
            };
            for body in [reject(token), approve(token)] {
                let answer = decide(&service, &event, &body);
                assert_eq!((answer.status, &answer.json()["code"]), (status, &json!(code)));
            }
        }
        decide(&service, "decided", &reject(&decided)).refused(409, "event_decided", &[]);
        decide(&service, "other", &reject(&expired)).refused(400, "event_differs", &["event_id"]);
        service.restart();
    }
}

#[test]
fn fields_at_fault_come_before_any_token() {
    let service = Service::start();
    let chain = Chain::new(&service);
    let body = decision(&chain, &chain.r#override, "approve");
    let long = "x".repeat(1_001);
    for (body, fields) in [
        (without(&body, "override_jti"), vec!["override_jti"]),
        (without(&body, "decision"), vec!["decision"]),
        (without(&body, "customer_id"), vec!["customer_id"]),
        (with(&body, "decision", "allow"), vec!["decision"]),
        (with(&body, "decision", "Approve"), vec!["decision"]),
        (with(&body, "decision", json!(["approve"])), vec!["decision"]),
        (with(&body, "reason", long.as_str()), vec!["reason"]),
        (with(&body, "decided_by", ""), vec!["decided_by"]),
        (with(&body, "decided_by", "a\nb"), vec!["decided_by"]),
        (with(&body, "override_jti", "x"), vec!["override_jti"]),
        (with(&body, "decison", "approve"), vec!["decison"]),
    ] {
        decide(&service, "evt-1", &body).refused(422, "invalid_request", &fields);
    }
    for event in ["a%7Cb", "a%00b", &"x".repeat(256)] {
        decide(&service, event, &body).refused(404, "not_found", &[]);
    }
    decide(&service, "evt-1", &with(&body, "customer_id", uuid())).refused(404, "unknown_customer", &[]);
    service
        .get(&format!("/overrides/evt-9?customer_id={}", chain.customer))
        .refused(404, "event_not_found", &[]);
    service
        .get("/overrides/evt-1")
        .refused(422, "invalid_request", &["customer_id"]);
    decide(&service, "evt-1", &body).success();
}

#[test]
fn an_events_name_may_be_anything_that_a_path_can_carry() {
    let service = Service::start();
    let chain = Chain::new(&service);
    let longest = "é".repeat(255);
    for event in ["a/b", "100%", "a%2Fb", "ä ö?#&=+", "..", ".", "evt:1;x", &longest] {
        let token = flagged(&service, &chain, event);
        let path: String = event.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let answer = decide(&service, &path, &decision(&chain, &token, "reject"));
        assert_eq!(answer.success()["event_id"], event);
        assert_eq!(find(&service, &chain, &path)["decision"], "reject");
        let body = with(
            &decision(&chain, &token, "reject"),
            "cosignature",
            answer.json()["cosignature"].clone(),
        );
        assert_eq!(
            service.posted(&format!("/overrides/{path}/verify"), &body)["valid"],
            true
        );
    }
}

#[test]
fn only_the_operator_and_who_has_the_scope_may_decide() {
    let service = Service::credentialed();
    let chain = Chain::by(|path, body| service.post_as_operator(path, body));
    let app = |scope: &str| {
        let body = json!({"customer_id": chain.customer, "name": "x", "scopes": [scope]});
        text(&service.post_as_operator("/tokens/app", &body), "token").to_owned()
    };
    let body = decision(&chain, &chain.r#override, "approve");
    let path = "/overrides/evt-1/decide";
    let verify = with(&body, "cosignature", "x");
    for kind in ["bearer", "agent", "subagent", "session", "override"] {
        service
            .post_as(chain.token(kind), path, &body)
            .refused(403, "forbidden", &[]);
        service
            .get_as(chain.token(kind), "/overrides/evt-1")
            .refused(403, "forbidden", &[]);
        let answer = service.post_as(chain.token(kind), "/overrides/evt-1/verify", &verify);
        answer.refused(403, "forbidden", &[]);
    }
    for scope in [
        "tokens:mint",
        "tokens:revoke",
        "tokens:read",
        "keys:manage",
        "permissions:manage",
    ] {
        service.post_as(&app(scope), path, &body).refused(403, "forbidden", &[]);
        service
            .get_as(&app(scope), "/overrides/evt-1")
            .refused(403, "forbidden", &[]);
    }
    service.post(path, &body).refused(401, "unauthenticated", &[]);
    let decider = app("overrides:decide");
    service.get_as(&decider, "/overrides/evt-1").success();
    service
        .post_as(&decider, path, &without(&body, "customer_id"))
        .success();
    service.post_as(ADMIN, path, &body).refused(409, "event_decided", &[]);
}

#[test]
fn a_decision_is_kept_for_ninety_days_and_the_event_can_then_be_decided_anew() {
    let mut service = Service::start();
    let chain = Chain::new(&service);
    let first = flagged(&service, &chain, "again");
    decide(&service, "again", &decision(&chain, &first, "approve")).success();
    service.advance(90 * DAY - 1);
    service.restart();
    assert_eq!(find(&service, &chain, "again")["decision"], "approve");
    let mint = with(&(OVERRIDE.request)(&chain), "event_id", "again");
    service
        .post("/tokens/override", &mint)
        .refused(409, "event_decided", &[]);
    service.advance(1);
    let answer = service.get(&format!("/overrides/again?customer_id={}", chain.customer));
    answer.refused(404, "event_not_found", &[]);
    let second = flagged(&service, &chain, "again");
    decide(&service, "again", &decision(&chain, &second, "reject")).success();
    for _ in 0..2 {
        let file = find(&service, &chain, "again");
        assert_eq!(
            (&file["decision"], &file["override_jti"]),
            (&json!("reject"), &second["jti"])
        );
        service.restart();
    }
    service.advance(HOUR);
    assert_eq!(find(&service, &chain, "again")["decision"], "reject");
}
