//! Who may call (section 3 of the contract): open mode, the admin credential, app tokens, parents.

use std::io::Write;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use countersign_actors::crypto::keys::SigningKey;
use serde_json::{Value, json};

use crate::chain::{AGENT, Chain, ENDPOINTS, OVERRIDE, SESSION, SUBAGENT};
use crate::support::{ADMIN, Answer, DAY, HOUR, JSON, Service, uuid, with, without};

/// A chain made by the operator.
fn admin(service: &Service) -> Chain {
    Chain::by(|path, body| service.post_as_operator(path, body))
}

/// An app token of the chain's customer with these scopes.
fn app_with(service: &Service, chain: &Chain, scopes: &[&str]) -> String {
    let body = json!({"customer_id": chain.customer, "name": "scoped", "scopes": scopes, "ttl_days": 1});
    let answer = service.post_as(ADMIN, "/tokens/app", &body).success();
    answer["token"].as_str().unwrap().to_owned()
}

/// Every call that changes something, in the documented form.
fn calls(chain: &Chain) -> Vec<(String, Value)> {
    let minting = ENDPOINTS.iter();
    let mut calls: Vec<_> = minting
        .map(|endpoint| (endpoint.path.to_owned(), (endpoint.request)(chain)))
        .collect();
    let customer = json!({"customer_id": chain.customer});
    calls.push(("/keys/signing".to_owned(), customer.clone()));
    calls.push((format!("/keys/{}/rotate", chain.key_id()), customer));
    calls
}

/// Asserts that every call is refused with this credential and that nothing was recorded.
fn all_refused(service: &Service, chain: &Chain, credential: &str, status: u16, code: &str) {
    let before = service.events();
    for (path, body) in calls(chain) {
        // An app token is a bearer's parent itself, so here the body must not name another.
        let body = without(
            &body,
            if credential.starts_with("qt_app_") {
                "app_token_hash"
            } else {
                ""
            },
        );
        let answer = service.post_as(credential, &path, &body);
        assert_eq!(answer.status, status, "{path}: {}", answer.text());
        answer.refused(status, code, &[]);
    }
    assert_eq!(service.events(), before);
}

#[test]
fn without_the_admin_credential_nothing_is_minted_and_the_answer_says_how_to_authenticate() {
    let service = Service::credentialed();
    let chain = admin(&service);
    let before = service.events();
    for (path, body) in calls(&chain) {
        let answer = service.post(&path, &body);
        answer.refused(401, "unauthenticated", &[]);
        assert_eq!(answer.header("www-authenticate"), Some(r#"Bearer realm="countersign""#));
    }
    assert_eq!(service.events(), before);
    for path in ["/health", "/ready"] {
        service.get(path).success();
    }
    let keys = format!("/keys/public/{}", chain.customer);
    service.get(&keys).success();
    assert_eq!(
        service.get(&format!("{keys}/jwks.json")).status,
        200,
        "public keys stay open"
    );
}

#[test]
fn a_wrong_or_malformed_credential_is_401() {
    let service = Service::credentialed();
    let chain = admin(&service);
    let cut = &ADMIN[1..];
    let longer = format!("{ADMIN}x");
    let upper = ADMIN.to_uppercase();
    for wrong in [
        cut,
        &longer,
        &upper,
        "x",
        chain.jti("agent"),
        chain.customer.as_str(),
        "qt_agent_",
        "qt_app_a.b.c",
    ] {
        all_refused(&service, &chain, wrong, 401, "unauthenticated");
    }
    let body = calls(&chain).remove(0).1.to_string();
    for header in [
        format!("Authorization: {ADMIN}"),
        format!("Authorization: Basic {ADMIN}"),
        "Authorization: Bearer".to_owned(),
        format!("Authorization: Bearer {ADMIN}\r\nAuthorization: Bearer {ADMIN}"),
        format!("X-Api-Key: {ADMIN}"),
    ] {
        let answer = service.request("POST /tokens/app", &[JSON, &header], &body);
        answer.refused(401, "unauthenticated", &[]);
    }
}

#[test]
fn an_app_token_covers_what_its_scopes_say() {
    let service = Service::credentialed();
    let chain = admin(&service);
    let mint = app_with(&service, &chain, &["tokens:mint"]);
    let keys = app_with(&service, &chain, &["keys:manage"]);
    let all = app_with(&service, &chain, &["*"]);
    for endpoint in &ENDPOINTS[2..] {
        let body = (endpoint.request)(&chain);
        for credential in [&mint, &all] {
            service.post_as(credential, endpoint.path, &body).success();
            let own = without(&body, "customer_id");
            let answer = service.post_as(credential, endpoint.path, &own).success();
            assert_eq!(answer["claims"]["sub"], chain.customer.as_str(), "its own customer");
        }
        let before = service.events();
        let answer = service.post_as(&keys, endpoint.path, &body);
        let problem = answer.refused(403, "forbidden", &[]);
        assert!(
            answer
                .header("www-authenticate")
                .unwrap()
                .contains("insufficient_scope")
        );
        assert!(problem["detail"].as_str().unwrap().contains("tokens:mint"), "{problem}");
        assert_eq!(service.events(), before);
    }
    let body = json!({"customer_id": chain.customer});
    let rotation = format!("/keys/{}/rotate", chain.key_id());
    service.post_as(&mint, &rotation, &body).refused(403, "forbidden", &[]);
    service.post_as(&keys, &rotation, &body).success();
    let other: Vec<&str> = vec!["tokens:read", "tokens:revoke", "overrides:decide", "permissions:manage"];
    let other = app_with(&service, &chain, &other);
    all_refused(&service, &chain, &other, 403, "forbidden");
}

#[test]
fn new_app_tokens_are_the_operators_alone_to_mint() {
    let service = Service::credentialed();
    let chain = admin(&service);
    let all = app_with(&service, &chain, &["*"]);
    let body = json!({"customer_id": chain.customer, "name": "x"});
    service
        .post_as(&all, "/tokens/app", &body)
        .refused(403, "forbidden", &[]);
    service.post_as(ADMIN, "/tokens/app", &body).success();
}

#[test]
fn a_credential_of_another_customer_meets_what_does_not_exist() {
    let service = Service::credentialed();
    let (chain, foreign) = (admin(&service), admin(&service));
    for kind in ["app", "bearer", "agent", "subagent", "session", "override"] {
        let before = service.events();
        for (path, body) in calls(&chain) {
            let unknown = with(&body, "customer_id", uuid());
            let seen = service.post_as(foreign.token(kind), &path, &body);
            let expected = service.post_as(foreign.token(kind), &path, &unknown);
            assert_eq!(seen.status, 404, "{kind} {path}: {}", seen.text());
            assert_eq!(seen.refused(404, "unknown_customer", &[]), expected.json());
        }
        assert_eq!(service.events(), before);
    }
    // Its own customer and the other's parent: just as unknown.
    for endpoint in &ENDPOINTS[1..5] {
        let body = without(&(endpoint.request)(&chain), "customer_id");
        let field = endpoint.parent.unwrap().0;
        if field == "app_token_hash" {
            // Here the credential is the parent, and the body names another one.
            let answer = service.post_as(foreign.token("app"), endpoint.path, &body);
            answer.refused(400, "parent_disagrees", &[field]);
        } else {
            let answer = service.post_as(foreign.token("app"), endpoint.path, &body);
            answer.refused(404, "parent_not_found", &[field]);
        }
    }
}

#[test]
fn an_expired_credential_is_401_from_its_last_second_on() {
    let service = Service::credentialed();
    let chain = admin(&service);
    let app = app_with(&service, &chain, &["*"]);
    service.advance(DAY - 1);
    let body = (OVERRIDE.request)(&chain);
    service.post_as(&app, "/tokens/override", &body).success();
    service.advance(1);
    all_refused(&service, &chain, &app, 401, "unauthenticated");
    all_refused(&service, &chain, chain.token("agent"), 401, "unauthenticated");
    service.advance(10 * DAY);
    all_refused(&service, &chain, &app, 401, "unauthenticated");
}

#[test]
fn a_dead_credential_is_told_nothing_about_its_request() {
    let service = Service::credentialed();
    let chain = admin(&service);
    let app = app_with(&service, &chain, &["*"]);
    service.advance(DAY);
    for body in [
        json!({}),
        json!({"agent_id": 7, "wrong": true}),
        json!({"bearer_jti": uuid(), "agent_id": "x"}),
    ] {
        for (path, token) in [
            ("/tokens/agent", chain.token("agent")),
            ("/tokens/subagent", chain.token("agent")),
        ] {
            service.post_as(token, path, &body).refused(401, "unauthenticated", &[]);
        }
        service
            .post_as(&app, "/tokens/agent", &body)
            .refused(401, "unauthenticated", &[]);
    }
}

#[test]
fn a_missing_customer_is_told_with_everything_else_that_is_missing() {
    let service = Service::start();
    let refused = service.post("/tokens/agent", &json!({"ttl_hours": 0}));
    refused.refused(
        422,
        "invalid_request",
        &["customer_id", "bearer_jti", "agent_id", "ttl_hours"],
    );
}

/// The shortest request for a child, when its parent presents itself.
fn presented(kind: &str) -> Value {
    match kind {
        "bearer" => json!({}),
        "agent" | "subagent" => json!({"agent_id": "x"}),
        "session" => json!({"session_id": "x"}),
        _ => json!({"event_id": "x"}),
    }
}

#[test]
fn a_parent_that_presents_itself_may_mint_the_children_of_its_kind_and_no_others() {
    const PARENTS: [(&str, &[&str]); 5] = [
        ("bearer", &["app"]),
        ("agent", &["bearer"]),
        ("subagent", &["agent", "subagent"]),
        ("session", &["agent", "subagent"]),
        ("override", &["agent", "subagent", "session"]),
    ];
    for service in [Service::start(), Service::credentialed()] {
        let chain = admin(&service);
        for (child, parents) in PARENTS {
            let path = format!("/tokens/{child}");
            for parent in ["app", "bearer", "agent", "subagent", "session", "override"] {
                let before = service.events();
                let answer = service.post_as(chain.token(parent), &path, &presented(child));
                if parents.contains(&parent) {
                    let minted = answer.success();
                    let claimed = &minted["claims"]["parent_jti"];
                    assert_eq!(minted["claims"]["sub"], chain.customer.as_str());
                    assert!(
                        child == "override" || *claimed == chain.of(parent)["jti"],
                        "{parent} {child}"
                    );
                    assert_eq!(service.events(), before + 1);
                } else {
                    // With the documented form's fields it is a credential that does not cover the call.
                    let endpoint = ENDPOINTS.iter().find(|endpoint| endpoint.kind == child).unwrap();
                    let full = service.post_as(chain.token(parent), &path, &(endpoint.request)(&chain));
                    if parent == "app" {
                        full.success();
                        continue;
                    }
                    full.refused(403, "forbidden", &[]);
                    assert!(
                        matches!(answer.status, 403 | 422),
                        "{parent} {child}: {}",
                        answer.text()
                    );
                    assert_eq!(service.events(), before);
                }
            }
        }
    }
}

#[test]
fn an_app_token_never_becomes_an_overrides_parent() {
    let service = Service::start();
    let chain = Chain::new(&service);
    let answer = service.post_as(chain.token("app"), "/tokens/override", &(OVERRIDE.request)(&chain));
    let claims = answer.success()["claims"].clone();
    assert!(claims.get("parent_jti").is_none());
    // In the documented form, so a zero is no way to leave a field out.
    let body = with(&(OVERRIDE.request)(&chain), "ttl_minutes", 0);
    let answer = service.post_as(chain.token("app"), "/tokens/override", &body);
    answer.refused(422, "invalid_request", &["ttl_minutes"]);
}

#[test]
fn an_override_under_a_session_ends_with_it() {
    let service = Service::start();
    let chain = Chain::new(&service);
    service.advance(58 * 60);
    let answer = service.post_as(chain.token("session"), "/tokens/override", &json!({"event_id": "e"}));
    assert_eq!(answer.success()["expires_at"], chain.session["expires_at"]);
}

#[test]
fn tokens_other_than_app_tokens_cover_nothing_but_their_children() {
    for service in [Service::start(), Service::credentialed()] {
        let chain = admin(&service);
        let before = service.events();
        for kind in ["bearer", "agent", "subagent", "session", "override"] {
            let customer = json!({"customer_id": chain.customer});
            for (path, body) in [
                (
                    "/tokens/app".to_owned(),
                    json!({"customer_id": chain.customer, "name": "x"}),
                ),
                ("/keys/signing".to_owned(), customer.clone()),
                (format!("/keys/{}/rotate", chain.key_id()), customer),
            ] {
                let answer = service.post_as(chain.token(kind), &path, &body);
                answer.refused(403, "forbidden", &[]);
            }
        }
        assert_eq!(service.events(), before);
    }
}

#[test]
fn one_agent_is_not_another() {
    let service = Service::start();
    let chain = Chain::new(&service);
    let other = service.posted("/tokens/agent", &(AGENT.request)(&chain));
    let before = service.events();
    for endpoint in [&SUBAGENT, &SESSION] {
        let field = endpoint.parent.unwrap().0;
        let body = with(&(endpoint.request)(&chain), field, other["jti"].clone());
        let answer = service.post_as(chain.token("agent"), endpoint.path, &body);
        answer.refused(400, "parent_disagrees", &[field]);
    }
    assert_eq!(service.events(), before);
}

/// The token with another header, claims or signature.
pub(crate) fn forged(token: &str, change: impl FnOnce(&mut Value, &mut Value), sign: Option<&SigningKey>) -> String {
    let at = token.find("eyJ").unwrap();
    let (prefix, compact) = token.split_at(at);
    let parts: Vec<&str> = compact.split('.').collect();
    let read = |part: &str| serde_json::from_slice::<Value>(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap();
    let (mut header, mut claims) = (read(parts[0]), read(parts[1]));
    change(&mut header, &mut claims);
    let write = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let input = format!("{}.{}", write(&header), write(&claims));
    let signature = match sign {
        Some(key) => URL_SAFE_NO_PAD.encode(key.sign(input.as_bytes()).unwrap()),
        None => parts[2].to_owned(),
    };
    format!("{prefix}{input}.{signature}")
}

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
        for kind in ["app", "bearer", "agent", "subagent", "session", "override"] {
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

#[test]
fn in_open_mode_only_local_programs_may_mint() {
    let service = Service::start();
    let chain = Chain::new(&service);
    let before = service.events();
    let body = (AGENT.request)(&chain).to_string();
    let post = |headers: &str| {
        let mut client = service.connect();
        let head = format!(
            "POST /tokens/agent HTTP/1.1\r\n{headers}\r\n{JSON}\r\nContent-Length: {}",
            body.len()
        );
        client
            .stream
            .write_all(format!("{head}\r\n\r\n{body}").as_bytes())
            .unwrap();
        let mut answer = client.read_head().unwrap();
        client.read_body(&mut answer).unwrap();
        answer
    };
    for headers in [
        "Host: evil.example",
        "Host: localhost.evil.example",
        "Host: 127.0.0.1.evil.example:80",
        "Host: 127.0.0.2",
        "Host: localhost\r\nOrigin: http://evil.example",
        "Host: localhost\r\nOrigin: https://localhost",
        "Host: localhost\r\nOrigin: null",
        "Host: localhost\r\nForwarded: for=127.0.0.1",
        "Host: localhost\r\nX-Forwarded-For: 127.0.0.1",
        "Host: localhost\r\nX-Forwarded-Proto: https",
        "Host: localhost\r\nX-Forwarded-Host: localhost",
    ] {
        post(headers).refused(403, "open_mode_refused", &[]);
    }
    assert_eq!(service.events(), before);
    for headers in [
        "Host: localhost:8001",
        "Host: 127.0.0.1",
        "Host: [::1]:1",
        "Host: LOCALHOST\r\nOrigin: http://localhost:3000",
    ] {
        post(headers).success();
    }
}

#[test]
fn a_credential_is_looked_at_before_the_body() {
    let service = Service::credentialed();
    service
        .request("POST /tokens/app", &[JSON], "{")
        .refused(401, "unauthenticated", &[]);
    let chain = admin(&service);
    service.advance(25 * HOUR);
    let body = json!({"agent_id": "x"});
    let answer = service.post_as(chain.token("agent"), "/tokens/subagent", &body);
    answer.refused(401, "unauthenticated", &[]);
}

#[test]
fn a_caller_who_may_not_ask_about_tokens_learns_nothing_from_how_it_is_refused() {
    let service = Service::credentialed();
    let chain = admin(&service);
    let agent = chain.token("agent");
    for token in [agent, "qt_agent_x", "garbage"] {
        for (path, body) in [
            ("/tokens/introspect", json!({"token": token})),
            ("/tokens/authorize", json!({"token": token, "action": "data:read:x"})),
        ] {
            service.post_as(agent, path, &body).refused(403, "forbidden", &[]);
        }
    }
}

#[test]
fn a_dead_credential_is_401_where_only_the_operator_may_call() {
    let service = Service::credentialed();
    let chain = admin(&service);
    let token = app_with(&service, &chain, &["*"]);
    let list = || service.request("GET /customers", &[&format!("Authorization: Bearer {token}")], "");
    list().refused(403, "forbidden", &[]);
    service.advance(2 * DAY);
    list().refused(401, "unauthenticated", &[]);
}
