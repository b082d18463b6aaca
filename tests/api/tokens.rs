//! `/tokens/{app,bearer,agent,subagent,session,override}`: what each mints, and what each refuses.

use serde_json::{Value, json};

use crate::chain::{AGENT, APP, BEARER, Chain, ENDPOINTS, OVERRIDE, SESSION, SUBAGENT};
use crate::support::{
    Answer, DAY, HOUR, JSON, MINUTE, Service, decode, member_names, members, rfc3339, uuid, with, without,
};

const SHARED_CLAIMS: [&str; 5] = ["jti", "sub", "typ", "iat", "exp"];

/// Posts a request that has to be refused, and asserts that nothing was recorded.
#[track_caller]
fn refused(service: &Service, path: &str, body: &Value, status: u16, code: &str, fields: &[&str]) -> Value {
    let before = service.events();
    let answer = service.post(path, body);
    assert_eq!(answer.status, status, "{path} {body}\n{}", answer.text());
    let problem = answer.refused(status, code, fields);
    assert_eq!(service.events(), before, "a refusal was recorded: {path} {body}");
    problem
}

#[track_caller]
fn invalid(service: &Service, path: &str, body: &Value, field: &str) {
    refused(service, path, body, 422, "invalid_request", &[field]);
}

#[test]
fn each_kind_is_answered_with_its_fields_in_order_and_claims_exactly_the_table() {
    let service = Service::start();
    let chain = Chain::new(&service);
    for endpoint in ENDPOINTS {
        let before = service.events();
        let raw = service.post(endpoint.path, &(endpoint.request)(&chain));
        let answer = raw.success();
        assert_eq!(service.events(), before + 1, "one token is one event");
        let names = [endpoint.answer, &["claims"]].concat();
        assert_eq!(raw.member_names(), names, "{}", endpoint.path);

        let token = answer["token"].as_str().unwrap();
        assert!(token.starts_with(&format!("qt_{}_eyJ", endpoint.kind)));
        let (header, payload) = decode(token);
        assert_eq!(
            header,
            json!({"alg": "ES256", "typ": "JWT", "kid": chain.key["key_id"]})
        );
        let names = [&SHARED_CLAIMS[..], endpoint.claims].concat();
        assert_eq!(member_names(payload.as_bytes()), names, "{}", endpoint.path);
        let claims: Value = serde_json::from_str(&payload).unwrap();
        assert_eq!(answer["claims"], claims, "{}", endpoint.path);
        assert_eq!(claims["jti"], answer["jti"]);
        assert_eq!(claims["sub"], chain.customer.as_str());
        assert_eq!(claims["typ"], endpoint.kind);
        assert_eq!(claims["iat"], service.now());
        let expires_at = service.now() + endpoint.ttl.default * endpoint.ttl.unit;
        assert_eq!(claims["exp"], expires_at, "{}", endpoint.path);
        assert_eq!(answer["expires_at"], rfc3339(expires_at), "{}", endpoint.path);
        for (name, value) in members(payload.as_bytes()) {
            if ["iat", "exp", "depth", "max_events"].contains(&name.as_str()) {
                assert!(value.get().bytes().all(|byte| byte.is_ascii_digit()), "{name}: {value}");
            }
        }
    }
}

#[test]
fn what_was_asked_for_comes_back_and_is_claimed() {
    let service = Service::start();
    let chain = Chain::new(&service);
    assert_eq!(chain.app["claims"]["scopes"], json!(["*"]));
    let hash = chain.app["token_hash"].as_str().unwrap();
    let own = countersign_actors::crypto::digest::sha256_hex(chain.token("app").as_bytes());
    assert_eq!(hash, own, "SHA-256 of the whole string, in lower-case hex");
    assert_eq!(chain.bearer["environment"], "production");
    assert_eq!(chain.bearer["claims"]["env"], "production");
    assert_eq!(chain.bearer["claims"]["parent_jti"], chain.app["jti"]);
    assert_eq!(chain.agent["agent_id"], "reviewer");
    assert_eq!(chain.agent["claims"]["parent_jti"], chain.bearer["jti"]);
    assert_eq!(
        chain.agent["claims"]["rbac"],
        json!({
            "allowed_actions": ["*:*:*"],
            "denied_actions": [],
            "allowed_resources": ["*"],
            "denied_resources": [],
            "max_sensitivity_level": 4,
            "sensitivity_level": 4,
        })
    );
    assert_eq!(chain.subagent["delegation_depth"], 1);
    assert_eq!(chain.subagent["claims"]["depth"], 1);
    assert_eq!(chain.subagent["claims"]["parent_jti"], chain.agent["jti"]);
    assert_eq!(chain.session["max_events"], 1_000);
    assert_eq!(chain.session["claims"]["max_events"], 1_000);
    assert_eq!(chain.session["claims"]["session_id"], "session-1");
    assert_eq!(chain.r#override["event_id"], "evt-1");
    assert_eq!(
        chain.r#override["claims"]["allowed_decisions"],
        json!(["approve", "reject"])
    );
    for environment in ["development", "staging", "production"] {
        let body = with(&(BEARER.request)(&chain), "environment", environment);
        let answer = service.posted("/tokens/bearer", &body);
        assert_eq!(answer["environment"], environment);
        assert_eq!(answer["claims"]["env"], environment);
    }
    let body = with(&(OVERRIDE.request)(&chain), "allowed_decisions", json!(["reject"]));
    let answer = service.posted("/tokens/override", &body);
    assert_eq!(answer["claims"]["allowed_decisions"], json!(["reject"]));
    let named = with(&(AGENT.request)(&chain), "agent_name", "Code Review Agent");
    let answer = service.posted("/tokens/agent", &named);
    assert!(
        !answer.to_string().contains("Code Review Agent"),
        "stored and shown, not a claim"
    );
}

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
    let all = [
        "keys:manage",
        "tokens:mint",
        "tokens:revoke",
        "tokens:read",
        "overrides:decide",
        "permissions:manage",
        "permissions:check",
        "permissions:audit",
        "*",
    ];
    let answer = service.posted("/tokens/app", &with(&request, "scopes", json!(all)));
    assert_eq!(answer["claims"]["scopes"], json!(all));
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
            for kind in ["app", "bearer", "agent", "subagent", "session", "override"] {
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
fn a_customer_that_is_not_known_is_404_and_the_answer_says_what_creates_it() {
    let service = Service::start();
    let chain = Chain::new(&service);
    for endpoint in ENDPOINTS {
        let body = with(&(endpoint.request)(&chain), "customer_id", uuid());
        let problem = refused(&service, endpoint.path, &body, 404, "unknown_customer", &[]);
        assert!(
            problem["detail"].as_str().unwrap().contains("POST /keys/signing"),
            "{problem}"
        );
    }
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

#[test]
fn ids_are_taken_in_any_spelling_of_a_uuid_and_answered_in_one() {
    let service = Service::start();
    let chain = Chain::new(&service);
    let body = json!({
        "customer_id": chain.customer.to_uppercase(),
        "bearer_jti": chain.jti("bearer").replace('-', ""),
        "agent_id": "x",
    });
    let answer = service.posted("/tokens/agent", &body);
    assert_eq!(answer["claims"]["sub"], chain.customer.as_str());
    assert_eq!(answer["claims"]["parent_jti"], chain.bearer["jti"]);
}

#[test]
fn app_tokens_never_collide_and_name_their_own_bearers() {
    let service = Service::start();
    let chain = Chain::new(&service);
    let other = service.posted("/tokens/app", &(APP.request)(&chain));
    assert_ne!(other["token_hash"], chain.app["token_hash"]);
    let body = with(&(BEARER.request)(&chain), "app_token_hash", other["token_hash"].clone());
    assert_eq!(
        service.posted("/tokens/bearer", &body)["claims"]["parent_jti"],
        other["jti"]
    );
}
