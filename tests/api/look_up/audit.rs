//! `GET /audit`: which mutations it tells, and of whom.

use serde_json::{Value, json};

use super::{get, shows_no_secret};
use crate::chain::{AGENT, Chain};
use crate::support::{ADMIN, Answer, DAY, JSON, Service, rfc3339, text, uuid, with};

/// Every mutation that is audited, by one caller, and what the audit has to say of it.
fn mutations(service: &Service, chain: &Chain, credential: &str) -> Vec<(Value, &'static str, Option<&'static str>)> {
    let send = |line: &str, body: &Value| {
        let headers = [
            format!("Authorization: Bearer {credential}"),
            format!("x-request-id: req-{}", line.len()),
            JSON.to_owned(),
        ];
        let headers: Vec<&str> = headers.iter().map(String::as_str).collect();
        let answer = service.request(line, &headers, &body.to_string());
        assert_eq!(answer.status, 200, "{line} {}", answer.text());
        answer.json()
    };
    let own = json!({"customer_id": chain.customer});
    let because = with(&own, "reason", "because");
    let mut expected = Vec::new();
    let app = send("POST /tokens/app", &with(&own, "name", "audited"));
    expected.push((app["jti"].clone(), "app_token.minted", None));
    let bearer = send(
        "POST /tokens/bearer",
        &with(&own, "app_token_hash", app["token_hash"].clone()),
    );
    expected.push((bearer["jti"].clone(), "bearer_token.minted", None));
    let agent = send(
        "POST /tokens/agent",
        &with(&with(&own, "bearer_jti", bearer["jti"].clone()), "agent_id", "a"),
    );
    let flagged = send("POST /tokens/override", &with(&because, "event_id", "audited"));
    expected.push((flagged["jti"].clone(), "override_token.minted", Some("because")));
    let decision = with(
        &with(&because, "override_jti", flagged["jti"].clone()),
        "decision",
        "approve",
    );
    send("POST /overrides/audited/decide", &decision);
    expected.push((json!("audited"), "event.decided", Some("because")));
    send(&format!("DELETE /tokens/{}", text(&agent, "jti")), &because);
    expected.push((agent["jti"].clone(), "token.revoked", Some("because")));
    send(&format!("POST /revoke/cascade/{}", text(&bearer, "jti")), &own);
    expected.push((bearer["jti"].clone(), "token.cascade_revoked", None));
    send("POST /revocation/bulk", &with(&because, "agent_id", "a"));
    expected.push((json!("a"), "agent.revoked", Some("because")));
    let before = rfc3339(service.now() - 1);
    send(
        "POST /revocation/bulk",
        &with(&because, "issued_before", before.as_str()),
    );
    expected.push((json!(before), "issued_before.revoked", Some("because")));
    let rotated = send(&format!("POST /keys/{}/rotate", chain.key_id()), &own);
    expected.push((rotated["key_id"].clone(), "signing_key.rotated", None));
    send(
        &format!("POST /keys/{}/rotate", chain.key_id()),
        &with(&own, "immediate", true),
    );
    expected.push((rotated["key_id"].clone(), "signing_key.promoted", None));
    send(&format!("POST /keys/{}/revoke", text(&rotated, "key_id")), &because);
    expected.push((rotated["key_id"].clone(), "signing_key.revoked", Some("because")));
    let new = send("POST /keys/signing", &own);
    expected.push((new["key_id"].clone(), "signing_key.created", None));
    let whole = format!("POST /customers/{}", chain.customer);
    send(&format!("{whole}/suspend"), &json!({"reason": "because"}));
    expected.push((json!(chain.customer), "customer.suspended", Some("because")));
    send(&format!("{whole}/resume"), &json!({}));
    expected.push((json!(chain.customer), "customer.resumed", None));
    expected
}

#[test]
fn every_mutation_but_the_minting_of_workers_is_audited() {
    let mut service = Service::credentialed();
    let chain = Chain::by(|path, body| service.post_as_operator(path, body));
    let audit = |service: &Service, query: &str| {
        let path = format!("/audit?customer_id={}{query}", chain.customer);
        service.get_as(ADMIN, &path)
    };
    let entries = |answer: &Answer| answer.success()["entries"].as_array().unwrap().clone();
    let actions = |entries: &[Value]| {
        entries
            .iter()
            .map(|entry| text(entry, "action").to_owned())
            .collect::<Vec<_>>()
    };
    let first = entries(&audit(&service, "&limit=200"));
    let setting_up = [
        "signing_key.created",
        "app_token.minted",
        "bearer_token.minted",
        "override_token.minted",
    ];
    assert_eq!(actions(&first), setting_up);
    assert!(
        text(&first[0], "request_id").len() > 8,
        "its own, if the caller sent none"
    );
    service.advance(60);
    let expected = mutations(&service, &chain, ADMIN);
    for _ in 0..2 {
        let raw = audit(&service, "&limit=200");
        shows_no_secret(&raw, &chain);
        let all = entries(&raw);
        assert_eq!(all.len(), 4 + expected.len());
        for (entry, (target, action, reason)) in all[4..].iter().zip(&expected) {
            assert_eq!((&entry["target"], text(entry, "action")), (target, *action));
            assert_eq!(entry["reason"], json!(reason), "{action}");
            assert_eq!(
                (text(entry, "actor"), text(entry, "at")),
                ("management", rfc3339(service.now()).as_str())
            );
            assert!(text(entry, "request_id").starts_with("req-"), "{entry}");
            assert!(text(entry, "id").starts_with("aud_"));
        }
        let (mut paged, mut after) = (Vec::new(), String::new());
        loop {
            let page = audit(&service, &format!("&limit=3{after}"));
            paged.extend(entries(&page));
            match page.json()["cursor"].as_str() {
                None => break,
                Some(at) => after = format!("&after={at}"),
            }
        }
        assert_eq!(paged, all);
        service.restart();
    }
    for (query, field) in [("&after=%21", "after"), ("&limit=0", "limit"), ("&x=1", "x")] {
        audit(&service, query).refused(422, "invalid_request", &[field]);
    }
    service.advance(89 * DAY);
    assert_eq!(entries(&audit(&service, "&limit=200")).len(), 4 + expected.len());
    service.advance(DAY);
    assert_eq!(
        entries(&audit(&service, "&limit=200")).len(),
        expected.len(),
        "ninety days"
    );
    service.advance(1);
    assert_eq!(entries(&audit(&service, "&limit=200")), Vec::<Value>::new());
}

#[test]
fn the_audit_names_the_credential_and_says_nothing_of_refusals_repetitions_and_counting() {
    let service = Service::start();
    let chain = Chain::new(&service);
    let own = json!({"customer_id": chain.customer});
    let count = || {
        get(&service, &chain, "/audit?limit=200").success()["entries"]
            .as_array()
            .unwrap()
            .len()
    };
    let before = count();
    service.posted("/tokens/agent", &(AGENT.request)(&chain));
    service.posted(&format!("/sessions/{}/events", chain.jti("session")), &own);
    service
        .post_keyed("k", &format!("/sessions/{}/events", chain.jti("session")), &own)
        .success();
    service
        .post("/keys/signing", &own)
        .refused(409, "signing_key_exists", &[]);
    service
        .delete(&format!("/tokens/{}", uuid()), &own)
        .refused(404, "token_not_found", &[]);
    assert_eq!(count(), before);
    let path = format!("DELETE /tokens/{}", chain.jti("session"));
    for _ in 0..2 {
        service
            .request(&path, &[&format!("Authorization: Bearer {}", chain.token("app"))], "")
            .success();
    }
    service
        .post_as(chain.token("agent"), "/tokens/override", &json!({"event_id": "x"}))
        .success();
    let entries = get(&service, &chain, "/audit?limit=200").success()["entries"]
        .as_array()
        .unwrap()
        .clone();
    let last: Vec<(&str, &str)> = entries[before..]
        .iter()
        .map(|entry| (text(entry, "actor"), text(entry, "action")))
        .collect();
    let (app, agent) = (
        format!("app:{}", chain.jti("app")),
        format!("agent:{}", chain.jti("agent")),
    );
    assert_eq!(
        last,
        [
            (app.as_str(), "token.revoked"),
            (agent.as_str(), "override_token.minted")
        ]
    );
}
