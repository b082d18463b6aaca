//! Answers that have no type of their own, as the document describes them: those that are written from a handler's few words, and
//! [`minted`] tokens.

#![expect(missing_docs, reason = "a field without a text has that of its kind")]

use utoipa::ToSchema;
use utoipa::openapi::schema::{ArrayBuilder, ObjectBuilder, Schema, Type};

use crate::wire::kinds::{
    AgentId, CapabilityText, DecisionWord, EnvironmentWord, EventCount, EventId, Kind, OverrideId, PolicyClaim, RoleId,
    ScopeWord, SessionId, Uuid, words,
};
use crate::wire::permissions::{AuditEntryAnswer, BatchItemAnswer};

pub mod minted;

/// A token that is worth nothing: wrong, expired, revoked, used, or another customer's. All look alike.
#[derive(ToSchema)]
pub struct Inactive {
    #[schema(schema_with = never)]
    pub active: bool,
}

/// A token that is worth something (RFC 7662 section 2.2): its claims, and beside them `active` and `token_type`.
#[derive(ToSchema)]
pub struct ActiveToken {
    #[schema(schema_with = always)]
    pub active: bool,
    /// The token's identifier.
    pub jti: Uuid,
    /// The customer.
    pub sub: Uuid,
    pub typ: Kind,
    /// When it was minted, in seconds since 1970.
    #[schema(minimum = 0)]
    pub iat: u64,
    /// When its time is over, in seconds since 1970.
    #[schema(minimum = 0)]
    pub exp: u64,
    /// Of all but app tokens: what it was derived from.
    #[schema(required = false)]
    pub parent_jti: Uuid,
    /// Of an app token.
    #[schema(required = false)]
    pub scopes: Vec<ScopeWord>,
    /// Of a bearer token.
    #[schema(required = false)]
    pub env: EnvironmentWord,
    /// Of an agent or subagent token.
    #[schema(required = false)]
    pub agent_id: AgentId,
    /// Of an agent or subagent token.
    #[schema(required = false)]
    pub rbac: PolicyClaim,
    /// Of a subagent token.
    #[schema(required = false, minimum = 1)]
    pub depth: u8,
    /// Of a session token.
    #[schema(required = false)]
    pub session_id: SessionId,
    /// Of a session token.
    #[schema(required = false)]
    pub max_events: EventCount,
    /// Of an override token.
    #[schema(required = false)]
    pub event_id: EventId,
    /// Of an override token.
    #[schema(required = false)]
    pub allowed_decisions: Vec<DecisionWord>,
    pub token_type: Kind,
}

/// Where a session stands.
#[derive(ToSchema)]
pub struct EventsCounted {
    /// Events that it has counted.
    #[schema(minimum = 0)]
    pub events_used: u32,
    /// Events that it may still count.
    #[schema(minimum = 0)]
    pub events_remaining: u32,
}

/// Whether a cosignature is the one of that decision.
#[derive(ToSchema)]
pub struct CosignatureVerdict {
    pub valid: bool,
}

/// A customer.
#[derive(ToSchema)]
pub struct Customer {
    /// Its identifier.
    pub customer_id: Uuid,
    #[schema(schema_with = customer_statuses)]
    pub status: String,
    pub live_tokens: LiveTokens,
    /// Decisions on flagged events that are kept.
    #[schema(minimum = 0)]
    pub decisions: u64,
    /// The number of its last event.
    #[schema(minimum = 0)]
    pub last_sequence: u64,
}

/// Live tokens, by type.
#[derive(ToSchema)]
pub struct LiveTokens {
    #[schema(minimum = 0)]
    pub app: u64,
    #[schema(minimum = 0)]
    pub bearer: u64,
    #[schema(minimum = 0)]
    pub agent: u64,
    #[schema(minimum = 0)]
    pub subagent: u64,
    #[schema(minimum = 0)]
    pub session: u64,
    #[schema(minimum = 0)]
    pub r#override: u64,
}

/// Whether a customer rests.
#[derive(ToSchema)]
pub struct CustomerStatus {
    /// Its identifier.
    pub customer_id: Uuid,
    #[schema(schema_with = customer_statuses)]
    pub status: String,
}

/// That a customer is gone.
#[derive(ToSchema)]
pub struct Erased {
    /// Its identifier.
    pub customer_id: Uuid,
    #[schema(schema_with = always)]
    pub erased: bool,
}

/// That the process answers.
#[derive(ToSchema)]
pub struct Health {
    #[schema(schema_with = healthy)]
    pub status: String,
    #[schema(schema_with = service_name)]
    pub service: String,
}

/// That requests may be sent here.
#[derive(ToSchema)]
pub struct Readiness {
    #[schema(schema_with = readiness)]
    pub status: String,
    #[schema(schema_with = reasons)]
    pub reasons: Vec<String>,
}

/// How much was forgotten.
#[derive(ToSchema)]
pub struct Purged {
    /// Permission overrides that expired over 90 days ago.
    #[schema(minimum = 0)]
    pub purged: u64,
}

/// That the clock is trusted again.
#[derive(ToSchema)]
pub struct ClockConfirmed {
    #[schema(schema_with = always)]
    pub confirmed: bool,
}

/// That an override is gone.
#[derive(ToSchema)]
pub struct OverrideDeleted {
    #[schema(schema_with = always)]
    pub deleted: bool,
    pub id: OverrideId,
}

/// That a role is gone.
#[derive(ToSchema)]
pub struct RoleDeleted {
    #[schema(schema_with = always)]
    pub deleted: bool,
    pub id: RoleId,
}

/// The answers to several questions.
#[derive(ToSchema)]
pub struct PermissionsChecked {
    /// One for each question, in the same order.
    pub results: Vec<BatchItemAnswer>,
}

/// All that a role permits.
#[derive(ToSchema)]
pub struct CapabilitiesAnswer {
    /// Each once, in the order given.
    pub capabilities: Vec<CapabilityText>,
}

/// All roles of a user.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct UserRolesAnswer {
    /// Each once, in the order given.
    pub role_ids: Vec<RoleId>,
}

/// An exported audit: the oldest entry first.
#[derive(ToSchema)]
pub struct AuditExport {
    /// All entries of the last 90 days.
    pub entries: Vec<AuditEntryAnswer<'static>>,
}

fn exactly(value: bool) -> ObjectBuilder {
    ObjectBuilder::new()
        .schema_type(Type::Boolean)
        .enum_values(Some([value]))
}

fn always() -> ObjectBuilder {
    exactly(true)
}

fn never() -> ObjectBuilder {
    exactly(false)
}

fn any_object() -> ObjectBuilder {
    ObjectBuilder::new()
        .schema_type(Type::Object)
        .description(Some("The body of that answer: a minted token, or a problem."))
}

fn customer_statuses() -> ObjectBuilder {
    words(["active", "suspended"]).description(Some("Whether its tokens count."))
}

fn healthy() -> ObjectBuilder {
    words(["healthy"])
}

fn service_name() -> ObjectBuilder {
    words(["countersign"])
}

fn readiness() -> ObjectBuilder {
    words(["ready", "degraded"]).description(Some("`degraded` if something is amiss, which `reasons` names."))
}

fn reasons() -> Schema {
    ArrayBuilder::new()
        .items(words(["storage_low", "clock_jumped"]))
        .description(Some(
            "`storage_low`: nothing can be written. `clock_jumped`: nothing is forgotten until the clock is confirmed.",
        ))
        .into()
}
