//! `GET /tokens`, `GET /tokens/{jti}`, `GET /tokens/{jti}/lineage`, `GET /audit`.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::chain::{AGENT, BEARER, Chain, KINDS, SUBAGENT};
use crate::support::{ADMIN, Answer, HOUR, MINUTE, Service, rfc3339, text, uuid, with};

mod audit;

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
