//! The customers that requests are about.

use serde_json::{Value, json};

use super::{Answer, Endpoint, Form, Request};

/// What requests are about.
#[derive(Clone, Debug, Default)]
pub struct Made {
    pub(super) admin: String,
    /// A customer whose tokens stay alive.
    pub(super) customer: Value,
    pub(super) key: Value,
    pub(super) app: Value,
    pub(super) bearer: Value,
    pub(super) agent: Value,
    pub(super) session: Value,
    pub(super) flagged: Value,
    pub(super) role: Value,
    /// A customer on whom everything may be revoked.
    pub(super) other: Value,
    pub(super) other_key: Value,
    pub(super) other_app: Value,
}

impl Made {
    /// Makes all of it.
    pub(super) fn by(admin: &str, send: &mut dyn FnMut(&Request) -> Answer) -> Self {
        let mut made = Self {
            admin: admin.to_owned(),
            customer: json!("11111111-1111-4111-8111-111111111111"),
            other: json!("22222222-2222-4222-8222-222222222222"),
            ..Self::default()
        };
        let mut post = |made: &Self, path: &str, body: Value| {
            let request = made.request_of(format!("POST {path}"), &made.admin, body.to_string().into_bytes());
            let answer = send(&request);
            assert_eq!(answer.status, 200, "{path}: {answer:?}");
            answer.body
        };
        let customer = made.customer.clone();
        made.key = post(&made, "/keys/signing", json!({"customer_id": customer}))["key_id"].take();
        made.app = post(
            &made,
            "/tokens/app",
            json!({"customer_id": customer, "name": "pipeline"}),
        );
        let body = json!({"customer_id": customer, "app_token_hash": made.app["token_hash"]});
        made.bearer = post(&made, "/tokens/bearer", body);
        let body = json!({"customer_id": customer, "bearer_jti": made.bearer["jti"], "agent_id": "reviewer"});
        made.agent = post(&made, "/tokens/agent", body);
        let body = json!({
            "customer_id": customer, "parent_jti": made.agent["jti"], "parent_type": "agent", "session_id": "session-1",
            "max_events": 1_000_000
        });
        made.session = post(&made, "/tokens/session", body);
        made.flagged = post(
            &made,
            "/tokens/override",
            json!({"customer_id": customer, "event_id": "evt-1"}),
        );
        let other = made.other.clone();
        made.other_key = post(&made, "/keys/signing", json!({"customer_id": other}))["key_id"].take();
        made.other_app = post(&made, "/tokens/app", json!({"customer_id": other, "name": "pipeline"}));
        let role = json!({"name": "auditor", "capabilities": ["orders:read"]}).to_string();
        let key = made.app["token"].as_str().unwrap_or_default();
        let answer = send(&made.request_of("POST /api/v1/permissions/roles".to_owned(), key, role.into_bytes()));
        assert_eq!(answer.status, 201, "{answer:?}");
        made.role = answer.body["data"]["id"].clone();
        made
    }

    fn request_of(&self, line: String, credential: &str, body: Vec<u8>) -> Request {
        let headers = vec![
            "Content-Type: application/json".to_owned(),
            format!("Authorization: Bearer {credential}"),
        ];
        Request { line, headers, body }
    }

    /// A request to an endpoint.
    pub(super) fn request(&self, endpoint: &Endpoint, form: Form, body: Vec<u8>) -> Request {
        let credential = match (form, endpoint.presented) {
            (Form::Documented, _) => &Value::from(self.admin.as_str()),
            (Form::Permissions, _) | (_, "app") => &self.app["token"],
            (_, "bearer") => &self.bearer["token"],
            (_, "other_app") => &self.other_app["token"],
            (_, _) => &self.agent["token"],
        };
        let mut line = endpoint.line.to_owned();
        for (name, value) in [
            ("{key}", &self.key),
            ("{other_key}", &self.other_key),
            ("{other}", &self.other),
            ("{other_jti}", &self.other_app["jti"]),
            ("{session}", &self.session["jti"]),
            ("{role}", &self.role),
        ] {
            line = line.replace(name, value.as_str().unwrap_or_default());
        }
        self.request_of(line, credential.as_str().unwrap_or_default(), body)
    }
}
