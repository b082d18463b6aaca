//! `/health` and `/ready`.

use serde_json::json;

use crate::chain::{AGENT, Chain};
use crate::support::Service;

#[test]
fn health_and_readiness_are_open_and_say_nothing_about_customers() {
    for service in [Service::start(), Service::credentialed()] {
        let health = service.get("/health").success();
        assert_eq!(health, json!({"status": "healthy", "service": "countersign"}));
        assert_eq!(
            service.get("/ready").success(),
            json!({"status": "ready", "reasons": []})
        );
        for path in ["/health", "/ready"] {
            assert_eq!(service.request(&format!("HEAD {path}"), &[], "").status, 200);
            let answer = service.request(&format!("POST {path}"), &[], "");
            answer.refused(405, "method_not_allowed", &[]);
            assert_eq!(answer.header("allow"), Some("GET, HEAD"));
        }
    }
}

#[test]
fn with_little_room_on_the_disk_writes_are_503_while_reads_go_on() {
    let mut service = Service::start();
    let chain = Chain::new(&service);
    service.change(|config| config.storage.disk_free_min_mib = 1_048_576);
    service.restart();
    let answer = service.get("/ready").success();
    assert_eq!(answer, json!({"status": "degraded", "reasons": ["storage_low"]}));
    let body = (AGENT.request)(&chain);
    service.post("/tokens/agent", &body).refused(503, "storage_low", &[]);
    let keys = service.get(&format!("/keys/public/{}", chain.customer)).success();
    assert_eq!(keys["public_key"], chain.key["public_key"]);
}

#[test]
fn a_clock_that_jumped_shows_until_the_operator_vouches_for_it() {
    let service = Service::credentialed();
    service.jump(3_601);
    assert_eq!(
        service.get("/ready").success(),
        json!({"status": "degraded", "reasons": ["clock_jumped"]})
    );
    service
        .post("/admin/clock/confirm", &json!({}))
        .refused(401, "unauthenticated", &[]);
    assert_eq!(
        service.post_as_operator("/admin/clock/confirm", &json!({})),
        json!({"confirmed": true})
    );
    assert_eq!(
        service.get("/ready").success(),
        json!({"status": "ready", "reasons": []})
    );
}
