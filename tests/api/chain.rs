//! A customer with one token of every kind, and the endpoints that mint them.

use serde_json::{Value, json};

use crate::support::{DAY, HOUR, MINUTE, Service, uuid};

/// A customer with a key and one token of every kind, each derived from the one before; the answers as they came.
pub(crate) struct Chain {
    pub(crate) customer: String,
    pub(crate) key: Value,
    pub(crate) app: Value,
    pub(crate) bearer: Value,
    pub(crate) agent: Value,
    pub(crate) subagent: Value,
    pub(crate) session: Value,
    pub(crate) r#override: Value,
}

impl Chain {
    pub(crate) fn new(service: &Service) -> Self {
        Self::by(|path, body| service.posted(path, body))
    }

    /// With something else that posts, such as a caller with a credential.
    pub(crate) fn by(post: impl Fn(&str, &Value) -> Value) -> Self {
        let mut chain = Self {
            customer: uuid(),
            key: Value::Null,
            app: Value::Null,
            bearer: Value::Null,
            agent: Value::Null,
            subagent: Value::Null,
            session: Value::Null,
            r#override: Value::Null,
        };
        chain.key = post("/keys/signing", &json!({"customer_id": chain.customer}));
        chain.app = post("/tokens/app", &(APP.request)(&chain));
        chain.bearer = post("/tokens/bearer", &(BEARER.request)(&chain));
        chain.agent = post("/tokens/agent", &(AGENT.request)(&chain));
        chain.subagent = post("/tokens/subagent", &(SUBAGENT.request)(&chain));
        chain.session = post("/tokens/session", &(SESSION.request)(&chain));
        chain.r#override = post("/tokens/override", &(OVERRIDE.request)(&chain));
        chain
    }

    /// The answer with the token of this kind.
    pub(crate) fn of(&self, kind: &str) -> &Value {
        match kind {
            "app" => &self.app,
            "bearer" => &self.bearer,
            "agent" => &self.agent,
            "subagent" => &self.subagent,
            "session" => &self.session,
            "override" => &self.r#override,
            _ => panic!("there is no kind `{kind}`"),
        }
    }

    /// Puts another answer in its place, so that requests built from the chain name its token.
    pub(crate) fn replace(&mut self, kind: &str, answer: Value) {
        *match kind {
            "app" => &mut self.app,
            "bearer" => &mut self.bearer,
            "agent" => &mut self.agent,
            "subagent" => &mut self.subagent,
            "session" => &mut self.session,
            "override" => &mut self.r#override,
            _ => panic!("there is no kind `{kind}`"),
        } = answer;
    }

    pub(crate) fn token(&self, kind: &str) -> &str {
        self.of(kind)["token"].as_str().unwrap()
    }

    pub(crate) fn jti(&self, kind: &str) -> &str {
        self.of(kind)["jti"].as_str().unwrap()
    }

    pub(crate) fn key_id(&self) -> &str {
        self.key["key_id"].as_str().unwrap()
    }
}

/// What the contract says about one way to mint.
pub(crate) struct Endpoint {
    pub(crate) kind: &'static str,
    pub(crate) path: &'static str,
    /// The shortest request that succeeds, in the documented form.
    pub(crate) request: fn(&Chain) -> Value,
    /// Members of the answer, in order; `claims` follows them.
    pub(crate) answer: &'static [&'static str],
    /// Claims besides the five that all share.
    pub(crate) claims: &'static [&'static str],
    /// The field that names the parent, and the kinds of its parents.
    pub(crate) parent: Option<(&'static str, &'static [&'static str])>,
    /// The field that holds text of a caller's choice.
    pub(crate) names: &'static [&'static str],
    pub(crate) ttl: Ttl,
}

pub(crate) struct Ttl {
    pub(crate) field: &'static str,
    pub(crate) unit: i64,
    pub(crate) default: i64,
    pub(crate) max: i64,
}

pub(crate) const APP: Endpoint = Endpoint {
    kind: "app",
    path: "/tokens/app",
    request: |chain| json!({"customer_id": chain.customer, "name": "pipeline"}),
    answer: &["token", "token_hash", "jti", "expires_at"],
    claims: &["scopes"],
    parent: None,
    names: &["name"],
    ttl: Ttl {
        field: "ttl_days",
        unit: DAY,
        default: 365,
        max: 3_650,
    },
};

pub(crate) const BEARER: Endpoint = Endpoint {
    kind: "bearer",
    path: "/tokens/bearer",
    request: |chain| json!({"customer_id": chain.customer, "app_token_hash": chain.app["token_hash"]}),
    answer: &["token", "jti", "environment", "expires_at"],
    claims: &["parent_jti", "env"],
    parent: Some(("app_token_hash", &["app"])),
    names: &[],
    ttl: Ttl {
        field: "ttl_days",
        unit: DAY,
        default: 90,
        max: 365,
    },
};

pub(crate) const AGENT: Endpoint = Endpoint {
    kind: "agent",
    path: "/tokens/agent",
    request: |chain| json!({"customer_id": chain.customer, "bearer_jti": chain.bearer["jti"], "agent_id": "reviewer"}),
    answer: &["token", "jti", "agent_id", "expires_at"],
    claims: &["parent_jti", "agent_id", "rbac"],
    parent: Some(("bearer_jti", &["bearer"])),
    names: &["agent_id", "agent_name"],
    ttl: Ttl {
        field: "ttl_hours",
        unit: HOUR,
        default: 24,
        max: 720,
    },
};

pub(crate) const SUBAGENT: Endpoint = Endpoint {
    kind: "subagent",
    path: "/tokens/subagent",
    request: |chain| json!({"customer_id": chain.customer, "parent_agent_jti": chain.agent["jti"], "agent_id": "reader"}),
    answer: &["token", "jti", "agent_id", "delegation_depth", "expires_at"],
    claims: &["parent_jti", "agent_id", "rbac", "depth"],
    parent: Some(("parent_agent_jti", &["agent", "subagent"])),
    names: &["agent_id", "agent_name"],
    ttl: Ttl {
        field: "ttl_hours",
        unit: HOUR,
        default: 4,
        max: 168,
    },
};

pub(crate) const SESSION: Endpoint = Endpoint {
    kind: "session",
    path: "/tokens/session",
    request: |chain| {
        json!({
            "customer_id": chain.customer,
            "parent_jti": chain.agent["jti"],
            "parent_type": "agent",
            "session_id": "session-1",
        })
    },
    answer: &["token", "jti", "session_id", "max_events", "expires_at"],
    claims: &["parent_jti", "session_id", "max_events"],
    parent: Some(("parent_jti", &["agent"])),
    names: &["session_id"],
    ttl: Ttl {
        field: "ttl_minutes",
        unit: MINUTE,
        default: 60,
        max: 1_440,
    },
};

pub(crate) const OVERRIDE: Endpoint = Endpoint {
    kind: "override",
    path: "/tokens/override",
    request: |chain| json!({"customer_id": chain.customer, "event_id": "evt-1"}),
    answer: &["token", "jti", "event_id", "expires_at"],
    claims: &["event_id", "allowed_decisions"],
    parent: None,
    names: &["event_id"],
    ttl: Ttl {
        field: "ttl_minutes",
        unit: MINUTE,
        default: 5,
        max: 1_440,
    },
};

/// All ways to mint, parents before children.
pub(crate) const ENDPOINTS: [&Endpoint; 6] = [&APP, &BEARER, &AGENT, &SUBAGENT, &SESSION, &OVERRIDE];

/// Every kind of token, in the order of [`ENDPOINTS`].
pub(crate) const KINDS: [&str; ENDPOINTS.len()] = ["app", "bearer", "agent", "subagent", "session", "override"];
