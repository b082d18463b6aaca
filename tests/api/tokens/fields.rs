//! Fields that are missing, null, unknown or of another type.

use serde_json::{Value, json};

use super::{invalid, refused};
use crate::chain::{AGENT, APP, BEARER, Chain, ENDPOINTS, OVERRIDE, SESSION, SUBAGENT};
use crate::support::{Service, with, without};

#[test]
fn a_required_field_that_is_missing_or_null_is_named() {
    let service = Service::start();
    let chain = Chain::new(&service);
    for endpoint in ENDPOINTS {
        let request = (endpoint.request)(&chain);
        for name in request.as_object().unwrap().keys() {
            invalid(&service, endpoint.path, &without(&request, name), name);
            invalid(&service, endpoint.path, &with(&request, name, Value::Null), name);
        }
    }
}

#[test]
fn null_leaves_an_optional_field_at_its_default() {
    let service = Service::start();
    let chain = Chain::new(&service);
    let optional = json!({
        "/tokens/app": ["scopes", "ttl_days"],
        "/tokens/bearer": ["environment", "ttl_days"],
        "/tokens/agent": ["agent_name", "rbac", "ttl_hours"],
        "/tokens/subagent": ["agent_name", "rbac", "ttl_hours"],
        "/tokens/session": ["max_events", "ttl_minutes"],
        "/tokens/override": ["allowed_decisions", "reason", "ttl_minutes"],
    });
    for endpoint in ENDPOINTS {
        let mut request = (endpoint.request)(&chain);
        let plain = service.posted(endpoint.path, &request);
        for name in optional[endpoint.path].as_array().unwrap() {
            request = with(&request, name.as_str().unwrap(), Value::Null);
        }
        let answer = service.posted(endpoint.path, &request);
        assert_eq!(answer["expires_at"], plain["expires_at"]);
        assert_eq!(answer["claims"]["rbac"], plain["claims"]["rbac"]);
    }
}

#[test]
fn an_unknown_field_is_named_because_a_typo_must_not_widen_a_token() {
    let service = Service::start();
    let chain = Chain::new(&service);
    for endpoint in ENDPOINTS {
        let request = (endpoint.request)(&chain);
        for name in ["ttl", "Customer_id", "scope"] {
            invalid(&service, endpoint.path, &with(&request, name, "x"), name);
        }
    }
    for endpoint in [&AGENT, &SUBAGENT] {
        let request = (endpoint.request)(&chain);
        for name in ["rbac.denied_action", "rbac.max_sensitivity", "rbac.rbac"] {
            invalid(&service, endpoint.path, &with(&request, name, json!(["*"])), name);
        }
    }
}

#[test]
fn a_value_of_another_type_is_named() {
    let service = Service::start();
    let chain = Chain::new(&service);
    let text = [json!(1), json!(true), json!(["x"]), json!({})];
    let id = [
        json!("x"),
        json!(""),
        json!(7),
        json!([]),
        json!("550e8400-e29b-41d4-a716"),
    ];
    for endpoint in ENDPOINTS {
        let request = (endpoint.request)(&chain);
        for value in &id {
            invalid(
                &service,
                endpoint.path,
                &with(&request, "customer_id", value.clone()),
                "customer_id",
            );
        }
        for name in endpoint.names {
            for value in &text {
                invalid(&service, endpoint.path, &with(&request, name, value.clone()), name);
            }
        }
        if let Some((parent, _)) = endpoint.parent.filter(|(name, _)| *name != "app_token_hash") {
            for value in &id {
                invalid(&service, endpoint.path, &with(&request, parent, value.clone()), parent);
            }
        }
    }
    for value in &text {
        for (endpoint, name) in [
            (&BEARER, "app_token_hash"),
            (&BEARER, "environment"),
            (&SESSION, "parent_type"),
            (&OVERRIDE, "reason"),
        ] {
            let body = with(&(endpoint.request)(&chain), name, value.clone());
            invalid(&service, endpoint.path, &body, name);
        }
    }
}

#[test]
fn a_list_or_an_item_of_another_type_is_named() {
    let service = Service::start();
    let chain = Chain::new(&service);
    for value in [json!("*"), json!(1), json!({}), json!(true)] {
        for (endpoint, name) in [
            (&APP, "scopes"),
            (&OVERRIDE, "allowed_decisions"),
            (&AGENT, "rbac.allowed_actions"),
            (&SUBAGENT, "rbac.denied_resources"),
        ] {
            let body = with(&(endpoint.request)(&chain), name, value.clone());
            invalid(&service, endpoint.path, &body, name);
        }
    }
    for value in [json!([]), json!("x"), json!(1)] {
        invalid(
            &service,
            AGENT.path,
            &with(&(AGENT.request)(&chain), "rbac", value),
            "rbac",
        );
    }
    for (endpoint, name, item) in [
        (&APP, "scopes", "scopes[1]"),
        (&OVERRIDE, "allowed_decisions", "allowed_decisions[1]"),
        (&AGENT, "rbac.denied_actions", "rbac.denied_actions[1]"),
    ] {
        let good = if endpoint.kind == "override" { "approve" } else { "*" };
        let body = with(&(endpoint.request)(&chain), name, json!([good, 7]));
        invalid(&service, endpoint.path, &body, item);
    }
}

#[test]
fn all_fields_at_fault_are_named_at_once() {
    let service = Service::start();
    let chain = Chain::new(&service);
    let body = json!({
        "customer_id": chain.customer,
        "bearer_jti": "no",
        "rbac": {"allowed_actions": [1], "denied_action": []},
        "ttl_hours": 721,
        "agent": "x",
    });
    let fields = [
        "bearer_jti",
        "agent_id",
        "rbac.allowed_actions[0]",
        "rbac.denied_action",
        "ttl_hours",
        "agent",
    ];
    refused(&service, "/tokens/agent", &body, 422, "invalid_request", &fields);
}
