//! Every endpoint that takes a body, with a body of the contract that has all of its fields.

use serde_json::{Value, json};

use super::schema::{Field, Kind, implied, optional, required};
use super::{Form, Made};

/// An endpoint that takes a body.
#[derive(Clone, Copy, Debug)]
pub struct Endpoint {
    /// Method and path, with what a service made in braces.
    pub line: &'static str,
    /// Who may call it.
    pub forms: &'static [Form],
    /// The token that is presented in [`Form::Presented`].
    pub presented: &'static str,
    /// All of its fields.
    pub fields: &'static [Field],
    /// A right body.
    pub body: fn(&Made) -> Value,
    /// Whether a body may be left out.
    pub may_be_empty: bool,
    /// Whether the body may be larger than others.
    pub is_batch: bool,
    /// Server errors that are right, because of what the customer was made to be.
    pub may_fail: &'static [u16],
}

const OPERATOR: &[Form] = &[Form::Documented];
const EITHER: &[Form] = &[Form::Documented, Form::Presented];
const BY_KEY: &[Form] = &[Form::Permissions];

const CUSTOMER: Field = implied("customer_id", Kind::Uuid);
const REASON: Field = optional("reason", Kind::Text(1_000));
const SCOPES: &[&str] = &[
    "keys:manage",
    "tokens:mint",
    "tokens:revoke",
    "tokens:read",
    "overrides:decide",
    "permissions:manage",
    "permissions:check",
    "permissions:audit",
    "*",
];
const TYPES: &[&str] = &["app", "bearer", "agent", "subagent", "session", "override"];
const DECISIONS: &[&str] = &["approve", "reject"];
const RBAC: Field = optional("rbac", Kind::Rbac);

fn rbac() -> Value {
    json!({
        "allowed_actions": ["code:read:*", "[!x]*:[a-z]?:*"], "denied_actions": ["code:drop:*"], "allowed_resources": ["repo:*"],
        "denied_resources": ["repo:secret"], "max_sensitivity_level": 2, "sensitivity_level": 2, "max_risk_score": 0.5
    })
}

const fn endpoint(
    line: &'static str,
    forms: &'static [Form],
    fields: &'static [Field],
    body: fn(&Made) -> Value,
) -> Endpoint {
    Endpoint {
        line,
        forms,
        presented: "",
        fields,
        body,
        may_be_empty: false,
        is_batch: false,
        may_fail: &[],
    }
}

/// An endpoint whose parent, or another credential that covers it, may be presented.
const fn presented(
    by: &'static str,
    line: &'static str,
    fields: &'static [Field],
    body: fn(&Made) -> Value,
) -> Endpoint {
    Endpoint {
        presented: by,
        ..endpoint(line, EITHER, fields, body)
    }
}

const fn may_be_empty(endpoint: Endpoint) -> Endpoint {
    Endpoint {
        may_be_empty: true,
        ..endpoint
    }
}

/// All of them.
pub const ENDPOINTS: &[Endpoint] = &[
    presented(
        "app",
        "POST /keys/signing",
        &[CUSTOMER],
        |made| json!({"customer_id": made.customer}),
    ),
    endpoint(
        "POST /keys/{other_key}/rotate",
        OPERATOR,
        &[CUSTOMER, optional("immediate", Kind::Bool)],
        |made| json!({"customer_id": made.other, "immediate": false}),
    ),
    endpoint(
        "POST /keys/{other_key}/revoke",
        OPERATOR,
        &[CUSTOMER, REASON],
        |made| json!({"customer_id": made.other, "reason": "stolen"}),
    ),
    endpoint(
        "POST /tokens/app",
        OPERATOR,
        &[
            CUSTOMER,
            required("name", Kind::Name),
            optional("scopes", Kind::Words(1, 64, SCOPES)),
            optional("ttl_days", Kind::Whole(1, 3_650)),
        ],
        |made| json!({"customer_id": made.customer, "name": "pipeline", "scopes": ["tokens:mint", "*"], "ttl_days": 30}),
    ),
    presented(
        "app",
        "POST /tokens/bearer",
        &[
            CUSTOMER,
            implied("app_token_hash", Kind::Text(64 * 1_024)),
            optional("environment", Kind::Word(&["development", "staging", "production"])),
            optional("ttl_days", Kind::Whole(1, 365)),
        ],
        |made| json!({"customer_id": made.customer, "app_token_hash": made.app["token_hash"], "environment": "staging", "ttl_days": 30}),
    ),
    presented(
        "bearer",
        "POST /tokens/agent",
        &[
            CUSTOMER,
            implied("bearer_jti", Kind::Uuid),
            required("agent_id", Kind::Name),
            optional("agent_name", Kind::Name),
            RBAC,
            optional("ttl_hours", Kind::Whole(1, 720)),
        ],
        |made| {
            json!({
                "customer_id": made.customer, "bearer_jti": made.bearer["jti"], "agent_id": "writer", "agent_name": "Writer",
                "rbac": rbac(), "ttl_hours": 3
            })
        },
    ),
    presented(
        "agent",
        "POST /tokens/subagent",
        &[
            CUSTOMER,
            implied("parent_agent_jti", Kind::Uuid),
            required("agent_id", Kind::Name),
            optional("agent_name", Kind::Name),
            RBAC,
            optional("ttl_hours", Kind::Whole(1, 168)),
        ],
        |made| {
            json!({
                "customer_id": made.customer, "parent_agent_jti": made.agent["jti"], "agent_id": "writer", "agent_name": "Writer",
                "rbac": rbac(), "ttl_hours": 3
            })
        },
    ),
    presented(
        "agent",
        "POST /tokens/session",
        &[
            CUSTOMER,
            implied("parent_jti", Kind::Uuid),
            implied("parent_type", Kind::Word(&["agent", "subagent"])),
            required("session_id", Kind::Name),
            optional("max_events", Kind::Whole(1, 1_000_000)),
            optional("ttl_minutes", Kind::Whole(1, 1_440)),
        ],
        |made| {
            json!({
                "customer_id": made.customer, "parent_jti": made.agent["jti"], "parent_type": "agent", "session_id": "session-2",
                "max_events": 10, "ttl_minutes": 5
            })
        },
    ),
    presented(
        "agent",
        "POST /tokens/override",
        &[
            CUSTOMER,
            required("event_id", Kind::Name),
            optional("allowed_decisions", Kind::Words(1, 16, DECISIONS)),
            REASON,
            optional("ttl_minutes", Kind::Whole(1, 1_440)),
        ],
        |made| {
            json!({
                "customer_id": made.customer, "event_id": "evt-2", "allowed_decisions": ["approve", "reject"], "reason": "odd",
                "ttl_minutes": 5
            })
        },
    ),
    Endpoint {
        is_batch: true,
        ..presented(
            "bearer",
            "POST /tokens/batch",
            &[CUSTOMER, required("requests", Kind::Batch)],
            |made| {
                let agent =
                    json!({"type": "agent", "bearer_jti": made.bearer["jti"], "agent_id": "third", "rbac": rbac()});
                json!({"customer_id": made.customer, "requests": [agent, {"type": "session"}]})
            },
        )
    },
    endpoint(
        "POST /tokens/introspect",
        OPERATOR,
        &[
            required("token", Kind::Text(64 * 1_024)),
            optional("token_type_hint", Kind::Text(64 * 1_024)),
        ],
        |made| json!({"token": made.agent["token"], "token_type_hint": "access_token"}),
    ),
    presented(
        "app",
        "POST /tokens/authorize",
        &[
            required("token", Kind::Text(64 * 1_024)),
            required("action", Kind::Text(4_096)),
            optional("resource", Kind::Text(4_096)),
            optional("sensitivity_level", Kind::Whole(0, 4)),
        ],
        |made| json!({"token": made.agent["token"], "action": "code:read:file", "resource": "repo:a", "sensitivity_level": 1}),
    ),
    may_be_empty(presented(
        "other_app",
        "DELETE /tokens/{other_jti}",
        &[CUSTOMER, optional("token_type", Kind::Word(TYPES)), REASON],
        |made| json!({"customer_id": made.other, "token_type": "app", "reason": "a test"}),
    )),
    may_be_empty(endpoint(
        "POST /revocation/cascade/{other_jti}",
        OPERATOR,
        &[CUSTOMER, optional("token_type", Kind::Word(TYPES)), REASON],
        |made| json!({"customer_id": made.other, "token_type": "app", "reason": "a test"}),
    )),
    endpoint(
        "POST /revocation/bulk",
        OPERATOR,
        &[
            CUSTOMER,
            optional("agent_id", Kind::Name),
            optional("issued_before", Kind::Time),
            REASON,
        ],
        |made| json!({"customer_id": made.other, "agent_id": "nobody", "reason": "a test"}),
    ),
    endpoint(
        "POST /overrides/evt-1/decide",
        OPERATOR,
        &[
            CUSTOMER,
            required("override_jti", Kind::Uuid),
            required("decision", Kind::Word(DECISIONS)),
            REASON,
            optional("decided_by", Kind::Name),
        ],
        |made| {
            json!({
                "customer_id": made.customer, "override_jti": made.flagged["jti"], "decision": "approve", "reason": "looked at it",
                "decided_by": "alice"
            })
        },
    ),
    endpoint(
        "POST /overrides/evt-1/verify",
        OPERATOR,
        &[
            CUSTOMER,
            required("override_jti", Kind::Uuid),
            required("decision", Kind::Word(DECISIONS)),
            required("cosignature", Kind::Text(64 * 1_024)),
        ],
        |made| {
            json!({
                "customer_id": made.customer, "override_jti": made.flagged["jti"], "decision": "approve", "cosignature": "00"
            })
        },
    ),
    may_be_empty(presented(
        "app",
        "POST /sessions/{session}/events",
        &[CUSTOMER, optional("count", Kind::Whole(1, 1_000_000))],
        |made| json!({"customer_id": made.customer, "count": 2}),
    )),
    may_be_empty(endpoint(
        "POST /customers/{other}/suspend",
        OPERATOR,
        &[REASON],
        |_| json!({"reason": "unpaid"}),
    )),
    may_be_empty(endpoint(
        "POST /customers/{other}/resume",
        OPERATOR,
        &[REASON],
        |_| json!({"reason": "paid"}),
    )),
    endpoint(
        "POST /api/v1/permissions/overrides",
        BY_KEY,
        &[
            required("adminId", Kind::Name),
            required("path", Kind::Path(true)),
            required("action", Kind::Action(true)),
            required("effect", Kind::Word(&["GRANT", "DENY"])),
            required("reason", Kind::Reason),
            optional("expiresAt", Kind::Time),
        ],
        |_| {
            json!({
                "adminId": "alice", "path": "orders.refunds", "action": "approve", "effect": "GRANT",
                "reason": "because a test says so", "expiresAt": "2026-03-02T00:00:00.000Z"
            })
        },
    ),
    endpoint(
        "POST /api/v1/permissions/check",
        BY_KEY,
        &[
            required("adminId", Kind::Name),
            required("path", Kind::Path(false)),
            required("action", Kind::Action(false)),
            optional("resource", Kind::Text(4_096)),
            optional("context", Kind::Object),
            optional("explain", Kind::Bool),
        ],
        |_| {
            json!({
                "adminId": "alice", "path": "orders.refunds", "action": "approve", "resource": "order:7", "context": {"ip": "::1"},
                "explain": true
            })
        },
    ),
    endpoint(
        "POST /api/v1/permissions/check-batch",
        BY_KEY,
        &[
            optional("adminId", Kind::Name),
            required(
                "checks",
                Kind::Objects(&[
                    optional("adminId", Kind::Name),
                    required("path", Kind::Path(false)),
                    required("action", Kind::Action(false)),
                    optional("resource", Kind::Text(4_096)),
                ]),
            ),
        ],
        |_| json!({"adminId": "alice", "checks": [{"adminId": "bob", "path": "orders", "action": "read", "resource": "order:7"}]}),
    ),
    endpoint(
        "PATCH /api/v1/permissions/roles/{role}",
        BY_KEY,
        &[
            optional("name", Kind::Name),
            optional("description", Kind::Text(1_000)),
            optional("capabilities", Kind::Capabilities(256)),
        ],
        |_| json!({"name": "auditor", "description": "looks", "capabilities": ["orders:read"]}),
    ),
    endpoint(
        "POST /api/v1/permissions/roles",
        BY_KEY,
        &[
            required("name", Kind::Name),
            optional("description", Kind::Text(1_000)),
            optional("capabilities", Kind::Capabilities(256)),
        ],
        |_| json!({"name": "auditor", "description": "looks", "capabilities": ["orders:read"]}),
    ),
    endpoint(
        "PUT /api/v1/permissions/roles/{role}/capabilities",
        BY_KEY,
        &[required("capabilities", Kind::Capabilities(256))],
        |_| json!({"capabilities": ["orders:read", "*:*"]}),
    ),
    endpoint(
        "PUT /api/v1/permissions/users/alice/roles",
        BY_KEY,
        &[required("roleIds", Kind::Roles)],
        |_| json!({"roleIds": ["viewer"]}),
    ),
];
