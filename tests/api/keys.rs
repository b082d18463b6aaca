//! `/keys`: making, rotating and publishing signing keys.

use countersign_actors::crypto::keys::PublicKey;
use serde_json::{Value, json};

use crate::chain::{AGENT, APP, Chain};
use crate::support::{Answer, HOUR, Service, decode, rfc3339, uuid, with, without};

const FIELDS: [&str; 4] = ["key_id", "public_key", "key_type", "created_at"];

/// The ids of the published keys in their order, which both forms have to agree on.
fn published(service: &Service, customer: &str) -> Vec<String> {
    let documented = service.get(&format!("/keys/public/{customer}")).success();
    let set = jwks(service, customer).json();
    assert_eq!(set, json!({"keys": documented["keys"]}));
    let keys = documented["keys"].as_array().unwrap();
    keys.iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
}

fn jwks(service: &Service, customer: &str) -> Answer {
    service.get(&format!("/keys/public/{customer}/jwks.json"))
}

fn rotate(service: &Service, kid: &str, body: &Value) -> Answer {
    service.post(&format!("/keys/{kid}/rotate"), body)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

/// Asserts a refusal after which the keys are what they were.
#[track_caller]
fn refused(
    service: &Service,
    customer: &str,
    answer: impl FnOnce() -> Answer,
    status: u16,
    code: &str,
    fields: &[&str],
) -> Value {
    let before = (service.events(), published(service, customer));
    let problem = answer().refused(status, code, fields);
    assert_eq!((service.events(), published(service, customer)), before);
    problem
}

#[test]
fn a_first_key_is_answered_with_its_four_fields_and_published() {
    let service = Service::start();
    let customer = uuid();
    let answer = service.post("/keys/signing", &json!({"customer_id": customer}));
    let key = answer.success();
    assert_eq!(answer.member_names(), FIELDS);
    assert_eq!(key["key_type"], "ES256");
    assert_eq!(key["created_at"], rfc3339(service.now()));
    assert!(uuid::Uuid::try_parse(text(&key["key_id"])).is_ok());
    let pem = text(&key["public_key"]);
    assert!(pem.starts_with("-----BEGIN PUBLIC KEY-----\n") && pem.trim_end().ends_with("-----END PUBLIC KEY-----"));

    let answer = service.get(&format!("/keys/public/{customer}"));
    let body = answer.success();
    assert_eq!(answer.member_names(), ["customer_id", "public_key", "keys"]);
    assert_eq!(
        (&body["customer_id"], &body["public_key"]),
        (&json!(customer), &key["public_key"])
    );
    let jwk = &body["keys"][0];
    let names: Vec<&String> = jwk.as_object().unwrap().keys().collect();
    assert_eq!(names, ["alg", "crv", "kid", "kty", "use", "x", "y"]);
    for (name, value) in [
        ("kty", "EC"),
        ("crv", "P-256"),
        ("use", "sig"),
        ("alg", "ES256"),
        ("kid", text(&key["key_id"])),
    ] {
        assert_eq!(jwk[name], value);
    }
    let same = PublicKey::from_base64url(text(&jwk["x"]), text(&jwk["y"])).unwrap();
    assert_eq!(same.pem(), pem, "both forms are one key");
}

#[test]
fn a_second_first_key_is_409_and_points_to_rotation() {
    let service = Service::start();
    let chain = Chain::new(&service);
    let body = json!({"customer_id": chain.customer});
    let again = || service.post("/keys/signing", &body);
    let problem = refused(&service, &chain.customer, again, 409, "signing_key_exists", &[]);
    assert_eq!(problem["key_id"], chain.key["key_id"]);
    assert!(text(&problem["detail"]).contains(&format!("POST /keys/{}/rotate", chain.key_id())));
}

#[test]
fn fields_at_fault_are_named() {
    let service = Service::start();
    let chain = Chain::new(&service);
    let good = json!({"customer_id": chain.customer});
    let rotation = format!("/keys/{}/rotate", chain.key_id());
    for path in ["/keys/signing", &rotation] {
        for (body, field) in [
            (without(&good, "customer_id"), "customer_id"),
            (with(&good, "customer_id", Value::Null), "customer_id"),
            (with(&good, "customer_id", "x"), "customer_id"),
            (with(&good, "customer_id", 7), "customer_id"),
            (with(&good, "imediate", true), "imediate"),
        ] {
            let post = || service.post(path, &body);
            refused(&service, &chain.customer, post, 422, "invalid_request", &[field]);
        }
    }
    for value in [json!("true"), json!(1), json!([])] {
        let body = with(&good, "immediate", value);
        let post = || service.post(&rotation, &body);
        refused(&service, &chain.customer, post, 422, "invalid_request", &["immediate"]);
    }
}

#[test]
fn a_rotation_publishes_ahead_and_takes_over_when_verifiers_have_seen_it() {
    let service = Service::start();
    let chain = Chain::new(&service);
    let old = chain.key_id();
    let answer = rotate(&service, old, &json!({"customer_id": chain.customer}));
    let new = answer.success();
    assert_eq!(answer.member_names(), [&FIELDS[..], &["signs_from"]].concat());
    assert_eq!(new["signs_from"], rfc3339(service.now() + 300));
    assert_eq!(new["created_at"], rfc3339(service.now()));
    assert_ne!(new["public_key"], chain.key["public_key"]);
    assert_eq!(published(&service, &chain.customer), [old, text(&new["key_id"])]);

    service.advance(299);
    let public = service.get(&format!("/keys/public/{}", chain.customer)).success();
    assert_eq!(public["public_key"], chain.key["public_key"]);
    let agent = service.posted("/tokens/agent", &(AGENT.request)(&chain));
    assert_eq!(decode(text(&agent["token"])).0["kid"], old);

    service.advance(1);
    assert_eq!(published(&service, &chain.customer), [text(&new["key_id"]), old]);
    let public = service.get(&format!("/keys/public/{}", chain.customer)).success();
    assert_eq!(public["public_key"], new["public_key"]);
    for endpoint in crate::chain::ENDPOINTS {
        let answer = service.posted(endpoint.path, &(endpoint.request)(&chain));
        assert_eq!(
            decode(text(&answer["token"])).0["kid"],
            new["key_id"],
            "{}",
            endpoint.path
        );
    }
}

#[test]
fn an_immediate_rotation_signs_at_once_and_old_tokens_stay_parents() {
    let service = Service::start();
    let chain = Chain::new(&service);
    let body = json!({"customer_id": chain.customer, "immediate": true});
    let new = rotate(&service, chain.key_id(), &body).success();
    assert_eq!(new["signs_from"], rfc3339(service.now()));
    assert_eq!(
        published(&service, &chain.customer),
        [text(&new["key_id"]), chain.key_id()]
    );
    let agent = service.posted("/tokens/agent", &(AGENT.request)(&chain));
    assert_eq!(decode(text(&agent["token"])).0["kid"], new["key_id"]);
    let presented = service.post_as(chain.token("agent"), "/tokens/subagent", &json!({"agent_id": "x"}));
    assert_eq!(decode(text(&presented.success()["token"])).0["kid"], new["key_id"]);
}

#[test]
fn a_pending_rotation_is_409_unless_it_is_to_happen_now() {
    let service = Service::start();
    let chain = Chain::new(&service);
    let body = json!({"customer_id": chain.customer});
    let first = rotate(&service, chain.key_id(), &body).success();
    let again = || rotate(&service, chain.key_id(), &body);
    let problem = refused(&service, &chain.customer, again, 409, "rotation_pending", &[]);
    assert_eq!(
        (&problem["key_id"], &problem["signs_from"]),
        (&first["key_id"], &first["signs_from"])
    );
    let upcoming = || rotate(&service, text(&first["key_id"]), &body);
    refused(&service, &chain.customer, upcoming, 409, "key_not_active", &[]);

    let now = rotate(&service, chain.key_id(), &with(&body, "immediate", true)).success();
    assert_eq!(now["key_id"], first["key_id"], "the key that verifiers know already");
    assert_eq!(now["signs_from"], rfc3339(service.now()));
    assert_eq!(
        published(&service, &chain.customer),
        [text(&first["key_id"]), chain.key_id()]
    );
}

#[test]
fn only_the_active_key_of_the_customer_can_be_rotated() {
    let service = Service::start();
    let (chain, foreign) = (Chain::new(&service), Chain::new(&service));
    let body = json!({"customer_id": chain.customer, "immediate": true});
    for kid in [foreign.key_id().to_owned(), uuid()] {
        refused(
            &service,
            &chain.customer,
            || rotate(&service, &kid, &body),
            404,
            "key_not_found",
            &[],
        );
    }
    for kid in ["x", "%00"] {
        refused(
            &service,
            &chain.customer,
            || rotate(&service, kid, &body),
            404,
            "not_found",
            &[],
        );
    }
    rotate(&service, chain.key_id(), &body).success();
    let old = || rotate(&service, chain.key_id(), &body);
    refused(&service, &chain.customer, old, 409, "key_not_active", &[]);
    let unknown = with(&body, "customer_id", uuid());
    rotate(&service, chain.key_id(), &unknown).refused(404, "unknown_customer", &[]);
}

#[test]
fn a_retired_key_stays_published_until_the_last_token_it_signed_has_expired() {
    let service = Service::start();
    let customer = uuid();
    let key = service.posted("/keys/signing", &json!({"customer_id": customer}));
    let app = json!({"customer_id": customer, "name": "short", "ttl_days": 1});
    service.posted("/tokens/app", &app);
    service.posted("/tokens/app", &with(&app, "ttl_days", 2));
    let body = json!({"customer_id": customer, "immediate": true});
    let second = rotate(&service, text(&key["key_id"]), &body).success();
    let third = rotate(&service, text(&second["key_id"]), &body).success();
    let (first, third) = (text(&key["key_id"]), text(&third["key_id"]));
    assert_eq!(
        published(&service, &customer),
        [third, first],
        "the second signed nothing"
    );
    service.advance(48 * HOUR - 1);
    assert_eq!(published(&service, &customer), [third, first]);
    service.advance(1);
    assert_eq!(published(&service, &customer), [third]);
}

#[test]
fn retired_keys_stand_behind_the_active_and_the_upcoming_one() {
    let service = Service::start();
    let mut chain = Chain::new(&service);
    let first = chain.key_id().to_owned();
    let body = json!({"customer_id": chain.customer, "immediate": true});
    chain.key = rotate(&service, &first, &body).success();
    service.posted("/tokens/app", &(APP.request)(&chain));
    let second = chain.key_id().to_owned();
    let third = rotate(&service, &second, &with(&body, "immediate", false)).success();
    let third = text(&third["key_id"]);
    assert_eq!(published(&service, &chain.customer), [&second, third, &first]);
    service.advance(300);
    assert_eq!(published(&service, &chain.customer), [third, &second, &first]);
}

#[test]
fn the_key_set_is_for_caches_and_says_when_it_has_changed() {
    let service = Service::start();
    let chain = Chain::new(&service);
    let path = format!("GET /keys/public/{}/jwks.json", chain.customer);
    let answer = service.request(&path, &[], "");
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), Some("application/jwk-set+json"));
    assert_eq!(answer.header("cache-control"), Some("max-age=300"));
    let tag = answer.header("etag").unwrap().to_owned();
    assert!(tag.starts_with('"') && tag.ends_with('"') && tag.len() > 2);
    for known in [tag.clone(), format!("\"x\", {tag}"), format!("W/{tag}"), "*".to_owned()] {
        let answer = service.request(&path, &[&format!("If-None-Match: {known}")], "");
        assert_eq!((answer.status, answer.body.len()), (304, 0), "{known}");
        assert_eq!(answer.header("etag"), Some(tag.as_str()));
        assert_eq!(answer.header("cache-control"), Some("max-age=300"));
    }
    for known in ["\"x\"", "", &tag[1..]] {
        assert_eq!(
            service.request(&path, &[&format!("If-None-Match: {known}")], "").status,
            200
        );
    }
    let body = json!({"customer_id": chain.customer});
    rotate(&service, chain.key_id(), &body).success();
    let answer = service.request(&path, &[&format!("If-None-Match: {tag}")], "");
    assert_eq!(answer.status, 200, "a published key changes the set");
    assert_ne!(answer.header("etag"), Some(tag.as_str()));
    assert_eq!(service.request(&path.replace("GET", "HEAD"), &[], "").status, 200);
}

#[test]
fn the_keys_of_a_customer_that_is_not_known_are_404() {
    let service = Service::start();
    Chain::new(&service);
    let before = service.events();
    for path in ["/keys/public/CUSTOMER", "/keys/public/CUSTOMER/jwks.json"] {
        service
            .get(&path.replace("CUSTOMER", &uuid()))
            .refused(404, "unknown_customer", &[]);
        for id in ["x", "%2e", "550e8400-e29b-41d4-a716-44665544000g"] {
            service
                .get(&path.replace("CUSTOMER", id))
                .refused(404, "not_found", &[]);
        }
    }
    assert_eq!(service.events(), before);
}
