//! A store that is damaged on the disk, as `verify-store` tells of it.

use std::fs;

use serde_json::Value;

use crate::support::{Place, Service, agent, bearer, customer, done, run};

fn verified(place: &Place) -> (Option<i32>, Value) {
    let output = run(&place.at("data"), &[], &["verify-store", "--json"]);
    let shown = serde_json::from_slice(&output.stdout).unwrap_or_default();
    (output.status.code(), shown)
}

#[test]
fn a_flipped_bit_on_the_disk_is_found() {
    let place = Place::new();
    let service = Service::start(&place.at("data"), &[]);
    let (bearer, _) = bearer(&service, &customer(1));
    for _ in 0..50 {
        agent(&service, &customer(1), &bearer);
    }
    service.stop();
    let (code, shown) = verified(&place);
    assert_eq!((code, &shown["ok"]), (Some(0), &Value::Bool(true)), "{shown}");
    assert_eq!(
        (&shown["looked_at"]["customers"], &shown["looked_at"]["secrets"]),
        (&1.into(), &2.into())
    );
    assert_eq!(shown["looked_at"]["events"], 53);

    let path = place.at("data/store/db");
    let mut bytes = fs::read(&path).unwrap();
    let needle = b"signing_key_created";
    let places: Vec<usize> = (0..bytes.len() - needle.len())
        .filter(|at| bytes[*at..].starts_with(needle))
        .collect();
    assert!(!places.is_empty());
    for at in places {
        bytes[at] ^= 1;
    }
    fs::write(&path, bytes).unwrap();
    let (code, shown) = verified(&place);
    assert_eq!((code, &shown["ok"]), (Some(1), &Value::Bool(false)), "{shown}");
    assert_eq!(shown["findings"].as_array().unwrap().len(), 1, "{shown}");
}

#[test]
fn a_wrong_master_key_is_told_before_anything_is_looked_at() {
    let place = Place::new();
    let service = Service::start(&place.at("data"), &[]);
    bearer(&service, &customer(1));
    service.stop();
    let wrong = [("AUTH_MASTER_KEY", "a-master-key-of-over-thirty-two-characters")];
    let output = run(&place.at("data"), &wrong, &["verify-store"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("master key"));
    assert_eq!(done(&place.at("data"), &[], &["verify-store", "--json"])["ok"], true);
}
