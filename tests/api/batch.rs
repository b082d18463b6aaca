//! `POST /tokens/batch`: many mints, each for itself, in one commit.

use serde_json::{Value, json};

use crate::chain::{Chain, ENDPOINTS};
use crate::support::{JSON, Service, text, uuid, with, without};

/// One good item of every kind that a batch mints.
fn items(chain: &Chain) -> Vec<Value> {
    let item = |endpoint: &&crate::chain::Endpoint| {
        with(
            &without(&(endpoint.request)(chain), "customer_id"),
            "type",
            endpoint.kind,
        )
    };
    ENDPOINTS[1..].iter().map(item).collect()
}

fn batch(chain: &Chain, requests: &[Value]) -> Value {
    json!({"customer_id": chain.customer, "requests": requests})
}

fn statuses(answer: &Value) -> Vec<u64> {
    answer["results"]
        .as_array()
        .unwrap()
        .iter()
        .map(|result| result["status"].as_u64().unwrap())
        .collect()
}

/// The statuses of five good items, eleven at fault and five good ones.
fn as_expected(answer: &Value) {
    let expected = [
        [200; 5].as_slice(),
        &[422, 422, 422, 422, 422, 422, 404, 404, 422, 400, 400],
        &[200; 5],
    ]
    .concat();
    let seen = statuses(answer);
    // What is no object at all is refused with either; the rest is as it would be alone.
    assert_eq!(seen[..14], expected[..14], "{answer}");
    assert!(matches!(seen[14], 400 | 422));
    assert_eq!(seen[15..], expected[15..]);
}

#[test]
fn results_stand_in_the_order_of_the_items_each_as_if_it_had_come_alone() {
    let mut service = Service::start();
    let chain = Chain::new(&service);
    let foreign = Chain::new(&service);
    let good = items(&chain);
    let agent = &good[1];
    let mut requests = good.clone();
    requests.extend([
        json!({"type": "app", "name": "x"}),
        json!({"agent_id": "x"}),
        json!({"type": "root"}),
        with(agent, "agent_id", ""),
        with(agent, "agnet_name", "x"),
        with(agent, "ttl_hours", 721),
        with(agent, "bearer_jti", uuid()),
        with(agent, "bearer_jti", foreign.jti("bearer")),
        with(agent, "customer_id", chain.customer.as_str()),
        json!(7),
        with(
            &good[2],
            "rbac",
            json!({"max_sensitivity_level": 3, "sensitivity_level": 2}),
        ),
    ]);
    requests.extend(good.clone());
    let before = (service.events(), service.groups());
    let raw = service.post("/tokens/batch", &batch(&chain, &requests));
    assert_eq!(raw.member_names(), ["results"]);
    let answer = raw.success();
    assert_eq!(
        (service.events(), service.groups()),
        (before.0 + 10, before.1 + 1),
        "one commit"
    );
    as_expected(&answer);
    let mut minted = Vec::new();
    for (item, result) in requests.iter().zip(answer["results"].as_array().unwrap()) {
        assert_eq!(result.as_object().unwrap().len(), 2);
        let body = &result["body"];
        if result["status"] == 200 {
            let kind = text(item, "type");
            assert_eq!(body["claims"]["typ"], kind);
            assert!(service.is_active(text(body, "token")), "{kind}");
            minted.push(text(body, "token").to_owned());
            continue;
        }
        assert_eq!(body["status"], result["status"]);
        assert!(body["code"].is_string() && body["detail"].is_string() && body["title"].is_string());
        let path = format!("/tokens/{}", item["type"].as_str().unwrap_or("agent"));
        if ["/tokens/agent", "/tokens/subagent"].contains(&path.as_str())
            && item.get("customer_id").is_none()
            && item.is_object()
            && item.get("type").is_some()
        {
            let alone = with(&without(item, "type"), "customer_id", chain.customer.as_str());
            assert_eq!(service.post(&path, &alone).json(), *body);
        }
    }
    service.restart();
    assert!(minted.iter().all(|token| service.is_active(token)));
    minted.sort_unstable();
    minted.dedup();
    assert_eq!(minted.len(), 10);
}

#[test]
fn a_batch_has_one_to_a_hundred_items_and_up_to_a_mebibyte() {
    let service = Service::start();
    let chain = Chain::new(&service);
    let agent = items(&chain).remove(1);
    let hundred = vec![agent.clone(); 100];
    let before = service.groups();
    let answer = service.posted("/tokens/batch", &batch(&chain, &hundred));
    assert_eq!(statuses(&answer), [200; 100]);
    assert_eq!(service.groups(), before + 1);
    for requests in [vec![], vec![agent.clone(); 101]] {
        let answer = service.post("/tokens/batch", &batch(&chain, &requests));
        answer.refused(422, "invalid_request", &["requests"]);
    }
    for (body, fields) in [
        (json!({"customer_id": chain.customer}), vec!["requests"]),
        (json!({"customer_id": chain.customer, "requests": {}}), vec!["requests"]),
        (json!({"requests": [agent]}), vec!["customer_id"]),
        (with(&batch(&chain, &hundred[..1]), "x", 1), vec!["x"]),
    ] {
        service
            .post("/tokens/batch", &body)
            .refused(422, "invalid_request", &fields);
    }
    let unknown = json!({"customer_id": uuid(), "requests": [agent]});
    service
        .post("/tokens/batch", &unknown)
        .refused(404, "unknown_customer", &[]);
    let invalid = json!({"customer_id": uuid(), "requests": [{"type": "app"}]});
    service
        .post("/tokens/batch", &invalid)
        .refused(404, "unknown_customer", &[]);
    // Large policies, far over what an ordinary body may have.
    let patterns: Vec<String> = (0..60)
        .map(|at| format!("action-{at:03}:{}:*", "x".repeat(40)))
        .collect();
    let large = with(&agent, "rbac", json!({"allowed_actions": patterns}));
    let body = batch(&chain, &vec![large; 100]).to_string();
    assert!(body.len() > 3 * 65_536 && body.len() < 1_048_576, "{}", body.len());
    let answer = service.request("POST /tokens/batch", &[JSON], &body);
    assert_eq!(statuses(&answer.success()), [200; 100]);
    let padded = |bytes: usize| format!("{body}{}", " ".repeat(bytes - body.len()));
    service
        .request("POST /tokens/batch", &[JSON], &padded(1_048_576))
        .success();
    let answer = service.request("POST /tokens/batch", &[JSON], &padded(1_048_577));
    answer.refused(413, "payload_too_large", &[]);
    let answer = service.request("POST /tokens/agent", &[JSON], &padded(1_048_576));
    answer.refused(413, "payload_too_large", &[]);
}

#[test]
fn a_batch_needs_what_its_items_need() {
    let service = Service::credentialed();
    let [chain, foreign] = [(), ()].map(|()| Chain::by(|path, body| service.post_as_operator(path, body)));
    let all = items(&chain);
    let own = batch(&chain, &all);
    service.post("/tokens/batch", &own).refused(401, "unauthenticated", &[]);
    let answer = service.post_as(foreign.token("app"), "/tokens/batch", &own);
    answer.refused(404, "unknown_customer", &[]);
    for kind in ["bearer", "agent", "subagent", "session", "override"] {
        service
            .post_as(chain.token(kind), "/tokens/batch", &own)
            .refused(403, "forbidden", &[]);
    }
    let presented =
        json!({"requests": [{"type": "subagent", "agent_id": "a"}, {"type": "session", "session_id": "s"}]});
    let one = json!({"requests": [{"type": "subagent", "agent_id": "a"}, {"type": "subagent", "agent_id": "b"}]});
    let answer = service.post_as(chain.token("agent"), "/tokens/batch", &one).success();
    assert_eq!(statuses(&answer), [200, 200]);
    assert_eq!(answer["results"][1]["body"]["claims"]["parent_jti"], chain.jti("agent"));
    let answer = service.post_as(chain.token("agent"), "/tokens/batch", &presented);
    assert!(matches!(answer.status, 200 | 403), "{}", answer.text());
    let revoked = format!("/tokens/{}", chain.jti("agent"));
    let header = format!("Authorization: Bearer {}", chain.token("app"));
    service.request(&format!("DELETE {revoked}"), &[&header], "").success();
    service
        .post_as(chain.token("agent"), "/tokens/batch", &one)
        .refused(401, "unauthenticated", &[]);
    // A dead credential learns nothing, not even about items that are none.
    let invalid = json!({"requests": [{"type": "app"}]});
    let answer = service.post_as(chain.token("agent"), "/tokens/batch", &invalid);
    answer.refused(401, "unauthenticated", &[]);
    service
        .request(&format!("DELETE /tokens/{}", chain.jti("app")), &[&header], "")
        .success();
    let answer = service.post_as(chain.token("app"), "/tokens/batch", &invalid);
    answer.refused(401, "unauthenticated", &[]);
}

#[test]
fn each_item_of_a_repeated_batch_is_answered_again() {
    let mut service = Service::start();
    let chain = Chain::new(&service);
    let mut requests = items(&chain);
    requests.insert(2, json!({"type": "agent", "agent_id": "x", "bearer_jti": uuid()}));
    let body = batch(&chain, &requests);
    let first = service.post_keyed("batch-1", "/tokens/batch", &body).success();
    assert_eq!(statuses(&first), [200, 200, 404, 200, 200, 200]);
    let shown = |answer: &Value| -> Vec<Value> {
        let results = answer["results"].as_array().unwrap().iter();
        results.map(|result| with(result, "body.token", Value::Null)).collect()
    };
    for _ in 0..2 {
        let before = service.events();
        let again = service.post_keyed("batch-1", "/tokens/batch", &body).success();
        assert_eq!(shown(&again), shown(&first));
        assert_eq!(service.events(), before);
        for result in again["results"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|result| result["status"] == 200)
        {
            assert!(service.is_active(text(&result["body"], "token")));
        }
        service.restart();
    }
    requests.swap(0, 1);
    let answer = service.post_keyed("batch-1", "/tokens/batch", &batch(&chain, &requests));
    assert!(
        !answer.text().contains("qt_"),
        "another body with the same key mints nothing: {}",
        answer.text()
    );
    let own = json!({"customer_id": chain.customer});
    let agent = text(&first["results"][1]["body"], "jti").to_owned();
    service.delete(&format!("/tokens/{agent}"), &own).success();
    let again = service.post_keyed("batch-1", "/tokens/batch", &body).success();
    assert_eq!(statuses(&again), [200, 409, 404, 200, 200, 200]);
    assert_eq!(again["results"][1]["body"]["code"], "idempotent_result_gone");
}

#[test]
fn a_batch_cannot_pass_the_limit_of_tokens() {
    let service = Service::start();
    let chain = Chain::new(&service);
    // Two overrides of one event in one batch are two tokens of one event, of which one decides.
    let flagged = json!({"type": "override", "event_id": "twice"});
    let answer = service.posted("/tokens/batch", &batch(&chain, &[flagged.clone(), flagged]));
    assert_eq!(statuses(&answer), [200, 200]);
    let decide = |at: usize| {
        let jti = &answer["results"][at]["body"]["jti"];
        let body = json!({"customer_id": chain.customer, "override_jti": jti, "decision": "approve"});
        service.post("/overrides/twice/decide", &body)
    };
    decide(0).success();
    decide(1).refused(409, "event_decided", &[]);
}
