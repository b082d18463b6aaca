//! Many callers at once.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use serde_json::{Value, json};

use crate::chain::{AGENT, Chain, SUBAGENT};
use crate::support::{Answer, JSON, Service, uuid, with};

const THREADS: usize = 32;

/// Sends `count` requests over [`THREADS`] connections that stay open.
fn flood(service: &Service, count: usize, path: &str, body: &Value) -> Vec<Answer> {
    let next = AtomicUsize::new(0);
    let (line, body) = (format!("POST {path}"), body.to_string());
    thread::scope(|scope| {
        let work = || {
            let mut client = service.connect();
            let mut answers = Vec::new();
            while next.fetch_add(1, Ordering::Relaxed) < count {
                answers.push(client.exchange(&line, &[JSON], &body).unwrap());
            }
            answers
        };
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(work)).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    })
}

#[test]
fn a_thousand_mints_under_one_bearer_are_a_thousand_tokens_that_stay() {
    let mut service = Service::start();
    let chain = Chain::new(&service);
    let before = service.events();
    let answers = flood(&service, 1_000, "/tokens/agent", &(AGENT.request)(&chain));
    let mut minted = BTreeSet::new();
    for answer in &answers {
        match answer.status {
            200 => assert!(
                minted.insert(answer.json()["jti"].as_str().unwrap().to_owned()),
                "a jti twice"
            ),
            429 => drop(answer.refused(429, "tenant_busy", &[])),
            _ => drop(answer.refused(503, "overloaded", &[])),
        }
    }
    assert_eq!(answers.len(), 1_000);
    assert!(minted.len() >= THREADS, "most of them pass: {}", minted.len());
    assert_eq!(service.events(), before + minted.len() as u64);
    service.restart();
    for jti in &minted {
        let body = with(&(SUBAGENT.request)(&chain), "parent_agent_jti", jti.as_str());
        service.posted("/tokens/subagent", &body);
    }
}

#[test]
fn of_many_who_make_the_first_key_one_does() {
    let service = Service::start();
    let customer = uuid();
    let answers = flood(&service, 100, "/keys/signing", &json!({"customer_id": customer}));
    let (made, refused): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.status == 200);
    assert_eq!(made.len(), 1);
    let key = made[0].json();
    for answer in refused {
        let problem = answer.refused(409, "signing_key_exists", &[]);
        assert_eq!(problem["key_id"], key["key_id"]);
    }
    let public = service.get(&format!("/keys/public/{customer}")).success();
    assert_eq!(public["keys"].as_array().unwrap().len(), 1);
}

#[test]
fn of_many_who_rotate_one_key_one_does() {
    let service = Service::start();
    let chain = Chain::new(&service);
    let path = format!("/keys/{}/rotate", chain.key_id());
    let body = json!({"customer_id": chain.customer, "immediate": true});
    let answers = flood(&service, 100, &path, &body);
    assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 1);
    for answer in answers.iter().filter(|answer| answer.status != 200) {
        answer.refused(409, "key_not_active", &[]);
    }
}

#[test]
fn a_customers_flood_is_refused_with_a_time_to_come_back_and_its_neighbour_does_not_feel_it() {
    let service = Service::with(|config| config.tokens.in_flight_per_tenant_max = 1);
    let (busy, neighbour) = (Chain::new(&service), Chain::new(&service));
    let answers = thread::scope(|scope| {
        let flooding = scope.spawn(|| flood(&service, 500, "/tokens/agent", &(AGENT.request)(&busy)));
        for _ in 0..20 {
            service.posted("/tokens/agent", &(AGENT.request)(&neighbour));
        }
        flooding.join().unwrap()
    });
    let refused: Vec<_> = answers.iter().filter(|answer| answer.status != 200).collect();
    assert!(!refused.is_empty(), "32 callers and one permit");
    for answer in refused {
        answer.refused(429, "tenant_busy", &[]);
    }
}
