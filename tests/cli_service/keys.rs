//! `keys`

use serde_json::Value;

use crate::support::{CUSTOMER, STRANGER, Service, text};

#[test]
fn keys_are_made_rotated_revoked_and_listed() {
    let service = Service::start();
    let about = ["--customer", CUSTOMER];
    let keys = |arguments: &[&str]| service.run(&[&["keys"][..], arguments, &about].concat());
    let listed = keys(&["list"]).done();
    let first = listed.line().split_once("  ").unwrap();
    assert_eq!(first.1, "signs");
    keys(&["create"]).refused(1, "409 signing_key_exists");
    let second = keys(&["rotate", first.0, "--json"]).done().json();
    assert!(text(&second, "signs_from").ends_with('Z'));
    let listed: Vec<Value> = keys(&["list", "--json"])
        .done()
        .out
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let signs: Vec<bool> = listed.iter().map(|key| key["signs"].as_bool().unwrap()).collect();
    assert_eq!((signs, text(&listed[0], "key_id")), (vec![true, false], first.0));
    keys(&["rotate", text(&second, "key_id")]).refused(1, "409");

    let token = service.mint(&["app", "--name", "console"]);
    let revoked = keys(&["revoke", first.0, "--reason", "stolen"]).done();
    assert_eq!(revoked.line(), format!("{} is revoked, and with it tokens: 1", first.0));
    let listed = keys(&["list"]).done();
    assert_eq!(listed.line(), format!("{}  signs", text(&second, "key_id")));
    service
        .run_as(text(&token, "token"), &["keys", "list"])
        .refused(2, "name the customer");
    let again = keys(&["revoke", first.0, "--json"]).done().json();
    assert_eq!(again["revoked_count"], 1, "a second time changes nothing");
}

#[test]
fn a_rotation_may_be_immediate() {
    let service = Service::start();
    let about = ["--customer", CUSTOMER];
    let listed = service.run(&[&["keys", "list"][..], &about].concat()).done();
    let first = listed.line().split_once("  ").unwrap().0.to_owned();
    let rotated = service
        .run(&[&["keys", "rotate", &first, "--immediate"][..], &about].concat())
        .done();
    assert!(rotated.line().contains(" signs from 2"), "{}", rotated.out);
    let listed = service.run(&[&["keys", "list"][..], &about].concat()).done();
    let lines: Vec<&str> = listed.out.lines().collect();
    assert!(
        lines[0].ends_with("  signs") && !lines[0].starts_with(&first),
        "{}",
        listed.out
    );
}

#[test]
fn another_customers_keys_are_as_if_they_did_not_exist() {
    let service = Service::start();
    service.run(&["keys", "list", "--customer", STRANGER]).refused(1, "404");
    service
        .run(&["keys", "rotate", STRANGER, "--customer", CUSTOMER])
        .refused(1, "404");
    service
        .run(&["keys", "revoke", STRANGER, "--customer", CUSTOMER])
        .refused(1, "404");
    service
        .run(&["keys", "rotate", "first", "--customer", CUSTOMER])
        .refused(2, "must be a UUID");
    service
        .run_as(
            "another-token-of-over-thirty-two-characters",
            &["keys", "create", "--customer", STRANGER],
        )
        .refused(4, "401");
}
