//! SIGTERM under load.

use std::io::Write;
use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use serde_json::json;

use crate::client::Client;
use crate::load::{Load, check, customers, post, works};
use crate::program::{Program, countersign};

#[test]
fn a_stop_under_load_ends_well_and_loses_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let mut known = customers(6);
    for _ in 0..3 {
        let mut program = Program::start(countersign(&data));
        let load = Load::start(program.address, known.clone());
        thread::sleep(Duration::from_millis(150));
        program.terminate();
        assert_eq!(program.wait().code(), Some(0));
        assert!(TcpStream::connect(program.address).is_err(), "nobody listens any more");
        let after = load.join();
        assert!(after.iter().any(|customer| customer.tokens() > 0));

        let program = Program::start(countersign(&data));
        check(program.address, &after, &known);
        works(program.address);
        known = after;
    }
}

#[test]
fn who_waits_for_a_revocation_is_answered_when_the_program_stops() {
    let directory = tempfile::tempdir().unwrap();
    let mut command = countersign(&directory.path().join("data"));
    // Less than the call would wait: then its connection would be cut.
    command.env("AUTH_SERVER_SHUTDOWN_TIMEOUT_SECONDS", "10");
    let mut program = Program::start(command);
    let customer = uuid::Uuid::new_v4().to_string();
    let mut client = Client::open(program.address).unwrap();
    let made = post(&mut client, "/keys/signing", &json!({"customer_id": customer})).unwrap();
    assert_eq!(made.status, 200);
    let address = program.address;
    let path = format!("GET /revocations?customer_id={customer}&wait=30");
    let waiting = thread::spawn(move || Client::open(address).unwrap().exchange(&path, &[], ""));
    // Whether it waits already or comes just then, it is answered or never was taken.
    thread::sleep(Duration::from_millis(500));
    program.terminate();
    let answer = waiting.join().unwrap().unwrap();
    assert_eq!(
        (answer.status, answer.json()),
        (200, json!({"revocations": [], "cursor": 0}))
    );
    assert_eq!(program.wait().code(), Some(0));
}

#[test]
fn a_request_that_never_ends_does_not_keep_the_program_from_ending() {
    let directory = tempfile::tempdir().unwrap();
    let mut command = countersign(&directory.path().join("data"));
    command.env("AUTH_SERVER_SHUTDOWN_TIMEOUT_SECONDS", "1");
    let mut program = Program::start(command);
    let mut client = Client::open(program.address).unwrap();
    let head = "POST /tokens/agent HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{";
    client.stream.write_all(head.as_bytes()).unwrap();
    program.terminate();
    assert_eq!(program.wait().code(), Some(0));
}
