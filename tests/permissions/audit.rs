//! The audit: every change, some decisions, pages, exports.

use serde_json::{Value, json};

use crate::support::{DAY, Service};

fn entries(data: &Value) -> Vec<Value> {
    data["entries"].as_array().unwrap().clone()
}

fn actions(entries: &[Value]) -> Vec<&str> {
    entries.iter().map(|entry| entry["action"].as_str().unwrap()).collect()
}

#[test]
fn every_change_is_told_and_refused_calls_are_not() {
    let service = Service::start();
    let key = service.organisation();
    let jti = key.get("/whoami").data(200)["keyId"].as_str().unwrap().to_owned();
    let made = key.create("user", "DENY", "billing:delete");
    let role = key.post("/permissions/roles", &json!({"name": "clerk"}));
    let request_id = role.header("x-request-id").unwrap().to_owned();
    let role = role.data(201)["id"].clone();
    let path = format!("/permissions/roles/{}", role.as_str().unwrap());
    key.call("PATCH", &path, Some(&json!({"name": "scribe"}))).data(200);
    key.assign("user", &json!([role])).data(200);
    key.call("DELETE", &path, None).refused(409, "CONFLICT");
    key.assign("user", &json!([])).data(200);
    key.call("DELETE", &path, None).data(200);
    key.post("/permissions/overrides", &json!({}))
        .refused(400, "BAD_REQUEST");
    key.delete(&made["id"]).data(200);
    key.delete(&made["id"]).refused(404, "NOT_FOUND");
    let told = entries(&key.get("/permissions/audit/changes").data(200));
    assert_eq!(
        actions(&told),
        [
            "override.deleted",
            "role.deleted",
            "user_roles.assigned",
            "user_roles.assigned",
            "role.changed",
            "role.created",
            "override.created"
        ]
    );
    assert_eq!(told[5]["requestId"], json!(request_id), "the call's own");
    let created = told.last().unwrap();
    assert_eq!((&created["kind"], &created["target"]), (&json!("change"), &made["id"]));
    assert_eq!(
        (&created["actor"], &created["createdAt"]),
        (&json!(format!("app:{jti}")), &made["createdAt"])
    );
    assert_eq!(
        (&created["before"], &created["after"]["path"]),
        (&Value::Null, &json!("billing"))
    );
    assert_eq!(created["reason"], made["reason"]);
    assert!(created["id"].as_str().unwrap().starts_with("aud_") && created["requestId"].is_string());
    assert_eq!(
        (&told[0]["before"]["id"], &told[0]["after"]),
        (&made["id"], &Value::Null)
    );
    assert_eq!(
        (&told[4]["before"]["name"], &told[4]["after"]["name"]),
        (&json!("clerk"), &json!("scribe"))
    );
}

/// Notes are written behind the answer; a change that is answered stands behind them in the journal.
fn flush(key: &crate::support::Key<'_>) {
    key.create("flush", "DENY", "x:read");
}

#[test]
fn decisions_are_told_as_the_operator_wants_and_never_too_many() {
    for (setting, expected) in [
        (r#""all""#, &["permission.denied", "permission.allowed"][..]),
        (r#""denied""#, &["permission.denied"]),
        (r#""none""#, &[]),
    ] {
        let service =
            Service::with(|config| config.permissions.audit_decisions = serde_json::from_str(setting).unwrap());
        let key = service.organisation();
        key.create("user", "GRANT", "a:read");
        key.check("user", "a:read");
        // What is told of one moment, without an event between, has no order.
        service.advance(1);
        key.check("user", "a:write");
        flush(&key);
        let told = entries(&key.get("/permissions/audit").data(200));
        let decisions: Vec<_> = told
            .iter()
            .filter(|entry| entry["kind"] == "decision")
            .cloned()
            .collect();
        assert_eq!(actions(&decisions), expected, "{setting}");
    }
    let service = Service::start();
    let key = service.organisation();
    let checks = vec![json!({"path": "a", "action": "read"}); 100];
    for _ in 0..8 {
        key.post(
            "/permissions/check-batch",
            &json!({"adminId": "user", "checks": checks}),
        )
        .data(200);
    }
    service.advance(60);
    key.check("user", "a:read");
    flush(&key);
    let told = entries(&key.get("/permissions/audit?limit=200").data(200));
    let left_out = told
        .iter()
        .find(|entry| entry["action"] == "permission.decisions_left_out")
        .unwrap();
    assert_eq!(left_out["after"]["count"], 200);
}

#[test]
fn pages_join_without_gap_and_exports_are_whole() {
    let service = Service::start();
    let customer = service.customer();
    let key = service.key(&customer, &["*"]);
    let mut ids = Vec::new();
    for number in 0..450 {
        ids.push(key.create(&format!("user, \"{number}\" x"), "DENY", "a:read")["id"].clone());
    }
    ids.reverse();
    let (mut seen, mut cursor, mut pages) = (Vec::new(), String::new(), 0);
    loop {
        let data = key.get(&format!("/permissions/audit?limit=200{cursor}")).data(200);
        seen.extend(entries(&data).into_iter().map(|entry| entry["target"].clone()));
        pages += 1;
        let Some(next) = data["cursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!((pages, seen.len()), (3, 450));
    assert_eq!(seen, ids);
    assert_eq!(entries(&key.get("/permissions/audit").data(200)).len(), 50);
    for (query, field) in [("?limit=201", "limit"), ("?cursor=%21", "cursor")] {
        key.get(&format!("/permissions/audit{query}")).bad_fields(&[field]);
    }
    ids.reverse();
    let exported = key.get("/permissions/audit/export?format=json");
    let targets: Vec<_> = entries(&exported.data(200))
        .into_iter()
        .map(|entry| entry["target"].clone())
        .collect();
    assert_eq!(targets, ids);
    let exported = key.get("/permissions/audit/export?format=csv");
    assert_eq!(exported.header("content-type"), Some("text/csv; charset=utf-8"));
    let mut reader = csv::Reader::from_reader(exported.text.as_bytes());
    assert_eq!(reader.headers().unwrap().get(5), Some("target"));
    let rows: Vec<_> = reader.records().map(Result::unwrap).collect();
    assert_eq!(rows.iter().map(|row| json!(&row[5])).collect::<Vec<_>>(), ids);
    let after: Value = serde_json::from_str(&rows[7][9]).unwrap();
    assert_eq!(after["adminId"], "user, \"7\" x");
    key.get("/permissions/audit/export?format=xml").bad_fields(&["format"]);

    service.advance(90 * DAY);
    assert_eq!(
        entries(&key.get("/permissions/audit").data(200)).len(),
        50,
        "90 days, to the moment"
    );
    service.advance(1);
    assert_eq!(entries(&key.get("/permissions/audit").data(200)), [] as [Value; 0]);
    let empty = key.get("/permissions/audit/export").data(200);
    assert_eq!(empty, json!({"entries": []}));
}
