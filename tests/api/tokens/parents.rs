//! Parents: which a token may have, how long, and how deep.

use serde_json::{Value, json};

use super::refused;
use crate::chain::{AGENT, APP, BEARER, Chain, ENDPOINTS, KINDS, OVERRIDE, SESSION, SUBAGENT};
use crate::support::{Answer, DAY, HOUR, MINUTE, Service, rfc3339, uuid, with};

#[test]
fn a_child_never_outlives_its_parent_and_its_answer_shows_it() {
    let service = Service::start();
    let mut chain = Chain::new(&service);
    chain.app = service.posted("/tokens/app", &with(&(APP.request)(&chain), "ttl_days", 1));
    let end = service.now() + DAY;
    for endpoint in [&BEARER, &AGENT, &SUBAGENT] {
        service.advance(HOUR);
        let ttl = endpoint.ttl.max;
        let body = with(&(endpoint.request)(&chain), endpoint.ttl.field, ttl);
        let answer = service.posted(endpoint.path, &body);
        assert_eq!(answer["expires_at"], rfc3339(end), "{}", endpoint.path);
        assert_eq!(answer["claims"]["exp"], end);
        chain.replace(endpoint.kind, answer);
    }
    service.advance(20 * HOUR + 30 * 60);
    let answer = service.posted("/tokens/session", &(SESSION.request)(&chain));
    assert_eq!(
        answer["expires_at"],
        rfc3339(end),
        "half an hour is left of its default hour"
    );
}

#[test]
fn a_parent_that_is_unknown_foreign_or_of_another_type_is_404() {
    let service = Service::start();
    let (chain, foreign) = (Chain::new(&service), Chain::new(&service));
    for endpoint in ENDPOINTS {
        let Some((field, kinds)) = endpoint.parent else {
            continue;
        };
        let request = (endpoint.request)(&chain);
        let mut wrong: Vec<Value> = vec![json!(uuid())];
        if field == "app_token_hash" {
            let hash = |of: &Chain| of.app["token_hash"].as_str().unwrap().to_owned();
            wrong = vec![
                json!("0".repeat(64)),
                json!("x"),
                json!(hash(&foreign)),
                json!(hash(&chain).to_uppercase()),
            ];
            wrong.push(chain.app["jti"].clone());
        } else {
            for kind in KINDS {
                wrong.push(foreign.of(kind)["jti"].clone());
                if !kinds.contains(&kind) {
                    wrong.push(chain.of(kind)["jti"].clone());
                }
            }
        }
        for parent in wrong {
            let body = with(&request, field, parent);
            refused(&service, endpoint.path, &body, 404, "parent_not_found", &[field]);
        }
    }
    // Both of a session's parents have to be of the type that the request names.
    let named = with(&(SESSION.request)(&chain), "parent_type", "subagent");
    refused(
        &service,
        "/tokens/session",
        &named,
        404,
        "parent_not_found",
        &["parent_jti"],
    );
    service.posted("/tokens/session", &with(&named, "parent_jti", chain.jti("subagent")));
}

#[test]
fn an_expired_parent_is_409_from_its_last_second_on() {
    let service = Service::start();
    let chain = Chain::new(&service);
    for (parent, children) in [
        ("agent", vec![&SESSION, &SUBAGENT]),
        ("bearer", vec![&AGENT]),
        ("app", vec![&BEARER]),
    ] {
        let end = chain.of(parent)["claims"]["exp"].as_i64().unwrap();
        service.advance(end - service.now() - 1);
        for child in &children {
            let last = service.posted(child.path, &(child.request)(&chain));
            assert_eq!(last["claims"]["exp"], end, "a second is left");
        }
        service.advance(1);
        for child in &children {
            refused(
                &service,
                child.path,
                &(child.request)(&chain),
                409,
                "parent_expired",
                &[],
            );
        }
        // Time that was recorded does not run backwards, whatever the clock does.
        service.posted("/tokens/override", &(OVERRIDE.request)(&chain));
        service.advance(-MINUTE);
        for child in &children {
            refused(
                &service,
                child.path,
                &(child.request)(&chain),
                409,
                "parent_expired",
                &[],
            );
        }
    }
}

#[test]
fn an_expired_parent_is_forgotten_after_an_hour() {
    let service = Service::start();
    let chain = Chain::new(&service);
    service.advance(24 * HOUR + 59 * 60);
    let mint = || service.post("/tokens/subagent", &(SUBAGENT.request)(&chain));
    mint().refused(409, "parent_expired", &[]);
    service.advance(61);
    // What is forgotten goes in small portions, with each call.
    let last: Vec<Answer> = (0..3).map(|_| mint()).collect();
    last[2].refused(404, "parent_not_found", &["parent_agent_jti"]);
}

#[test]
fn a_subagents_subagent_is_one_deeper_until_the_limit() {
    let service = Service::start();
    let chain = Chain::new(&service);
    let mut parent = chain.agent["jti"].clone();
    let under = |parent: &Value| with(&(SUBAGENT.request)(&chain), "parent_agent_jti", parent.clone());
    for depth in 1..=3 {
        let answer = service.posted("/tokens/subagent", &under(&parent));
        assert_eq!(
            (&answer["delegation_depth"], &answer["claims"]["depth"]),
            (&json!(depth), &json!(depth))
        );
        assert_eq!(answer["claims"]["parent_jti"], parent);
        parent = answer["jti"].clone();
    }
    let problem = refused(
        &service,
        "/tokens/subagent",
        &under(&parent),
        400,
        "delegation_depth_exceeded",
        &[],
    );
    assert_eq!(
        (&problem["depth"], &problem["max_delegation_depth"]),
        (&json!(4), &json!(3))
    );
}

#[test]
fn the_depth_and_the_default_lifetime_of_an_app_are_the_operators_to_set() {
    let service = Service::with(|config| {
        config.tokens.max_delegation_depth = 1;
        config.tokens.default_app_ttl_days = 7;
    });
    let chain = Chain::new(&service);
    assert_eq!(chain.app["expires_at"], rfc3339(service.now() + 7 * DAY));
    let body = with(&(SUBAGENT.request)(&chain), "parent_agent_jti", chain.jti("subagent"));
    refused(
        &service,
        "/tokens/subagent",
        &body,
        400,
        "delegation_depth_exceeded",
        &[],
    );
}
