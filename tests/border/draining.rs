//! The program on its way out, and the command that asks how it is.

use std::process::{Output, Stdio};

use serde_json::{Value, json};

use crate::client::Client;
use crate::program::{Program, countersign};

fn asked(data: &std::path::Path, port: u16, arguments: &[&str]) -> Output {
    let mut command = countersign(data);
    command
        .env("AUTH_PORT", port.to_string())
        .args(["health", "--json"])
        .args(arguments);
    command.output().unwrap()
}

fn said(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn a_drain_is_seen_before_anything_stops_and_another_signal_ends_it() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let mut command = countersign(&data);
    // Longer than any test runs: only the second signal ends it.
    command.env("AUTH_SERVER_DRAIN_SECONDS", "3600");
    let mut program = Program::start(command);
    let port = program.address.port();
    let mut kept = Client::open(program.address).unwrap();
    assert_eq!(kept.exchange("GET /ready", &[], "").unwrap().status, 200);
    let output = asked(&data, port, &["--ready"]);
    assert_eq!(
        (output.status.code(), said(&output)),
        (Some(0), json!({"status": "ready", "reasons": []}))
    );

    program.terminate();
    let mut refused = loop {
        let answer = Client::open(program.address)
            .unwrap()
            .exchange("GET /ready", &[], "")
            .unwrap();
        if answer.status != 200 {
            break answer;
        }
    };
    assert_eq!(refused.status, 503);
    assert_eq!(refused.header("retry-after"), Some("1"));
    let body = refused.json();
    assert_eq!(
        (&body["code"], &body["reasons"]),
        (&json!("unavailable"), &json!(["draining"]))
    );
    refused.body.clear();

    // It still serves, on connections that were open before too, and asks clients to go elsewhere with the next call.
    let answer = kept.exchange("GET /health", &[], "").unwrap();
    assert_eq!((answer.status, answer.header("connection")), (200, Some("close")));
    let customer = uuid::Uuid::new_v4().to_string();
    let body = json!({"customer_id": customer}).to_string();
    let mut client = Client::open(program.address).unwrap();
    let made = client
        .exchange("POST /keys/signing", &["Content-Type: application/json"], &body)
        .unwrap();
    assert_eq!(made.status, 200);
    let page = Client::open(program.address)
        .unwrap()
        .exchange("GET /metrics", &[], "")
        .unwrap();
    let page = crate::metrics_page::Page::parse(std::str::from_utf8(&page.body).unwrap());
    assert_eq!(page.value("countersign_condition{reason=\"draining\"}"), 1.0);
    let output = asked(&data, port, &["--ready"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        String::from_utf8_lossy(&output.stderr).contains("draining"),
        "{output:?}"
    );
    let output = asked(&data, port, &[]);
    assert_eq!(
        (output.status.code(), said(&output)["status"].as_str()),
        (Some(0), Some("healthy"))
    );

    program.terminate();
    assert_eq!(program.wait().code(), Some(0));
    let output = asked(&data, port, &[]);
    assert_eq!(output.status.code(), Some(3));
    assert!(
        String::from_utf8_lossy(&output.stderr).contains("no service answers"),
        "{output:?}"
    );
}

#[test]
fn the_log_names_request_and_trace_in_every_line_of_a_request() {
    let directory = tempfile::tempdir().unwrap();
    let mut command = countersign(&directory.path().join("data"));
    command
        .env("AUTH_LOG", "info")
        .env("AUTH_LOG_FORMAT", "json")
        .stderr(Stdio::piped());
    let mut program = Program::start(command);
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let parent = format!("traceparent: 00-{trace}-00f067aa0ba902b7-00");
    let mut client = Client::open(program.address).unwrap();
    // The engine writes a line of its own about this.
    let line = "POST /admin/clock/confirm?token=hush";
    let answer = client
        .exchange(line, &["x-request-id: my-request", &parent], "")
        .unwrap();
    assert_eq!(
        (answer.status, answer.header("x-request-id")),
        (200, Some("my-request"))
    );
    let span = answer
        .header("traceresponse")
        .unwrap()
        .split('-')
        .nth(2)
        .unwrap()
        .to_owned();
    program.terminate();
    let log = std::io::read_to_string(program.child.stderr.take().unwrap()).unwrap();
    assert_eq!(program.wait().code(), Some(0));
    assert!(!log.contains("hush"), "{log}");
    let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let ids = json!({"request_id": "my-request", "trace_id": trace, "span_id": span});
    let has_ids = |object: &Value| ids.as_object().unwrap().iter().all(|(name, id)| object[name] == *id);
    let access: Vec<_> = lines
        .iter()
        .filter(|line| line["target"] == "countersign::access")
        .collect();
    assert_eq!(access.len(), 1, "{log}");
    assert!(
        has_ids(access[0]) && access[0]["route"] == "/admin/clock/confirm" && access[0]["status"] == 200,
        "{log}"
    );
    let inner = |line: &&Value| {
        line["message"]
            .as_str()
            .is_some_and(|text| text.contains("vouched for"))
    };
    let inner = lines.iter().find(inner).unwrap_or_else(|| panic!("{log}"));
    assert!(has_ids(&inner["span"]), "{log}");
}
