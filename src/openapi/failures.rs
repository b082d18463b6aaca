//! The two forms of a failure.

#![expect(missing_docs, reason = "a field without a text has that of its kind")]

use serde_json::json;
use utoipa::ToSchema;
use utoipa::openapi::schema::{ObjectBuilder, Type};

use crate::wire::kinds::{DecisionWord, EventId, Name, Time, Uuid};

/// A failure of the token family, as `application/problem+json` (RFC 9457).
#[derive(ToSchema)]
pub struct Problem {
    #[schema(schema_with = problem_type)]
    pub r#type: String,
    /// The same for each code.
    pub title: String,
    /// The HTTP status.
    #[schema(minimum = 400, maximum = 599)]
    pub status: u16,
    /// What happened this time.
    pub detail: String,
    /// The stable word for programs.
    pub code: String,
    /// The fields at fault, all of them.
    #[schema(required = false)]
    pub errors: Vec<FieldProblem>,
    /// Of `signing_key_exists` and `rotation_pending`: the key that is there.
    #[schema(required = false)]
    pub key_id: Uuid,
    /// Of `rotation_pending`: when that key takes over.
    #[schema(required = false)]
    pub signs_from: Time,
    /// Of `delegation_depth_exceeded`: the depth that the token would have.
    #[schema(required = false, minimum = 1)]
    pub depth: u8,
    /// Of `delegation_depth_exceeded`: the deepest that is allowed.
    #[schema(required = false, minimum = 0)]
    pub max_delegation_depth: u8,
    /// Of `session_exhausted`.
    #[schema(required = false, minimum = 0)]
    pub events_remaining: u32,
    #[schema(required = false)]
    pub decision: StandingDecision,
}

/// A field at fault.
#[derive(ToSchema)]
pub struct FieldProblem {
    /// Its path, such as `rbac.allowed_actions[2]`.
    pub field: String,
    /// What is wrong with it.
    pub message: String,
}

/// Of `event_decided`: the decision that stands.
#[derive(ToSchema)]
pub struct StandingDecision {
    pub event_id: EventId,
    pub decision: DecisionWord,
    /// The token that was used.
    pub override_jti: Uuid,
    /// Who decided, if that was said.
    #[schema(required)]
    pub decided_by: Option<Name>,
    /// When.
    pub decided_at: Time,
}

/// A failure of the permission family.
#[derive(ToSchema)]
pub struct Refusal {
    #[schema(schema_with = unsuccessful)]
    pub success: bool,
    pub error: RefusalError,
}

/// What went wrong.
#[derive(ToSchema)]
pub struct RefusalError {
    /// The stable word for programs.
    pub code: String,
    /// What happened this time; it names the first field at fault.
    pub message: String,
    #[schema(required = false)]
    pub details: RefusalDetails,
}

/// More about it.
#[derive(ToSchema)]
pub struct RefusalDetails {
    /// The fields at fault, all of them.
    #[schema(required = false)]
    pub errors: Vec<FieldProblem>,
    /// How many users have the role that was to be deleted.
    #[schema(required = false, minimum = 1)]
    pub holders: u64,
}

fn problem_type() -> ObjectBuilder {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .pattern(Some("^urn:countersign:problem:[a-z_]+$"))
        .examples([json!("urn:countersign:problem:invalid_request")])
        .description(Some("`urn:countersign:problem:` and the code."))
}

fn unsuccessful() -> ObjectBuilder {
    ObjectBuilder::new()
        .schema_type(Type::Boolean)
        .enum_values(Some([false]))
}
