//! Spans as a collector gets them.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::sync::mpsc;
use std::thread;

use crate::client::Answer;
use crate::support::{Client, start};

const SAMPLED: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const NOT_SAMPLED: &str = "11112222333344445555666677778888";
const PARENT: &str = "00f067aa0ba902b7";

/// The request line and the headers in small letters, and the body.
type Received = (String, Vec<u8>);

/// A collector that takes what it is sent; without `answers` it never says a word.
fn collector(answers: bool) -> (String, mpsc::Receiver<Received>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}/v1/traces", listener.local_addr().unwrap());
    let (sender, received) = mpsc::channel();
    thread::spawn(move || {
        let mut silent = Vec::new();
        for stream in listener.incoming() {
            let mut stream = BufReader::new(stream.unwrap());
            if !answers {
                silent.push(stream);
                continue;
            }
            while let Some(request) = read_request(&mut stream) {
                stream
                    .get_mut()
                    .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
                    .unwrap();
                if sender.send(request).is_err() {
                    return;
                }
            }
        }
    });
    (endpoint, received)
}

fn read_request(stream: &mut impl BufRead) -> Option<Received> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if stream.read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    let head = head.to_lowercase();
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "))
        .unwrap();
    let mut body = vec![0; length.parse().unwrap()];
    stream.read_exact(&mut body).unwrap();
    Some((head, body))
}

fn bytes(hex: &str) -> Vec<u8> {
    let digits = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
    (0..hex.len()).step_by(2).map(digits).collect()
}

fn has(body: &[u8], part: &[u8]) -> bool {
    body.windows(part.len()).any(|window| window == part)
}

fn ids(answer: &Answer) -> (String, String, String) {
    let parts: Vec<&str> = answer.header("traceresponse").unwrap().split('-').collect();
    (parts[1].to_owned(), parts[2].to_owned(), parts[3].to_owned())
}

#[test]
fn a_sampled_request_reaches_the_collector_as_a_span_of_its_trace() {
    let (endpoint, received) = collector(true);
    let (server, _arrived) = start(|config| {
        config.traces.otlp_endpoint = endpoint;
        config.traces.sample_percent = 0;
    });
    let mut client = Client::connect(&server);
    let header = |trace: &str, flags| format!("traceparent: 00-{trace}-{PARENT}-{flags}");
    let sampled = client.request(
        "DELETE /test/things/not-a-route",
        &[&header(SAMPLED, "01"), "x-request-id: my-id"],
        "",
    );
    let refused = client.request("POST /test/echo?token=hush", &[&header(SAMPLED, "01")], "");
    let unsampled = client.request("GET /health", &[&header(NOT_SAMPLED, "00")], "");
    let own = client.request("GET /health", &[], "");
    assert_eq!(
        [&sampled, &refused, &unsampled, &own].map(|answer| ids(answer).2),
        ["01", "01", "00", "00"]
    );
    drop(client);
    // What waits is sent when the server stops.
    drop(server);
    let (head, body) = received.recv().unwrap();
    assert!(
        head.starts_with("post /v1/traces http/1.1\r\n") && head.contains("content-type: application/x-protobuf"),
        "{head}"
    );
    for answer in [&sampled, &refused] {
        let (trace, span, _) = ids(answer);
        assert_eq!(trace, SAMPLED);
        assert!(has(&body, &bytes(&trace)) && has(&body, &bytes(&span)) && has(&body, &bytes(PARENT)));
    }
    for text in [
        "DELETE /test/things/{id}",
        "POST /test/echo",
        "my-id",
        "countersign",
        "http.route",
    ] {
        assert!(has(&body, text.as_bytes()), "{text}");
    }
    for text in ["hush", "not-a-route"] {
        assert!(!has(&body, text.as_bytes()), "{text}: no span holds a path or a query");
    }
    assert!(!has(&body, &bytes(NOT_SAMPLED)) && !has(&body, &bytes(&ids(&own).1)));
}

#[test]
fn a_trace_that_begins_here_is_sampled_by_the_setting() {
    let (endpoint, received) = collector(true);
    let (server, _arrived) = start(|config| config.traces.otlp_endpoint = endpoint);
    let answer = Client::connect(&server).get("/health");
    let (trace, _, flags) = ids(&answer);
    assert_eq!(flags, "01");
    drop(server);
    assert!(has(&received.recv().unwrap().1, &bytes(&trace)));
}

#[test]
fn a_collector_that_says_nothing_holds_up_no_request() {
    let (endpoint, _received) = collector(false);
    let (server, _arrived) = start(|config| config.traces.otlp_endpoint = endpoint);
    let mut client = Client::connect(&server);
    // More than fit into the queue, while the only call of the collector never ends.
    for _ in 0..5_000 {
        assert_eq!(client.get("/health").status, 200);
    }
}
