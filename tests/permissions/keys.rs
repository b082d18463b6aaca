//! Keys, scopes, rates, and the form of what goes wrong.

use serde_json::{Value, json};

use crate::support::{Answer, Service, new_key, rule};

const ADMIN: &str = "an-admin-credential-of-some-forty-characters";

fn whoami(service: &Service, headers: &[(&str, &str)]) -> Answer {
    service.call("GET", "/api/v1/whoami", headers, None)
}

#[test]
fn a_key_comes_in_either_header_and_says_who_it_is() {
    let service = Service::start();
    let customer = service.customer();
    let key = service.key(&customer, &["permissions:check"]).text;
    let other = service.key(&customer, &["permissions:check"]).text;
    let bearer = format!("Bearer {key}");
    let told = whoami(&service, &[("x-api-key", &key)]).data(200);
    assert_eq!(
        (&told["organizationId"], &told["scopes"]),
        (&json!(customer), &json!(["permissions:check"]))
    );
    assert_eq!(told["expiresAt"], "2027-03-01T00:00:00.000Z");
    assert_eq!(whoami(&service, &[("authorization", &bearer)]).data(200), told);
    assert_eq!(
        whoami(&service, &[("authorization", &bearer), ("x-api-key", &key)]).data(200),
        told
    );
    let refusals: [&[(&str, &str)]; 6] = [
        &[],
        &[("authorization", &bearer), ("x-api-key", &other)],
        &[("x-api-key", "pxk_live_your_api_key_here")],
        &[("x-api-key", &key[..key.len() - 2])],
        &[("authorization", "Basic eDp5")],
        &[("x-api-key", "qt_agent_x.y.z")],
    ];
    for headers in refusals {
        let answer = whoami(&service, headers);
        answer.refused(401, "UNAUTHORIZED");
        assert!(answer.header("www-authenticate").is_some());
        assert_eq!(answer.header("x-ratelimit-limit"), None, "only after authentication");
    }
    service.advance(365 * 86_400);
    whoami(&service, &[("x-api-key", &key)]).refused(401, "UNAUTHORIZED");
}

#[test]
fn the_admin_credential_and_other_tokens_are_no_keys() {
    let service = Service::with(|config| {
        config.secrets.admin_token = Some(countersign::config::Secret::new(ADMIN.into()));
    });
    let bearer = format!("Bearer {ADMIN}");
    whoami(&service, &[("authorization", &bearer)]).refused(401, "UNAUTHORIZED");
    whoami(&service, &[("x-api-key", ADMIN)]).refused(401, "UNAUTHORIZED");
    let open = Service::start();
    let customer = open.customer();
    let body = json!({"customer_id": customer, "name": "app"}).to_string();
    let app = open.call("POST", "/tokens/app", &[], Some(&body)).json();
    let body = json!({"customer_id": customer, "app_token_hash": app["token_hash"]}).to_string();
    let bearer = open.call("POST", "/tokens/bearer", &[], Some(&body)).json();
    whoami(&open, &[("x-api-key", bearer["token"].as_str().unwrap())]).refused(401, "UNAUTHORIZED");
}

#[test]
fn scopes_cover_their_endpoints_and_no_others() {
    let service = Service::start();
    let customer = service.customer();
    let table: &[(&str, &str, &str, Option<Value>)] = &[
        ("permissions:manage", "POST", "/permissions/overrides", Some(json!({}))),
        ("permissions:manage", "GET", "/permissions/overrides/u", None),
        ("permissions:manage", "DELETE", "/permissions/overrides/remove/x", None),
        ("permissions:check", "POST", "/permissions/check", Some(json!({}))),
        ("permissions:check", "POST", "/permissions/check-batch", Some(json!({}))),
        ("permissions:check", "GET", "/permissions/resolve/u", None),
        ("permissions:manage", "GET", "/permissions/roles", None),
        ("permissions:manage", "POST", "/permissions/roles", Some(json!({}))),
        ("permissions:manage", "GET", "/permissions/roles/x", None),
        ("permissions:manage", "PATCH", "/permissions/roles/x", Some(json!({}))),
        ("permissions:manage", "DELETE", "/permissions/roles/x", None),
        ("permissions:manage", "GET", "/permissions/roles/x/capabilities", None),
        (
            "permissions:manage",
            "PUT",
            "/permissions/roles/x/capabilities",
            Some(json!({})),
        ),
        ("permissions:manage", "GET", "/permissions/users/u/roles", None),
        (
            "permissions:manage",
            "PUT",
            "/permissions/users/u/roles",
            Some(json!({})),
        ),
        ("permissions:audit", "GET", "/permissions/audit", None),
        ("permissions:audit", "GET", "/permissions/audit/changes", None),
        ("permissions:audit", "GET", "/permissions/audit/export", None),
    ];
    let scopes = [
        "permissions:manage",
        "permissions:check",
        "permissions:audit",
        "tokens:read",
        "*",
    ];
    for scope in scopes {
        let key = service.key(&customer, &[scope]);
        for (needed, method, path, body) in table {
            let answer = key.call(method, path, body.as_ref());
            assert_eq!(
                answer.status == 403,
                scope != "*" && scope != *needed,
                "{scope}: {method} {path}: {}",
                answer.text
            );
            assert!(answer.header("x-ratelimit-limit").is_some(), "{method} {path}");
            if answer.status == 403 {
                answer.refused(403, "FORBIDDEN");
            }
        }
    }
}

#[test]
fn the_501st_call_of_a_key_within_the_hour_is_refused() {
    let service = Service::with(|config| config.permissions.management_per_hour = 500);
    let customer = service.customer();
    let (key, beside) = (service.key(&customer, &["*"]), service.key(&customer, &["*"]));
    let list = |key: &crate::support::Key<'_>| key.get("/permissions/overrides/user");
    for left in (0..500).rev() {
        let answer = list(&key);
        answer.data(200);
        assert_eq!(answer.header("x-ratelimit-limit"), Some("500"));
        assert_eq!(answer.header("x-ratelimit-remaining"), Some(left.to_string().as_str()));
        assert_eq!(answer.header("x-ratelimit-reset"), Some("1772326800"));
    }
    service.advance(3_599);
    let refused = list(&key);
    refused.refused(429, "RATE_LIMITED");
    assert_eq!(
        (refused.header("retry-after"), refused.header("x-ratelimit-remaining")),
        (Some("1"), Some("0"))
    );
    key.call("POST", "/permissions/overrides", Some(&json!({})))
        .refused(429, "RATE_LIMITED");
    assert_eq!(key.check("user", "a:read"), "none", "another class");
    list(&beside).data(200);
    let unscoped = service.key(&customer, &["permissions:check"]);
    let forbidden = list(&unscoped);
    forbidden.refused(403, "FORBIDDEN");
    assert_eq!(
        forbidden.header("x-ratelimit-remaining"),
        Some("500"),
        "a refused scope counts nothing"
    );
    service.advance(1);
    list(&key).data(200);
}

#[test]
fn what_goes_wrong_is_told_in_the_envelope_and_in_order() {
    let service = Service::start();
    let customer = service.customer();
    let key = service.key(&customer, &["permissions:manage"]);
    let text = key.text.clone();
    let headers = [("x-api-key", text.as_str())];
    key.get("/permissions").refused(404, "NOT_FOUND");
    key.get("/nothing/here").refused(404, "NOT_FOUND");
    key.call("DELETE", "/permissions/overrides", None)
        .refused(405, "METHOD_NOT_ALLOWED");
    let path = "/api/v1/permissions/overrides";
    let large = format!("{{\"reason\":\"{}\"}}", "x".repeat(70_000));
    let answer = service.call("POST", path, &headers, Some(&large));
    answer.refused(413, "BAD_REQUEST");
    assert!(
        answer.header("x-ratelimit-remaining").is_some(),
        "errors after authentication have them too"
    );
    let typed = [headers[0], ("content-type", "text/plain")];
    service
        .call("POST", path, &typed, Some("{}"))
        .refused(415, "BAD_REQUEST");
    service
        .call("POST", path, &headers, Some("{"))
        .refused(400, "BAD_REQUEST");
    // The key comes before everything, the scope before the body.
    service
        .call("POST", path, &[], Some(&large))
        .refused(401, "UNAUTHORIZED");
    let audit = new_key(&service.base(), &customer, &["permissions:audit"]);
    service
        .call("POST", path, &[("x-api-key", &audit)], Some(&large))
        .refused(403, "FORBIDDEN");
    // A media type without a body does not matter.
    let json_type = [headers[0], ("content-type", "application/json")];
    let listed = service.call("GET", "/api/v1/permissions/overrides/user", &json_type, None);
    assert_eq!(listed.data(200), json!({"overrides": []}));
    service
        .call("DELETE", &format!("{path}/remove/x"), &json_type, None)
        .refused(404, "NOT_FOUND");
}

#[test]
fn two_organisations_side_by_side_never_meet() {
    let service = Service::start();
    let keys = [service.organisation(), service.organisation()];
    keys[0].create("user", "DENY", "billing:delete");
    keys[1].create("user", "GRANT", "billing:delete");
    assert_eq!(keys[0].check("user", "billing:delete"), "override_deny");
    assert_eq!(keys[1].check("user", "billing:delete"), "override_grant");
    let body = rule("user", "DENY", "x:read");
    let once = [("x-idempotency-key", "same")];
    let made = keys.each_ref().map(|key| {
        key.call_with("POST", "/permissions/overrides", &once, Some(&body))
            .data(201)
    });
    assert_ne!(made[0]["id"], made[1]["id"]);
    assert_ne!(made[0]["organizationId"], made[1]["organizationId"]);
    for key in &keys {
        let entries = key.get("/permissions/audit/changes").data(200)["entries"].clone();
        assert_eq!(entries.as_array().unwrap().len(), 2);
    }
}
