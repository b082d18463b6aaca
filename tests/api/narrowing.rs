//! A subagent's policy under its parent's (section 4 of the contract), over HTTP.

use serde_json::{Value, json};

use crate::chain::{AGENT, Chain, SUBAGENT};
use crate::support::{Answer, Service, with};

/// An agent with a policy, and subagents asked for under it.
struct Family {
    service: Service,
    chain: Chain,
}

impl Family {
    fn new(rbac: Value) -> Self {
        let service = Service::start();
        let mut chain = Chain::new(&service);
        let body = with(&(AGENT.request)(&chain), "rbac", rbac);
        chain.agent = service.posted("/tokens/agent", &body);
        Self { service, chain }
    }

    fn child(&self, rbac: Value) -> Answer {
        let body = with(&(SUBAGENT.request)(&self.chain), "rbac", rbac);
        self.service.post("/tokens/subagent", &body)
    }

    /// The claims of a child that has to be allowed.
    #[track_caller]
    fn allows(&self, rbac: Value) -> Value {
        self.child(rbac).success()["claims"]["rbac"].clone()
    }

    /// Asserts that a child is refused for widening a field with a pattern.
    #[track_caller]
    fn escalates(&self, rbac: Value, field: &str, pattern: &str) {
        let before = self.service.events();
        let problem = self
            .child(rbac)
            .refused(400, "permission_escalation", &[&format!("rbac.{field}")]);
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.contains(field) && detail.contains(pattern), "{detail}");
        assert_eq!(self.service.events(), before);
    }
}

fn parent() -> Value {
    json!({
        "allowed_actions": ["data:read:*", "code:review:*"],
        "denied_actions": ["data:write:*"],
        "allowed_resources": ["repo:*"],
        "denied_resources": ["repo:secret*"],
        "max_sensitivity_level": 3,
    })
}

#[test]
fn what_is_left_out_or_null_is_inherited() {
    let family = Family::new(parent());
    let own = family.chain.agent["claims"]["rbac"].clone();
    for rbac in [
        json!(null),
        json!({}),
        json!({"allowed_actions": null, "max_sensitivity_level": null}),
    ] {
        assert_eq!(family.allows(rbac), own);
    }
    let claims = family.allows(json!({"allowed_actions": ["data:read:x"]}));
    assert_eq!(claims["allowed_actions"], json!(["data:read:x"]));
    assert_eq!(claims["denied_actions"], own["denied_actions"]);
    assert_eq!(claims["sensitivity_level"], 3);
}

#[test]
fn an_equal_policy_passes() {
    assert_eq!(
        Family::new(parent()).allows(parent())["allowed_resources"],
        json!(["repo:*"])
    );
}

#[test]
fn a_pattern_that_the_parent_does_not_cover_is_an_escalation() {
    let family = Family::new(parent());
    for (pattern, what) in [
        ("code:read:*", "neither of the parent's two covers it"),
        ("*", "everything"),
        ("data:*:*", "a wider verb"),
        ("data:read*", "without the colon"),
        ("Data:read:x", "case counts"),
    ] {
        family.escalates(
            json!({"allowed_actions": ["data:read:x", pattern]}),
            "allowed_actions",
            pattern,
        );
        assert!(!what.is_empty());
    }
    family.escalates(json!({"allowed_resources": ["*"]}), "allowed_resources", "*");
    for pattern in ["data:read:*", "data:read:a:b", "code:review:[a-c]?", "data:read:**"] {
        family.allows(json!({"allowed_actions": [pattern]}));
    }
}

#[test]
fn patterns_are_compared_as_languages_and_not_as_texts() {
    let family = Family::new(json!({"allowed_actions": ["data:read:?"]}));
    family.escalates(
        json!({"allowed_actions": ["data:read:*"]}),
        "allowed_actions",
        "data:read:*",
    );
    family.allows(json!({"allowed_actions": ["data:read:[!x]"]}));
    let family = Family::new(json!({"allowed_actions": ["a[0-4]", "a[5-9]"]}));
    family.allows(json!({"allowed_actions": ["a[0-9]", "a[3-6]"]}));
    family.escalates(json!({"allowed_actions": ["a[0-9a]"]}), "allowed_actions", "a[0-9a]");
}

#[test]
fn every_deny_of_the_parent_has_to_be_covered() {
    let family = Family::new(parent());
    family.escalates(json!({"denied_actions": []}), "denied_actions", "data:write:*");
    family.escalates(
        json!({"denied_actions": ["data:write:x"]}),
        "denied_actions",
        "data:write:*",
    );
    family.escalates(
        json!({"denied_resources": ["repo:other"]}),
        "denied_resources",
        "repo:secret*",
    );
    family.allows(json!({"denied_actions": ["data:write:*", "data:read:x"]}));
    family.allows(json!({"denied_actions": ["data:*"]}));
}

#[test]
fn the_level_only_falls() {
    let family = Family::new(parent());
    family.escalates(json!({"max_sensitivity_level": 4}), "max_sensitivity_level", "4");
    family.escalates(json!({"sensitivity_level": 4}), "max_sensitivity_level", "4");
    for level in [1, 2, 3] {
        assert_eq!(
            family.allows(json!({"max_sensitivity_level": level}))["sensitivity_level"],
            level
        );
    }
}

#[test]
fn the_risk_score_is_carried_and_only_falls() {
    let family = Family::new(json!({"max_risk_score": 7.5}));
    assert_eq!(family.allows(json!({}))["max_risk_score"], 7.5);
    assert_eq!(
        family.allows(json!({"max_risk_score": 0}))["max_risk_score"],
        7.5,
        "0 is unset"
    );
    assert_eq!(family.allows(json!({"max_risk_score": 2}))["max_risk_score"], 2);
    family.escalates(json!({"max_risk_score": 8}), "max_risk_score", "8");
}

#[test]
fn the_level_has_a_second_name() {
    let family = Family::new(json!({}));
    let own = |rbac: Value| {
        let body = with(&(AGENT.request)(&family.chain), "rbac", rbac);
        family.service.post("/tokens/agent", &body)
    };
    for mint in [&own as &dyn Fn(Value) -> Answer, &|rbac| family.child(rbac)] {
        let level = |rbac: Value| mint(rbac).success()["claims"]["rbac"]["max_sensitivity_level"].clone();
        assert_eq!(level(json!({"sensitivity_level": 2})), 2);
        assert_eq!(level(json!({"sensitivity_level": 2, "max_sensitivity_level": 2})), 2);
        assert_eq!(level(json!({"sensitivity_level": 0})), 4, "0 inherits under this name");
        assert_eq!(level(json!({"sensitivity_level": 0, "max_sensitivity_level": 2})), 2);
        let answer = mint(json!({"sensitivity_level": 1, "max_sensitivity_level": 2}));
        answer.refused(400, "conflicting_fields", &["rbac.sensitivity_level"]);
    }
}

#[test]
fn level_zero_is_a_cap_and_the_answer_warns_of_those_who_read_it_otherwise() {
    let family = Family::new(json!({"max_sensitivity_level": 0}));
    let agent = &family.chain.agent;
    assert_eq!(agent["claims"]["rbac"]["max_sensitivity_level"], 0);
    assert_eq!(agent["claims"]["rbac"]["sensitivity_level"], 0);
    let warned = |answer: &Value| {
        answer["warnings"]
            .as_array()
            .is_some_and(|warnings| warnings.len() == 1)
    };
    assert!(warned(agent));
    assert!(warned(&family.child(json!({})).success()), "inherited as well");
    family.escalates(json!({"max_sensitivity_level": 1}), "max_sensitivity_level", "1");
    let answer = Family::new(json!({})).child(json!({"max_sensitivity_level": 0}));
    assert_eq!(
        answer.member_names(),
        [
            "token",
            "jti",
            "agent_id",
            "delegation_depth",
            "expires_at",
            "warnings",
            "claims"
        ]
    );
}

#[test]
fn an_empty_allowed_list_is_400_and_an_empty_denied_one_is_not() {
    let family = Family::new(json!({}));
    for list in ["allowed_actions", "allowed_resources"] {
        let before = family.service.events();
        family
            .child(json!({list: []}))
            .refused(400, "empty_allowed_list", &[&format!("rbac.{list}")]);
        let body = with(&(AGENT.request)(&family.chain), "rbac", json!({list: []}));
        let answer = family.service.post("/tokens/agent", &body);
        answer.refused(400, "empty_allowed_list", &[&format!("rbac.{list}")]);
        assert_eq!(family.service.events(), before);
    }
    family.allows(json!({"denied_actions": [], "denied_resources": []}));
}

#[test]
fn a_policy_over_its_size_is_refused_under_a_parent_as_well() {
    let family = Family::new(json!({}));
    let patterns: Vec<String> = (0..20).map(|at| format!("{at}{}", "x".repeat(220))).collect();
    let answer = family.child(json!({"denied_actions": patterns}));
    answer.refused(422, "policy_too_large", &["rbac"]);
}

#[test]
fn a_question_that_takes_too_much_work_is_refused_and_in_time() {
    let hard = |letter: char| -> Vec<String> {
        let star = |at: u32| format!("*{}*{}*", char::from(b'a' + (at % 20) as u8), letter);
        (0..60).map(star).collect()
    };
    let family = Family::new(json!({"denied_actions": hard('y')}));
    let answer = family.child(json!({"denied_actions": hard('z')}));
    answer.refused(400, "permission_escalation", &["rbac.denied_actions"]);
}

#[test]
fn no_generation_regains_what_one_before_it_gave_up() {
    let family = Family::new(parent());
    let narrow = json!({"allowed_actions": ["data:read:a*"], "max_sensitivity_level": 1});
    let child = family.child(narrow).success();
    let body = with(
        &(SUBAGENT.request)(&family.chain),
        "parent_agent_jti",
        child["jti"].clone(),
    );
    let again = |rbac: Value| family.service.post("/tokens/subagent", &with(&body, "rbac", rbac));
    again(json!({"allowed_actions": ["data:read:*"]})).refused(400, "permission_escalation", &["rbac.allowed_actions"]);
    again(json!({"max_sensitivity_level": 3})).refused(400, "permission_escalation", &["rbac.max_sensitivity_level"]);
    let claims = again(json!({"allowed_actions": ["data:read:ab"]})).success()["claims"].clone();
    assert_eq!(claims["rbac"]["denied_actions"], json!(["data:write:*"]));
    assert_eq!(claims["depth"], 2);
}
