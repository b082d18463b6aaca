//! `revoke`, `cascade` and `lineage`

use crate::support::{CUSTOMER, STRANGER, Service, text};

#[test]
fn a_lineage_is_drawn_from_its_root_and_marks_what_was_asked_for() {
    let service = Service::start();
    let chain = service.chain();
    let agent = text(&chain.agent, "jti");
    let below = service.mint(&["subagent", "--parent-agent-jti", agent, "--agent-id", "reader"]);
    service.mint(&[
        "session",
        "--parent-jti",
        text(&below, "jti"),
        "--parent-type",
        "subagent",
        "--session-id",
        "s1",
    ]);
    service.mint(&[
        "session",
        "--parent-jti",
        agent,
        "--parent-type",
        "agent",
        "--session-id",
        "s2",
    ]);
    let drawn = service.run(&["lineage", agent, "--customer", CUSTOMER]).done().out;
    let lines: Vec<&str> = drawn.lines().collect();
    assert_eq!(lines.len(), 6, "{drawn}");
    for (line, begins) in lines.iter().zip([
        "app console",
        "└─ bearer production",
        "   └─ agent reviewer",
        "      ├─ ",
        "      │  └─ ",
        "      └─ ",
    ]) {
        // The order of siblings is the service's own.
        let flipped = begins.replace("│  └─ ", "└─ ").replace("      └─ ", "   ");
        assert!(line.starts_with(begins) || line.starts_with(&flipped), "{drawn}");
    }
    assert!(lines[2].ends_with('◀') && drawn.matches('◀').count() == 1);
    let ascii = service
        .run(&["lineage", agent, "--customer", CUSTOMER, "--ascii"])
        .done()
        .out;
    assert!(ascii.is_ascii() && ascii.lines().count() == 6, "{ascii}");
    let answer = service
        .run(&["lineage", agent, "--customer", CUSTOMER, "--json"])
        .done()
        .json();
    assert_eq!(answer["token"]["jti"], agent);
    assert_eq!(
        (
            answer["ancestors"].as_array().unwrap().len(),
            answer["descendants"].as_array().unwrap().len()
        ),
        (2, 3)
    );
}

#[test]
fn revoking_takes_one_and_a_cascade_takes_what_is_below() {
    let service = Service::start();
    let chain = service.chain();
    let (bearer, agent) = (text(&chain.bearer, "jti"), text(&chain.agent, "jti"));
    let revoked = service.run(&["revoke", bearer, "--customer", CUSTOMER]).done();
    assert_eq!(revoked.line(), format!("{bearer} is revoked"));
    let drawn = service.run(&["lineage", agent, "--customer", CUSTOMER]).done().out;
    assert!(
        drawn.contains("  revoked expires 2") && drawn.contains("  active until 2"),
        "{drawn}"
    );
    let cascaded = service
        .run(&["cascade", bearer, "--customer", CUSTOMER, "--reason", "the end"])
        .done();
    let lines: Vec<&str> = cascaded.out.lines().collect();
    assert_eq!(lines, ["2 tokens are revoked", bearer, agent]);
    let again = service
        .run(&["cascade", bearer, "--customer", CUSTOMER, "--json"])
        .done()
        .json();
    assert_eq!(again["revoked_count"], 2);
    let revoked = service
        .run(&["revoke", agent, "--customer", CUSTOMER, "--json"])
        .done()
        .json();
    assert_eq!(revoked["revoked"], true);
}

#[test]
fn what_is_not_there_or_not_of_that_type_is_refused() {
    let service = Service::start();
    let chain = service.chain();
    let agent = text(&chain.agent, "jti");
    for command in ["revoke", "cascade", "lineage"] {
        service
            .run(&[command, STRANGER, "--customer", CUSTOMER])
            .refused(1, "404");
        service.run(&[command, agent, "--customer", STRANGER]).refused(1, "404");
        service.run(&[command, agent]).refused(1, "customer_id: is required");
        service.run(&[command, "agent"]).refused(2, "must be a UUID");
    }
    for command in ["revoke", "cascade"] {
        service
            .run(&[command, agent, "--customer", CUSTOMER, "--token-type", "bearer"])
            .refused(1, "404");
    }
    let drawn = service.run(&["lineage", agent, "--customer", CUSTOMER]).done().out;
    assert_eq!(drawn.matches("  active until ").count(), 3, "{drawn}");
}
