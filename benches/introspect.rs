//! Judging presented tokens over HTTP: introspection and authorisation of tokens whose signatures were verified before, and of tokens
//! that were never seen. Beside them bare actix-web that reads the same request and answers the same body, without and with one
//! verification. Service, ceilings and load share the machine and are asked in alternation.
//!
//! `cargo bench --bench introspect`

#![expect(
    clippy::print_stdout,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a benchmark reports to whoever runs it"
)]

use std::time::Duration;

use countersign_benches::load::{Connection, Outcome, Requests, in_turn, post};
use countersign_benches::process::Served;
use countersign_benches::{ceiling, remote};
use serde_json::{Value, json};

const PROGRAM: &str = env!("CARGO_BIN_EXE_countersign");
const INTROSPECT: &str = "/tokens/introspect";
const AUTHORIZE: &str = "/tokens/authorize";
const CONNECTIONS: usize = 64;
/// Tokens that are asked about again and again.
const KNOWN: usize = 64;
/// Tokens that are asked about once: more than are asked about in all rounds together.
const UNKNOWN: usize = 120_000;
const ROUNDS: usize = 3;
const WARM_UP: Duration = Duration::from_millis(300);
const MEASURED: Duration = Duration::from_millis(1_500);

fn main() {
    ceiling::serve_if_told();
    let directory = tempfile::tempdir_in(".").expect("a directory on a real disk");
    for path in [INTROSPECT, AUTHORIZE] {
        let service = Served::program(PROGRAM, directory.path(), &[]);
        let tenant = remote::tenants(service.address, 1).pop().expect("a customer");
        let known = remote::agents(service.address, &tenant, KNOWN);
        let unknown = remote::agents(service.address, &tenant, UNKNOWN);
        let (answer, key) = answer_and_key(&service, &tenant, path, known.first().expect("a token"));
        let bare = Served::ceiling(&answer, None);
        let verifying = Served::ceiling(&answer, Some((&key.0, &key.1)));
        let [known, unknown] = [known, unknown].map(|tokens| requests(path, tokens));
        compare(path, [&service, &bare, &verifying], &known, &unknown);
    }
}

/// The request about each of these tokens, in turn.
fn requests(path: &str, tokens: Vec<String>) -> Requests {
    let requests = tokens.into_iter().map(|token| {
        let mut buffer = Vec::new();
        post(&mut buffer, path, &body(path, &token).to_string());
        buffer
    });
    in_turn(requests.collect())
}

fn body(path: &str, token: &str) -> Value {
    match path {
        AUTHORIZE => {
            json!({"token": token, "action": "data:read:diff", "resource": "repo:org/frontend", "sensitivity_level": 1})
        }
        _ => json!({"token": token}),
    }
}

/// What is answered about a token, and the coordinates of the key that signed it.
fn answer_and_key(service: &Served, tenant: &remote::Tenant, path: &str, token: &str) -> (String, (String, String)) {
    let mut connection = Connection::open(service.address);
    remote::call(&mut connection, path, &body(path, token));
    let answer = String::from_utf8(connection.body().to_vec()).expect("text");
    let keys = remote::look(&mut connection, &format!("/keys/public/{}/jwks.json", tenant.id));
    let coordinate = |name: &str| keys["keys"][0][name].as_str().expect("a coordinate").to_owned();
    (answer, (coordinate("x"), coordinate("y")))
}

fn compare(path: &str, [service, bare, verifying]: [&Served; 3], known: &Requests, unknown: &Requests) {
    let mut outcomes: [Outcome; 4] = Default::default();
    let cases = [
        (bare, known),
        (service, known),
        (verifying, unknown),
        (service, unknown),
    ];
    for _ in 0..ROUNDS {
        for ((server, requests), outcome) in cases.iter().zip(&mut outcomes) {
            outcome.add(&server.busy(CONNECTIONS, requests, WARM_UP, MEASURED));
        }
    }
    let [answering, cached, checking, uncached] = &outcomes;
    println!("{path}, {CONNECTIONS} connections");
    report("  bare, the same answer", answering, answering);
    report("  signature known", cached, answering);
    report("  bare, one verification", checking, checking);
    report("  signature not known", uncached, checking);
}

fn report(name: &str, outcome: &Outcome, beside: &Outcome) {
    println!(
        "{name:<26} {:>7.0} /s  {}  {:>3.0} µs of processor each, {:.2} of the bare server",
        outcome.per_second(),
        outcome.latencies,
        outcome.processor_micros(),
        outcome.per_second() / beside.per_second(),
    );
}
