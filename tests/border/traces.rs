//! Which trace a request belongs to.

use crate::support::{Client, default_server};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

/// Trace, span and flags of a `traceresponse`.
fn parts(answer: &crate::client::Answer) -> (String, String, String) {
    let value = answer.header("traceresponse").unwrap();
    let parts: Vec<&str> = value.split('-').collect();
    assert_eq!((parts.len(), parts[0]), (4, "00"), "{value}");
    let is_hex =
        |text: &str, digits| text.len() == digits && text.bytes().all(|byte| b"0123456789abcdef".contains(&byte));
    assert!(
        is_hex(parts[1], 32) && is_hex(parts[2], 16) && is_hex(parts[3], 2),
        "{value}"
    );
    (parts[1].to_owned(), parts[2].to_owned(), parts[3].to_owned())
}

#[test]
fn every_answer_names_the_trace_of_its_caller_and_a_span_of_its_own() {
    let server = default_server();
    let header = format!("traceparent: 00-{TRACE}-00f067aa0ba902b7-01");
    let mut spans = Vec::new();
    // A success, a refusal, an unknown route, a wrong method, a panic, and one without a route before it is admitted.
    for line in [
        "GET /health",
        "POST /test/echo",
        "GET /nothing",
        "BREW /health",
        "GET /test/panic",
        "GET /api/v1/nothing",
    ] {
        let answer = Client::connect(&server).request(line, &[&header], "");
        let (trace, span, flags) = parts(&answer);
        assert_eq!(
            (trace.as_str(), flags.as_str()),
            (TRACE, "00"),
            "{line}: nothing is recorded here"
        );
        spans.push(span);
    }
    let refused = Client::connect(&server).request("GET /health", &[&header, "X-Forwarded-For: 192.0.2.1"], "");
    assert_eq!((refused.status, parts(&refused).0.as_str()), (403, TRACE));
    spans.push("00f067aa0ba902b7".to_owned());
    let count = spans.len();
    spans.sort();
    spans.dedup();
    assert_eq!(spans.len(), count);
}

#[test]
fn without_a_header_that_can_be_trusted_a_trace_begins() {
    let server = default_server();
    let mut client = Client::connect(&server);
    let good = format!("traceparent: 00-{TRACE}-00f067aa0ba902b7-01");
    let upper = good.to_uppercase();
    for headers in [
        vec![],
        vec![good.as_str(), good.as_str()],
        vec![upper.as_str()],
        vec!["traceparent: x"],
    ] {
        let first = parts(&client.request("GET /health", &headers, "")).0;
        let second = parts(&client.request("GET /health", &headers, "")).0;
        assert!(first != TRACE && second != TRACE && first != second, "{headers:?}");
    }
}
