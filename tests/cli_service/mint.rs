//! `mint`

use serde_json::{Value, json};

use crate::support::{CUSTOMER, STRANGER, Service, run, text};

#[test]
fn nothing_but_the_token_stands_on_standard_output() {
    let service = Service::start();
    let minted = service
        .run(&["mint", "app", "--customer", CUSTOMER, "--name", "console"])
        .done();
    assert_eq!(minted.out.lines().count(), 1);
    assert!(minted.line().starts_with("qt_app_"));
    assert!(
        minted.told.starts_with("jti ") && minted.told.contains("expires at 2"),
        "{}",
        minted.told
    );
}

#[test]
fn every_flag_reaches_the_token() {
    let service = Service::start();
    let app = service.mint(&[
        "app",
        "--name",
        "console",
        "--scope",
        "tokens:mint",
        "--scope",
        "tokens:read",
        "--ttl-days",
        "9",
    ]);
    assert_eq!(app["claims"]["scopes"], json!(["tokens:mint", "tokens:read"]));
    assert_eq!(lifetime(&app), 9 * 86_400);
    let hash = text(&app, "token_hash");
    let bearer = service.mint(&[
        "bearer",
        "--app-token-hash",
        hash,
        "--environment",
        "staging",
        "--ttl-days",
        "3",
    ]);
    assert_eq!(bearer["claims"]["env"], "staging");
    assert_eq!(lifetime(&bearer), 3 * 86_400);
    let policy = |kind: &str, rest: &[&str]| {
        let policy = [
            "--allowed-action",
            "data:*",
            "--allowed-action",
            "code:read",
            "--denied-action",
            "data:write:*",
            "--allowed-resource",
            "repo:*",
            "--denied-resource",
            "repo:secret",
            "--max-sensitivity-level",
            "2",
            "--max-risk-score",
            "0.5",
            "--agent-name",
            "A name",
        ];
        service.mint(&[&[kind][..], rest, &policy].concat())
    };
    let agent = policy(
        "agent",
        &[
            "--bearer-jti",
            text(&bearer, "jti"),
            "--agent-id",
            "reviewer",
            "--ttl-hours",
            "3",
        ],
    );
    let subagent = policy(
        "subagent",
        &[
            "--parent-agent-jti",
            text(&agent, "jti"),
            "--agent-id",
            "reader",
            "--ttl-hours",
            "2",
        ],
    );
    // The parent lives longer, so that a second between the two cuts nothing short.
    for (minted, agent_id, hours) in [(&agent, "reviewer", 3), (&subagent, "reader", 2)] {
        assert_eq!(minted["claims"]["agent_id"], agent_id);
        let rbac = &minted["claims"]["rbac"];
        assert_eq!(rbac["allowed_actions"], json!(["data:*", "code:read"]));
        assert_eq!(rbac["denied_actions"], json!(["data:write:*"]));
        assert_eq!(rbac["allowed_resources"], json!(["repo:*"]));
        assert_eq!(rbac["denied_resources"], json!(["repo:secret"]));
        assert_eq!(rbac["max_sensitivity_level"], 2);
        assert_eq!(rbac["max_risk_score"], 0.5);
        assert_eq!(lifetime(minted), hours * 3_600);
        let found = service
            .run(&["lineage", text(minted, "jti"), "--customer", CUSTOMER, "--json"])
            .done();
        assert_eq!(found.json()["token"]["agent_name"], "A name");
    }
    assert_eq!(subagent["delegation_depth"], 1);
    let session = service.mint(&[
        "session",
        "--parent-jti",
        text(&subagent, "jti"),
        "--parent-type",
        "subagent",
        "--session-id",
        "s1",
        "--max-events",
        "7",
        "--ttl-minutes",
        "5",
    ]);
    assert_eq!(
        (text(&session, "session_id"), session["max_events"].as_u64()),
        ("s1", Some(7))
    );
    assert_eq!(lifetime(&session), 300);
    let decision = service.mint(&[
        "override",
        "--event-id",
        "evt-1",
        "--allowed-decision",
        "reject",
        "--reason",
        "a large refund",
        "--ttl-minutes",
        "6",
    ]);
    assert_eq!(decision["claims"]["event_id"], "evt-1");
    assert_eq!(decision["claims"]["allowed_decisions"], json!(["reject"]));
    assert_eq!(lifetime(&decision), 360);
}

fn lifetime(minted: &Value) -> u64 {
    minted["claims"]["exp"].as_u64().unwrap() - minted["claims"]["iat"].as_u64().unwrap()
}

#[test]
fn a_parent_may_be_presented_instead_of_named_from_a_file_or_standard_input() {
    let service = Service::start();
    let chain = service.chain();
    let agent = text(&chain.agent, "token");
    let file = service.file("agent.token", &format!("{agent}\n"));
    let arguments = ["mint", "subagent", "--agent-id", "reader", "--json"];
    let from_file = service.stranger(&[&arguments[..], &["--credential-file", &file]].concat());
    let from_input = service.stranger(&[&arguments[..], &["--credential-file", "-"]].concat());
    for ran in [run(from_file, ""), run(from_input, &format!("{agent}\n"))] {
        assert_eq!(ran.done().json()["claims"]["parent_jti"], chain.agent["jti"]);
    }
    // The wrong parent for this kind.
    let bearer = service.run_as(text(&chain.bearer, "token"), &arguments);
    assert_eq!(bearer.code, 1, "{}", bearer.told);
}

#[test]
fn a_refusal_tells_code_detail_and_every_field_and_nothing_is_minted() {
    let service = Service::start();
    let arguments = [
        "mint",
        "agent",
        "--customer",
        CUSTOMER,
        "--agent-id",
        "",
        "--ttl-hours",
        "9999",
    ];
    let told = service.run(&arguments).refused(1, "422 invalid_request").told;
    for field in [
        "bearer_jti: is required",
        "agent_id: ",
        "ttl_hours: must be between 1 and 720",
    ] {
        assert!(told.contains(field), "{told}");
    }
    let told = service.run(&[&arguments[..], &["--json"]].concat()).refused(1, "").told;
    let told: Value = serde_json::from_str(&told).unwrap();
    assert_eq!(
        (told["status"].as_u64(), text(&told, "code")),
        (Some(422), "invalid_request")
    );
    assert_eq!(told["errors"][0]["field"], "bearer_jti");
    service
        .run(&["mint", "app", "--customer", STRANGER, "--name", "x"])
        .refused(1, "POST /keys/signing");
}

#[test]
fn an_idempotency_key_makes_two_calls_one_token() {
    let service = Service::start();
    let arguments = [
        "mint",
        "app",
        "--customer",
        CUSTOMER,
        "--name",
        "console",
        "--idempotency-key",
        "k1",
    ];
    let (first, second) = (service.run(&arguments).done(), service.run(&arguments).done());
    assert_eq!(first.out, second.out);
    let other = [
        "mint",
        "app",
        "--customer",
        CUSTOMER,
        "--name",
        "another",
        "--idempotency-key",
        "k1",
    ];
    service.run(&other).refused(1, "idempotency_key_reused");
}

#[test]
fn a_wrong_command_line_ends_with_2() {
    let service = Service::start();
    for arguments in [
        &["mint"][..],
        &["mint", "passport"],
        &["mint", "app"],
        &["mint", "agent", "--agent-id", "a", "--bearer-jti", "no-uuid"],
        &["mint", "session", "--session-id", "s", "--parent-jti", CUSTOMER],
        &[
            "mint",
            "app",
            "--name",
            "n",
            "--credential-file",
            "/nonexistent/credential",
        ],
    ] {
        assert_eq!(service.run(arguments).refused(2, "").code, 2, "{arguments:?}");
    }
}
