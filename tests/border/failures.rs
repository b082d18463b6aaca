//! Every failure at the border, in the form of its family.

use serde_json::json;

use crate::support::{Client, default_server, start};

#[test]
fn an_unknown_route_is_404_with_or_without_a_trailing_slash() {
    let server = default_server();
    let mut client = Client::connect(&server);
    for path in [
        "/",
        "/nothing",
        "/health/",
        "//health",
        "/HEALTH",
        "/api/v10/x",
        "/test/echo/",
    ] {
        let answer = client.get(path);
        assert_eq!(
            (answer.status, answer.problem().as_str()),
            (404, "route_not_found"),
            "{path}"
        );
    }
    for path in ["/api/v1", "/api/v1/", "/api/v1/nothing"] {
        let answer = client.get(path);
        assert_eq!(
            (answer.status, answer.envelope().as_str()),
            (404, "NOT_FOUND"),
            "{path}"
        );
    }
}

#[test]
fn a_wrong_method_is_405_and_says_which_are_right() {
    let server = default_server();
    let mut client = Client::connect(&server);
    for method in ["POST", "PUT", "OPTIONS", "TRACE", "BREW"] {
        let answer = client.request(&format!("{method} /health"), &[], "");
        assert_eq!(
            (answer.status, answer.problem().as_str()),
            (405, "method_not_allowed"),
            "{method}"
        );
        assert_eq!(answer.header("allow"), Some("GET, HEAD"));
    }
    let answer = client.request("PUT /api/v1/test/echo", &[], "");
    assert_eq!((answer.status, answer.envelope().as_str()), (405, "METHOD_NOT_ALLOWED"));
    assert_eq!(answer.header("allow"), Some("POST, GET, HEAD, DELETE"));
}

#[test]
fn a_body_over_64_kib_is_413_however_it_comes() {
    let server = default_server();
    let body = format!("{{\"name\":\"{}\"}}", "x".repeat(65 * 1024));
    let answer = Client::connect(&server).post("/test/echo", &body);
    assert_eq!((answer.status, answer.problem().as_str()), (413, "payload_too_large"));

    let mut announced = Client::connect(&server);
    announced.send("POST /test/echo HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 65537\r\n\r\n");
    let answer = announced.answer();
    assert_eq!(
        (answer.status, answer.problem().as_str()),
        (413, "payload_too_large"),
        "before a byte of it came"
    );

    let mut chunked = Client::connect(&server);
    chunked.send("POST /test/echo HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n");
    for part in body.as_bytes().chunks(1_000) {
        chunked.send(format!("{:x}\r\n", part.len()));
        chunked.send(part);
        chunked.send("\r\n");
    }
    chunked.send("0\r\n\r\n");
    let answer = chunked.answer();
    assert_eq!((answer.status, answer.problem().as_str()), (413, "payload_too_large"));

    let answer = Client::connect(&server).post("/api/v1/test/echo", &body);
    assert_eq!((answer.status, answer.envelope().as_str()), (413, "BAD_REQUEST"));
    assert_eq!(
        Client::connect(&server).post("/test/batch", &body).status,
        200,
        "a batch may be larger"
    );
}

#[test]
fn a_body_of_64_kib_in_chunks_is_read_whole() {
    let server = default_server();
    let mut client = Client::connect(&server);
    let name = "x".repeat(64 * 1024 - "{\"name\":\"\"}".len());
    let body = format!("{{\"name\":\"{name}\"}}");
    client.send("POST /test/echo HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n");
    for part in body.as_bytes().chunks(777) {
        client.send([format!("{:x}\r\n", part.len()).as_bytes(), part, b"\r\n"].concat());
    }
    client.send("0\r\n\r\n");
    assert_eq!(client.answer().json()["name"], name);
}

#[test]
fn a_body_needs_a_json_media_type() {
    let server = default_server();
    let mut client = Client::connect(&server);
    for headers in [
        &[][..],
        &["Content-Type: text/plain"],
        &["Content-Type: application/x-www-form-urlencoded"],
    ] {
        let answer = client.request("POST /test/echo", headers, "{\"name\":\"x\"}");
        assert_eq!(
            (answer.status, answer.problem().as_str()),
            (415, "unsupported_media_type")
        );
    }
    let answer = client.request("POST /api/v1/test/echo", &[], "{}");
    assert_eq!((answer.status, answer.envelope().as_str()), (415, "BAD_REQUEST"));
    assert_eq!(
        client.request("DELETE /test/echo", &[], "").json(),
        json!({"reason": null}),
        "nothing needs no type"
    );
    assert_eq!(client.request("DELETE /test/echo", &[], "{}").status, 415);
}

#[test]
fn a_form_is_read_where_the_handler_says_so() {
    let server = default_server();
    let mut client = Client::connect(&server);
    let form = ["Content-Type: application/x-www-form-urlencoded"];
    assert_eq!(
        client.request("POST /test/form", &form, "token=a%2Bb+c").json(),
        json!({"token": "a+b c"})
    );
    assert_eq!(
        client.post("/test/form", "{\"token\":\"t\"}").json(),
        json!({"token": "t"})
    );
    let answer = client.request("POST /test/form", &form, "token=a&token=b&hint=x");
    assert_eq!(answer.problem(), "invalid_request");
    assert_eq!(
        client.request("POST /test/form", &form, "token=%zz").problem(),
        "malformed_request"
    );
    assert_eq!(client.request("POST /test/form", &[], "token=x").status, 415);
}

#[test]
fn broken_json_is_400_and_is_not_quoted() {
    let server = default_server();
    let mut client = Client::connect(&server);
    for body in [
        "{\"name\": hush}",
        "[\"hush\"]",
        "\"hush\"",
        "{\"name\":\"hush\",\"name\":\"hush\"}",
        "{\"name\":\"hush\"",
    ] {
        let answer = client.post("/test/echo", body);
        assert_eq!(
            (answer.status, answer.problem().as_str()),
            (400, "malformed_json"),
            "{body}"
        );
        assert!(!String::from_utf8_lossy(&answer.body).contains("hush"));
        assert_eq!(client.post("/api/v1/test/echo", body).envelope(), "BAD_REQUEST");
    }
}

#[test]
fn fields_at_fault_are_all_named_with_422_or_a_bad_request_in_the_envelope() {
    let server = default_server();
    let mut client = Client::connect(&server);
    let body = "{\"count\":11,\"nmae\":\"x\"}";
    let answer = client.post("/test/echo", body);
    assert_eq!((answer.status, answer.problem().as_str()), (422, "invalid_request"));
    let expected = json!([
        {"field": "name", "message": "is required"},
        {"field": "count", "message": "must be between 1 and 10"},
        {"field": "nmae", "message": "unknown field"},
    ]);
    assert_eq!(answer.json()["errors"], expected);
    let answer = client.post("/api/v1/test/echo", body);
    assert_eq!((answer.status, answer.envelope().as_str()), (400, "BAD_REQUEST"));
    assert_eq!(answer.json()["error"]["details"]["errors"], expected);
}

#[test]
fn a_query_has_rules_as_well() {
    let server = default_server();
    let mut client = Client::connect(&server);
    assert_eq!(client.get("/test/echo?limit=5").json(), json!({"limit": 5}));
    for query in ["limit=0", "limit=x", "limit=5&limit=5", "lmiit=5"] {
        assert_eq!(client.get(&format!("/test/echo?{query}")).status, 422, "{query}");
    }
}

#[test]
fn an_id_in_the_path_that_is_none_looks_like_one_that_does_not_exist() {
    let server = default_server();
    let mut client = Client::connect(&server);
    assert_eq!(
        client.get("/test/things/550e8400-e29b-41d4-a716-446655440000").status,
        200
    );
    for id in ["x", "550e8400", "550e8400-e29b-41d4-a716-44665544000g", "%00", "..%2Fx"] {
        let answer = client.get(&format!("/test/things/{id}"));
        assert_eq!((answer.status, answer.problem().as_str()), (404, "not_found"), "{id}");
    }
}

#[test]
fn a_malformed_credential_is_401_with_a_challenge_even_in_open_mode() {
    let server = default_server();
    for line in [
        "Authorization: Basic eDp5",
        "Authorization: Bearer",
        "Authorization: 8a3b9c4d-e5f6-7890-abcd-1234567890ab",
    ] {
        // Answered before the body is read, which costs the connection.
        let answer = Client::connect(&server).request(
            "POST /test/echo",
            &["Content-Type: application/json", line],
            "{\"name\":\"x\"}",
        );
        assert_eq!(
            (answer.status, answer.problem().as_str()),
            (401, "unauthenticated"),
            "{line}"
        );
        assert!(answer.header("www-authenticate").unwrap().starts_with("Bearer "));
    }
    let answer = Client::connect(&server).request(
        "POST /test/echo",
        &["Content-Type: application/json", "Authorization: Bearer t"],
        "{\"name\":\"x\"}",
    );
    assert_eq!(answer.json()["credential"], true);
}

#[test]
fn a_panic_is_500_in_the_same_form_and_the_connection_stays_usable() {
    let server = default_server();
    let mut client = Client::connect(&server);
    for _ in 0..3 {
        let answer = client.request("GET /test/panic", &["x-request-id: trace-1"], "");
        assert_eq!((answer.status, answer.problem().as_str()), (500, "internal"));
        assert_eq!(answer.header("x-request-id"), Some("trace-1"));
        assert!(!String::from_utf8_lossy(&answer.body).contains("secret"));
        let answer = client.post("/api/v1/test/panic", "{}");
        assert_eq!((answer.status, answer.envelope().as_str()), (500, "INTERNAL_ERROR"));
        assert_eq!(client.get("/health").status, 200, "on the same connection");
    }
}

#[test]
fn an_error_of_the_library_takes_our_form_and_loses_its_text() {
    let server = default_server();
    let mut client = Client::connect(&server);
    let answer = client.get("/test/foreign");
    assert_eq!(answer.problem(), "malformed_request");
    assert!(!String::from_utf8_lossy(&answer.body).contains("inner text"));
    assert_eq!(client.get("/api/v1/test/foreign").envelope(), "BAD_REQUEST");
}

#[test]
fn a_body_that_never_comes_is_given_up() {
    let (server, _) = start(|config| config.server.body_timeout_seconds = 1);
    let mut client = Client::connect(&server);
    client.send(
        "POST /test/echo HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 20\r\n\r\n{",
    );
    let answer = client.answer();
    assert_eq!((answer.status, answer.problem().as_str()), (408, "request_timeout"));
}

#[test]
fn a_head_that_never_ends_is_given_up() {
    let (server, _) = start(|config| config.server.header_timeout_seconds = 1);
    let mut client = Client::connect(&server);
    client.send("GET /health HTTP/1.1\r\nHost: local");
    assert_eq!(client.answer_without_body().status, 408);
    assert!(client.is_closed());
}

#[test]
fn over_the_limit_of_requests_in_flight_is_503_but_health_answers() {
    let (server, arrived) = start(|config| config.server.in_flight_max = 1);
    let mut waiting = Client::connect(&server);
    waiting.send("GET /wait HTTP/1.1\r\nHost: localhost\r\n\r\n");
    arrived.recv().unwrap();
    let mut client = Client::connect(&server);
    let answer = client.get("/test/echo");
    assert_eq!((answer.status, answer.problem().as_str()), (503, "overloaded"));
    assert!(answer.header("retry-after").is_some());
    assert_eq!((client.get("/health").status, client.get("/ready").status), (200, 200));
    server.gate.open.add_permits(1);
    assert_eq!(waiting.answer().status, 200);
    assert_eq!(client.get("/test/echo").status, 200, "the permit came back");
}
