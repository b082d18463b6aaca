//! Parents that present themselves.

use serde_json::{Value, json};

use super::admin;
use crate::chain::{AGENT, Chain, ENDPOINTS, KINDS, OVERRIDE, SESSION, SUBAGENT};
use crate::support::{Service, with};

/// The shortest request for a child, when its parent presents itself.
fn presented(kind: &str) -> Value {
    match kind {
        "bearer" => json!({}),
        "agent" | "subagent" => json!({"agent_id": "x"}),
        "session" => json!({"session_id": "x"}),
        _ => json!({"event_id": "x"}),
    }
}

#[test]
fn a_parent_that_presents_itself_may_mint_the_children_of_its_kind_and_no_others() {
    const PARENTS: [(&str, &[&str]); 5] = [
        ("bearer", &["app"]),
        ("agent", &["bearer"]),
        ("subagent", &["agent", "subagent"]),
        ("session", &["agent", "subagent"]),
        ("override", &["agent", "subagent", "session"]),
    ];
    for service in [Service::start(), Service::credentialed()] {
        let chain = admin(&service);
        for (child, parents) in PARENTS {
            let path = format!("/tokens/{child}");
            for parent in KINDS {
                let before = service.events();
                let answer = service.post_as(chain.token(parent), &path, &presented(child));
                if parents.contains(&parent) {
                    let minted = answer.success();
                    let claimed = &minted["claims"]["parent_jti"];
                    assert_eq!(minted["claims"]["sub"], chain.customer.as_str());
                    assert!(
                        child == "override" || *claimed == chain.of(parent)["jti"],
                        "{parent} {child}"
                    );
                    assert_eq!(service.events(), before + 1);
                } else {
                    // With the documented form's fields it is a credential that does not cover the call.
                    let endpoint = ENDPOINTS.iter().find(|endpoint| endpoint.kind == child).unwrap();
                    let full = service.post_as(chain.token(parent), &path, &(endpoint.request)(&chain));
                    if parent == "app" {
                        full.success();
                        continue;
                    }
                    full.refused(403, "forbidden", &[]);
                    assert!(
                        matches!(answer.status, 403 | 422),
                        "{parent} {child}: {}",
                        answer.text()
                    );
                    assert_eq!(service.events(), before);
                }
            }
        }
    }
}

#[test]
fn an_app_token_never_becomes_an_overrides_parent() {
    let service = Service::start();
    let chain = Chain::new(&service);
    let answer = service.post_as(chain.token("app"), "/tokens/override", &(OVERRIDE.request)(&chain));
    let claims = answer.success()["claims"].clone();
    assert!(claims.get("parent_jti").is_none());
    // In the documented form, so a zero is no way to leave a field out.
    let body = with(&(OVERRIDE.request)(&chain), "ttl_minutes", 0);
    let answer = service.post_as(chain.token("app"), "/tokens/override", &body);
    answer.refused(422, "invalid_request", &["ttl_minutes"]);
}

#[test]
fn an_override_under_a_session_ends_with_it() {
    let service = Service::start();
    let chain = Chain::new(&service);
    service.advance(58 * 60);
    let answer = service.post_as(chain.token("session"), "/tokens/override", &json!({"event_id": "e"}));
    assert_eq!(answer.success()["expires_at"], chain.session["expires_at"]);
}

#[test]
fn tokens_other_than_app_tokens_cover_nothing_but_their_children() {
    for service in [Service::start(), Service::credentialed()] {
        let chain = admin(&service);
        let before = service.events();
        for kind in ["bearer", "agent", "subagent", "session", "override"] {
            let customer = json!({"customer_id": chain.customer});
            for (path, body) in [
                (
                    "/tokens/app".to_owned(),
                    json!({"customer_id": chain.customer, "name": "x"}),
                ),
                ("/keys/signing".to_owned(), customer.clone()),
                (format!("/keys/{}/rotate", chain.key_id()), customer),
            ] {
                let answer = service.post_as(chain.token(kind), &path, &body);
                answer.refused(403, "forbidden", &[]);
            }
        }
        assert_eq!(service.events(), before);
    }
}

#[test]
fn one_agent_is_not_another() {
    let service = Service::start();
    let chain = Chain::new(&service);
    let other = service.posted("/tokens/agent", &(AGENT.request)(&chain));
    let before = service.events();
    for endpoint in [&SUBAGENT, &SESSION] {
        let field = endpoint.parent.unwrap().0;
        let body = with(&(endpoint.request)(&chain), field, other["jti"].clone());
        let answer = service.post_as(chain.token("agent"), endpoint.path, &body);
        answer.refused(400, "parent_disagrees", &[field]);
    }
    assert_eq!(service.events(), before);
}
