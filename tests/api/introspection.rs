//! `/tokens/introspect`, `/tokens/authorize`: what a token is worth now, and what it allows.

use countersign_actors::crypto::keys::SigningKey;
use serde_json::{Value, json};

use crate::chain::{AGENT, Chain, KINDS, OVERRIDE, SESSION, SUBAGENT};
use crate::support::{ADMIN, Answer, DAY, JSON, MINUTE, Service, decode, forged, text, uuid, with};

mod authorization;
mod stolen_key;

const FORM: &str = "Content-Type: application/x-www-form-urlencoded";

/// Asks in both ways, and asserts that the answers are one.
#[track_caller]
fn introspect(service: &Service, token: &str) -> Answer {
    let json = service.post("/tokens/introspect", &json!({"token": token}));
    let form = service.request("POST /tokens/introspect", &[FORM], &format!("token={}", encoded(token)));
    let hinted = format!("token_type_hint=access_token&token={}", encoded(token));
    let hinted = service.request("POST /tokens/introspect", &[FORM], &hinted);
    assert_eq!(seen(&json), seen(&form));
    assert_eq!(seen(&json), seen(&hinted));
    json
}

fn encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' | b'.' => char::from(byte).to_string(),
            other => format!("%{other:02X}"),
        })
        .collect()
}

/// Everything of an answer but its date and the id of its request.
fn seen(answer: &Answer) -> (u16, Vec<(String, String)>, Vec<u8>) {
    let headers = answer
        .headers
        .iter()
        .filter(|(name, _)| !["date", "traceresponse", "x-request-id"].contains(&name.as_str()));
    let mut headers: Vec<_> = headers.cloned().collect();
    // They come in no order.
    headers.sort_unstable();
    (answer.status, headers, answer.body.clone())
}

#[test]
fn an_active_token_is_answered_with_its_claims_as_they_were_signed() {
    let mut service = Service::start();
    let chain = Chain::new(&service);
    for _ in 0..2 {
        for kind in KINDS {
            let (_, claims) = decode(chain.token(kind));
            let inner = claims.strip_prefix('{').unwrap().strip_suffix('}').unwrap();
            let answer = introspect(&service, chain.token(kind));
            let expected = format!(r#"{{"active":true,{inner},"token_type":"{kind}"}}"#);
            assert_eq!(String::from_utf8(answer.body.clone()).unwrap(), expected);
            assert_eq!(answer.success()["sub"], chain.customer.as_str());
        }
        service.restart();
    }
}

/// What no key of the customer signed, or nobody.
fn forgeries(chain: &Chain, foreign: &Chain) -> Vec<(&'static str, String)> {
    let token = chain.token("agent").to_owned();
    let dot = token.rfind('.').unwrap();
    let kid = uuid();
    let nobody = uuid();
    let (forger, _) = SigningKey::generate().unwrap();
    vec![
        ("nothing", String::new()),
        ("garbage", "garbage".to_owned()),
        ("a jti", chain.jti("agent").to_owned()),
        ("a prefix", "qt_agent_".to_owned()),
        ("two dots", "qt_agent_..".to_owned()),
        ("9 KiB", format!("{token}{}", "A".repeat(9_000))),
        ("bytes", "\u{0}\u{ff}é%".to_owned()),
        (
            "an unknown customer",
            forged(&token, |_, claims| claims["sub"] = json!(nobody), Some(&forger)),
        ),
        (
            "an unknown kid",
            forged(&token, |header, _| header["kid"] = json!(kid), Some(&forger)),
        ),
        ("signed by another key", forged(&token, |_, _| {}, Some(&forger))),
        ("no signature", token[..=dot].to_owned()),
        ("another signature", format!("{}{}", &token[..=dot], "A".repeat(86))),
        (
            "another algorithm",
            forged(&token, |header, _| header["alg"] = json!("none"), None),
        ),
        ("another kind", token.replacen("qt_agent_", "qt_bearer_", 1)),
        (
            "another's key",
            forged(
                &token,
                |header, _| header["kid"] = foreign.key["key_id"].clone(),
                Some(&forger),
            ),
        ),
    ]
}

/// Every way for a token to be worth nothing.
fn worthless(service: &Service, chain: &mut Chain) -> Vec<(String, String)> {
    let own = json!({"customer_id": chain.customer});
    let mint = |path: &str, body: Value| text(&service.posted(path, &body), "token").to_owned();
    let foreign = Chain::new(service);
    let erased = Chain::new(service);
    service
        .delete(&format!("/customers/{}", erased.customer), &Value::Null)
        .success();
    let suspended = Chain::new(service);
    service.posted(&format!("/customers/{}/suspend", suspended.customer), &json!({}));
    let expired = mint("/tokens/session", with(&(SESSION.request)(chain), "ttl_minutes", 1));
    let forgotten = mint("/tokens/session", with(&(SESSION.request)(chain), "ttl_minutes", 1));
    service.advance(62 * MINUTE);
    let ended = mint("/tokens/session", with(&(SESSION.request)(chain), "ttl_minutes", 1));
    service.advance(MINUTE);
    let revoked = service.posted("/tokens/agent", &(AGENT.request)(chain));
    service
        .delete(&format!("/tokens/{}", text(&revoked, "jti")), &own)
        .success();
    let root = service.posted("/tokens/agent", &(AGENT.request)(chain));
    let below = with(&(SUBAGENT.request)(chain), "parent_agent_jti", root["jti"].clone());
    let cascaded = mint("/tokens/subagent", below);
    service.posted(&format!("/revoke/cascade/{}", text(&root, "jti")), &own);
    let flagged = with(&(OVERRIDE.request)(chain), "event_id", "decided");
    let used = service.posted("/tokens/override", &flagged);
    let beside = mint("/tokens/override", flagged);
    let decision = with(&with(&own, "override_jti", used["jti"].clone()), "decision", "approve");
    service.posted("/overrides/decided/decide", &decision);
    let mut all = forgeries(chain, &foreign);
    all.extend([
        ("expired", expired),
        ("expired and forgotten", forgotten),
        ("just expired", ended),
        ("revoked", text(&revoked, "token").to_owned()),
        ("cascaded", cascaded),
        ("used", text(&used, "token").to_owned()),
        ("of a decided event", beside),
    ]);
    all.extend(KINDS.map(|kind| ("of a suspended customer", suspended.token(kind).to_owned())));
    all.extend(KINDS.map(|kind| ("of an erased customer", erased.token(kind).to_owned())));
    all.into_iter().map(|(what, token)| (what.to_owned(), token)).collect()
}

#[test]
fn whatever_is_wrong_with_a_token_the_answer_is_the_same_to_the_byte() {
    let mut service = Service::start();
    let mut chain = Chain::new(&service);
    let worthless = worthless(&service, &mut chain);
    for _ in 0..2 {
        let expected = introspect(&service, "x");
        assert_eq!(expected.body, br#"{"active":false}"#);
        assert_eq!(expected.status, 200);
        let action = |token: &str| {
            let body = json!({"token": token, "action": "code:read:x"});
            service.post("/tokens/authorize", &body)
        };
        let refused = action("x");
        assert_eq!(refused.success()["step"], "token");
        assert_eq!(refused.json()["allowed"], false);
        for (what, token) in &worthless {
            if !token.is_empty() {
                assert_eq!(seen(&introspect(&service, token)), seen(&expected), "{what}");
                assert_eq!(seen(&action(token)), seen(&refused), "{what}");
            }
            if token.bytes().all(|byte| byte.is_ascii_graphic()) && token.len() < 8_000 {
                let presented = service.post_as(token, "/tokens/introspect", &json!({"token": "x"}));
                assert!(matches!(presented.status, 401 | 403), "{what}: {}", presented.text());
            }
        }
        assert!(service.is_active(chain.token("agent")));
        service.restart();
    }
}

#[test]
fn another_customers_token_is_like_none_to_an_app_token() {
    let service = Service::credentialed();
    let [chain, foreign] = [(), ()].map(|()| Chain::by(|path, body| service.post_as_operator(path, body)));
    let as_app = |path: &str, token: &str| {
        service.post_as(chain.token("app"), path, &json!({"token": token, "action": "a:b:c"}))
    };
    let ask = |token: &str| service.post_as(chain.token("app"), "/tokens/introspect", &json!({"token": token}));
    for kind in KINDS {
        assert_eq!(ask(chain.token(kind)).success()["active"], true);
        assert_eq!(seen(&ask(foreign.token(kind))), seen(&ask("x")), "{kind}");
        let (foreign, garbage) = (
            as_app("/tokens/authorize", foreign.token(kind)),
            as_app("/tokens/authorize", "x"),
        );
        assert_eq!(seen(&foreign), seen(&garbage), "{kind}");
        let operator = service.post_as(ADMIN, "/tokens/introspect", &json!({"token": chain.token(kind)}));
        assert_eq!(operator.success()["active"], true);
    }
    for kind in &KINDS[1..] {
        let body = json!({"token": chain.token("app")});
        let answer = service.post_as(chain.token(kind), "/tokens/introspect", &body);
        answer.refused(403, "forbidden", &[]);
    }
    let body = json!({"token": chain.token("app")});
    service
        .post("/tokens/introspect", &body)
        .refused(401, "unauthenticated", &[]);
}

#[test]
fn a_request_at_fault_is_refused_before_any_token_is_looked_at() {
    let service = Service::start();
    let chain = Chain::new(&service);
    let token = chain.token("agent");
    for (body, fields) in [
        (json!({}), vec!["token"]),
        (json!({"token": null}), vec!["token"]),
        (json!({"token": 1}), vec!["token"]),
        (json!({"token": token, "x": 1}), vec!["x"]),
    ] {
        service
            .post("/tokens/introspect", &body)
            .refused(422, "invalid_request", &fields);
    }
    for (body, fields) in [
        (json!({"token": token}), vec!["action"]),
        (json!({"action": "a"}), vec!["token"]),
        (json!({"token": token, "action": 1}), vec!["action"]),
        (
            json!({"token": token, "action": "a", "sensitivity_level": 5}),
            vec!["sensitivity_level"],
        ),
        (
            json!({"token": token, "action": "a", "sensitivity_level": -1}),
            vec!["sensitivity_level"],
        ),
        (json!({"token": token, "action": "a", "resource": 7}), vec!["resource"]),
        (json!({"token": token, "action": "é".repeat(4_097)}), vec!["action"]),
        (
            json!({"token": token, "action": "a", "resource": "x".repeat(4_097)}),
            vec!["resource"],
        ),
        (json!({"token": token, "action": "a", "resourc": "x"}), vec!["resourc"]),
    ] {
        service
            .post("/tokens/authorize", &body)
            .refused(422, "invalid_request", &fields);
    }
    let form = service.request("POST /tokens/authorize", &[FORM], "token=x&action=y");
    form.refused(415, "unsupported_media_type", &[]);
    let twice = service.request("POST /tokens/introspect", &[FORM], "token=x&token=y");
    assert!(matches!(twice.status, 400 | 422), "{}", twice.text());
    let longest = json!({"token": token, "action": "é".repeat(4_096), "resource": "x".repeat(4_096)});
    service.post("/tokens/authorize", &longest).success();
    service
        .request("POST /tokens/introspect", &[JSON], "{")
        .refused(400, "malformed_json", &[]);
}

#[test]
fn an_inactive_token_stays_inactive_however_often_it_is_asked_about() {
    let service = Service::start();
    let chain = Chain::new(&service);
    let own = json!({"customer_id": chain.customer});
    // Its signature was verified before, and is remembered.
    for kind in KINDS {
        assert!(service.is_active(chain.token(kind)));
    }
    service.posted(&format!("/keys/{}/revoke", chain.key_id()), &own);
    for _ in 0..3 {
        for kind in KINDS {
            assert!(!service.is_active(chain.token(kind)));
            let answer = service.post_as(chain.token(kind), "/tokens/introspect", &json!({"token": "x"}));
            answer.refused(401, "unauthenticated", &[]);
        }
        service.advance(DAY);
    }
}
