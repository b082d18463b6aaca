//! `GET /revocations`: what a verifier follows.

use std::thread;

use serde_json::{Value, json};

use crate::chain::{AGENT, APP, Chain, SESSION};
use crate::support::{DAY, HOUR, MINUTE, Service, rfc3339, text, uuid, with};

fn page(service: &Service, chain: &Chain, after: u64) -> Value {
    service
        .get(&format!("/revocations?customer_id={}&after={after}", chain.customer))
        .success()
}

#[test]
fn revocations_are_told_in_order_and_a_cursor_goes_on_from_there() {
    let mut service = Service::start();
    let chain = Chain::new(&service);
    let own = json!({"customer_id": chain.customer});
    assert_eq!(page(&service, &chain, 0), json!({"revocations": [], "cursor": 0}));
    let because = with(&own, "reason", "it leaked");
    service
        .delete(&format!("/tokens/{}", chain.jti("session")), &because)
        .success();
    service.advance(1);
    service.posted(&format!("/revoke/cascade/{}", chain.jti("agent")), &own);
    service.posted("/revocation/bulk", &with(&own, "agent_id", "reviewer"));
    service.posted("/revocation/bulk", &with(&own, "issued_before", rfc3339(service.now())));
    service.posted(&format!("/keys/{}/revoke", chain.key_id()), &because);
    // Neither a repetition nor anything else is told.
    service
        .delete(&format!("/tokens/{}", chain.jti("session")), &own)
        .success();
    service.posted("/keys/signing", &own);
    service.posted("/tokens/app", &(APP.request)(&chain));
    let now = rfc3339(service.now());
    let expected = json!([
        {"kind": "token", "jti": chain.jti("session"), "cascade": false, "revoked_at": rfc3339(service.now() - 1), "reason": "it leaked"},
        {"kind": "token", "jti": chain.jti("agent"), "cascade": true, "revoked_at": now, "reason": null},
        {"kind": "agent", "agent_id": "reviewer", "cascade": true, "revoked_at": now, "reason": null},
        {"kind": "issued_before", "issued_before": now, "cascade": true, "revoked_at": now, "reason": null},
        {"kind": "key", "kid": chain.key_id(), "cascade": true, "revoked_at": now, "reason": "it leaked"},
    ]);
    for _ in 0..2 {
        let all = page(&service, &chain, 0);
        let entries = all["revocations"].as_array().unwrap();
        let seqs: Vec<u64> = entries.iter().map(|entry| entry["seq"].as_u64().unwrap()).collect();
        assert!(seqs.is_sorted_by(|a, b| a < b), "{seqs:?}");
        assert_eq!(all["cursor"], seqs[4]);
        let told: Vec<Value> = entries
            .iter()
            .map(|entry| crate::support::without(entry, "seq"))
            .collect();
        assert_eq!(json!(told), expected);
        for (at, seq) in seqs.iter().enumerate() {
            let rest = page(&service, &chain, *seq);
            assert_eq!(rest["revocations"], json!(entries[at + 1..]));
            assert_eq!(rest["cursor"], seqs[4]);
        }
        assert_eq!(page(&service, &chain, seqs[4])["cursor"], seqs[4]);
        service.restart();
    }
}

#[test]
fn a_revocation_is_told_for_as_long_as_it_kills_anything_and_at_least_an_hour() {
    let mut service = Service::start();
    let chain = Chain::new(&service);
    let own = json!({"customer_id": chain.customer});
    let brief = with(&(SESSION.request)(&chain), "ttl_minutes", 1);
    let brief = service.posted("/tokens/session", &brief);
    service
        .delete(&format!("/tokens/{}", text(&brief, "jti")), &own)
        .success();
    service.posted(&format!("/revoke/cascade/{}", chain.jti("agent")), &own);
    let told = |service: &Service| page(service, &chain, 0)["revocations"].as_array().unwrap().len();
    service.advance(60 * MINUTE);
    assert_eq!(told(&service), 2);
    service.advance(MINUTE);
    assert_eq!(told(&service), 1, "nothing is left of the session");
    service.restart();
    assert_eq!(told(&service), 1);
    service.advance(DAY);
    assert_eq!(told(&service), 0);
    // A key that has signed nothing may have been stolen all the same.
    let waiting = service.posted(&format!("/keys/{}/rotate", chain.key_id()), &own);
    service.posted(&format!("/keys/{}/revoke", text(&waiting, "key_id")), &own);
    for _ in 0..2 {
        assert_eq!(told(&service), 1);
        service.restart();
    }
    service.advance(59 * MINUTE);
    assert_eq!(told(&service), 1);
    service.advance(HOUR);
    assert_eq!(told(&service), 0);
}

#[test]
fn who_waits_is_told_of_the_next_revocation_when_it_comes() {
    let service = Service::start();
    let (chain, other) = (Chain::new(&service), Chain::new(&service));
    let path = format!("/revocations?customer_id={}&after=0&wait=30", chain.customer);
    let delete = |chain: &Chain, kind: &str| {
        let body = json!({"customer_id": chain.customer});
        service.delete(&format!("/tokens/{}", chain.jti(kind)), &body).success()
    };
    thread::scope(|scope| {
        let waiting: Vec<_> = (0..16).map(|_| scope.spawn(|| service.get(&path).success())).collect();
        delete(&other, "session");
        service.posted("/tokens/agent", &(AGENT.request)(&chain));
        delete(&chain, "session");
        for waiting in waiting {
            let answer = waiting.join().unwrap();
            assert_eq!(answer["revocations"][0]["jti"], chain.jti("session"));
            assert_eq!(answer["cursor"], answer["revocations"][0]["seq"]);
        }
    });
    let told = service.get(&path).success();
    assert_eq!(
        told["revocations"].as_array().unwrap().len(),
        1,
        "what is there is not waited for"
    );
}

#[test]
fn every_kind_of_revocation_wakes_and_nothing_is_missed_on_the_way() {
    let service = Service::start();
    let chain = Chain::new(&service);
    let own = json!({"customer_id": chain.customer});
    const REVOCATIONS: usize = 60;
    thread::scope(|scope| {
        let followers: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    let (mut seen, mut after) = (Vec::new(), 0);
                    while seen.len() < REVOCATIONS {
                        let path = format!("/revocations?customer_id={}&after={after}&wait=30", chain.customer);
                        let answer = service.get(&path).success();
                        assert!(
                            !answer["revocations"].as_array().unwrap().is_empty(),
                            "it waits until there is one"
                        );
                        let entries = answer["revocations"].as_array().unwrap();
                        seen.extend(entries.iter().map(|entry| entry["seq"].as_u64().unwrap()));
                        after = answer["cursor"].as_u64().unwrap();
                    }
                    seen
                })
            })
            .collect();
        for at in 0..REVOCATIONS {
            match at % 3 {
                0 => {
                    let token = service.posted("/tokens/agent", &(AGENT.request)(&chain));
                    service
                        .delete(&format!("/tokens/{}", text(&token, "jti")), &own)
                        .success();
                }
                1 => {
                    let token = service.posted("/tokens/agent", &(AGENT.request)(&chain));
                    service.posted(&format!("/revoke/cascade/{}", text(&token, "jti")), &own);
                }
                _ => drop(service.posted("/revocation/bulk", &with(&own, "agent_id", format!("a-{at}")))),
            }
        }
        let seen: Vec<Vec<u64>> = followers.into_iter().map(|follower| follower.join().unwrap()).collect();
        for one in &seen {
            assert!(one.is_sorted_by(|a, b| a < b), "each once, in order");
            assert_eq!(one, &seen[0]);
            assert_eq!(one.len(), REVOCATIONS);
        }
    });
}

#[test]
fn who_waits_in_vain_is_answered_with_nothing_and_the_same_cursor() {
    let service = Service::start();
    let chain = Chain::new(&service);
    let path = format!("/revocations?customer_id={}&wait=1", chain.customer);
    assert_eq!(service.get(&path).success(), json!({"revocations": [], "cursor": 0}));
    service
        .delete(
            &format!("/tokens/{}", chain.jti("session")),
            &json!({"customer_id": chain.customer}),
        )
        .success();
    let cursor = page(&service, &chain, 0)["cursor"].clone();
    let answer = service.get(&format!("{path}&after={cursor}")).success();
    assert_eq!(answer, json!({"revocations": [], "cursor": cursor}));
}

#[test]
fn pages_are_bounded_and_follow_on() {
    let service = Service::start();
    let chain = Chain::new(&service);
    let own = json!({"customer_id": chain.customer});
    let mut client = service.connect();
    for at in 0..1_010 {
        let body = with(&own, "agent_id", format!("agent-{at}")).to_string();
        let line = "POST /revocation/bulk";
        client.exchange(line, &[crate::support::JSON], &body).unwrap().success();
    }
    let first = page(&service, &chain, 0);
    assert_eq!(first["revocations"].as_array().unwrap().len(), 1_000);
    let rest = page(&service, &chain, first["cursor"].as_u64().unwrap());
    let rest = rest["revocations"].as_array().unwrap();
    assert_eq!(rest.len(), 10);
    assert_eq!(rest[9]["agent_id"], "agent-1009");
}

#[test]
fn parameters_at_fault_are_named_and_foreigners_see_nothing() {
    let service = Service::credentialed();
    let [chain, foreign] = [(), ()].map(|()| Chain::by(|path, body| service.post_as_operator(path, body)));
    let app = chain.token("app");
    for (query, fields) in [
        ("after=-1", ["after"]),
        ("after=x", ["after"]),
        ("wait=31", ["wait"]),
        ("wait=-1", ["wait"]),
        ("wait=1.5", ["wait"]),
        ("customer_id=x", ["customer_id"]),
        ("x=1", ["x"]),
    ] {
        let answer = service.get_as(app, &format!("/revocations?{query}"));
        answer.refused(422, "invalid_request", &fields);
    }
    service.get_as(app, "/revocations").success();
    let path = format!("/revocations?customer_id={}", foreign.customer);
    service.get_as(app, &path).refused(404, "unknown_customer", &[]);
    let path = format!("/revocations?customer_id={}&wait=30", uuid());
    service
        .get_as(crate::support::ADMIN, &path)
        .refused(404, "unknown_customer", &[]);
    service
        .get_as(chain.token("agent"), "/revocations")
        .refused(403, "forbidden", &[]);
    service.get("/revocations").refused(401, "unauthenticated", &[]);
}
