//! `/revocation`, `/revoke`, `DELETE /tokens/{jti}`, `/keys/{key_id}/revoke`: what ends a token, and what it takes with it.

use serde_json::{Value, json};

use crate::chain::{AGENT, APP, BEARER, Chain, ENDPOINTS, SESSION, SUBAGENT};
use crate::support::{ADMIN, DAY, HOUR, JSON, MINUTE, Service, rfc3339, uuid, with};

const KINDS: [&str; 6] = ["app", "bearer", "agent", "subagent", "session", "override"];

/// A fresh token like the chain's of this kind.
fn another(service: &Service, chain: &Chain, kind: &str) -> Value {
    let endpoint = ENDPOINTS.iter().find(|endpoint| endpoint.kind == kind).unwrap();
    let mut body = (endpoint.request)(chain);
    if kind == "override" {
        body = with(&body, "event_id", uuid());
    }
    service.posted(endpoint.path, &body)
}

fn text<'a>(answer: &'a Value, name: &str) -> &'a str {
    answer[name].as_str().unwrap()
}

fn cascade(service: &Service, chain: &Chain, jti: &str) -> Value {
    service.posted(
        &format!("/revocation/cascade/{jti}"),
        &json!({"customer_id": chain.customer}),
    )
}

/// Which of the chain's tokens are active, in the order of [`KINDS`].
fn active(service: &Service, chain: &Chain) -> [bool; 6] {
    KINDS.map(|kind| service.is_active(chain.token(kind)))
}

#[test]
fn a_token_of_every_kind_is_revoked_by_both_spellings_wherever_the_customer_stands() {
    let mut service = Service::start();
    let chain = Chain::new(&service);
    let mut revoked = Vec::new();
    for spelling in ["/revocation", "/tokens"] {
        for kind in KINDS {
            let customer = json!({"customer_id": chain.customer});
            let query = format!("?customer_id={}", chain.customer);
            for (query, body) in [
                ("", customer.clone()),
                (query.as_str(), Value::Null),
                (query.as_str(), json!({})),
                (query.as_str(), customer.clone()),
                ("", with(&with(&customer, "token_type", kind), "reason", "it leaked")),
                (
                    "",
                    with(&with(&customer, "token_type", Value::Null), "reason", Value::Null),
                ),
            ] {
                let token = another(&service, &chain, kind);
                let jti = text(&token, "jti");
                assert!(service.is_active(text(&token, "token")));
                let path = format!("{spelling}/{jti}{query}");
                let before = service.events();
                for _ in 0..2 {
                    let answer = service.delete(&path, &body);
                    assert_eq!(answer.success(), json!({"revoked": true, "jti": jti}), "{kind} {path}");
                    assert_eq!(answer.member_names(), ["revoked", "jti"]);
                    assert_eq!(service.events(), before + 1, "once is enough");
                    assert!(!service.is_active(text(&token, "token")), "{kind} {path} {body}");
                }
                revoked.push(text(&token, "token").to_owned());
            }
        }
    }
    service.restart();
    assert!(revoked.iter().all(|token| !service.is_active(token)));
    assert_eq!(active(&service, &chain), [true; 6], "nothing else was touched");
}

#[test]
fn the_customer_may_also_come_from_the_credential() {
    let service = Service::credentialed();
    let chain = Chain::by(|path, body| service.post_as_operator(path, body));
    let bearer = |credential: &str| format!("Authorization: Bearer {credential}");
    let app = bearer(chain.token("app"));
    let path = format!("/tokens/{}", chain.jti("session"));
    let answer = service.request(&format!("DELETE {path}"), &[&app], "");
    assert_eq!(answer.success()["revoked"], true);
    let path = format!("POST /revoke/cascade/{}", chain.jti("agent"));
    assert_eq!(service.request(&path, &[&app], "").success()["revoked_count"], 3);
    // What presents itself does not revoke itself, nor does the operator without a name.
    for kind in ["bearer", "override"] {
        let answer = service.request(&path, &[&bearer(chain.token(kind))], "");
        answer.refused(403, "forbidden", &[]);
    }
    let answer = service.request(&path, &[&bearer(ADMIN)], "");
    answer.refused(422, "invalid_request", &["customer_id"]);
    service.request(&path, &[], "").refused(401, "unauthenticated", &[]);
    // An app token may end itself; after that it covers nothing.
    let path = format!("DELETE /tokens/{}", chain.jti("app"));
    service.request(&path, &[&app], "").success();
    service.request(&path, &[&app], "").refused(401, "unauthenticated", &[]);
}

#[test]
fn what_does_not_fit_is_refused_and_revokes_nothing() {
    let service = Service::start();
    let (chain, foreign) = (Chain::new(&service), Chain::new(&service));
    let own = json!({"customer_id": chain.customer});
    let agent = chain.jti("agent");
    let unknown = uuid();
    let long = "x".repeat(1_001);
    let cases: Vec<(&str, Value, u16, &str, &[&str])> = vec![
        (&unknown, own.clone(), 404, "token_not_found", &[]),
        (foreign.jti("agent"), own.clone(), 404, "token_not_found", &[]),
        (chain.key_id(), own.clone(), 404, "token_not_found", &[]),
        (agent, with(&own, "token_type", "subagent"), 404, "token_not_found", &[]),
        (agent, with(&own, "token_type", "app"), 404, "token_not_found", &[]),
        (agent, json!({"customer_id": uuid()}), 404, "unknown_customer", &[]),
        (
            agent,
            with(&own, "token_type", "Agent"),
            422,
            "invalid_request",
            &["token_type"],
        ),
        (
            agent,
            with(&own, "token_type", 1),
            422,
            "invalid_request",
            &["token_type"],
        ),
        (
            agent,
            with(&own, "reason", long.as_str()),
            422,
            "invalid_request",
            &["reason"],
        ),
        (agent, with(&own, "resaon", "x"), 422, "invalid_request", &["resaon"]),
        (agent, json!({}), 422, "invalid_request", &["customer_id"]),
        (
            agent,
            json!({"customer_id": "x"}),
            422,
            "invalid_request",
            &["customer_id"],
        ),
        ("x", own.clone(), 404, "not_found", &[]),
    ];
    let before = service.events();
    for (jti, body, status, code, fields) in &cases {
        for path in [format!("/revocation/{jti}"), format!("/tokens/{jti}")] {
            service.delete(&path, body).refused(*status, code, fields);
        }
        for path in [format!("/revocation/cascade/{jti}"), format!("/revoke/cascade/{jti}")] {
            service.post(&path, body).refused(*status, code, fields);
        }
    }
    let disagreeing = format!("/tokens/{agent}?customer_id={}", foreign.customer);
    service.delete(&disagreeing, &own).refused(404, "unknown_customer", &[]);
    let answer = service.delete(
        &format!("/tokens/{agent}?customer_id={}&x=1", chain.customer),
        &Value::Null,
    );
    answer.refused(422, "invalid_request", &["x"]);
    let answer = service.request(&format!("DELETE /tokens/{agent}"), &[JSON], "{");
    answer.refused(400, "malformed_json", &[]);
    let answer = service.request(&format!("DELETE /tokens/{agent}"), &[], &own.to_string());
    answer.refused(415, "unsupported_media_type", &[]);
    service
        .post(&format!("/revocation/{agent}"), &own)
        .refused(405, "method_not_allowed", &[]);
    assert_eq!(service.events(), before);
    assert_eq!(active(&service, &chain), [true; 6]);
    assert_eq!(active(&service, &foreign), [true; 6]);
    // As long as it may be.
    let reason = with(&own, "reason", "é".repeat(1_000));
    service.delete(&format!("/tokens/{agent}"), &reason).success();
}

#[test]
fn a_revoked_tokens_children_stay_and_it_has_no_more() {
    let mut service = Service::start();
    let chain = Chain::new(&service);
    service
        .delete(
            &format!("/revocation/{}", chain.jti("agent")),
            &json!({"customer_id": chain.customer}),
        )
        .success();
    for _ in 0..2 {
        assert_eq!(active(&service, &chain), [true, true, false, true, true, true]);
        for endpoint in [&SUBAGENT, &SESSION] {
            let answer = service.post(endpoint.path, &(endpoint.request)(&chain));
            answer.refused(409, "parent_revoked", &[]);
        }
        let presented = service.post_as(chain.token("agent"), "/tokens/subagent", &json!({"agent_id": "x"}));
        presented.refused(401, "unauthenticated", &[]);
        let below = service.post_as(chain.token("subagent"), "/tokens/subagent", &json!({"agent_id": "x"}));
        below.success();
        service.restart();
    }
}

#[test]
fn a_cascade_answers_the_root_first_then_everything_that_has_not_expired_and_twice_the_same() {
    let mut service = Service::start();
    let chain = Chain::new(&service);
    let below = with(&(SUBAGENT.request)(&chain), "parent_agent_jti", chain.jti("subagent"));
    let below = service.posted("/tokens/subagent", &below);
    let brief = with(&(SESSION.request)(&chain), "ttl_minutes", 1);
    let brief = service.posted("/tokens/session", &brief);
    let answer = service.post_as(
        chain.token("session"),
        "/tokens/override",
        &json!({"event_id": "below"}),
    );
    let flagged = answer.success();
    service.advance(2 * MINUTE);
    // Dead already, and still an intermediate.
    service
        .delete(
            &format!("/tokens/{}", chain.jti("subagent")),
            &json!({"customer_id": chain.customer}),
        )
        .success();
    assert!(service.is_active(text(&below, "token")));
    let before = service.events();
    let path = format!("/revocation/cascade/{}", chain.jti("agent"));
    let body = json!({"customer_id": chain.customer, "token_type": "agent", "reason": "it went astray"});
    let raw = service.post(&path, &body);
    assert_eq!(raw.member_names(), ["revoked_count", "revoked_jtis"]);
    let answer = raw.success();
    assert_eq!(service.events(), before + 1, "one event, whatever it reaches");
    assert_eq!(answer["revoked_count"], 5);
    let mut listed: Vec<&str> = answer["revoked_jtis"]
        .as_array()
        .unwrap()
        .iter()
        .map(|jti| jti.as_str().unwrap())
        .collect();
    assert_eq!(listed[0], chain.jti("agent"));
    assert!(!listed.contains(&text(&brief, "jti")), "it had expired");
    let mut expected = vec![
        chain.jti("agent"),
        chain.jti("subagent"),
        text(&below, "jti"),
        chain.jti("session"),
        text(&flagged, "jti"),
    ];
    listed.sort_unstable();
    expected.sort_unstable();
    assert_eq!(listed, expected);
    for round in 0..2 {
        for spelling in ["/revocation/cascade", "/revoke/cascade"] {
            let again = service.posted(
                &format!("{spelling}/{}?customer_id={}", chain.jti("agent"), chain.customer),
                &json!({}),
            );
            assert_eq!(again, answer);
        }
        if round == 0 {
            assert_eq!(service.events(), before + 1);
        }
        assert_eq!(active(&service, &chain), [true, true, false, false, false, true]);
        for token in [&below, &flagged] {
            assert!(!service.is_active(text(token, "token")));
        }
        // Every name in the subtree refuses children.
        for (parent, parent_type) in [
            (chain.jti("agent"), "agent"),
            (chain.jti("subagent"), "subagent"),
            (text(&below, "jti"), "subagent"),
        ] {
            let body = with(&(SESSION.request)(&chain), "parent_jti", parent);
            let answer = service.post("/tokens/session", &with(&body, "parent_type", parent_type));
            answer.refused(409, "parent_revoked", &[]);
        }
        service.restart();
    }
    service.advance(DAY);
    let answer = service.posted(&path, &body);
    assert_eq!(
        answer["revoked_count"], 1,
        "only the root is named once all have expired: {answer}"
    );
}

#[test]
fn a_revocation_can_be_widened_to_a_cascade_and_never_narrowed() {
    let service = Service::start();
    let chain = Chain::new(&service);
    let customer = json!({"customer_id": chain.customer});
    let path = format!("/tokens/{}", chain.jti("bearer"));
    service.delete(&path, &customer).success();
    assert_eq!(active(&service, &chain), [true, false, true, true, true, true]);
    cascade(&service, &chain, chain.jti("bearer"));
    service.delete(&path, &customer).success();
    assert_eq!(active(&service, &chain), [true, false, false, false, false, true]);
    let all = cascade(&service, &chain, chain.jti("app"));
    assert_eq!(all["revoked_count"], 5, "the override has no parent: {all}");
}

#[test]
fn a_cascade_over_what_expired_long_ago_still_reaches_what_has_not() {
    let service = Service::start();
    let chain = Chain::new(&service);
    let customer = json!({"customer_id": chain.customer});
    let bearer = service.posted("/tokens/bearer", &(BEARER.request)(&chain));
    let agent = |hours: u32| json!({"type": "agent", "bearer_jti": bearer["jti"], "agent_id": "x", "ttl_hours": hours});
    let mint = |count: usize, hours: u32| {
        for at in (0..count).step_by(100) {
            let items = vec![agent(hours); 100.min(count - at)];
            service.posted(
                "/tokens/batch",
                &json!({"customer_id": chain.customer, "requests": items}),
            );
        }
    };
    // One slice of the walk ends among those that are forgotten before the next begins.
    mint(40, 200);
    mint(1_040, 1);
    service.advance(HOUR + 61 * MINUTE);
    let answer = service.posted(&format!("/revoke/cascade/{}", text(&bearer, "jti")), &customer);
    let listed = answer["revoked_jtis"].as_array().unwrap().len();
    assert_eq!((answer["revoked_count"].as_u64(), listed), (Some(41), 41));
}

#[test]
fn a_bulk_revocation_takes_an_agents_tokens_with_all_below_them_and_spares_later_ones() {
    let mut service = Service::start();
    let chain = Chain::new(&service);
    let twin = service.posted("/tokens/agent", &(AGENT.request)(&chain));
    let other = service.posted("/tokens/agent", &with(&(AGENT.request)(&chain), "agent_id", "other"));
    let body = json!({"customer_id": chain.customer, "agent_id": "reviewer", "reason": "retired"});
    let before = service.events();
    assert_eq!(service.posted("/revocation/bulk", &body), json!({"revoked_count": 4}));
    assert_eq!(service.events(), before + 1);
    let later = service.posted("/tokens/agent", &(AGENT.request)(&chain));
    for _ in 0..2 {
        assert_eq!(active(&service, &chain), [true, true, false, false, false, true]);
        assert!(!service.is_active(text(&twin, "token")));
        assert!(service.is_active(text(&other, "token")));
        assert!(service.is_active(text(&later, "token")), "it is a new one");
        service
            .post("/tokens/subagent", &(SUBAGENT.request)(&chain))
            .refused(409, "parent_revoked", &[]);
        service.restart();
    }
    // A subagent's id is an agent's id too.
    let body = with(&(SUBAGENT.request)(&chain), "parent_agent_jti", later["jti"].clone());
    let reader = service.posted("/tokens/subagent", &body);
    let answer = service.posted(
        "/revocation/bulk",
        &json!({"customer_id": chain.customer, "agent_id": "reader"}),
    );
    assert!(!service.is_active(text(&reader, "token")));
    assert!(service.is_active(text(&later, "token")));
    assert_eq!(
        answer["revoked_count"], 2,
        "and the chain's own, which is dead: {answer}"
    );
    let nobody = json!({"customer_id": chain.customer, "agent_id": "nobody"});
    assert_eq!(service.posted("/revocation/bulk", &nobody), json!({"revoked_count": 0}));
}

#[test]
fn a_bulk_revocation_by_age_spares_what_is_issued_in_the_second_named() {
    let mut service = Service::start();
    let chain = Chain::new(&service);
    service.advance(10);
    let later = service.posted("/tokens/app", &(APP.request)(&chain));
    let below = with(&(BEARER.request)(&chain), "app_token_hash", later["token_hash"].clone());
    let below = service.posted("/tokens/bearer", &below);
    let child_of_old = service.posted("/tokens/agent", &(AGENT.request)(&chain));
    let body = json!({"customer_id": chain.customer, "issued_before": rfc3339(service.now())});
    assert_eq!(service.posted("/revocation/bulk", &body), json!({"revoked_count": 7}));
    for _ in 0..2 {
        assert_eq!(active(&service, &chain), [false; 6]);
        assert!(
            !service.is_active(text(&child_of_old, "token")),
            "younger, but derived from an old one"
        );
        assert!(service.is_active(text(&later, "token")) && service.is_active(text(&below, "token")));
        service.restart();
    }
    let before = service.events();
    let earlier = json!({"customer_id": chain.customer, "issued_before": rfc3339(service.now() - 5)});
    service.posted("/revocation/bulk", &earlier);
    service.posted("/revocation/bulk", &body);
    assert_eq!(service.events(), before, "covered by what was revoked already");
    let zoned = json!({"customer_id": chain.customer, "issued_before": "2026-03-01T02:00:05+02:00"});
    service.posted("/revocation/bulk", &zoned);
}

#[test]
fn a_bulk_revocation_never_means_everything() {
    let service = Service::start();
    let chain = Chain::new(&service);
    let own = json!({"customer_id": chain.customer});
    let now = rfc3339(service.now());
    let cases: Vec<(Value, u16, &str, &[&str])> = vec![
        (own.clone(), 422, "invalid_request", &["agent_id"]),
        (
            with(&own, "agent_id", Value::Null),
            422,
            "invalid_request",
            &["agent_id"],
        ),
        (
            with(&with(&own, "agent_id", "reviewer"), "issued_before", now.as_str()),
            422,
            "invalid_request",
            &["issued_before"],
        ),
        (
            with(&own, "issued_before", rfc3339(service.now() + 1)),
            422,
            "invalid_request",
            &["issued_before"],
        ),
        (
            with(&own, "issued_before", "2026-03-01"),
            422,
            "invalid_request",
            &["issued_before"],
        ),
        (
            with(&own, "issued_before", 0),
            422,
            "invalid_request",
            &["issued_before"],
        ),
        (with(&own, "agent_id", ""), 422, "invalid_request", &["agent_id"]),
        (
            json!({"agent_id": "reviewer"}),
            422,
            "invalid_request",
            &["customer_id"],
        ),
        (
            json!({"customer_id": uuid(), "agent_id": "x"}),
            404,
            "unknown_customer",
            &[],
        ),
    ];
    let before = service.events();
    for (body, status, code, fields) in cases {
        let answer = service.post("/revocation/bulk", &body);
        assert_eq!(answer.status, status, "{body}: {}", answer.text());
        let problem = answer.json();
        assert_eq!(problem["code"], code, "{body}");
        let named: Vec<&str> = problem["errors"].as_array().map_or(Vec::new(), |errors| {
            errors.iter().map(|error| error["field"].as_str().unwrap()).collect()
        });
        assert!(fields.iter().all(|field| named.contains(field)), "{body}: {problem}");
    }
    assert_eq!(service.events(), before);
    assert_eq!(active(&service, &chain), [true; 6]);
}

#[test]
fn bulk_and_key_revocation_are_the_operators_alone() {
    let service = Service::credentialed();
    let chain = Chain::by(|path, body| service.post_as_operator(path, body));
    let before = service.events();
    for (path, body) in [
        ("/revocation/bulk".to_owned(), json!({"agent_id": "reviewer"})),
        (format!("/keys/{}/revoke", chain.key_id()), json!({})),
    ] {
        for kind in KINDS {
            let answer = service.post_as(chain.token(kind), &path, &body);
            answer.refused(403, "forbidden", &[]);
        }
        service.post(&path, &body).refused(401, "unauthenticated", &[]);
    }
    assert_eq!(service.events(), before);
}

#[test]
fn a_revoked_key_is_gone_at_once_with_every_token_it_signed_and_all_below_them() {
    let mut service = Service::start();
    let mut chain = Chain::new(&service);
    let foreign = Chain::new(&service);
    let own = json!({"customer_id": chain.customer});
    let public = format!("/keys/public/{}", chain.customer);
    let jwks = format!("{public}/jwks.json");
    let tag = service.get(&jwks).header("etag").unwrap().to_owned();
    let old = chain.key_id().to_owned();
    let rotated = service.posted(&format!("/keys/{old}/rotate"), &with(&own, "immediate", true));
    // Signed by the new key, derived from what the old one signed.
    let child = service.posted("/tokens/agent", &(AGENT.request)(&chain));
    let fresh = service.posted("/tokens/app", &(APP.request)(&chain));
    let path = format!("/keys/{old}/revoke");
    service
        .post(&path, &json!({"customer_id": foreign.customer}))
        .refused(404, "key_not_found", &[]);
    service
        .post(&format!("/keys/{}/revoke", uuid()), &own)
        .refused(404, "key_not_found", &[]);
    let before = service.events();
    let answer = service.posted(&path, &with(&own, "reason", "stolen"));
    assert_eq!(answer, json!({"revoked_count": 7}));
    assert_eq!(service.posted(&path, &own), answer, "again is the same");
    assert_eq!(service.events(), before + 1);
    for _ in 0..2 {
        assert_eq!(active(&service, &chain), [false; 6]);
        assert!(!service.is_active(text(&child, "token")));
        assert!(service.is_active(text(&fresh, "token")));
        let keys = service.get(&public).success();
        assert_eq!(keys["public_key"], rotated["public_key"]);
        let kids: Vec<&str> = keys["keys"]
            .as_array()
            .unwrap()
            .iter()
            .map(|key| key["kid"].as_str().unwrap())
            .collect();
        assert_eq!(kids, [text(&rotated, "key_id")]);
        assert_ne!(service.get(&jwks).header("etag"), Some(tag.as_str()));
        service.restart();
    }
    // The one that signs: nothing mints until there is another.
    let path = format!("/keys/{}/revoke", text(&rotated, "key_id"));
    service.posted(&path, &own);
    for _ in 0..2 {
        let keys = service.get(&public).success();
        assert_eq!((&keys["public_key"], &keys["keys"]), (&Value::Null, &json!([])));
        assert!(!service.is_active(text(&fresh, "token")));
        for endpoint in ENDPOINTS {
            let answer = service.post(endpoint.path, &(endpoint.request)(&chain));
            let problem = answer.refused(404, "no_active_key", &[]);
            assert!(text(&problem, "detail").contains("POST /keys/signing"), "{problem}");
        }
        let rotation = format!("/keys/{}/rotate", text(&rotated, "key_id"));
        service.post(&rotation, &own).refused(409, "key_not_active", &[]);
        service.restart();
    }
    chain.key = service.posted("/keys/signing", &own);
    chain.app = service.posted("/tokens/app", &(APP.request)(&chain));
    assert!(service.is_active(chain.token("app")));
    assert!(
        !service.is_active(text(&fresh, "token")),
        "a new key brings no token back"
    );
    assert_eq!(active(&service, &foreign), [true; 6]);
}

#[test]
fn a_waiting_key_takes_over_from_a_revoked_one_and_a_revoked_waiting_one_from_nobody() {
    let mut service = Service::start();
    let chain = Chain::new(&service);
    let own = json!({"customer_id": chain.customer});
    let waiting = service.posted(&format!("/keys/{}/rotate", chain.key_id()), &own);
    let path = format!("/keys/{}/revoke", text(&waiting, "key_id"));
    assert_eq!(service.posted(&path, &own), json!({"revoked_count": 0}));
    for seconds in [0, 300, DAY] {
        service.advance(seconds);
        service.restart();
        let minted = service.posted("/tokens/app", &(APP.request)(&chain));
        assert!(service.is_active(text(&minted, "token")), "the active key signs on");
    }
    let waiting = service.posted(&format!("/keys/{}/rotate", chain.key_id()), &own);
    service.posted(&format!("/keys/{}/revoke", chain.key_id()), &own);
    let minted = service.posted("/tokens/app", &(APP.request)(&chain));
    assert!(service.is_active(text(&minted, "token")));
    let keys = service.get(&format!("/keys/public/{}", chain.customer)).success();
    assert_eq!(keys["public_key"], waiting["public_key"]);
    assert_eq!(active(&service, &chain), [false; 6]);
}

#[test]
fn a_rotation_leaves_every_token_what_it_was_until_it_expires() {
    let mut service = Service::start();
    let chain = Chain::new(&service);
    let own = json!({"customer_id": chain.customer, "immediate": true});
    let mut kid = chain.key_id().to_owned();
    for _ in 0..3 {
        kid = text(&service.posted(&format!("/keys/{kid}/rotate"), &own), "key_id").to_owned();
        assert_eq!(active(&service, &chain), [true; 6]);
        service.restart();
        assert_eq!(active(&service, &chain), [true; 6]);
    }
    for (seconds, alive) in [
        (5 * MINUTE, [true, true, true, true, true, false]),
        (55 * MINUTE, [true, true, true, true, false, false]),
        (3 * HOUR, [true, true, true, false, false, false]),
        (20 * HOUR, [true, true, false, false, false, false]),
        (89 * DAY, [true, false, false, false, false, false]),
    ] {
        service.advance(seconds - 1);
        assert!(active(&service, &chain)[alive.iter().position(|alive| !alive).unwrap()]);
        service.advance(1);
        assert_eq!(active(&service, &chain), alive);
    }
}
