//! Customers and tokens of a program that is spoken to over HTTP.

use std::net::SocketAddr;

use countersign_actors::id::CustomerId;
use countersign_actors::limits::BATCH_MAX;
use serde_json::{Value, json};

use crate::grown::fresh_customer;
use crate::load::{Connection, post};

/// The policy that agents are asked for: an ordinary one, that of the README.
const RBAC: &str = r#"{"allowed_actions":["data:read:*","code:review:*"],"denied_actions":["data:write:*"],"allowed_resources":["repo:*"],"max_sensitivity_level":3}"#;

/// A customer with a bearer token.
#[derive(Clone, Debug)]
pub struct Tenant {
    /// Its identifier.
    pub id: CustomerId,
    /// Its bearer token, the parent of agents.
    pub bearer: String,
}

/// One call that must succeed.
pub fn call(connection: &mut Connection, path: &str, body: &Value) -> Value {
    let status = connection.exchange(|buffer| post(buffer, path, &body.to_string()));
    let answer: Value = serde_json::from_slice(connection.body()).expect("JSON");
    assert_eq!(status, 200, "{path}: {answer}");
    answer
}

/// What stands at a path.
pub fn look(connection: &mut Connection, path: &str) -> Value {
    let status = connection.exchange(|buffer| {
        buffer.extend_from_slice(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes());
    });
    assert_eq!(status, 200, "{path}");
    serde_json::from_slice(connection.body()).expect("JSON")
}

/// New customers.
pub fn tenants(address: SocketAddr, count: usize) -> Vec<Tenant> {
    (0..count).map(|_| tenant(address, fresh_customer())).collect()
}

/// A new customer with this identifier.
pub fn tenant(address: SocketAddr, id: CustomerId) -> Tenant {
    let mut connection = Connection::open(address);
    let customer = id.to_string();
    call(&mut connection, "/keys/signing", &json!({"customer_id": customer}));
    let app = json!({"customer_id": customer, "name": "bench"});
    let app = call(&mut connection, "/tokens/app", &app);
    let bearer = json!({"customer_id": customer, "app_token_hash": app["token_hash"]});
    let bearer = call(&mut connection, "/tokens/bearer", &bearer);
    Tenant {
        id,
        bearer: bearer["jti"].as_str().expect("an identifier").to_owned(),
    }
}

/// The request for an agent token of each of these customers.
pub fn agent_requests(tenants: &[Tenant]) -> Vec<Vec<u8>> {
    let request = |Tenant { id, bearer }: &Tenant| {
        let body = format!(
            r#"{{"customer_id":"{id}","bearer_jti":"{bearer}","agent_id":"code-review-agent","agent_name":"Code Review Agent","rbac":{RBAC},"ttl_hours":24}}"#
        );
        let mut request = Vec::new();
        post(&mut request, "/tokens/agent", &body);
        request
    };
    tenants.iter().map(request).collect()
}

/// Agent tokens of a customer, minted in batches.
pub fn agents(address: SocketAddr, tenant: &Tenant, count: usize) -> Vec<String> {
    let rbac: Value = serde_json::from_str(RBAC).expect("JSON");
    let agent = json!({"type": "agent", "bearer_jti": tenant.bearer, "agent_id": "code-review-agent", "rbac": rbac});
    batches(address, tenant, &agent, count, "token")
}

/// An agent token with this many sessions below it; its `jti`.
pub fn agent_with_sessions(address: SocketAddr, tenant: &Tenant, sessions: usize) -> String {
    let agent = json!({"type": "agent", "bearer_jti": tenant.bearer, "agent_id": "code-review-agent"});
    let agent = batches(address, tenant, &agent, 1, "jti")
        .pop()
        .expect("an agent token");
    let session = json!({"type": "session", "parent_jti": agent, "parent_type": "agent", "session_id": "session"});
    batches(address, tenant, &session, sessions, "jti");
    agent
}

/// Mints the same again and again, in batches; a field of each answer.
fn batches(address: SocketAddr, tenant: &Tenant, item: &Value, count: usize, field: &str) -> Vec<String> {
    let mut connection = Connection::open(address);
    let mut found = Vec::with_capacity(count);
    while found.len() < count {
        let items = vec![item.clone(); BATCH_MAX.min(count - found.len())];
        let batch = json!({"customer_id": tenant.id.to_string(), "requests": items});
        let answer = call(&mut connection, "/tokens/batch", &batch);
        let results = answer["results"].as_array().expect("results").iter();
        found.extend(results.map(|result| result["body"][field].as_str().expect("a text").to_owned()));
    }
    found
}
