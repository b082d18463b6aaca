//! Credentials that nobody gave: tokens that no key of their customer signed, and bare identifiers.

use countersign_actors::crypto::keys::SigningKey;
use serde_json::{Value, json};

use super::admin;
use crate::chain::{Chain, KINDS};
use crate::support::{Answer, JSON, Service, forged, uuid};

#[test]
fn a_token_that_no_key_of_its_customer_signed_is_401() {
    let service = Service::start();
    let (chain, foreign) = (Chain::new(&service), Chain::new(&service));
    let (own, _) = SigningKey::generate().unwrap();
    let token = chain.token("agent");
    let before = service.events();
    let keep = |_: &mut Value, _: &mut Value| {};
    let forgeries = [
        ("signed again under its kid", forged(token, keep, Some(&own))),
        (
            "an unknown kid",
            forged(token, |header, _| header["kid"] = json!(uuid()), Some(&own)),
        ),
        (
            "another customer's kid",
            forged(
                token,
                |header, _| header["kid"] = foreign.key["key_id"].clone(),
                Some(&own),
            ),
        ),
        (
            "another customer",
            forged(token, |_, claims| claims["sub"] = json!(foreign.customer), None),
        ),
        (
            "an unknown customer",
            forged(token, |_, claims| claims["sub"] = json!(uuid()), Some(&own)),
        ),
        (
            "a later end",
            forged(token, |_, claims| claims["exp"] = json!(9_999_999_999_u64), None),
        ),
        (
            "no algorithm",
            forged(token, |header, _| header["alg"] = json!("none"), Some(&own)),
        ),
        (
            "HMAC",
            forged(token, |header, _| header["alg"] = json!("HS256"), Some(&own)),
        ),
        (
            "an extension",
            forged(token, |header, _| header["crit"] = json!(["exp"]), Some(&own)),
        ),
        (
            "a key in the header",
            forged(token, |header, _| header["jwk"] = json!({"kty": "EC"}), Some(&own)),
        ),
        ("another prefix", token.replacen("qt_agent_", "qt_app_", 1)),
        ("no prefix", token["qt_agent_".len()..].to_owned()),
        ("no signature", token[..token.rfind('.').unwrap() + 1].to_owned()),
        ("half of it", token[..token.len() / 2].to_owned()),
        ("something behind it", format!("{token}.x")),
        ("padding", format!("{token}==")),
    ];
    for (what, forgery) in forgeries {
        let answer: Answer = service.post_as(&forgery, "/tokens/subagent", &json!({"agent_id": "x"}));
        assert_eq!(answer.status, 401, "{what}: {}", answer.text());
        let problem = answer.refused(401, "unauthenticated", &[]);
        assert!(!problem.to_string().contains("eyJ"), "{what}");
    }
    assert_eq!(service.events(), before);
    service
        .post_as(token, "/tokens/subagent", &json!({"agent_id": "x"}))
        .success();
}

#[test]
fn a_bare_jti_is_no_credential() {
    for service in [Service::start(), Service::credentialed()] {
        let chain = admin(&service);
        let before = service.events();
        for kind in KINDS {
            let prefixed = format!("qt_{kind}_{}", chain.jti(kind));
            for credential in [chain.jti(kind), &prefixed] {
                let answer = service.post_as(credential, "/tokens/subagent", &json!({"agent_id": "x"}));
                answer.refused(401, "unauthenticated", &[]);
            }
            let header = format!("Authorization: {}", chain.jti(kind));
            let answer = service.request("POST /tokens/subagent", &[JSON, &header], r#"{"agent_id":"x"}"#);
            answer.refused(401, "unauthenticated", &[]);
        }
        assert_eq!(service.events(), before);
    }
}
