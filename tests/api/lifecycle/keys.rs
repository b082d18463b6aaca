//! Signing keys: what a revoked or a rotated one means to the tokens that it signed.

use serde_json::{Value, json};

use super::active;
use crate::chain::{AGENT, APP, Chain, ENDPOINTS};
use crate::support::{DAY, HOUR, MINUTE, Service, text, uuid, with};

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
