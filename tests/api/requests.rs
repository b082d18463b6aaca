//! What every endpoint with a body does with one that it cannot use, and with other methods.

use serde_json::{Value, json};

use crate::chain::{Chain, ENDPOINTS};
use crate::support::{Answer, JSON, Service};

/// Every path that takes a body, with one that succeeds.
fn posts(chain: &Chain) -> Vec<(String, Value)> {
    let mut posts: Vec<(String, Value)> = ENDPOINTS
        .iter()
        .map(|endpoint| (endpoint.path.to_owned(), (endpoint.request)(chain)))
        .collect();
    let customer = json!({"customer_id": crate::support::uuid()});
    posts.push(("/keys/signing".to_owned(), customer));
    let customer = json!({"customer_id": chain.customer});
    posts.push((format!("/keys/{}/rotate", chain.key_id()), customer));
    posts
}

/// Sends what has to be refused to every path that takes a body, and asserts that nothing was recorded.
fn each_refuses(send: impl Fn(&Service, &str, &Value) -> Answer, status: u16, code: &str) {
    let service = Service::start();
    let chain = Chain::new(&service);
    let before = service.events();
    for (path, body) in posts(&chain) {
        send(&service, &path, &body).refused(status, code, &[]);
        assert_eq!(service.events(), before, "{path}");
    }
    for (path, body) in posts(&chain) {
        service.posted(&path, &body);
    }
}

#[test]
fn a_body_over_64_kib_is_413() {
    each_refuses(
        |service, path, body| {
            let body = crate::support::with(body, "padding", "x".repeat(65 * 1024));
            service.post(path, &body)
        },
        413,
        "payload_too_large",
    );
}

#[test]
fn a_body_of_64_kib_is_read() {
    let service = Service::start();
    let chain = Chain::new(&service);
    for (path, body) in posts(&chain) {
        let text = body.to_string();
        let padded = format!("{}{text}", " ".repeat(64 * 1024 - text.len()));
        service.request(&format!("POST {path}"), &[JSON], &padded).success();
    }
}

#[test]
fn broken_json_is_400() {
    let cuts: [fn(&str) -> String; 6] = [
        |text| text[..text.len() - 1].to_owned(),
        |text| format!("[{text}]"),
        |text| format!("{text}{{}}"),
        |text| text.replacen('{', "{\"customer_id\":\"x\",", 1),
        |text| text.replace('"', "'"),
        |_| "null".to_owned(),
    ];
    for cut in cuts {
        each_refuses(
            |service, path, body| service.request(&format!("POST {path}"), &[JSON], &cut(&body.to_string())),
            400,
            "malformed_json",
        );
    }
}

#[test]
fn a_body_needs_a_json_media_type() {
    for header in [
        "Content-Type: text/plain",
        "Content-Type: application/x-www-form-urlencoded",
        "X-None: 1",
    ] {
        each_refuses(
            |service, path, body| service.request(&format!("POST {path}"), &[header], &body.to_string()),
            415,
            "unsupported_media_type",
        );
    }
    let service = Service::start();
    let body = json!({"customer_id": crate::support::uuid()}).to_string();
    let header = "Content-Type: application/json; charset=utf-8";
    service.request("POST /keys/signing", &[header], &body).success();
}

#[test]
fn other_methods_are_405_and_say_which_are_right() {
    for method in ["GET", "PUT", "DELETE", "PATCH", "OPTIONS"] {
        each_refuses(
            |service, path, _| {
                let answer = service.request(&format!("{method} {path}"), &[], "");
                assert_eq!(answer.header("allow"), Some("POST"));
                answer
            },
            405,
            "method_not_allowed",
        );
    }
    let service = Service::start();
    let chain = Chain::new(&service);
    for path in ["/keys/public/CUSTOMER", "/keys/public/CUSTOMER/jwks.json"] {
        let line = format!("POST {}", path.replace("CUSTOMER", &chain.customer));
        let answer = service.request(&line, &[JSON], "{}");
        answer.refused(405, "method_not_allowed", &[]);
        assert_eq!(answer.header("allow"), Some("GET, HEAD"));
    }
}

#[test]
fn an_unknown_path_is_404() {
    let service = Service::start();
    for path in [
        "/token",
        "/tokens/",
        "/token/app",
        "/tokens/app/",
        "/keys",
        "/keys/signing/x",
        "/Tokens/app",
    ] {
        let answer = service.post(path, &json!({}));
        answer.refused(404, "route_not_found", &[]);
    }
}

#[test]
fn answers_with_tokens_are_not_for_caches() {
    let service = Service::start();
    let chain = Chain::new(&service);
    for (path, body) in posts(&chain) {
        let answer = service.post(&path, &body);
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{path}");
        assert!(answer.header("x-request-id").is_some());
    }
}
