//! What the log says of a request, in each of its forms, and of one whose handler panicked.

use std::process::Command;

use countersign::config::sections::{LogConfig, LogFormat};
use serde_json::{Value, json};

use crate::support::{Client, default_server};

/// Names the form, in the process whose log is read.
const FORM: &str = "COUNTERSIGN_TEST_LOG_FORM";
const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

/// What a process of its own logs, for a process has one log.
fn log_in(form: &str) -> String {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "logs::the_process_whose_log_is_read", "--nocapture"])
        .env(FORM, form)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn the_process_whose_log_is_read() {
    let Ok(form) = std::env::var(FORM) else { return };
    let mut config = LogConfig::default();
    match form.as_str() {
        "json" => config.format = LogFormat::Json,
        "without access" => config.filter = "info,countersign::access=off".to_owned(),
        _ => {}
    }
    countersign::telemetry::start(&config).unwrap();
    let server = default_server();
    let parent = format!("traceparent: 00-{TRACE}-00f067aa0ba902b7-01");
    for (line, id, body, status) in [
        ("GET /health?token=hush", "well", "", 200),
        ("GET /test/panic", "literal", "", 500),
        ("POST /test/panic", "formatted", "{}", 500),
    ] {
        let id = format!("x-request-id: {id}");
        let headers = [id.as_str(), parent.as_str(), "Content-Type: application/json"];
        assert_eq!(Client::connect(&server).request(line, &headers, body).status, status);
    }
}

#[test]
fn as_json_each_line_is_one_object_with_the_ids_of_its_request() {
    let log = log_in("json");
    let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = |target: &str| -> Vec<&Value> { lines.iter().filter(|line| line["target"] == target).collect() };
    let access = of("countersign::access");
    let shown: Vec<_> = access
        .iter()
        .map(|line| {
            json!([
                line["method"],
                line["route"],
                line["status"],
                line["request_id"],
                line["trace_id"]
            ])
        })
        .collect();
    let expected = [
        json!(["GET", "/health", 200, "well", TRACE]),
        json!(["GET", "-", 500, "literal", TRACE]),
        json!(["POST", "-", 500, "formatted", TRACE]),
    ];
    assert_eq!(shown, expected, "{log}");
    assert!(access.iter().all(|line| line["micros"].as_u64() > Some(0)), "{log}");

    // The request's own line about it, and the one of the process.
    let told = lines.iter().filter(|line| line["message"] == "a handler panicked");
    let told: Vec<_> = told
        .map(|line| json!([line["level"], line["method"], line["request_id"], line["trace_id"]]))
        .collect();
    let expected = [
        json!(["ERROR", "GET", "literal", TRACE]),
        json!(["ERROR", "POST", "formatted", TRACE]),
    ];
    assert_eq!(told, expected, "{log}");
    let panics = of("countersign::panic");
    let messages: Vec<_> = panics.iter().map(|line| line["message"].as_str().unwrap()).collect();
    let expected = ["a secret that must not reach the answer", "(message withheld)"];
    assert_eq!(messages, expected, "what may quote a request is left out: {log}");
    let places = panics.iter().map(|line| line["location"].as_str().unwrap());
    assert!(
        places.clone().count() == 2 && places.into_iter().all(|place| place.contains("support.rs:")),
        "{log}"
    );
    assert!(!log.contains("hush") && !log.contains("quoted"), "{log}");
}

#[test]
fn as_text_the_same_stands_in_a_line_without_colours() {
    let log = log_in("text");
    let access = log.lines().filter(|line| line.contains("countersign::access"));
    let well: Vec<_> = access.filter(|line| line.contains("request_id=\"well\"")).collect();
    assert_eq!(well.len(), 1, "{log}");
    for part in [
        "INFO",
        "answered",
        "method=\"GET\"",
        "route=\"/health\"",
        "status=200",
        TRACE,
    ] {
        assert!(well[0].contains(part), "{part}: {log}");
    }
    assert!(serde_json::from_str::<Value>(well[0]).is_err(), "{log}");
    assert!(
        !log.contains('\u{1b}') && !log.contains("hush") && !log.contains("quoted"),
        "{log}"
    );
    let filtered = log_in("without access");
    assert!(!filtered.contains("countersign::access"), "{filtered}");
    assert!(filtered.contains("a handler panicked"), "{filtered}");
}
