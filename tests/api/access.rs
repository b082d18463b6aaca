//! Who may call (section 3 of the contract): open mode, the admin credential, app tokens, parents.

use std::io::Write;

use serde_json::{Value, json};

use crate::chain::{AGENT, Chain, ENDPOINTS, KINDS, OVERRIDE};
use crate::support::{ADMIN, DAY, HOUR, JSON, Service, uuid, with, without};

mod forgeries;
mod parents;

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
    for kind in KINDS {
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
