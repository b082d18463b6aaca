//! What a good request meets.

use serde_json::json;

use crate::support::{Client, default_server, start};

#[test]
fn health_and_readiness_answer() {
    let server = default_server();
    let mut client = Client::connect(&server);
    assert_eq!(
        client.get("/health").json(),
        json!({"status": "healthy", "service": "countersign"})
    );
    assert_eq!(client.get("/ready").json(), json!({"status": "ready", "reasons": []}));
}

#[test]
fn every_answer_has_a_request_id_and_a_harmless_one_is_kept() {
    let server = default_server();
    let mut client = Client::connect(&server);
    let kept = client.request("GET /health", &["x-request-id: Trace-1.2_3"], "");
    assert_eq!(kept.header("x-request-id"), Some("Trace-1.2_3"));
    let long = format!("x-request-id: {}", "x".repeat(65));
    for header in [
        "x-request-id: a b",
        "x-request-id: {\"a\":1}",
        long.as_str(),
        "x-other: 1",
    ] {
        let answer = client.request("GET /nothing", &[header], "");
        let id = answer.header("x-request-id").unwrap();
        assert!(uuid::Uuid::try_parse(id).is_ok(), "{header}: {id}");
    }
    let first = client.get("/health").header("x-request-id").unwrap().to_owned();
    assert_ne!(client.get("/health").header("x-request-id"), Some(first.as_str()));
}

#[test]
fn head_is_get_without_the_body() {
    let server = default_server();
    let mut client = Client::connect(&server);
    let length = client.get("/health").header("content-length").unwrap().to_owned();
    let head = client.request("HEAD /health", &[], "");
    assert_eq!(
        (head.status, head.header("content-length")),
        (200, Some(length.as_str()))
    );
    assert_eq!(client.request("HEAD /nothing", &[], "").status, 404);
    assert_eq!(client.request("HEAD /test/form", &[], "").status, 405);
    assert_eq!(
        client.get("/health").status,
        200,
        "nothing of a body was left on the connection"
    );
}

#[test]
fn answers_are_not_for_caches() {
    let server = default_server();
    let mut client = Client::connect(&server);
    assert_eq!(client.get("/health").header("cache-control"), Some("no-store"));
    assert_eq!(client.get("/nothing").header("cache-control"), Some("no-store"));
}

#[test]
fn a_refusal_before_the_body_was_read_still_arrives() {
    let server = default_server();
    let mut client = Client::connect(&server);
    let body = format!("{{\"name\":\"{}\"}}", "x".repeat(60_000));
    let headers = ["Content-Type: application/json", "Authorization: Basic eDp5"];
    assert_eq!(client.request("POST /test/echo", &headers, &body).status, 401);
}

#[test]
fn requests_on_one_connection_are_answered_in_order() {
    let server = default_server();
    let mut client = Client::connect(&server);
    let one = |id: &str| format!("GET /health HTTP/1.1\r\nHost: localhost\r\nx-request-id: {id}\r\n\r\n");
    client.send([one("a"), one("b"), one("c")].concat());
    for id in ["a", "b", "c"] {
        assert_eq!(client.answer().header("x-request-id"), Some(id));
    }
}

#[test]
fn stopping_finishes_what_is_in_progress() {
    let (mut server, arrived) = start(|_| {});
    let mut idle = Client::connect(&server);
    assert_eq!(idle.get("/health").status, 200);
    let mut waiting = Client::connect(&server);
    waiting.send("GET /wait HTTP/1.1\r\nHost: localhost\r\n\r\n");
    arrived.recv().unwrap();
    drop(server.handle.stop(true));
    assert!(idle.is_closed(), "an idle connection does not hold the server up");
    server.gate.open.add_permits(1);
    assert_eq!(waiting.answer().status, 200);
    assert!(waiting.is_closed());
    server.join();
}
