//! SIGTERM under load.

use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;
use uuid::Uuid;

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
        assert!(after.iter().all(|customer| customer.tokens() > 0));

        let program = Program::start(countersign(&data));
        check(program.address, &after, &known);
        works(program.address);
        known = after;
    }
}

#[test]
fn a_stop_does_not_wait_for_who_waits_for_revocations() {
    let directory = tempfile::tempdir().unwrap();
    let mut program = Program::start(countersign(&directory.path().join("data")));
    let mut client = Client::open(program.address).unwrap();
    let customer = Uuid::new_v4();
    let created = post(&mut client, "/keys/signing", &json!({"customer_id": customer})).unwrap();
    assert_eq!(created.status, 200, "{created:?}");
    let line = format!("GET /revocations?customer_id={customer}&wait=30");
    let following = thread::spawn(move || client.exchange(&line, &[], "").unwrap());
    thread::sleep(Duration::from_millis(300));

    let told = Instant::now();
    program.terminate();
    assert_eq!(program.wait().code(), Some(0));
    assert!(told.elapsed() < Duration::from_secs(15), "{:?}", told.elapsed());
    let answer = following.join().unwrap();
    assert_eq!((answer.status, &answer.json()["revocations"]), (200, &json!([])));
}
