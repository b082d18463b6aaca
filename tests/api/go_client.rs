//! The form of an existing Go client: the parent in `Authorization`, everything unset as `null`, `0` or empty text.

use serde_json::{Value, json};

use crate::chain::{AGENT, BEARER, Chain, SESSION, SUBAGENT};
use crate::support::{Service, uuid, with};

const RECORDED: &str = include_str!("data/go_client.json");

#[test]
fn recorded_requests_mint_what_they_mean() {
    for service in [Service::start(), Service::credentialed()] {
        let chain = Chain::by(|path, body| service.post_as_operator(path, body));
        for case in serde_json::from_str::<Vec<Value>>(RECORDED).unwrap() {
            let path = case["path"].as_str().unwrap();
            let parent = case["parent"].as_str().unwrap();
            let answer = service.post_as(chain.token(parent), path, &case["body"]).success();
            let claims = &answer["claims"];
            assert_eq!(claims["sub"], chain.customer.as_str());
            if !path.ends_with("override") {
                assert_eq!(claims["parent_jti"], chain.of(parent)["jti"], "{case}");
            }
            assert_eq!(
                claims["exp"].as_i64().unwrap() - service.now(),
                case["seconds"],
                "{case}"
            );
            for (name, value) in case["claims"].as_object().unwrap() {
                assert_eq!(&claims[name], value, "{case}");
            }
        }
    }
}

#[test]
fn fields_that_agree_with_the_credential_may_be_named() {
    let service = Service::start();
    let chain = Chain::new(&service);
    for (endpoint, parent) in [
        (&BEARER, "app"),
        (&AGENT, "bearer"),
        (&SUBAGENT, "agent"),
        (&SESSION, "agent"),
    ] {
        let body = (endpoint.request)(&chain);
        let answer = service.post_as(chain.token(parent), endpoint.path, &body).success();
        assert_eq!(answer["claims"]["parent_jti"], chain.of(parent)["jti"]);
    }
}

#[test]
fn disagreement_about_the_customer_is_404_and_about_anything_else_400() {
    let service = Service::start();
    let (chain, foreign) = (Chain::new(&service), Chain::new(&service));
    let before = service.events();
    for (endpoint, parent) in [
        (&BEARER, "app"),
        (&AGENT, "bearer"),
        (&SUBAGENT, "agent"),
        (&SESSION, "agent"),
    ] {
        let body = (endpoint.request)(&chain);
        for customer in [foreign.customer.clone(), uuid()] {
            let body = with(&body, "customer_id", customer);
            let answer = service.post_as(chain.token(parent), endpoint.path, &body);
            answer.refused(404, "unknown_customer", &[]);
        }
        let field = endpoint.parent.unwrap().0;
        let other = match parent {
            "app" => foreign.app["token_hash"].clone(),
            _ => json!(uuid()),
        };
        let answer = service.post_as(chain.token(parent), endpoint.path, &with(&body, field, other));
        answer.refused(400, "parent_disagrees", &[field]);
    }
    for (parent, named) in [("agent", "subagent"), ("subagent", "agent")] {
        let body = json!({"session_id": "s", "parent_type": named});
        let answer = service.post_as(chain.token(parent), "/tokens/session", &body);
        answer.refused(400, "parent_disagrees", &["parent_type"]);
    }
    assert_eq!(service.events(), before);
}

#[test]
fn only_zero_means_unset_and_only_in_this_form() {
    let service = Service::start();
    let chain = Chain::new(&service);
    for (bad, kind) in [(json!(-1), "agent"), (json!(169), "agent"), (json!("0"), "agent")] {
        let body = json!({"agent_id": "x", "ttl_hours": bad});
        let answer = service.post_as(chain.token(kind), "/tokens/subagent", &body);
        answer.refused(422, "invalid_request", &["ttl_hours"]);
    }
    for body in [json!({"agent_id": ""}), json!({"agent_id": null}), json!({})] {
        let answer = service.post_as(chain.token("agent"), "/tokens/subagent", &body);
        answer.refused(422, "invalid_request", &["agent_id"]);
    }
    let body = json!({"session_id": "s", "parent_type": "", "parent_jti": ""});
    service
        .post_as(chain.token("agent"), "/tokens/session", &body)
        .success();
    // An app token names no agent's parent: that is the documented form, whoever calls.
    let body = with(&(AGENT.request)(&chain), "ttl_hours", 0);
    let answer = service.post_as(chain.token("app"), "/tokens/agent", &body);
    answer.refused(422, "invalid_request", &["ttl_hours"]);
    service
        .post("/tokens/agent", &body)
        .refused(422, "invalid_request", &["ttl_hours"]);
}

#[test]
fn a_level_of_zero_is_unset_here_and_a_cap_in_the_documented_form() {
    let service = Service::start();
    let chain = Chain::new(&service);
    let body = json!({"agent_id": "x", "rbac": {"max_sensitivity_level": 0}});
    let answer = service.post_as(chain.token("bearer"), "/tokens/agent", &body).success();
    assert_eq!(answer["claims"]["rbac"]["max_sensitivity_level"], 4);
    assert!(answer.get("warnings").is_none());
    let body = with(&(AGENT.request)(&chain), "rbac", body["rbac"].clone());
    let answer = service.posted("/tokens/agent", &body);
    assert_eq!(answer["claims"]["rbac"]["max_sensitivity_level"], 0);
}
