//! What is true of a restored store, as callers see it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};

use crate::support::{Place, Service, agent, bearer, call, customer, done, flagged, run};

/// What the first service handed out before the backup.
struct Handed {
    tokens: Vec<Value>,
    open: Value,
    cosigned: Value,
    grant: Value,
    cursor: u64,
}

fn api_key(app: &Value) -> &str {
    app["token"].as_str().unwrap()
}

fn rule(effect: &str, path: &str) -> Value {
    let reason = "a reason of some length";
    json!({"adminId": "user", "path": path, "action": "write", "effect": effect, "reason": reason})
}

fn check(service: &Service, app: &Value, path: &str) -> Value {
    let asked = json!({"adminId": "user", "path": path, "action": "write"});
    service.api("POST", "/check", api_key(app), Some(&asked))["source"].clone()
}

fn live(service: &Service, own: &str) -> Handed {
    let (bearer, app) = bearer(service, own);
    let agent = agent(service, own, &bearer);
    let session = json!({"customer_id": own, "parent_jti": agent["jti"], "parent_type": "agent", "session_id": "s"});
    let session = service.ok("/tokens/session", &session);
    let (open, closed) = (flagged(service, own, "open"), flagged(service, own, "closed"));
    let decision = json!({"customer_id": own, "override_jti": closed["jti"], "decision": "approve"});
    let cosigned = service.ok("/overrides/closed/decide", &decision);
    let grant = service.api("POST", "/overrides", api_key(&app), Some(&rule("GRANT", "granted")));
    service.api("POST", "/overrides", api_key(&app), Some(&rule("DENY", "denied")));
    assert_eq!(check(service, &app, "granted"), "override_grant");
    let (_, feed) = service.get(&format!("/revocations?customer_id={own}"));
    Handed {
        tokens: [&app, &bearer, &agent, &session, &open]
            .into_iter()
            .map(|minted| minted["token"].clone())
            .collect(),
        open,
        cosigned,
        grant: grant["id"].clone(),
        cursor: feed["cursor"].as_u64().unwrap(),
    }
}

/// Mints until told to stop; gives the identifiers in the order in which they were acknowledged.
fn mint_until(service: &Service, own: &str, stop: &AtomicBool) -> Vec<Value> {
    let (bearer, _) = bearer(service, own);
    let mut acknowledged = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        acknowledged.push(agent(service, own, &bearer)["jti"].clone());
    }
    acknowledged
}

fn listed(service: &Service, own: &str, status: &str) -> Vec<Value> {
    let (mut found, mut cursor) = (Vec::new(), String::new());
    loop {
        let path = format!("/tokens?customer_id={own}&type=agent&status={status}&limit=200{cursor}");
        let (code, page) = service.get(&path);
        assert_eq!(code, 200, "{page}");
        found.extend(
            page["tokens"]
                .as_array()
                .unwrap()
                .iter()
                .map(|token| token["jti"].clone()),
        );
        match page["cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return found,
        }
    }
}

/// Serves, hands out, and takes a backup while it goes on; tells what the busy customer had acknowledged before and in all.
fn back_up(place: &Place, data: &Path) -> (Handed, usize, Vec<Value>) {
    let service = Service::start(data, &[]);
    let handed = live(&service, &customer(1));
    bearer(&service, &customer(3));
    let path = format!("/customers/{}", customer(3));
    assert_eq!(call(&service.base, "DELETE", &path, None, None).0, 200);
    let stop = AtomicBool::new(false);
    let acknowledged = std::thread::scope(|scope| {
        let minting = scope.spawn(|| mint_until(&service, &customer(2), &stop));
        while service.get(&format!("/customers/{}", customer(2))).1["live_tokens"]["agent"].as_u64() < Some(20) {}
        let taken = done(
            data,
            &[("AUTH_PORT", &service.port())],
            &["backup", &place.text("backup"), "--json"],
        );
        assert_eq!(taken["customers"], 2);
        stop.store(true, Ordering::Relaxed);
        minting.join().unwrap()
    });
    // What nobody knows after the restoration.
    let decision = json!({"customer_id": customer(1), "override_jti": handed.open["jti"], "decision": "approve"});
    service.ok("/overrides/open/decide", &decision);
    service.stop();
    (handed, 20, acknowledged)
}

#[test]
fn what_was_true_before_grants_nothing_after_and_what_forbids_stays() {
    let place = Place::new();
    let (handed, before, acknowledged) = back_up(&place, &place.at("first"));
    let mode = fs::metadata(place.at("backup")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert!(!place.at("backup.unfinished").exists());
    let bytes = fs::read(place.at("backup")).unwrap();
    let erased = uuid::Uuid::parse_str(&customer(3)).unwrap();
    assert!(!bytes.windows(16).any(|window| window == erased.as_bytes()));

    let master_key = place.text("first/master.key");
    let variables = [("AUTH_MASTER_KEY_FILE", master_key.as_str())];
    let second = place.at("second");
    let report = done(&second, &variables, &["restore", &place.text("backup"), "--json"]);
    let own = report["customers"].as_array().unwrap();
    let own = own.iter().find(|line| line["customer_id"] == customer(1)).unwrap();
    let counts = [
        "tokens_revoked",
        "keys_revoked",
        "events_barred",
        "decisions_kept",
        "grants_suspended",
    ];
    assert_eq!(counts.map(|name| own[name].as_u64().unwrap()), [6, 1, 1, 1, 1]);
    assert_eq!(
        (&own["denials_kept"], &own["cosignature_secrets_lost"]),
        (&json!(1), &json!(0))
    );
    assert_eq!(report["total"]["keys_revoked"], 2);
    assert!(run(&second, &variables, &["verify-store"]).status.success());

    let service = Service::start(&second, &variables);
    nothing_from_before_grants(&service, &handed);
    a_busy_customer_is_a_prefix(&service, before, &acknowledged);
    a_follower_learns_it(&service, handed.cursor);
    decisions_stand_and_open_events_are_barred(&service, &handed);
    grants_wait_for_a_confirmation(&service, &handed);
    service.stop();
}

fn nothing_from_before_grants(service: &Service, handed: &Handed) {
    let own = customer(1);
    assert!(handed.tokens.iter().all(|token| !service.is_active(token)));
    let (_, keys) = service.get(&format!("/keys/public/{own}/jwks.json"));
    assert_eq!(keys["keys"], json!([]));
    let (status, found) = service.get(&format!("/customers/{}", customer(3)));
    assert_eq!(status, 404, "{found}");
    let under_old = json!({"customer_id": own, "parent_jti": handed.open["jti"], "event_id": "new"});
    assert_eq!(service.post("/tokens/override", &under_old).0, 422);
    service.refused(
        "/tokens/override",
        &json!({"customer_id": own, "event_id": "new"}),
        404,
        "no_active_key",
    );
}

/// Everything that was acknowledged before the backup began is there, and nothing is missing in between.
fn a_busy_customer_is_a_prefix(service: &Service, before: usize, acknowledged: &[Value]) {
    let found = listed(service, &customer(2), "revoked");
    assert!(listed(service, &customer(2), "active").is_empty());
    assert!(found.len() >= before, "{} of {}", found.len(), acknowledged.len());
    // One more may have been recorded whose answer had not left yet.
    let known = acknowledged.iter().take(found.len());
    assert!(known.clone().all(|jti| found.contains(jti)), "a prefix has no holes");
}

fn a_follower_learns_it(service: &Service, cursor: u64) {
    for after in [0, cursor, cursor + 1_000] {
        let path = format!("/revocations?customer_id={}&after={after}", customer(1));
        let (_, feed) = service.get(&path);
        let kinds: Vec<&Value> = feed["revocations"]
            .as_array()
            .unwrap()
            .iter()
            .map(|told| &told["kind"])
            .collect();
        assert_eq!(kinds, ["key", "issued_before"], "after {after}: {feed}");
        assert!(feed["cursor"].as_u64().unwrap() > after);
    }
}

fn decisions_stand_and_open_events_are_barred(service: &Service, handed: &Handed) {
    let own = customer(1);
    let decision = json!({"customer_id": own, "override_jti": handed.open["jti"], "decision": "reject"});
    service.refused("/overrides/open/decide", &decision, 409, "event_barred");
    service.ok("/keys/signing", &json!({"customer_id": own}));
    service.refused(
        "/tokens/override",
        &json!({"customer_id": own, "event_id": "open"}),
        409,
        "event_barred",
    );
    let (_, closed) = service.get(&format!("/overrides/closed?customer_id={own}"));
    assert_eq!(closed["decision"], "approve", "{closed}");
    assert_eq!(closed["cosignature"], handed.cosigned["cosignature"]);
    // What is new goes on as ever.
    let flagged = flagged(service, &own, "new");
    assert!(service.is_active(&flagged["token"]));
    let decision = json!({"customer_id": own, "override_jti": flagged["jti"], "decision": "reject"});
    service.ok("/overrides/new/decide", &decision);
}

fn grants_wait_for_a_confirmation(service: &Service, handed: &Handed) {
    let app = service.ok("/tokens/app", &json!({"customer_id": customer(1), "name": "console"}));
    assert!(service.is_active(&app["token"]));
    assert_eq!(check(service, &app, "granted"), "none");
    assert_eq!(check(service, &app, "denied"), "override_deny");
    let suspended = service.api("GET", "/overrides/user?status=suspended", api_key(&app), None);
    assert_eq!(suspended["overrides"][0]["id"], handed.grant);
    assert_eq!(suspended["overrides"][0]["suspended"], true);
    assert_eq!(suspended["overrides"][0]["status"], "suspended");
    let path = format!("/overrides/{}/confirm", handed.grant.as_str().unwrap());
    let confirmed = service.api("POST", &path, api_key(&app), None);
    assert_eq!(confirmed["status"], "active");
    assert_eq!(check(service, &app, "granted"), "override_grant");
    let changes = service.api("GET", "/audit/changes", api_key(&app), None);
    let told = changes.to_string();
    assert!(
        told.contains("override.suspended") && told.contains("override.confirmed"),
        "{told}"
    );
}

#[test]
fn a_stopped_store_is_backed_up_directly_and_another_master_key_loses_only_cosignatures() {
    let place = Place::new();
    let first = place.at("first");
    let service = Service::start(&first, &[]);
    let handed = live(&service, &customer(1));
    service.stop();
    let taken = done(&first, &[], &["backup", &place.text("backup"), "--json"]);
    assert_eq!(taken["customers"], 1);
    let second = place.at("second");
    let report = done(&second, &[], &["restore", &place.text("backup"), "--json"]);
    assert_eq!(report["total"]["cosignature_secrets_lost"], 1);
    assert_eq!(report["master_key_made"], place.text("second/master.key"));
    let service = Service::start(&second, &[]);
    service.ok("/keys/signing", &json!({"customer_id": customer(1)}));
    let (_, closed) = service.get(&format!("/overrides/closed?customer_id={}", customer(1)));
    assert_eq!(closed["decision"], "approve");
    assert_ne!(closed["cosignature"], handed.cosigned["cosignature"]);
    service.stop();

    // A backup of what was restored can be restored again.
    done(&second, &[], &["backup", &place.text("again"), "--json"]);
    let report = done(&place.at("third"), &[], &["restore", &place.text("again"), "--json"]);
    assert_eq!(report["total"]["keys_revoked"], 1, "the one that was made since");
}
