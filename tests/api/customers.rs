//! `/customers`: the operator's view of them, suspension, and erasure.

use countersign_actors::id::CustomerId;
use countersign_actors::inspection::Inspection;
use countersign_actors::journal::Visit;
use serde_json::{Value, json};

use crate::chain::{AGENT, Chain, ENDPOINTS, KINDS, OVERRIDE};
use crate::support::{ADMIN, MINUTE, Service, uuid, with};

fn overview(service: &Service, customer: &str) -> Value {
    service.get(&format!("/customers/{customer}")).success()
}

#[test]
fn customers_are_listed_in_pages_that_together_name_each_once() {
    let mut service = Service::start();
    assert_eq!(
        service.get("/customers").success(),
        json!({"customers": [], "cursor": null})
    );
    let mut expected: Vec<String> = (0..23)
        .map(|_| {
            let customer = uuid();
            service.posted("/keys/signing", &json!({"customer_id": customer}));
            customer
        })
        .collect();
    expected.sort_unstable();
    // Who was only asked about is no customer.
    service.get(&format!("/keys/public/{}", uuid()));
    for limit in [1, 5, 22, 23, 24, 200] {
        let (mut found, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = service.get(&format!("/customers?limit={limit}{cursor}")).success();
            let customers = page["customers"].as_array().unwrap();
            assert!(customers.len() <= limit && !customers.is_empty());
            found.extend(
                customers
                    .iter()
                    .map(|entry| entry["customer_id"].as_str().unwrap().to_owned()),
            );
            match page["cursor"].as_str() {
                None => break,
                Some(at) => cursor = format!("&cursor={at}"),
            }
        }
        assert_eq!(found, expected, "limit {limit}");
        service.restart();
    }
    for (query, field) in [
        ("limit=0", "limit"),
        ("limit=201", "limit"),
        ("cursor=x", "cursor"),
        ("x=1", "x"),
    ] {
        service
            .get(&format!("/customers?{query}"))
            .refused(422, "invalid_request", &[field]);
    }
}

#[test]
fn a_customers_overview_counts_what_is_live() {
    let mut service = Service::start();
    let chain = Chain::new(&service);
    for _ in 0..4 {
        service.posted("/tokens/agent", &(AGENT.request)(&chain));
    }
    let own = json!({"customer_id": chain.customer});
    service
        .delete(&format!("/tokens/{}", chain.jti("bearer")), &own)
        .success();
    let decision = json!({"customer_id": chain.customer, "override_jti": chain.jti("override"), "decision": "reject"});
    service.posted("/overrides/evt-1/decide", &decision);
    service.advance(5 * MINUTE);
    for _ in 0..2 {
        let answer = overview(&service, &chain.customer);
        assert_eq!(answer["customer_id"], chain.customer.as_str());
        assert_eq!(answer["status"], "active");
        let expected = json!({"app": 1, "bearer": 0, "agent": 5, "subagent": 1, "session": 1, "override": 0});
        assert_eq!(answer["live_tokens"], expected);
        assert_eq!(
            (&answer["decisions"], &answer["last_sequence"]),
            (&json!(1), &json!(13))
        );
        service.restart();
    }
    service
        .get(&format!("/customers/{}", uuid()))
        .refused(404, "unknown_customer", &[]);
    service.get("/customers/x").refused(404, "not_found", &[]);
}

/// Nothing mints, decides or counts, nothing is active, and all of it is there.
fn nothing_goes(service: &Service, chain: &Chain, decision: &Value) {
    let before = service.events();
    for endpoint in ENDPOINTS {
        let answer = service.post(endpoint.path, &(endpoint.request)(chain));
        assert_eq!(
            (answer.status, &answer.json()["code"]),
            (403, &json!("customer_suspended")),
            "{}",
            endpoint.path
        );
    }
    let batch = json!({"customer_id": chain.customer, "requests": [{"type": "override", "event_id": "x"}]});
    let batch = service.post("/tokens/batch", &batch);
    assert!(batch.text().contains("customer_suspended"), "{}", batch.text());
    for (path, body) in [
        ("/overrides/evt-1/decide".to_owned(), decision.clone()),
        (
            format!("/sessions/{}/events", chain.jti("session")),
            json!({"customer_id": chain.customer}),
        ),
    ] {
        let answer = service.post(&path, &body);
        assert_eq!(
            (answer.status, &answer.json()["code"]),
            (403, &json!("customer_suspended")),
            "{path}"
        );
    }
    for kind in KINDS {
        assert!(!service.is_active(chain.token(kind)));
        let answer = service.post_as(chain.token(kind), "/tokens/introspect", &json!({"token": "x"}));
        assert_eq!(
            (answer.status, &answer.json()["code"]),
            (403, &json!("customer_suspended")),
            "{kind}"
        );
        let path = format!("/tokens/{}?customer_id={}", chain.jti(kind), chain.customer);
        assert_eq!(service.get(&path).success()["status"], "suspended", "its data are kept");
    }
    assert_eq!(overview(service, &chain.customer)["status"], "suspended");
    assert_eq!(service.events(), before);
}

#[test]
fn a_suspended_customer_mints_decides_and_counts_nothing_and_keeps_everything() {
    let mut service = Service::start();
    let (chain, other) = (Chain::new(&service), Chain::new(&service));
    let suspend = format!("/customers/{}/suspend", chain.customer);
    let resume = format!("/customers/{}/resume", chain.customer);
    let keys = service.get(&format!("/keys/public/{}", chain.customer)).success();
    let decision = json!({"customer_id": chain.customer, "override_jti": chain.jti("override"), "decision": "approve"});
    let before = service.events();
    let answer = service.posted(&suspend, &json!({"reason": "unpaid"}));
    assert_eq!(answer, json!({"customer_id": chain.customer, "status": "suspended"}));
    assert_eq!(service.posted(&suspend, &json!({})), answer);
    assert_eq!(service.events(), before + 1, "twice is once");
    for _ in 0..2 {
        nothing_goes(&service, &chain, &decision);
        for kind in KINDS {
            assert!(service.is_active(other.token(kind)), "another customer feels nothing");
        }
        assert_eq!(service.get(&format!("/keys/public/{}", chain.customer)).success(), keys);
        service.restart();
    }
    // What is to be ended can be ended.
    let own = json!({"customer_id": chain.customer});
    service
        .delete(&format!("/tokens/{}", chain.jti("subagent")), &own)
        .success();
    assert_eq!(service.posted(&resume, &json!({}))["status"], "active");
    for _ in 0..2 {
        for kind in KINDS {
            assert_eq!(service.is_active(chain.token(kind)), kind != "subagent", "{kind}");
        }
        service.restart();
    }
    for endpoint in ENDPOINTS {
        if endpoint.kind != "override" {
            service.posted(endpoint.path, &(endpoint.request)(&chain));
        }
    }
    service.posted("/overrides/evt-1/decide", &decision);
    for path in [&suspend, &resume] {
        service
            .post(path, &json!({"reason": "x".repeat(1_001)}))
            .refused(422, "invalid_request", &["reason"]);
        service
            .post(path, &json!({"x": 1}))
            .refused(422, "invalid_request", &["x"]);
    }
    let unknown = format!("/customers/{}/suspend", uuid());
    service.post(&unknown, &json!({})).refused(404, "unknown_customer", &[]);
}

#[test]
fn customers_are_the_operators_alone() {
    let service = Service::credentialed();
    let [chain, foreign] = [(), ()].map(|()| Chain::by(|path, body| service.post_as_operator(path, body)));
    let own = format!("/customers/{}", chain.customer);
    let header = |token: &str| format!("Authorization: Bearer {token}");
    for kind in KINDS {
        let credential = header(chain.token(kind));
        for line in [
            format!("GET {own}"),
            "GET /customers".to_owned(),
            format!("DELETE {own}"),
            format!("POST {own}/suspend"),
            format!("POST {own}/resume"),
        ] {
            service
                .request(&line, &[&credential], "")
                .refused(403, "forbidden", &[]);
            service.request(&line, &[], "").refused(401, "unauthenticated", &[]);
        }
        let line = format!("DELETE /customers/{}", foreign.customer);
        service
            .request(&line, &[&credential], "")
            .refused(404, "unknown_customer", &[]);
    }
    let line = format!("POST {own}/suspend");
    service.request(&line, &[&header(ADMIN)], "").success();
    let answer = service.get_as(chain.token("app"), "/tokens");
    assert_eq!(
        (answer.status, &answer.json()["code"]),
        (403, &json!("customer_suspended"))
    );
}

/// No call meets anything of the chain's customer.
fn is_unknown(service: &Service, chain: &Chain, decision: &Value) {
    let own = json!({"customer_id": chain.customer});
    let path = format!("/customers/{}", chain.customer);
    let counting = format!("/sessions/{}/events", chain.jti("session"));
    service
        .delete(&path, &Value::Null)
        .refused(404, "unknown_customer", &[]);
    service.get(&path).refused(404, "unknown_customer", &[]);
    for query in ["/tokens?", "/audit?", "/revocations?", "/overrides/evt-1?"] {
        let query = format!("{query}customer_id={}", chain.customer);
        service.get(&query).refused(404, "unknown_customer", &[]);
    }
    service
        .get(&format!("/keys/public/{}", chain.customer))
        .refused(404, "unknown_customer", &[]);
    service
        .post("/overrides/evt-1/decide", decision)
        .refused(404, "unknown_customer", &[]);
    service.post(&counting, &own).refused(404, "unknown_customer", &[]);
    for endpoint in ENDPOINTS {
        let answer = service.post(endpoint.path, &(endpoint.request)(chain));
        answer.refused(404, "unknown_customer", &[]);
    }
    for kind in KINDS {
        assert!(!service.is_active(chain.token(kind)));
        let answer = service.post_as(chain.token(kind), "/tokens/subagent", &json!({"agent_id": "x"}));
        answer.refused(401, "unauthenticated", &[]);
    }
}

/// Made again, the customer has nothing of what it had.
fn is_somebody_new(service: &mut Service, mut chain: Chain, verify: &Value) {
    let own = json!({"customer_id": chain.customer});
    let old = std::mem::replace(&mut chain.key, service.posted("/keys/signing", &own));
    assert_ne!(old["key_id"], chain.key["key_id"]);
    assert_eq!(overview(service, &chain.customer)["last_sequence"], 1);
    for query in ["tokens", "revocations"] {
        let answer = service
            .get(&format!("/{query}?customer_id={}", chain.customer))
            .success();
        assert_eq!(answer[query], json!([]));
    }
    let audit = service.get(&format!("/audit?customer_id={}", chain.customer)).success();
    let actions: Vec<&str> = audit["entries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["action"].as_str().unwrap())
        .collect();
    assert_eq!(actions, ["signing_key.created"], "nothing of the old one's audit");
    for kind in KINDS {
        assert!(!service.is_active(chain.token(kind)));
    }
    service
        .post(
            "/tokens/bearer",
            &json!({"customer_id": chain.customer, "app_token_hash": chain.app["token_hash"]}),
        )
        .refused(404, "parent_not_found", &["app_token_hash"]);
    assert_eq!(
        service.posted("/overrides/evt-1/verify", verify)["valid"],
        false,
        "another secret"
    );
    chain.app = service.posted("/tokens/app", &json!({"customer_id": chain.customer, "name": "new"}));
    chain.r#override = service.posted("/tokens/override", &(OVERRIDE.request)(&chain));
    assert!(service.is_active(chain.token("override")), "its events are undecided");
    service.restart();
    assert!(service.is_active(chain.token("app")));
}

#[test]
fn an_erased_customer_is_unknown_and_nothing_of_it_is_read_back() {
    let mut service = Service::start();
    let (chain, other) = (Chain::new(&service), Chain::new(&service));
    let own = json!({"customer_id": chain.customer});
    let path = format!("/customers/{}", chain.customer);
    let counting = format!("/sessions/{}/events", chain.jti("session"));
    service.posted(&counting, &own);
    service
        .delete(&format!("/tokens/{}", chain.jti("subagent")), &own)
        .success();
    let decision = json!({"customer_id": chain.customer, "override_jti": chain.jti("override"), "decision": "approve"});
    let cosigned = service.posted("/overrides/evt-1/decide", &decision);
    let verify = with(&decision, "cosignature", cosigned["cosignature"].clone());
    service
        .post_keyed("once", "/tokens/agent", &(AGENT.request)(&chain))
        .success();
    assert_eq!(
        service.delete(&path, &Value::Null).success(),
        json!({"customer_id": chain.customer, "erased": true})
    );
    for _ in 0..2 {
        is_unknown(&service, &chain, &decision);
        for kind in KINDS {
            assert!(service.is_active(other.token(kind)));
        }
        let listed = service.get("/customers").success();
        assert_eq!(listed["customers"], json!([{"customer_id": other.customer}]));
        service.restart();
    }
    service.stop();
    {
        let store = Inspection::open(service.data_dir()).unwrap();
        let customer = CustomerId::parse(&chain.customer).unwrap();
        assert_eq!(store.events(customer, |_| Visit::Next).unwrap(), None);
        let others = CustomerId::parse(&other.customer).unwrap();
        assert_eq!(store.customers(None).unwrap(), [others]);
    }
    service.restart();
    is_somebody_new(&mut service, chain, &verify);
}

#[test]
fn a_follower_of_an_erased_customer_hears_of_its_successors_revocations() {
    let service = Service::start();
    let chain = Chain::new(&service);
    let own = json!({"customer_id": chain.customer});
    for kind in ["session", "subagent", "agent"] {
        service.delete(&format!("/tokens/{}", chain.jti(kind)), &own).success();
    }
    let feed = |after: u64| {
        service
            .get(&format!("/revocations?customer_id={}&after={after}", chain.customer))
            .success()
    };
    let cursor = feed(0)["cursor"].as_u64().unwrap();
    service
        .delete(&format!("/customers/{}", chain.customer), &Value::Null)
        .success();
    service.posted("/keys/signing", &own);
    let app = service.posted("/tokens/app", &json!({"customer_id": chain.customer, "name": "new"}));
    service
        .delete(&format!("/tokens/{}", app["jti"].as_str().unwrap()), &own)
        .success();
    let answer = feed(cursor);
    assert_eq!(
        answer["revocations"][0]["jti"], app["jti"],
        "a cursor from before is none of this feed's"
    );
    assert_eq!(answer["cursor"], 3);
}
