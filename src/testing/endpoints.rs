//! Every endpoint that takes a body, with a body of the contract that has all of its fields.

use countersign_actors::testing::checks::SCOPES;
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
const TYPES: &[&str] = &["app", "bearer", "agent", "subagent", "session", "override"];
const DECISIONS: &[&str] = &["approve", "reject"];
const DECISION: Field = required("decision", Kind::Word(DECISIONS));
const OVERRIDE_JTI: Field = required("override_jti", Kind::Uuid);
/// A token, or what stands for one.
const TOKEN: Kind = Kind::Text(64 * 1_024);
const ACTION: Field = required("action", Kind::Action(false));
const PATH: Field = required("path", Kind::Path(false));
const RESOURCE: Field = optional("resource", Kind::Text(4_096));
const ANY_ADMIN: Field = optional("adminId", Kind::Name);
const ADMIN: Field = required("adminId", Kind::Name);
const CAPABILITIES: Kind = Kind::Capabilities(256);

const AGENT: &[Field] = &worker("bearer_jti", 720);
const SUBAGENT: &[Field] = &worker("parent_agent_jti", 168);
const REVOCATION: &[Field] = &[CUSTOMER, optional("token_type", Kind::Word(TYPES)), REASON];
const NEW_ROLE: &[Field] = &role(required("name", Kind::Name));
const CHANGED_ROLE: &[Field] = &role(optional("name", Kind::Name));

/// The fields of an agent or a subagent.
const fn worker(parent: &'static str, hours_max: i128) -> [Field; 6] {
    [
        CUSTOMER,
        implied(parent, Kind::Uuid),
        required("agent_id", Kind::Name),
        optional("agent_name", Kind::Name),
        optional("rbac", Kind::Rbac),
        optional("ttl_hours", Kind::Whole(1, hours_max)),
    ]
}

const fn role(name: Field) -> [Field; 3] {
    [
        name,
        optional("description", Kind::Text(1_000)),
        optional("capabilities", CAPABILITIES),
    ]
}

fn worker_body(made: &Made, field: &str, parent: &Value) -> Value {
    json!({
        "customer_id": made.customer, field: parent["jti"], "agent_id": "writer", "agent_name": "Writer", "rbac": rbac(),
        "ttl_hours": 3
    })
}

fn revocation_body(made: &Made) -> Value {
    json!({"customer_id": made.other, "token_type": "app", "reason": "a test"})
}

fn role_body(_: &Made) -> Value {
    json!({"name": "auditor", "description": "looks", "capabilities": ["orders:read"]})
}

fn reason_body(_: &Made) -> Value {
    json!({"reason": "a test"})
}

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
            implied("app_token_hash", TOKEN),
            optional("environment", Kind::Word(&["development", "staging", "production"])),
            optional("ttl_days", Kind::Whole(1, 365)),
        ],
        |made| json!({"customer_id": made.customer, "app_token_hash": made.app["token_hash"], "environment": "staging", "ttl_days": 30}),
    ),
    presented("bearer", "POST /tokens/agent", AGENT, |made| {
        worker_body(made, "bearer_jti", &made.bearer)
    }),
    presented("agent", "POST /tokens/subagent", SUBAGENT, |made| {
        worker_body(made, "parent_agent_jti", &made.agent)
    }),
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
        &[required("token", TOKEN), optional("token_type_hint", TOKEN)],
        |made| json!({"token": made.agent["token"], "token_type_hint": "access_token"}),
    ),
    presented(
        "app",
        "POST /tokens/authorize",
        &[
            required("token", TOKEN),
            required("action", Kind::Text(4_096)),
            RESOURCE,
            optional("sensitivity_level", Kind::Whole(0, 4)),
        ],
        |made| json!({"token": made.agent["token"], "action": "code:read:file", "resource": "repo:a", "sensitivity_level": 1}),
    ),
    may_be_empty(presented(
        "other_app",
        "DELETE /tokens/{other_jti}",
        REVOCATION,
        revocation_body,
    )),
    may_be_empty(endpoint(
        "POST /revocation/cascade/{other_jti}",
        OPERATOR,
        REVOCATION,
        revocation_body,
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
            OVERRIDE_JTI,
            DECISION,
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
        &[CUSTOMER, OVERRIDE_JTI, DECISION, required("cosignature", TOKEN)],
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
        reason_body,
    )),
    may_be_empty(endpoint(
        "POST /customers/{other}/resume",
        OPERATOR,
        &[REASON],
        reason_body,
    )),
    endpoint(
        "POST /api/v1/permissions/overrides",
        BY_KEY,
        &[
            ADMIN,
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
            ADMIN,
            PATH,
            ACTION,
            RESOURCE,
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
            ANY_ADMIN,
            required("checks", Kind::Objects(&[ANY_ADMIN, PATH, ACTION, RESOURCE])),
        ],
        |_| json!({"adminId": "alice", "checks": [{"adminId": "bob", "path": "orders", "action": "read", "resource": "order:7"}]}),
    ),
    endpoint(
        "PATCH /api/v1/permissions/roles/{role}",
        BY_KEY,
        CHANGED_ROLE,
        role_body,
    ),
    endpoint("POST /api/v1/permissions/roles", BY_KEY, NEW_ROLE, role_body),
    endpoint(
        "PUT /api/v1/permissions/roles/{role}/capabilities",
        BY_KEY,
        &[required("capabilities", CAPABILITIES)],
        |_| json!({"capabilities": ["orders:read", "*:*"]}),
    ),
    endpoint(
        "PUT /api/v1/permissions/users/alice/roles",
        BY_KEY,
        &[required("roleIds", Kind::Roles)],
        |_| json!({"roleIds": ["viewer"]}),
    ),
];
