//! `GET /tokens`, `GET /tokens/{jti}`, `GET /tokens/{jti}/lineage`, `GET /audit`.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::chain::{AGENT, BEARER, Chain, ENDPOINTS, SUBAGENT};
use crate::support::{ADMIN, Answer, DAY, HOUR, JSON, MINUTE, Service, rfc3339, uuid, with};

const KINDS: [&str; 6] = ["app", "bearer", "agent", "subagent", "session", "override"];

fn text<'a>(answer: &'a Value, name: &str) -> &'a str {
    answer[name].as_str().unwrap()
}

fn get(service: &Service, chain: &Chain, path: &str) -> Answer {
    let join = if path.contains('?') { '&' } else { '?' };
    service.get(&format!("{path}{join}customer_id={}", chain.customer))
}

/// Asserts that nothing in an answer is a token, a part of one, or what names one as a parent.
fn shows_no_secret(answer: &Answer, chain: &Chain) {
    let shown = String::from_utf8_lossy(&answer.body);
    for kind in KINDS {
        let token = chain.token(kind);
        let signature = token.rsplit('.').next().unwrap();
        assert!(!shown.contains(token) && !shown.contains(signature), "{shown}");
    }
    for word in ["qt_", "eyJ", "hash", text(&chain.app, "token_hash")] {
        assert!(!shown.contains(word), "{word} in {shown}");
    }
}

#[test]
fn a_token_is_shown_with_what_its_kind_has_and_no_secret() {
    let mut service = Service::start();
    let chain = Chain::new(&service);
    let common = [
        "jti",
        "type",
        "status",
        "parent_jti",
        "issued_at",
        "expires_at",
        "children",
    ];
    let expected: [(&str, &[&str], Value, u64); 6] = [
        ("app", &["name", "scopes"], Value::Null, 1),
        ("bearer", &["environment"], chain.app["jti"].clone(), 1),
        ("agent", &["agent_id", "rbac"], chain.bearer["jti"].clone(), 2),
        (
            "subagent",
            &["agent_id", "delegation_depth", "rbac"],
            chain.agent["jti"].clone(),
            0,
        ),
        (
            "session",
            &["session_id", "max_events", "events_used"],
            chain.agent["jti"].clone(),
            0,
        ),
        ("override", &["event_id", "allowed_decisions"], Value::Null, 0),
    ];
    for _ in 0..2 {
        for (kind, names, parent, children) in &expected {
            let raw = get(&service, &chain, &format!("/tokens/{}", chain.jti(kind)));
            let answer = raw.success();
            let mut found = raw.member_names();
            let mut names = [&common[..], names].concat();
            found.sort_unstable();
            names.sort_unstable();
            assert_eq!(found, names);
            assert_eq!(answer["jti"], chain.jti(kind));
            assert_eq!((text(&answer, "type"), text(&answer, "status")), (*kind, "active"));
            assert_eq!((&answer["parent_jti"], &answer["children"]), (parent, &json!(children)));
            assert_eq!(answer["issued_at"], rfc3339(service.now()));
            assert_eq!(answer["expires_at"], chain.of(kind)["expires_at"]);
            shows_no_secret(&raw, &chain);
        }
        service.restart();
    }
    let shown = get(&service, &chain, &format!("/tokens/{}", chain.jti("agent"))).success();
    assert_eq!(shown["rbac"], chain.agent["claims"]["rbac"]);
}

#[test]
fn a_status_says_what_the_token_is_worth() {
    let mut service = Service::start();
    let chain = Chain::new(&service);
    let own = json!({"customer_id": chain.customer});
    let status = |service: &Service, kind: &str| {
        let answer = get(service, &chain, &format!("/tokens/{}", chain.jti(kind))).success();
        text(&answer, "status").to_owned()
    };
    let statuses = |service: &Service| KINDS.map(|kind| status(service, kind));
    service
        .delete(&format!("/tokens/{}", chain.jti("bearer")), &own)
        .success();
    service.posted(&format!("/revoke/cascade/{}", chain.jti("agent")), &own);
    assert_eq!(
        statuses(&service),
        ["active", "revoked", "revoked", "revoked", "revoked", "active"]
    );
    service.advance(5 * MINUTE);
    assert_eq!(status(&service, "override"), "expired");
    service.restart();
    service.advance(55 * MINUTE);
    assert_eq!(status(&service, "session"), "revoked", "revoked stays true");
    service.advance(59 * MINUTE);
    assert_eq!(status(&service, "session"), "revoked");
    service.advance(HOUR);
    service.restart();
    get(&service, &chain, &format!("/tokens/{}", chain.jti("session"))).refused(404, "token_not_found", &[]);
    service.posted(&format!("/customers/{}/suspend", chain.customer), &json!({}));
    assert_eq!(status(&service, "app"), "suspended");
    assert_eq!(status(&service, "bearer"), "revoked");
}

/// All pages of a list.
fn listed(service: &Service, chain: &Chain, filter: &str, limit: usize) -> Vec<String> {
    let (mut found, mut cursor) = (Vec::new(), String::new());
    loop {
        let raw = get(service, chain, &format!("/tokens?{filter}&limit={limit}{cursor}"));
        assert_eq!(raw.member_names(), ["tokens", "cursor"]);
        let page = raw.success();
        let tokens = page["tokens"].as_array().unwrap();
        assert!(tokens.len() <= limit);
        found.extend(tokens.iter().map(|token| text(token, "jti").to_owned()));
        shows_no_secret(&raw, chain);
        match page["cursor"].as_str() {
            None => return found,
            Some(at) => cursor = format!("&cursor={at}"),
        }
    }
}

/// Kind, agent and status of a token.
type Described = (String, Option<String>, &'static str);

/// The chain's tokens and five hundred more.
fn five_hundred(service: &Service, chain: &Chain) -> BTreeMap<String, Described> {
    let mut known: BTreeMap<String, Described> = BTreeMap::new();
    for kind in KINDS {
        let agent = chain.of(kind)["agent_id"].as_str().map(str::to_owned);
        known.insert(chain.jti(kind).to_owned(), (kind.to_owned(), agent, "active"));
    }
    for round in 0..5 {
        let mut items = Vec::new();
        for at in 0..100 {
            items.push(match at % 4 {
                0 => json!({"type": "bearer", "app_token_hash": chain.app["token_hash"]}),
                1 => {
                    json!({"type": "agent", "bearer_jti": chain.jti("bearer"), "agent_id": format!("agent-{}", at % 3)})
                }
                2 => json!({"type": "subagent", "parent_agent_jti": chain.jti("agent"), "agent_id": "agent-1"}),
                _ => json!({"type": "override", "event_id": format!("evt-{round}-{at}"), "ttl_minutes": 60}),
            });
        }
        let answer = service.posted(
            "/tokens/batch",
            &json!({"customer_id": chain.customer, "requests": items}),
        );
        for (item, result) in items.iter().zip(answer["results"].as_array().unwrap()) {
            let agent = item["agent_id"].as_str().map(str::to_owned);
            known.insert(
                text(&result["body"], "jti").to_owned(),
                (text(item, "type").to_owned(), agent, "active"),
            );
        }
        service.advance(1);
    }
    known
}

#[test]
fn a_list_in_pages_names_each_token_once_with_and_without_filters() {
    let mut service = Service::start();
    let chain = Chain::new(&service);
    let other = Chain::new(&service);
    let own = json!({"customer_id": chain.customer});
    let mut known = five_hundred(&service, &chain);
    let dead: Vec<String> = known
        .iter()
        .filter(|(_, (kind, ..))| kind == "bearer")
        .map(|(jti, _)| jti.clone())
        .collect();
    for jti in dead.iter().filter(|jti| *jti != chain.jti("bearer")).step_by(2) {
        service.delete(&format!("/tokens/{jti}"), &own).success();
        known.get_mut(jti).unwrap().2 = "revoked";
    }
    for filter in [
        "",
        "type=agent",
        "type=session",
        "agent_id=agent-1",
        "agent_id=nobody",
        "status=active",
        "status=revoked",
        "status=used",
        "type=bearer&status=revoked",
        "type=subagent&agent_id=agent-1&status=active",
        "type=bearer&agent_id=agent-1",
    ] {
        let wanted = |name: &str| {
            filter
                .split('&')
                .find_map(|part| part.strip_prefix(&format!("{name}=")))
        };
        let expected: Vec<&String> = known
            .iter()
            .filter(|(_, (kind, agent, status))| {
                wanted("type").is_none_or(|wanted| wanted == kind)
                    && wanted("agent_id").is_none_or(|wanted| Some(wanted) == agent.as_deref())
                    && wanted("status").is_none_or(|wanted| wanted == *status)
            })
            .map(|(jti, _)| jti)
            .collect();
        for limit in [7, 50, 200] {
            let found = listed(&service, &chain, filter, limit);
            assert_eq!(
                found.iter().collect::<Vec<_>>(),
                expected,
                "{filter}, {limit} at a time"
            );
        }
        service.restart();
    }
    let default = get(&service, &chain, "/tokens").success();
    assert_eq!(default["tokens"].as_array().unwrap().len(), 50);
    let others = get(&service, &other, "/tokens?limit=200").success();
    assert_eq!(others["tokens"].as_array().unwrap().len(), 6);
}

#[test]
fn a_cursor_stays_good_while_tokens_come_and_go() {
    let service = Service::start();
    let chain = Chain::new(&service);
    let own = json!({"customer_id": chain.customer});
    for _ in 0..30 {
        service.posted("/tokens/agent", &(AGENT.request)(&chain));
    }
    let stays: Vec<String> = get(&service, &chain, "/tokens?type=agent&limit=200").success()["tokens"]
        .as_array()
        .unwrap()
        .iter()
        .map(|token| text(token, "jti").to_owned())
        .collect();
    let (mut found, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = get(&service, &chain, &format!("/tokens?type=agent&limit=4{cursor}")).success();
        found.extend(
            page["tokens"]
                .as_array()
                .unwrap()
                .iter()
                .map(|token| text(token, "jti").to_owned()),
        );
        let Some(at) = page["cursor"].as_str() else { break };
        service.delete(&format!("/tokens/{at}"), &own).success();
        cursor = format!("&cursor={at}");
        if found.len() < 20 {
            service.posted("/tokens/override", &(crate::chain::OVERRIDE.request)(&chain));
        }
    }
    found.truncate(stays.len());
    assert_eq!(found, stays);
}

#[test]
fn a_lineage_names_ancestors_upwards_and_a_bounded_subtree_downwards() {
    let mut service = Service::start();
    let chain = Chain::new(&service);
    let below = with(&(SUBAGENT.request)(&chain), "parent_agent_jti", chain.jti("subagent"));
    let below = service.posted("/tokens/subagent", &below);
    let jtis = |value: &Value| -> Vec<String> {
        value
            .as_array()
            .unwrap()
            .iter()
            .map(|token| text(token, "jti").to_owned())
            .collect()
    };
    for _ in 0..2 {
        let raw = get(&service, &chain, &format!("/tokens/{}/lineage", text(&below, "jti")));
        assert_eq!(raw.member_names(), ["ancestors", "descendants", "truncated"]);
        let lineage = raw.success();
        let upwards = ["subagent", "agent", "bearer", "app"].map(|kind| chain.jti(kind).to_owned());
        assert_eq!(jtis(&lineage["ancestors"]), upwards);
        assert_eq!(
            (jtis(&lineage["descendants"]), &lineage["truncated"]),
            (Vec::new(), &json!(false))
        );
        shows_no_secret(&raw, &chain);
        let lineage = get(&service, &chain, &format!("/tokens/{}/lineage", chain.jti("app"))).success();
        assert_eq!(lineage["ancestors"], json!([]));
        let mut downwards = jtis(&lineage["descendants"]);
        assert_eq!(
            downwards[..2],
            ["bearer", "agent"].map(|kind| chain.jti(kind).to_owned())
        );
        let place = |jti: &str, all: &[String]| all.iter().position(|known| known == jti).unwrap();
        assert!(place(chain.jti("subagent"), &downwards) < place(text(&below, "jti"), &downwards));
        downwards.sort_unstable();
        downwards.dedup();
        assert_eq!(downwards.len(), 5);
        let alone = get(&service, &chain, &format!("/tokens/{}/lineage", chain.jti("override"))).success();
        assert_eq!(alone, json!({"ancestors": [], "descendants": [], "truncated": false}));
        service.restart();
    }
    for _ in 0..200 {
        service.posted("/tokens/bearer", &(BEARER.request)(&chain));
    }
    let lineage = get(&service, &chain, &format!("/tokens/{}/lineage", chain.jti("app"))).success();
    assert_eq!(lineage["descendants"].as_array().unwrap().len(), 200);
    assert_eq!(lineage["truncated"], true);
}

#[test]
fn what_is_not_the_customers_is_not_found() {
    let service = Service::credentialed();
    let [chain, foreign] = [(), ()].map(|()| Chain::by(|path, body| service.post_as_operator(path, body)));
    let app = chain.token("app");
    for suffix in ["", "/lineage"] {
        for jti in [foreign.jti("agent"), &uuid()] {
            service
                .get_as(app, &format!("/tokens/{jti}{suffix}"))
                .refused(404, "token_not_found", &[]);
        }
        service
            .get_as(app, &format!("/tokens/x{suffix}"))
            .refused(404, "not_found", &[]);
        let path = format!("/tokens/{}{suffix}", chain.jti("agent"));
        service.get_as(app, &path).success();
        service
            .get_as(ADMIN, &path)
            .refused(422, "invalid_request", &["customer_id"]);
        service.get(&path).refused(401, "unauthenticated", &[]);
        let path = format!("{path}?customer_id={}", foreign.customer);
        service.get_as(app, &path).refused(404, "unknown_customer", &[]);
        service.get_as(ADMIN, &path).refused(404, "token_not_found", &[]);
    }
    for path in ["/tokens", "/audit"] {
        let path = format!("{path}?customer_id={}", foreign.customer);
        service.get_as(app, &path).refused(404, "unknown_customer", &[]);
        service
            .get_as(chain.token("agent"), "/tokens")
            .refused(403, "forbidden", &[]);
        let unknown = path.replace(&foreign.customer, &uuid());
        service.get_as(ADMIN, &unknown).refused(404, "unknown_customer", &[]);
    }
    for (query, field) in [
        ("type=root", "type"),
        ("status=dead", "status"),
        ("limit=0", "limit"),
        ("limit=201", "limit"),
        ("cursor=x", "cursor"),
        ("x=1", "x"),
    ] {
        service
            .get_as(app, &format!("/tokens?{query}"))
            .refused(422, "invalid_request", &[field]);
    }
    let unread = json!({"customer_id": chain.customer, "name": "x", "scopes": ["tokens:mint", "tokens:revoke"]});
    let unread = service.post_as_operator("/tokens/app", &unread);
    for path in ["/tokens", "/audit", "/revocations"] {
        service
            .get_as(text(&unread, "token"), path)
            .refused(403, "forbidden", &[]);
    }
}

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
    assert_eq!(ENDPOINTS.len(), KINDS.len());
}
