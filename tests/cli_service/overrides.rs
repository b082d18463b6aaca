//! `overrides`

use serde_json::Value;

use crate::support::{Service, text};

const CREATE: [&str; 10] = [
    "overrides",
    "create",
    "--admin-id",
    "user/1",
    "--path",
    "billing",
    "--action",
    "delete",
    "--effect",
    "DENY",
];
const REASON: &str = "blocked during an audit";

fn lines(out: &str) -> Vec<Value> {
    out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn an_override_is_created_listed_checked_and_deleted() {
    let service = Service::start();
    let chain = service.chain();
    let key = text(&chain.app, "token");
    let made = service
        .run_as(key, &[&CREATE[..], &["--reason", REASON, "--json"]].concat())
        .done()
        .json();
    assert_eq!(
        (text(&made, "adminId"), text(&made, "effect"), text(&made, "status")),
        ("user/1", "DENY", "active")
    );
    let id = text(&made, "id");
    let until = [
        "--reason",
        REASON,
        "--expires-at",
        "2100-01-01T00:00:00Z",
        "--idempotency-key",
        "k",
    ];
    let second = service.run_as(key, &[&CREATE[..], &until].concat()).done().out;
    assert!(
        second.contains("DENY billing:delete  active until 2100-01-01"),
        "{second}"
    );
    let repeated = service.run_as(key, &[&CREATE[..], &until].concat()).done().out;
    assert_eq!(second, repeated, "the same key, the same override");

    let listed = service.run_as(key, &["overrides", "list", "user/1", "--json"]).done();
    assert_eq!(lines(&listed.out).len(), 2);
    let listed = service
        .run_as(key, &["overrides", "list", "user/1", "--status", "expired"])
        .done();
    assert_eq!(listed.out, "");
    let check = [
        "overrides",
        "check",
        "--admin-id",
        "user/1",
        "--path",
        "billing",
        "--action",
        "delete",
    ];
    assert_eq!(service.run_as(key, &check).done().line(), "refused (override_deny)");
    let explained = service
        .run_as(key, &[&check[..], &["--resource", "r", "--explain", "--json"]].concat())
        .done()
        .json();
    assert_eq!(
        (explained["allowed"].as_bool(), text(&explained["explain"], "reason")),
        (Some(false), REASON)
    );

    let deleted = service.run_as(key, &["overrides", "delete", id]).done();
    assert_eq!(deleted.line(), format!("{id} is deleted"));
    service
        .run_as(key, &["overrides", "delete", id])
        .refused(1, "404 NOT_FOUND");
    let listed = service.run_as(key, &["overrides", "list", "user/1"]).done();
    assert_eq!(listed.out.lines().count(), 1);
}

#[test]
fn a_list_longer_than_a_page_is_followed_to_its_end() {
    let service = Service::start();
    let chain = service.chain();
    let key = text(&chain.app, "token");
    for _ in 0..3 {
        service
            .run_as(key, &[&CREATE[..], &["--reason", REASON]].concat())
            .done();
    }
    let listed = service
        .run_as(key, &["overrides", "list", "user/1", "--page-size", "2", "--json"])
        .done();
    assert_eq!(lines(&listed.out).len(), 3);
}

#[test]
fn refusals_name_the_field_the_scope_and_the_credential() {
    let service = Service::start();
    let chain = service.chain();
    let key = text(&chain.app, "token");
    let told = service
        .run_as(key, &[&CREATE[..], &["--reason", "short"]].concat())
        .refused(1, "400 BAD_REQUEST")
        .told;
    assert!(told.contains("reason: "), "{told}");
    let other = [
        "overrides",
        "create",
        "--admin-id",
        "u",
        "--path",
        "p",
        "--action",
        "a",
        "--effect",
        "allow",
        "--reason",
        REASON,
    ];
    service.run_as(key, &other).refused(2, "GRANT");
    let reader = service.mint(&["app", "--name", "reader", "--scope", "tokens:read"]);
    let list = ["overrides", "list", "user/1"];
    service
        .run_as(text(&reader, "token"), &list)
        .refused(4, "permissions:manage");
    service.run(&list).refused(4, "401 UNAUTHORIZED");
    let json = service
        .run(&["overrides", "list", "user/1", "--json"])
        .refused(4, "UNAUTHORIZED");
    assert_eq!(serde_json::from_str::<Value>(&json.told).unwrap()["status"], 401);
}
