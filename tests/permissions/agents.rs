//! Agents as subjects: an override stops them without another token.

use serde_json::{Value, json};

use crate::support::{Service, new_customer, rule, with};

struct Chain<'s> {
    service: &'s Service,
    customer: String,
}

impl Chain<'_> {
    fn mint(&self, kind: &str, body: &Value) -> Value {
        let body = with(body, "customer_id", self.customer.as_str()).to_string();
        let answer = self.service.call("POST", &format!("/tokens/{kind}"), &[], Some(&body));
        assert_eq!(answer.status, 200, "{}", answer.text);
        answer.json()
    }

    fn step(&self, token: &Value, action: &str) -> Value {
        let body = json!({"token": token["token"], "action": action}).to_string();
        let answer = self.service.call("POST", "/tokens/authorize", &[], Some(&body));
        assert_eq!(answer.status, 200, "{}", answer.text);
        answer.json()["step"].clone()
    }
}

#[test]
fn a_denial_stops_the_agent_and_all_below_it_and_a_grant_widens_nothing() {
    let service = Service::start();
    let customer = new_customer(&service.base());
    let key = service.key(&customer, &["*"]);
    let chain = Chain {
        service: &service,
        customer,
    };
    let app = chain.mint("app", &json!({"name": "app"}));
    let bearer = chain.mint("bearer", &json!({"app_token_hash": app["token_hash"]}));
    let policy = json!({"allowed_actions": ["billing:*"]});
    let agent = json!({"bearer_jti": bearer["jti"], "agent_id": "parent", "rbac": policy});
    let agent = chain.mint("agent", &agent);
    let subagent = chain.mint(
        "subagent",
        &json!({"parent_agent_jti": agent["jti"], "agent_id": "child"}),
    );
    let session = json!({"parent_jti": subagent["jti"], "parent_type": "subagent", "session_id": "s"});
    let session = chain.mint("session", &session);
    let all = [&agent, &subagent, &session];
    assert!(
        all.iter()
            .all(|token| chain.step(token, "billing:delete:7") == "allowed")
    );
    let deny = with(&rule("parent", "DENY", "billing:delete"), "expiresAt", service.time(60));
    key.post("/permissions/overrides", &deny).data(201);
    assert!(
        all.iter()
            .all(|token| chain.step(token, "billing:delete:7") == "override_deny")
    );
    assert_eq!(chain.step(&agent, "billing:read:7"), "allowed");
    service.advance(60);
    assert_eq!(
        chain.step(&session, "billing:delete:7"),
        "allowed",
        "the override has expired"
    );
    let own = key.create("child", "DENY", "*:*");
    assert_eq!(chain.step(&agent, "billing:read"), "allowed", "not upwards");
    assert_eq!(chain.step(&session, "billing:read"), "override_deny");
    key.delete(&own["id"]).data(200);
    key.create("parent", "GRANT", "*:*");
    assert_eq!(
        chain.step(&agent, "orders:read"),
        "allowed_actions",
        "the token allows no more than it says"
    );
}
