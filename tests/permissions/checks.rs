//! Checks: what is in force decides, and nothing else.

use serde_json::{Value, json};

use crate::support::{Service, rule, with};

#[test]
fn deny_then_grant_then_role_then_none() {
    let mut service = Service::start();
    let text = service.organisation().text;
    let key = service.known_key(&text);
    assert_eq!(key.check("user", "billing:read"), "none");
    key.assign("user", &json!(["viewer"])).data(200);
    assert_eq!(key.check("user", "billing:read"), "role");
    let deny = key.create("user", "DENY", "billing:read");
    assert_eq!(key.check("user", "billing:read"), "override_deny", "over a role");
    let grant = key.create("user", "GRANT", "billing:*");
    assert_eq!(
        key.check("user", "billing:read"),
        "override_deny",
        "over a grant created later"
    );
    assert_eq!(key.check("user", "billing:delete"), "override_grant", "without a role");
    service.restart();
    let key = service.known_key(&text);
    assert_eq!(key.check("user", "billing:read"), "override_deny", "after a restart");
    key.delete(&deny["id"]).data(200);
    assert_eq!(key.check("user", "billing:read"), "override_grant");
    key.delete(&grant["id"]).data(200);
    assert_eq!(key.check("user", "billing:read"), "role");
    assert_eq!(key.check("user", "billing:delete"), "none");
    assert_eq!(key.check("other", "billing:read"), "none");
}

#[test]
fn wildcards_cover_descendants_and_not_the_parent() {
    let service = Service::start();
    let key = service.organisation();
    for (pattern, asked, covered) in [
        ("orders:read", "orders:read", true),
        ("orders:read", "orders.refunds:read", false),
        ("orders:read", "orders:write", false),
        ("orders.*:read", "orders.refunds:read", true),
        ("orders.*:read", "orders.refunds/eu.late:read", true),
        ("orders.*:read", "orders:read", false),
        ("orders.*:read", "orders/refunds:read", false),
        ("orders/*:read", "orders/refunds:read", true),
        ("orders.*:*", "orders.refunds:anything", true),
        ("*:read", "anything.at/all:read", true),
        ("*:*", "anything:at-all", true),
        ("Orders:read", "orders:read", false),
    ] {
        for (effect, source) in [("GRANT", "override_grant"), ("DENY", "override_deny")] {
            let made = key.create("user", effect, pattern);
            let expected = if covered { source } else { "none" };
            assert_eq!(key.check("user", asked), expected, "{effect} {pattern} for {asked}");
            key.delete(&made["id"]).data(200);
        }
    }
    for (deny, grant) in [("*:*", "a.b:read"), ("a.b:read", "*:*"), ("a.*:read", "a.b:read")] {
        let made = [
            key.create("both", "GRANT", grant),
            key.create("both", "DENY", deny),
            key.create("both", "GRANT", grant),
        ];
        assert_eq!(key.check("both", "a.b:read"), "override_deny", "{deny} over {grant}");
        for rule in made {
            key.delete(&rule["id"]).data(200);
        }
    }
}

#[test]
fn it_expires_by_the_clock_without_any_call() {
    let service = Service::start();
    let key = service.organisation();
    for (effect, source) in [("GRANT", "override_grant"), ("DENY", "override_deny")] {
        let body = with(&rule(effect, effect, "billing:delete"), "expiresAt", service.time(60));
        key.post("/permissions/overrides", &body).data(201);
        service.advance(59);
        assert_eq!(key.check(effect, "billing:delete"), source);
        service.advance(1);
        assert_eq!(key.check(effect, "billing:delete"), "none", "at the very moment");
    }
}

#[test]
fn the_fields_of_a_check() {
    let service = Service::start();
    let key = service.organisation();
    let good = json!({"adminId": "user", "path": "a", "action": "read"});
    let path = "/permissions/check";
    key.post(path, &json!({})).bad_fields(&["adminId", "path", "action"]);
    for (field, value) in [
        ("path", json!("*")),
        ("path", json!("a.*")),
        ("path", json!("a..b")),
        ("action", json!("*")),
        ("adminId", json!(7)),
        ("resource", json!(7)),
        ("context", json!("x")),
        ("explain", json!("yes")),
    ] {
        key.post(path, &with(&good, field, value)).bad_fields(&[field]);
    }
    let more = with(&with(&good, "resource", "invoice:7"), "context", json!({"ip": "::1"}));
    assert_eq!(
        key.post(path, &more).data(200),
        json!({"allowed": false, "source": "none"})
    );
}

#[test]
fn an_explanation_names_what_decided_to_whom_may_know() {
    let service = Service::start();
    let customer = service.customer();
    let key = service.key(&customer, &["permissions:manage", "permissions:check"]);
    let expires = service.time(60);
    let made = key.post(
        "/permissions/overrides",
        &with(&rule("user", "DENY", "a.*:read"), "expiresAt", expires.clone()),
    );
    let made = made.data(201);
    let ask = json!({"adminId": "user", "path": "a.b", "action": "read", "explain": true});
    let expected = json!({
        "layer": "override", "overrideId": made["id"], "effect": "DENY", "reason": "because a test says so",
        "expiresAt": expires, "matchedPath": "a.*", "roleId": null,
    });
    assert_eq!(key.post("/permissions/check", &ask).data(200)["explain"], expected);
    let auditor = service.key(&customer, &["permissions:check", "permissions:audit"]);
    assert_eq!(auditor.post("/permissions/check", &ask).data(200)["explain"], expected);
    let checker = service.key(&customer, &["permissions:check"]);
    checker.post("/permissions/check", &ask).refused(403, "FORBIDDEN");
    key.assign("user", &json!(["super-admin"])).data(200);
    let role = key.post("/permissions/check", &with(&ask, "action", "write")).data(200);
    assert_eq!(
        (&role["explain"]["layer"], &role["explain"]["roleId"]),
        (&json!("role"), &json!("super-admin"))
    );
}

#[test]
fn a_batch_is_answered_in_order_with_a_user_on_top_or_for_each() {
    let service = Service::start();
    let key = service.organisation();
    key.create("a", "GRANT", "x:read");
    key.create("b", "DENY", "x:read");
    let path = "/permissions/check-batch";
    let checks = json!([{"path": "x", "action": "read"}, {"adminId": "b", "path": "x", "action": "read"}, {"path": "y", "action": "read"}]);
    let results = key.post(path, &json!({"adminId": "a", "checks": checks})).data(200);
    assert_eq!(
        results,
        json!({"results": [
            {"adminId": "a", "path": "x", "action": "read", "allowed": true, "source": "override_grant"},
            {"adminId": "b", "path": "x", "action": "read", "allowed": false, "source": "override_deny"},
            {"adminId": "a", "path": "y", "action": "read", "allowed": false, "source": "none"},
        ]})
    );
    key.post(path, &json!({"checks": checks}))
        .bad_fields(&["checks[0].adminId", "checks[2].adminId"]);
    key.post(path, &json!({"adminId": "a", "checks": [{"path": "*"}]}))
        .bad_fields(&["checks[0].path", "checks[0].action"]);
    let many = |count: usize| json!({"adminId": "a", "checks": vec![json!({"path": "x", "action": "read"}); count]});
    key.post(path, &many(0)).bad_fields(&["checks"]);
    assert_eq!(
        key.post(path, &many(100)).data(200)["results"]
            .as_array()
            .unwrap()
            .len(),
        100
    );
    key.post(path, &many(101)).bad_fields(&["checks"]);
}

#[test]
fn resolving_tells_all_that_is_in_force() {
    let service = Service::start();
    let key = service.organisation();
    key.assign("user", &json!(["super-admin"])).data(200);
    let deny = key.create("user", "DENY", "billing:delete");
    let resolved = key.get("/permissions/resolve/user").data(200);
    assert_eq!(
        resolved,
        json!({
            "adminId": "user", "roles": ["super-admin"], "capabilities": ["*:*"], "denied": ["billing:delete"],
            "overrides": [deny], "ttl": 60,
        })
    );
    let nobody = key.get("/permissions/resolve/nobody").data(200);
    assert_eq!(
        (&nobody["capabilities"], &nobody["overrides"]),
        (&json!([]), &Value::Array(Vec::new()))
    );
}
