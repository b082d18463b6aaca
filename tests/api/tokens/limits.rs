//! The least and the most that each field may hold.

use countersign_actors::testing::checks::SCOPES;
use serde_json::{Value, json};

use super::{invalid, refused};
use crate::chain::{AGENT, APP, BEARER, Chain, ENDPOINTS, OVERRIDE, SESSION, SUBAGENT};
use crate::support::{JSON, Service, rfc3339, with};

#[test]
fn a_time_to_live_is_a_whole_number_from_1_to_its_maximum() {
    let service = Service::start();
    let mut chain = Chain::new(&service);
    // Parents first, each as long-lived as may be, so that no child is cut short.
    for endpoint in ENDPOINTS {
        let ttl = &endpoint.ttl;
        let request = (endpoint.request)(&chain);
        let answer = service.posted(endpoint.path, &with(&request, ttl.field, 1));
        assert_eq!(answer["expires_at"], rfc3339(service.now() + ttl.unit));
        for wrong in [
            json!(0),
            json!(-1),
            json!(ttl.max + 1),
            json!(1.5),
            json!("1"),
            json!(true),
            json!([1]),
        ] {
            invalid(&service, endpoint.path, &with(&request, ttl.field, wrong), ttl.field);
        }
        let huge = request
            .to_string()
            .replacen('{', &format!("{{\"{}\":1e99,", ttl.field), 1);
        let answer = service.request(&format!("POST {}", endpoint.path), &[JSON], &huge);
        answer.refused(422, "invalid_request", &[ttl.field]);
        let answer = service.posted(endpoint.path, &with(&request, ttl.field, ttl.max));
        assert_eq!(answer["expires_at"], rfc3339(service.now() + ttl.max * ttl.unit));
        chain.replace(endpoint.kind, answer);
    }
}

#[test]
fn names_have_1_to_255_characters_none_of_them_control_characters() {
    let service = Service::start();
    let chain = Chain::new(&service);
    for endpoint in ENDPOINTS {
        let request = (endpoint.request)(&chain);
        for name in endpoint.names {
            for good in [
                "x".repeat(255),
                "é".repeat(255),
                "🦀 -/:\"\\".to_owned(),
                " ".to_owned(),
            ] {
                let answer = service.posted(endpoint.path, &with(&request, name, good.as_str()));
                if ["agent_id", "session_id", "event_id"].contains(name) {
                    assert_eq!(answer[name], good.as_str(), "echoed");
                    assert_eq!(answer["claims"][name], good.as_str(), "claimed");
                }
            }
            let long = ["x".repeat(256), "é".repeat(256)];
            for bad in ["", "a\nb", "a\u{0}", "\u{7f}", "\u{85}"]
                .into_iter()
                .chain(long.iter().map(String::as_str))
            {
                invalid(&service, endpoint.path, &with(&request, name, bad), name);
            }
        }
    }
    let body = with(&(OVERRIDE.request)(&chain), "event_id", "a|b");
    invalid(&service, OVERRIDE.path, &body, "event_id");
    let half = r#"{"customer_id":"CUSTOMER","event_id":"\ud800"}"#.replace("CUSTOMER", &chain.customer);
    let answer = service.request("POST /tokens/override", &[JSON], &half);
    answer.refused(422, "invalid_request", &["event_id"]);
}

#[test]
fn scopes_are_known_words_at_most_64_and_not_none() {
    let service = Service::start();
    let chain = Chain::new(&service);
    let request = (APP.request)(&chain);
    let answer = service.posted("/tokens/app", &with(&request, "scopes", json!(SCOPES)));
    assert_eq!(answer["claims"]["scopes"], json!(SCOPES));
    let many = vec!["tokens:mint"; 64];
    let answer = service.posted("/tokens/app", &with(&request, "scopes", json!(many)));
    assert_eq!(answer["claims"]["scopes"], json!(["tokens:mint"]));
    for bad in [
        json!(vec!["tokens:mint"; 65]),
        json!([]),
        json!(["tokens:mint", "tokens:*"]),
        json!([""]),
    ] {
        invalid(&service, "/tokens/app", &with(&request, "scopes", bad), "scopes");
    }
}

#[test]
fn words_of_a_closed_list_are_taken_as_they_are_written() {
    let service = Service::start();
    let chain = Chain::new(&service);
    for bad in ["Production", "prod", "", "test"] {
        let body = with(&(BEARER.request)(&chain), "environment", bad);
        invalid(&service, "/tokens/bearer", &body, "environment");
    }
    for bad in ["bearer", "Agent", "", "session"] {
        let body = with(&(SESSION.request)(&chain), "parent_type", bad);
        invalid(&service, "/tokens/session", &body, "parent_type");
    }
    for bad in [
        json!([]),
        json!(["defer"]),
        json!(["approve", ""]),
        json!(vec!["approve"; 17]),
    ] {
        let body = with(&(OVERRIDE.request)(&chain), "allowed_decisions", bad);
        invalid(&service, "/tokens/override", &body, "allowed_decisions");
    }
}

#[test]
fn a_session_counts_1_to_a_million_events() {
    let service = Service::start();
    let chain = Chain::new(&service);
    let request = (SESSION.request)(&chain);
    for good in [1, 1_000_000] {
        let answer = service.posted("/tokens/session", &with(&request, "max_events", good));
        assert_eq!(
            (&answer["max_events"], &answer["claims"]["max_events"]),
            (&json!(good), &json!(good))
        );
    }
    for bad in [json!(0), json!(-1), json!(1_000_001), json!("5"), json!(1.0)] {
        invalid(
            &service,
            "/tokens/session",
            &with(&request, "max_events", bad),
            "max_events",
        );
    }
}

#[test]
fn a_reason_has_at_most_1000_characters() {
    let service = Service::start();
    let chain = Chain::new(&service);
    let request = (OVERRIDE.request)(&chain);
    service.posted("/tokens/override", &with(&request, "reason", "é".repeat(1_000)));
    invalid(
        &service,
        "/tokens/override",
        &with(&request, "reason", "x".repeat(1_001)),
        "reason",
    );
}

#[test]
fn policies_keep_within_their_limits() {
    let service = Service::start();
    let chain = Chain::new(&service);
    let request = (AGENT.request)(&chain);
    let mint = |rbac: Value| service.post("/tokens/agent", &with(&request, "rbac", rbac));
    let patterns = |count: usize| (0..count).map(|at| format!("a:{at}")).collect::<Vec<_>>();
    for list in [
        "allowed_actions",
        "denied_actions",
        "allowed_resources",
        "denied_resources",
    ] {
        let field = format!("rbac.{list}");
        let answer = mint(json!({list: patterns(64)})).success();
        assert_eq!(answer["claims"]["rbac"][list], json!(patterns(64)));
        mint(json!({list: patterns(65)})).refused(422, "invalid_request", &[&field]);
        mint(json!({list: ["é".repeat(256)]})).success();
        let item = format!("{field}[0]");
        mint(json!({list: ["é".repeat(257)]})).refused(422, "invalid_request", &[&item]);
        for bad in ["", "a\u{1}"] {
            mint(json!({list: [bad]})).refused(422, "invalid_request", &[&item]);
        }
    }
    for level in 0..=4 {
        let answer = mint(json!({"max_sensitivity_level": level})).success();
        assert_eq!(answer["claims"]["rbac"]["max_sensitivity_level"], level);
        assert_eq!(answer["claims"]["rbac"]["sensitivity_level"], level);
    }
    for bad in [json!(5), json!(-1), json!("1"), json!(1.5)] {
        for name in ["max_sensitivity_level", "sensitivity_level"] {
            let field = format!("rbac.{name}");
            mint(json!({name: bad})).refused(422, "invalid_request", &[&field]);
        }
    }
    for bad in [json!("1"), json!(-1)] {
        mint(json!({"max_risk_score": bad})).refused(422, "invalid_request", &["rbac.max_risk_score"]);
    }
    assert_eq!(
        mint(json!({"max_risk_score": 0.5})).success()["claims"]["rbac"]["max_risk_score"],
        0.5
    );
}

#[test]
fn a_policy_of_4096_bytes_is_the_largest_and_its_token_stays_under_8_kib() {
    let service = Service::start();
    let chain = Chain::new(&service);
    let request = with(&(AGENT.request)(&chain), "agent_id", "é".repeat(255));
    let size = |answer: &Value| answer["claims"]["rbac"].to_string().len();
    let rbac = |last: usize| {
        let mut patterns = vec!["x".repeat(200); 19];
        patterns.push("y".repeat(last));
        json!({"denied_resources": patterns})
    };
    let least = size(&service.posted("/tokens/agent", &with(&request, "rbac", rbac(1))));
    let fits = 1 + 4_096 - least;
    assert!(fits < 256, "one pattern makes up the difference");
    let answer = service.posted("/tokens/agent", &with(&request, "rbac", rbac(fits)));
    assert_eq!(size(&answer), 4_096);
    assert!(answer["token"].as_str().unwrap().len() < 8_192);
    let body = with(&request, "rbac", rbac(fits + 1));
    refused(&service, "/tokens/agent", &body, 422, "policy_too_large", &["rbac"]);
    chain_usable(&service, &chain, &answer);
}

/// The token works as a parent in both forms of a request, however large it is.
fn chain_usable(service: &Service, chain: &Chain, agent: &Value) {
    let body = with(&(SUBAGENT.request)(chain), "parent_agent_jti", agent["jti"].clone());
    service.posted("/tokens/subagent", &body);
    let token = agent["token"].as_str().unwrap();
    service
        .post_as(token, "/tokens/subagent", &json!({"agent_id": "x"}))
        .success();
}
