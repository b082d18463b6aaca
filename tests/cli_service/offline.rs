//! `verify` and `inspect-token`

use serde_json::Value;

use crate::support::{ADMIN, CUSTOMER, Ran, Service, run, text};

fn verdict(ran: &Ran, reason: &str) {
    assert_eq!(ran.code, 1, "{}", ran.told);
    let answer = ran.json();
    assert_eq!(
        (answer["valid"].as_bool(), text(&answer, "reason")),
        (Some(false), reason)
    );
}

#[test]
fn a_genuine_token_is_valid_with_keys_from_a_file_or_the_service() {
    let service = Service::start();
    let (chain, keys) = (service.chain(), service.jwks());
    let token = text(&chain.agent, "token");
    let shown = service.run(&["verify", token, "--jwks", &keys]).done();
    assert!(
        shown.out.starts_with("valid ") && shown.out.contains(text(&chain.agent, "jti")),
        "{}",
        shown.out
    );
    assert!(shown.out.contains("not looked at") && !shown.out.contains(token));
    let url = format!("{}/keys/public/{CUSTOMER}/jwks.json", service.url());
    // Nothing of it needs a credential.
    let from_input = service.stranger(&["verify", "-", "--jwks", &url, "--json"]);
    let answer = run(from_input, &format!("{token}\n")).done().json();
    assert_eq!(
        (answer["valid"].as_bool(), text(&answer, "type")),
        (Some(true), "agent")
    );
    assert_eq!(answer["claims"], chain.agent["claims"]);
    assert_eq!(answer["revocations_considered"], Value::Null);
}

#[test]
fn what_is_not_valid_says_why() {
    let service = Service::start();
    let (chain, keys) = (service.chain(), service.jwks());
    let token = text(&chain.agent, "token");
    let verify = |token: &str, rest: &[&str]| service.run(&[&["verify", token, "--json"], rest].concat());
    let expires = text(&chain.agent, "expires_at");
    verdict(&verify(token, &["--jwks", &keys, "--at", expires]), "expired");
    let before = chain.agent["claims"]["iat"].as_u64().unwrap();
    assert!(before > 0 && verify(token, &["--jwks", &keys]).code == 0);
    // The last characters of a signature also hold bits that mean nothing; the first ones do not.
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let first = if signature.starts_with('A') { "B" } else { "A" };
    verdict(
        &verify(&format!("{signed}.{first}{}", &signature[1..]), &["--jwks", &keys]),
        "bad_signature",
    );
    verdict(&verify("qt_agent_nonsense", &["--jwks", &keys]), "malformed");
    let none = service.file("none.json", r#"{"keys":[]}"#);
    verdict(&verify(token, &["--jwks", &none]), "unknown_key");
    let told = service
        .run(&["verify", token, "--jwks", &none])
        .refused(1, "not valid: the token's key")
        .told;
    assert!(!told.contains("qt_"));
}

#[test]
fn keys_and_times_that_cannot_be_used_are_refused() {
    let service = Service::start();
    let token = text(&service.chain().agent, "token").to_owned();
    let broken = service.file("broken.json", "{}");
    service
        .run(&["verify", &token, "--jwks", &broken])
        .refused(1, "no JWK Set");
    service
        .run(&["verify", &token, "--jwks", "/nonexistent/keys"])
        .refused(1, "cannot be read");
    service.run(&["verify", &token]).refused(2, "--jwks");
    service
        .run(&["verify", &token, "--jwks", &broken, "--at", "today"])
        .refused(2, "RFC 3339");
    let keys = service.jwks();
    service
        .run(&["verify", &token, "--jwks", &keys, "--revocations", &broken])
        .refused(1, "no answer of GET /revocations");
    let both = ["verify", "-", "--jwks", &keys, "--credential-file", "-"];
    service.run(&both).refused(2, "not both");
}

#[test]
fn revocations_from_a_file_or_the_service_are_considered() {
    let service = Service::start();
    let (chain, keys) = (service.chain(), service.jwks());
    let (agent, bearer) = (text(&chain.agent, "token"), text(&chain.bearer, "token"));
    let url = format!("{}/revocations?customer_id={CUSTOMER}", service.url());
    let verify =
        |token: &str, source: &str| service.run(&["verify", token, "--jwks", &keys, "--revocations", source, "--json"]);
    assert_eq!(verify(agent, &url).done().json()["revocations_considered"], 0);
    let jti = text(&chain.bearer, "jti");
    service
        .run(&["revoke", jti, "--customer", CUSTOMER, "--reason", "a test"])
        .done();
    verdict(&verify(bearer, &url), "revoked");
    assert_eq!(verify(agent, &url).done().json()["revocations_considered"], 1);
    service.run(&["cascade", jti, "--customer", CUSTOMER]).done();
    verdict(&verify(agent, &url), "revoked");

    let http: ureq::Agent = ureq::Agent::config_builder().proxy(None).build().into();
    let feed = http.get(&url).header("authorization", format!("Bearer {ADMIN}")).call();
    let feed = service.file("revocations.json", &feed.unwrap().body_mut().read_to_string().unwrap());
    verdict(&verify(agent, &feed), "revoked");
    let nobody = service.file("no.json", r#"{"revocations":[],"cursor":0}"#);
    assert_eq!(verify(agent, &nobody).code, 0);
    // The feed needs a credential, and says so.
    let refused = service.stranger(&["verify", agent, "--jwks", &keys, "--revocations", &url]);
    run(refused, "").refused(4, "401");
}

#[test]
fn inspecting_a_token_says_that_it_verifies_nothing() {
    let service = Service::start();
    let chain = service.chain();
    let token = text(&chain.app, "token");
    let (signed, _) = token.rsplit_once('.').unwrap();
    let forged = format!("{signed}.{}", "A".repeat(86));
    for token in [token, &forged] {
        let shown = service.run(&["inspect-token", token]).done().out;
        assert!(shown.starts_with("NOT VERIFIED"), "{shown}");
        assert!(shown.contains(text(&chain.app, "jti")) && !shown.contains(token));
        let answer = run(service.stranger(&["inspect-token", "-", "--json"]), token)
            .done()
            .json();
        assert_eq!(answer["verified"], false);
        assert_eq!(answer["claims"], chain.app["claims"]);
    }
    let answer = service.run(&["inspect-token", token, "--json"]).done().json();
    assert_eq!(answer["token_hash"], chain.app["token_hash"]);
    service
        .run(&["inspect-token", "qt_app_nonsense"])
        .refused(1, "three parts");
    service.run(&["inspect-token"]).refused(2, "TOKEN");
}
