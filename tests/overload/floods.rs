//! Too many calls: of one customer, of callers of whom nothing is known, about customers that do not exist.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;

use crate::client::{Answer, Client};
use crate::program::countersign;
use crate::{ADMIN, Customer, JSON, get, post, rounds, start};

/// Asserts a refusal for want of room, and that it says when to come back.
#[track_caller]
fn assert_busy(answer: &Answer, code: &str) {
    assert_eq!(answer.json()["code"], code, "{answer:?}");
    let after: u32 = answer.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=60).contains(&after), "{after}");
}

/// A token that nobody signed.
fn forged(customer: &str, kid: &str) -> String {
    let header = URL_SAFE_NO_PAD.encode(format!(r#"{{"alg":"ES256","typ":"JWT","kid":"{kid}"}}"#));
    let claims =
        json!({"jti": uuid::Uuid::new_v4(), "sub": customer, "typ": "app", "iat": 1, "exp": 4_000_000_000_u64});
    let claims = URL_SAFE_NO_PAD.encode(claims.to_string());
    format!("qt_app_{header}.{claims}.{}", URL_SAFE_NO_PAD.encode([1; 64]))
}

#[test]
fn a_customer_that_floods_is_refused_early_and_its_neighbours_are_not() {
    let directory = tempfile::tempdir().unwrap();
    let program = start(
        &directory.path().join("data"),
        &[("AUTH_TOKENS_IN_FLIGHT_PER_TENANT_MAX", "4")],
    );
    let address = program.address;
    let flooding = Customer::new(address);
    let neighbours: Vec<Customer> = (0..4).map(|_| Customer::new(address)).collect();
    let stop = AtomicBool::new(false);
    let (done, refused) = thread::scope(|scope| {
        let flood = || {
            let mut client = Client::open(address).unwrap();
            let (mut done, mut refused) = (0_u64, 0_u64);
            while !stop.load(Ordering::Relaxed) {
                let answer = flooding.mint_agent(&mut client);
                match answer.status {
                    200 => done += 1,
                    429 => {
                        assert_busy(&answer, "tenant_busy");
                        refused += 1;
                    }
                    _ => panic!("{answer:?}"),
                }
            }
            (done, refused)
        };
        let floods: Vec<_> = (0..48).map(|_| scope.spawn(flood)).collect();
        let calls: Vec<_> = neighbours
            .iter()
            .map(|neighbour| {
                scope.spawn(move || {
                    let mut client = Client::open(address).unwrap();
                    for _ in 0..rounds() {
                        let answer = neighbour.mint_agent(&mut client);
                        assert_eq!(answer.status, 200, "{answer:?}");
                    }
                })
            })
            .collect();
        calls.into_iter().for_each(|call| call.join().unwrap());
        stop.store(true, Ordering::Relaxed);
        let counts = floods.into_iter().map(|flood| flood.join().unwrap());
        counts.fold((0, 0), |(done, refused), more| (done + more.0, refused + more.1))
    });
    println!("{done} of the flood were done, {refused} refused");
    assert!(done > 0 && refused > 0, "{done} done, {refused} refused");
    let mut client = Client::open(address).unwrap();
    assert_eq!(flooding.agents(&mut client), done, "what was refused did not happen");
    assert_eq!(
        flooding.mint_agent(&mut client).status,
        200,
        "and it is over when it is over"
    );
}

/// What strangers do, again and again.
fn annoy(address: SocketAddr, customer: &str, known_kid: &str, stop: &AtomicBool) {
    let mut client = Client::open(address).unwrap();
    while !stop.load(Ordering::Relaxed) {
        for kid in [known_kid.to_owned(), uuid::Uuid::new_v4().to_string()] {
            let answer = get(
                &mut client,
                &forged(customer, &kid),
                &format!("/tokens?customer_id={customer}"),
            );
            assert!(matches!(answer.status, 401 | 429), "{answer:?}");
        }
        let answer = get(
            &mut client,
            &forged(&uuid::Uuid::new_v4().to_string(), known_kid),
            "/customers",
        );
        assert!(matches!(answer.status, 401 | 503), "{answer:?}");
        let path = format!("GET /keys/public/{customer}");
        let answer = client.exchange(&path, &[], "").unwrap();
        assert!(matches!(answer.status, 200 | 429), "{answer:?}");
    }
}

#[test]
fn strangers_cannot_use_up_a_customer_s_places() {
    let directory = tempfile::tempdir().unwrap();
    let settings = [
        ("AUTH_TOKENS_IN_FLIGHT_PER_TENANT_MAX", "2"),
        ("AUTH_SERVER_IN_FLIGHT_MAX", "1024"),
    ];
    let program = start(&directory.path().join("data"), &settings);
    let address = program.address;
    let customer = Customer::new(address);
    let mut client = Client::open(address).unwrap();
    let published = get(&mut client, ADMIN, &format!("/keys/public/{}", customer.id)).json();
    let kid = published["keys"][0]["kid"].as_str().unwrap().to_owned();
    let path = format!("/tokens?customer_id={}", customer.id);
    assert_eq!(get(&mut client, &customer.app, &path).status, 200);
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..48 {
            scope.spawn(|| annoy(address, &customer.id, &kid, &stop));
        }
        for _ in 0..4 * rounds() {
            let mine = get(&mut client, &customer.app, &path);
            let minted = customer.mint_agent(&mut client);
            if (mine.status, minted.status) != (200, 200) {
                stop.store(true, Ordering::Relaxed);
                panic!("{mine:?} {minted:?}");
            }
        }
        stop.store(true, Ordering::Relaxed);
    });
}

#[test]
fn customers_that_do_not_exist_cost_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let mut program = start(&data, &[]);
    let known = Customer::new(program.address);
    let mut client = Client::open(program.address).unwrap();
    for _ in 0..10 * rounds() {
        let id = uuid::Uuid::new_v4().to_string();
        let public = client.exchange(&format!("GET /keys/public/{id}"), &[], "").unwrap();
        assert_eq!(public.status, 404);
        let token = forged(&id, &id);
        let introspected = post(&mut client, ADMIN, "/tokens/introspect", &json!({"token": token}));
        assert_eq!(introspected.json(), json!({"active": false}));
        let body = json!({"customer_id": id, "app_token_hash": "0".repeat(64)});
        assert_eq!(post(&mut client, ADMIN, "/tokens/bearer", &body).status, 404);
        assert_eq!(get(&mut client, &token, "/customers").status, 401);
        let key = format!("x-api-key: {token}");
        // Who is refused for the credential has the body left unread, which costs the connection.
        let mut other = Client::open(program.address).unwrap();
        let check = other
            .exchange("POST /api/v1/permissions/check", &[JSON, &key], "{}")
            .unwrap();
        assert_eq!(check.status, 401);
        let waiting = get(&mut client, ADMIN, &format!("/revocations?customer_id={id}&wait=30"));
        assert_eq!(waiting.status, 404);
    }
    let listed = get(&mut client, ADMIN, "/customers").json();
    assert_eq!(listed["customers"].as_array().unwrap().len(), 1, "{listed}");
    program.terminate();
    assert!(program.wait().success());
    let inspected = countersign(&data).args(["inspect", "--json"]).output().unwrap();
    let lines = String::from_utf8(inspected.stdout).unwrap();
    assert!(
        lines.lines().count() > 2 && lines.lines().all(|line| line.contains(&known.id)),
        "{lines}"
    );
}
