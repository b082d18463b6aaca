//! Creating, listing and deleting.

use serde_json::{Value, json};

use crate::support::{DAY, Service, rule, with};

const PATH: &str = "/permissions/overrides";

#[test]
fn fields_are_judged_in_the_documented_order_and_all_of_them_are_told() {
    let service = Service::start();
    let key = service.organisation();
    key.post(PATH, &json!({}))
        .bad_fields(&["adminId", "path", "action", "effect", "reason"]);
    let all =
        json!({"adminId": 1, "path": "a..b", "action": "a b", "effect": "ALLOW", "reason": "short", "expiresAt": 1});
    key.post(PATH, &all)
        .bad_fields(&["adminId", "path", "action", "effect", "reason", "expiresAt"]);
    let good = rule("user", "DENY", "billing:delete");
    let long = "x".repeat(256);
    let table: &[(&str, Value)] = &[
        ("adminId", json!(null)),
        ("adminId", json!("")),
        ("adminId", json!(long)),
        ("path", json!("")),
        ("path", json!(long)),
        ("path", json!("a.*.b")),
        ("path", json!("a*")),
        ("path", json!("/a")),
        ("path", json!(["a"])),
        ("action", json!("2x")),
        ("action", json!("a:b")),
        ("action", json!("x".repeat(65))),
        ("effect", json!("ALLOW")),
        ("effect", json!("grant")),
        ("effect", json!("deny")),
        ("reason", json!("123456789")),
        ("reason", json!("   123456789   ")),
        ("reason", json!("x".repeat(1_001))),
        ("expiresAt", json!("2026-06-01")),
        ("expiresAt", json!("2026-06-01T00:00:00")),
        ("expiresAt", json!("2026-02-30T00:00:00Z")),
        ("expiresAt", json!("2026-06-01T25:00:00Z")),
        ("expiresAt", json!("1780272000")),
        ("expiresAt", json!(1_780_272_000)),
    ];
    for (field, value) in table {
        key.post(PATH, &with(&good, field, value.clone())).bad_fields(&[field]);
    }
    assert_eq!(key.list("user"), [] as [Value; 0], "refused calls leave nothing");
    for (field, value) in [
        ("path", json!("*")),
        ("path", json!("a/b.*")),
        ("path", json!("x".repeat(255))),
        ("action", json!("*")),
        ("reason", json!("1234567890")),
        ("reason", json!("  1234567890  ")),
        ("reason", json!("x".repeat(1_000))),
        ("expiresAt", json!(null)),
        ("expiresAt", json!("")),
        ("unknown", json!({"is": "ignored"})),
    ] {
        let made = key.post(PATH, &with(&good, field, value.clone())).data(201);
        if field == "reason" || field == "path" {
            assert_eq!(made[field], value, "stored as sent");
        }
        assert_eq!(made["expiresAt"], json!(null));
        assert_eq!(made["status"], "active");
    }
    for broken in ["", "{", "[]", "null", r#"{"a":1,"a":2}"#] {
        let headers = [("x-api-key", key.text.as_str())];
        let answer = service.call("POST", "/api/v1/permissions/overrides", &headers, Some(broken));
        answer.refused(400, "BAD_REQUEST");
    }
}

#[test]
fn an_expiry_is_normalised_and_a_past_one_is_accepted_with_a_warning_unless_refused() {
    let service = Service::start();
    let key = service.organisation();
    let good = rule("user", "DENY", "billing:delete");
    let made = key
        .post(PATH, &with(&good, "expiresAt", "2026-06-01T02:00:00+02:00"))
        .data(201);
    assert_eq!(made["expiresAt"], "2026-06-01T00:00:00.000Z");
    assert_eq!(made["warnings"], Value::Null);
    let past = key.post(PATH, &with(&good, "expiresAt", service.time(0))).data(201);
    assert_eq!(past["status"], "expired");
    assert_eq!(
        past["warnings"],
        json!(["expiresAt is in the past; this override has no effect"])
    );
    let strict = Service::with(|config| config.permissions.reject_past_expiry = true);
    let key = strict.organisation();
    key.post(PATH, &with(&good, "expiresAt", strict.time(0)))
        .bad_fields(&["expiresAt"]);
    key.post(PATH, &with(&good, "expiresAt", strict.time(1))).data(201);
}

#[test]
fn duplicates_have_their_own_ids_and_the_1001st_live_one_is_a_conflict() {
    let service = Service::start();
    let key = service.organisation();
    let first = key.create("user", "DENY", "billing:delete");
    let second = key.create("user", "DENY", "billing:delete");
    assert_ne!(first["id"], second["id"]);
    key.delete(&first["id"]).data(200);
    assert_eq!(key.check("user", "billing:delete"), "override_deny");
    for _ in 0..998 {
        key.create("user", "GRANT", "orders:read");
    }
    let last = with(&rule("user", "GRANT", "orders:read"), "expiresAt", service.time(60));
    key.post(PATH, &last).data(201);
    key.post(PATH, &last).refused(409, "CONFLICT");
    let listed = key.get("/permissions/overrides/user").data(200);
    assert_eq!(
        (listed["overrides"].as_array().unwrap().len(), &listed["cursor"]),
        (1_000, &Value::Null)
    );
    service.advance(60);
    key.create("user", "GRANT", "orders:read");
    let listed = key.get("/permissions/overrides/user").data(200);
    assert_eq!(listed["overrides"].as_array().unwrap().len(), 1_000);
    assert!(listed["cursor"].is_string(), "there are more");
}

#[test]
fn lists_are_filtered_and_paged() {
    let service = Service::start();
    let key = service.organisation();
    let mut ids = Vec::new();
    for (number, seconds) in [(0, 10), (1, 1_000), (2, 20), (3, 1_000)] {
        let body = with(
            &rule("user", "DENY", &format!("p{number}:read")),
            "expiresAt",
            service.time(seconds),
        );
        ids.push(key.post(PATH, &body).data(201)["id"].clone());
    }
    service.advance(100);
    let page = |query: &str| key.get(&format!("/permissions/overrides/user{query}")).data(200);
    let listed = |data: &Value| -> Vec<Value> {
        data["overrides"]
            .as_array()
            .unwrap()
            .iter()
            .map(|rule| rule["id"].clone())
            .collect()
    };
    assert_eq!(listed(&page("")), ids);
    assert_eq!(listed(&page("?status=all")), ids);
    assert_eq!(listed(&page("?status=active")), [ids[1].clone(), ids[3].clone()]);
    assert_eq!(listed(&page("?status=expired")), [ids[0].clone(), ids[2].clone()]);
    let first = page("?limit=3");
    assert_eq!(listed(&first), ids[..3]);
    let rest = page(&format!("?limit=3&cursor={}", first["cursor"].as_str().unwrap()));
    assert_eq!((listed(&rest), &rest["cursor"]), (vec![ids[3].clone()], &Value::Null));
    for (query, field) in [
        ("?status=gone", "status"),
        ("?limit=0", "limit"),
        ("?limit=1001", "limit"),
        ("?limit=x", "limit"),
        ("?cursor=x", "cursor"),
    ] {
        key.get(&format!("/permissions/overrides/user{query}"))
            .bad_fields(&[field]);
    }
    assert_eq!(key.list("nobody"), [] as [Value; 0]);
    key.get(&format!("/permissions/overrides/{}", "x".repeat(256)))
        .bad_fields(&["adminId"]);
    key.create("a/b c", "DENY", "x:read");
    assert_eq!(key.list("a%2Fb%20c").len(), 1, "any name is a user");
}

#[test]
fn foreign_unknown_and_deleted_overrides_look_alike() {
    let service = Service::start();
    let (key, other) = (service.organisation(), service.organisation());
    let foreign = other.create("user", "DENY", "billing:delete");
    let deleted = key.create("user", "DENY", "billing:delete");
    key.delete(&deleted["id"]).data(200);
    let mut bodies = Vec::new();
    for id in [
        &foreign["id"],
        &deleted["id"],
        &json!(format!("ovr_{}", "0".repeat(32))),
        &json!("ovr_abc123"),
        &json!("x"),
    ] {
        bodies.push(key.delete(id).refused(404, "NOT_FOUND"));
    }
    bodies.dedup();
    assert_eq!(bodies.len(), 1, "{bodies:?}");
    assert_eq!(key.list("user"), [] as [Value; 0]);
    assert_eq!(key.check("user", "billing:delete"), "none");
    assert_eq!(other.check("user", "billing:delete"), "override_deny");
    assert_eq!(other.list("user").len(), 1);
}

#[test]
fn an_override_is_listed_for_90_days_after_its_expiry_and_then_purged() {
    let mut service = Service::start();
    let text = service.key(&service.customer(), &["*"]).text;
    let key = service.known_key(&text);
    let body = with(&rule("user", "DENY", "billing:delete"), "expiresAt", service.time(10));
    let gone = key.post(PATH, &body).data(201)["id"].clone();
    let kept = key.create("user", "DENY", "orders:delete")["id"].clone();
    service.advance(10 + 90 * DAY - 1);
    assert_eq!(key.list("user").len(), 2);
    assert_eq!(key.list("user")[0]["status"], "expired");
    service.advance(1);
    assert_eq!(key.list("user").len(), 1);
    key.delete(&gone).refused(404, "NOT_FOUND");
    service.restart();
    let key = service.known_key(&text);
    assert_eq!(key.list("user")[0]["id"], kept, "what has no expiry stays");
    let entries = key.get("/permissions/audit/changes").data(200)["entries"].clone();
    let purged = &entries[0];
    assert_eq!(
        (&purged["action"], &purged["target"]),
        (&json!("override.purged"), &gone)
    );
    assert_eq!((&purged["actor"], &purged["before"]["id"]), (&json!("service"), &gone));
}

#[test]
fn a_blind_retry_makes_a_second_one_and_an_idempotency_key_does_not() {
    let mut service = Service::start();
    let text = service.organisation().text;
    let key = service.known_key(&text);
    let body = rule("user", "DENY", "billing:delete");
    key.post(PATH, &body).data(201);
    key.post(PATH, &body).data(201);
    assert_eq!(key.list("user").len(), 2, "without a key each call is its own");
    let once = [("x-idempotency-key", "once")];
    let first = key.call_with("POST", PATH, &once, Some(&body));
    assert_eq!(first.header("x-idempotency-replayed"), None);
    service.restart();
    let key = service.known_key(&text);
    let again = key.call_with("POST", PATH, &once, Some(&body));
    assert_eq!(
        (again.status, again.header("x-idempotency-replayed")),
        (201, Some("true"))
    );
    assert_eq!(again.text, first.text);
    assert_eq!(key.list("user").len(), 3);
    let other = with(&body, "effect", "GRANT");
    key.call_with("POST", PATH, &once, Some(&other))
        .refused(409, "CONFLICT");

    let id = first.data(201)["id"].clone();
    let path = format!("/permissions/overrides/remove/{}", id.as_str().unwrap());
    let deleted = key.call_with("DELETE", &path, &once, None);
    let again = key.call_with("DELETE", &path, &once, None);
    assert_eq!(
        (again.data(200), again.header("x-idempotency-replayed")),
        (deleted.data(200), Some("true"))
    );
    key.delete(&id).refused(404, "NOT_FOUND");
    key.call_with("POST", PATH, &once, Some(&body)).refused(409, "CONFLICT");
    service.advance(DAY);
    let fresh = key.call_with("POST", PATH, &once, Some(&body));
    assert_eq!(
        (fresh.status, fresh.header("x-idempotency-replayed")),
        (201, None),
        "a day later"
    );
    key.call_with("POST", PATH, &[("x-idempotency-key", "")], Some(&body))
        .refused(400, "BAD_REQUEST");
}

#[test]
fn what_expired_long_ago_is_purged_for_customers_that_nobody_asks_for() {
    let mut service = Service::start();
    let customer = service.customer();
    let text = {
        let key = service.key(&customer, &["*"]);
        let soon = with(&rule("user", "DENY", "billing:delete"), "expiresAt", service.time(60));
        for _ in 0..40 {
            key.post("/permissions/overrides", &soon).data(201);
        }
        key.create("user", "GRANT", "billing:read");
        key.text.clone()
    };
    service.advance(91 * 86_400);
    // Nobody has asked for the customer since.
    service.restart();
    let purged = service.call("POST", "/admin/purge", &[], None);
    assert_eq!(purged.json(), serde_json::json!({"purged": 40}));
    assert_eq!(
        service.call("POST", "/admin/purge", &[], None).json(),
        serde_json::json!({"purged": 0})
    );
    let key = service.known_key(&text);
    assert_eq!(key.list("user").len(), 1, "what does not expire stays");
}

#[test]
fn what_expired_long_before_it_was_created_is_told_of_for_90_days_all_the_same() {
    let service = Service::start();
    let key = service.organisation();
    let long_over = with(
        &rule("user", "DENY", "billing:delete"),
        "expiresAt",
        service.time(-200 * 86_400),
    );
    let made = key.post("/permissions/overrides", &long_over).data(201);
    assert_eq!(made["status"], "expired");
    assert_eq!(key.list("user").len(), 1);
    service.advance(90 * DAY - 1);
    assert_eq!(key.list("user").len(), 1);
    key.delete(&made["id"]).data(200);
    key.post("/permissions/overrides", &long_over).data(201);
    service.advance(90 * DAY);
    assert_eq!(key.list("user").len(), 0);
}
