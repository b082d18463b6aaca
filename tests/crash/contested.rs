//! Many callers decide one event with two tokens, and the program is killed in between: one decision stands, whoever asks.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::client::{Answer, Client};
use crate::killed::{next, setting, start};
use crate::load::post;
use crate::program::Program;

const ROUNDS: u64 = 200;
const DECIDERS: usize = 64;
/// Every so many rounds the program is killed while the event is being decided.
const KILLED_EVERY: u64 = 8;

/// The decision, and the token that it was taken with if the answer tells it.
fn taken(answer: &Answer) -> Option<(String, Option<String>)> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let body = answer.json();
    match answer.status {
        200 => Some((text(&body["decision"])?, None)),
        409 => Some((
            text(&body["decision"]["decision"])?,
            text(&body["decision"]["override_jti"]),
        )),
        503 => None,
        _ => panic!("{answer:?}"),
    }
}

/// Lets all decide at once; the answers that came.
fn decide(
    address: SocketAddr,
    customer: &str,
    event: &str,
    tokens: &[String; 2],
    killer: impl FnOnce(),
) -> Vec<Answer> {
    let together = Arc::new(Barrier::new(DECIDERS + 1));
    let deciders: Vec<_> = (0..DECIDERS)
        .map(|at| {
            let together = Arc::clone(&together);
            let path = format!("/overrides/{event}/decide");
            let decision = if at % 3 == 0 { "approve" } else { "reject" };
            let body = json!({"customer_id": customer, "override_jti": tokens[at % 2], "decision": decision});
            thread::spawn(move || {
                let client = Client::open(address);
                together.wait();
                post(&mut client.ok()?, &path, &body)
            })
        })
        .collect();
    together.wait();
    killer();
    deciders
        .into_iter()
        .filter_map(|decider| decider.join().unwrap())
        .collect()
}

fn get(address: SocketAddr, path: &str) -> Value {
    Client::open(address)
        .unwrap()
        .exchange(&format!("GET {path}"), &[], "")
        .unwrap()
        .json()
}

/// What the service says now is what every answer said, and its cosignature is valid.
fn stands(address: SocketAddr, customer: &str, event: &str, answers: &[Answer]) {
    let winners = answers.iter().filter(|answer| answer.status == 200).count();
    assert!(winners <= 1, "{winners} decided {event}");
    let told: BTreeSet<String> = answers.iter().filter_map(taken).map(|(decision, _)| decision).collect();
    let named: BTreeSet<String> = answers.iter().filter_map(taken).filter_map(|(_, jti)| jti).collect();
    assert!(told.len() <= 1 && named.len() <= 1, "{event}: {told:?} {named:?}");
    let file = get(address, &format!("/overrides/{event}?customer_id={customer}"));
    let Some(decision) = file["decision"].as_str() else {
        assert!(told.is_empty(), "{event}: {told:?} was acknowledged and is lost");
        return;
    };
    assert!(
        told.iter().all(|told| told == decision),
        "{event}: {told:?} and then {decision}"
    );
    assert!(
        named.iter().all(|named| file["override_jti"] == json!(named)),
        "{event}"
    );
    let cosigned = answers
        .iter()
        .filter(|answer| answer.status == 200)
        .map(|answer| answer.json()["cosignature"].clone());
    assert!(
        cosigned
            .into_iter()
            .all(|cosignature| cosignature == file["cosignature"]),
        "{event}"
    );
    let claim = json!({
        "customer_id": customer,
        "override_jti": file["override_jti"],
        "decision": decision,
        "cosignature": file["cosignature"],
    });
    let mut client = Client::open(address).unwrap();
    let verified = post(&mut client, &format!("/overrides/{event}/verify"), &claim).unwrap();
    assert_eq!(verified.json(), json!({"valid": true}), "{event}");
}

#[test]
fn of_64_deciders_one_decides_whenever_the_program_dies() {
    let rounds = setting("COUNTERSIGN_CONTESTED_ROUNDS").unwrap_or(ROUNDS);
    let directory = tempfile::tempdir().unwrap();
    let (data, log) = (directory.path().join("data"), directory.path().join("log"));
    let mut random = uuid::Uuid::new_v4().as_u64_pair().0 | 1;
    let customer = uuid::Uuid::new_v4().to_string();
    let mut program = start(&data, &log);
    let mut client = Client::open(program.address).unwrap();
    let mint = |client: &mut Client, path: &str, body: Value| {
        let answer = post(client, path, &body).unwrap();
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()["jti"].as_str().unwrap_or_default().to_owned()
    };
    mint(&mut client, "/keys/signing", json!({"customer_id": customer}));
    for round in 1..=rounds {
        let event = format!("evt-{round}");
        let body = json!({"customer_id": customer, "event_id": event});
        let tokens = [(); 2].map(|()| mint(&mut client, "/tokens/override", body.clone()));
        let killed = round.is_multiple_of(KILLED_EVERY);
        let address = program.address;
        let answers = decide(address, &customer, &event, &tokens, || {
            if killed {
                thread::sleep(Duration::from_micros(next(&mut random) % 12_000));
                program.child.kill().unwrap();
            }
        });
        if killed {
            program.wait();
            program = start(&data, &log);
            client = Client::open(program.address).unwrap();
        } else {
            assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 1);
        }
        stands(program.address, &customer, &event, &answers);
    }
    // All of them once more, after a last kill.
    program.child.kill().unwrap();
    program.wait();
    let program: Program = start(&data, &log);
    for round in 1..=rounds {
        stands(program.address, &customer, &format!("evt-{round}"), &[]);
    }
}
