//! What callers of the token family send, as the document describes it. Requests are read field by field
//! ([`Fields`](crate::extract::Fields)) and never become one of these types; a test holds the two together, limit by limit.
//!
//! A field that a token's holder may leave out is optional here, and its description says who has to give it.

#![expect(missing_docs, reason = "a field without a text has that of its kind")]

use countersign_actors::limits::{BATCH_MAX, DECISIONS_MAX, PATTERNS_PER_LIST_MAX, SCOPES_MAX};
use countersign_actors::token::{Decision, TokenKind};
use serde_json::json;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{
    AnyOfBuilder, ArrayBuilder, Object, ObjectBuilder, OneOfBuilder, Ref, Schema, SchemaType, Type,
};
use utoipa::{PartialSchema, ToSchema};

use crate::wire::kinds::{
    AgentId, AgentTtlHours, AppTtlDays, BearerTtlDays, DecisionWord, EnvironmentWord, EventCount, EventId, Kind, Name,
    OverrideTtlMinutes, PastTime, Pattern, Reason, ScopeWord, SensitivityLevel, SessionId, SessionTtlMinutes,
    SubagentTtlHours, Uuid, words,
};

pub mod permissions;

/// Names a customer.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NameCustomer {
    /// The customer. Required of the operator; a token's holder may leave it out.
    pub customer_id: Option<Uuid>,
}

/// Replaces a signing key.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RotateKey {
    /// The customer. Required of the operator; a token's holder may leave it out.
    pub customer_id: Option<Uuid>,
    /// Whether the new key signs at once, without the time that verifiers need to learn of it; false by default.
    pub immediate: Option<bool>,
}

/// Revokes a signing key.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RevokeKey {
    /// The customer. Required of the operator; a token's holder may leave it out.
    pub customer_id: Option<Uuid>,
    pub reason: Option<Reason>,
}

/// Asks for an app token.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MintApp {
    /// The customer. Required of the operator; a token's holder may leave it out.
    pub customer_id: Option<Uuid>,
    pub name: Name,
    #[schema(schema_with = scopes)]
    pub scopes: Option<Vec<ScopeWord>>,
    pub ttl_days: Option<AppTtlDays>,
}

/// Asks for a bearer token.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MintBearer {
    /// The customer. Required of the operator; a token's holder may leave it out.
    pub customer_id: Option<Uuid>,
    #[schema(schema_with = parent_hash)]
    pub app_token_hash: Option<String>,
    pub environment: Option<EnvironmentWord>,
    pub ttl_days: Option<BearerTtlDays>,
}

/// Asks for an agent token.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MintAgent {
    /// The customer. Required of the operator; a token's holder may leave it out.
    pub customer_id: Option<Uuid>,
    /// The bearer token that it is derived from. Required, unless the bearer token is the credential.
    pub bearer_jti: Option<Uuid>,
    pub agent_id: AgentId,
    /// For people to recognise it by; not a claim.
    pub agent_name: Option<Name>,
    pub rbac: Option<PolicyRequest>,
    pub ttl_hours: Option<AgentTtlHours>,
}

/// Asks for a subagent token.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MintSubagent {
    /// The customer. Required of the operator; a token's holder may leave it out.
    pub customer_id: Option<Uuid>,
    /// The agent or subagent token that it is derived from. Required, unless that token is the credential.
    pub parent_agent_jti: Option<Uuid>,
    pub agent_id: AgentId,
    /// For people to recognise it by; not a claim.
    pub agent_name: Option<Name>,
    pub rbac: Option<PolicyRequest>,
    pub ttl_hours: Option<SubagentTtlHours>,
}

/// Asks for a session token.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MintSession {
    /// The customer. Required of the operator; a token's holder may leave it out.
    pub customer_id: Option<Uuid>,
    /// The agent or subagent token that it is derived from. Required, unless that token is the credential.
    pub parent_jti: Option<Uuid>,
    #[schema(schema_with = session_parents)]
    pub parent_type: Option<Kind>,
    pub session_id: SessionId,
    /// How many events it may count; 1,000 by default.
    pub max_events: Option<EventCount>,
    pub ttl_minutes: Option<SessionTtlMinutes>,
}

/// Asks for an override token.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MintOverride {
    /// The customer. Required of the operator; a token's holder may leave it out.
    pub customer_id: Option<Uuid>,
    pub event_id: EventId,
    #[schema(schema_with = decisions)]
    pub allowed_decisions: Option<Vec<DecisionWord>>,
    pub reason: Option<Reason>,
    pub ttl_minutes: Option<OverrideTtlMinutes>,
}

/// A policy to give to a token. What is left out is inherited from the parent; an agent has none to inherit from and may do everything.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PolicyRequest {
    #[schema(schema_with = allowed)]
    pub allowed_actions: Option<Vec<Pattern>>,
    #[schema(schema_with = denied)]
    pub denied_actions: Option<Vec<Pattern>>,
    #[schema(schema_with = allowed)]
    pub allowed_resources: Option<Vec<Pattern>>,
    #[schema(schema_with = denied)]
    pub denied_resources: Option<Vec<Pattern>>,
    /// The highest sensitivity level.
    pub max_sensitivity_level: Option<SensitivityLevel>,
    /// The same level under the name that some clients know; 0 means that none is set. It must not differ.
    pub sensitivity_level: Option<SensitivityLevel>,
    #[schema(schema_with = risk_score)]
    pub max_risk_score: Option<f64>,
}

/// Asks for many tokens at once.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MintBatch {
    /// The customer. Required of the operator; a token's holder may leave it out.
    pub customer_id: Option<Uuid>,
    #[schema(schema_with = batch_items)]
    pub requests: Vec<BatchItem>,
}

/// A token to mint: what its own endpoint takes without `customer_id`, and its type. What is at fault in an item is told in the
/// item's result, so nothing of it makes the batch fail.
pub struct BatchItem;

impl PartialSchema for BatchItem {
    fn schema() -> RefOr<Schema> {
        let items = [
            (TokenKind::Bearer, MintBearer::schema()),
            (TokenKind::Agent, MintAgent::schema()),
            (TokenKind::Subagent, MintSubagent::schema()),
            (TokenKind::Session, MintSession::schema()),
            (TokenKind::Override, MintOverride::schema()),
        ];
        let forms = items.into_iter().filter_map(|(kind, schema)| match schema {
            RefOr::T(Schema::Object(own)) => Some(batch_item(kind, own)),
            _ => None,
        });
        let any = forms.fold(AnyOfBuilder::new(), AnyOfBuilder::item);
        any.description(Some(
            "A token to mint: what its own endpoint takes without `customer_id`, and its type.",
        ))
        .into()
    }
}

impl ToSchema for BatchItem {}

fn batch_item(kind: TokenKind, mut own: Object) -> Object {
    own.properties.shift_remove("customer_id");
    own.properties.insert("type".to_owned(), words([kind.as_str()]).into());
    own.required.insert(0, "type".to_owned());
    own
}

/// Says why a token is revoked. Everything may be left out, the body too.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Revoke {
    /// The customer. Required of the operator, here or in the query; a token's holder may leave it out.
    pub customer_id: Option<Uuid>,
    /// What kind of token it is; a token of another kind is not found.
    pub token_type: Option<Kind>,
    pub reason: Option<Reason>,
}

/// Says which tokens to revoke, by exactly one of `agent_id` and `issued_before`.
#[derive(ToSchema)]
#[schema(examples(json!({
    "customer_id": "550e8400-e29b-41d4-a716-446655440000",
    "agent_id": "code-reviewer",
    "reason": "the agent was replaced",
})))]
#[serde(deny_unknown_fields)]
pub struct RevokeMany {
    /// The customer. Required of the operator; a token's holder may leave it out.
    pub customer_id: Option<Uuid>,
    /// All tokens of this agent, and everything derived from them. Required unless `issued_before` is given.
    pub agent_id: Option<AgentId>,
    /// All tokens that were minted before this time, and everything derived from them.
    pub issued_before: Option<PastTime>,
    pub reason: Option<Reason>,
}

/// Presents a token.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PresentToken {
    #[schema(schema_with = presented)]
    pub token: String,
    /// Allowed by RFC 7662 and needless: the prefix says it.
    pub token_type_hint: Option<String>,
}

/// Asks whether a token may do something.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Authorize {
    #[schema(schema_with = presented)]
    pub token: String,
    #[schema(schema_with = judged_action)]
    pub action: String,
    /// On what; empty by default.
    pub resource: Option<crate::wire::kinds::Judged>,
    /// How sensitive that is; 0 by default.
    pub sensitivity_level: Option<SensitivityLevel>,
}

/// Counts events.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CountEvents {
    /// The customer. Required of the operator; a token's holder may leave it out.
    pub customer_id: Option<Uuid>,
    /// How many; 1 by default.
    pub count: Option<EventCount>,
}

/// Decides a flagged event.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Decide {
    /// The override token that permits it.
    pub override_jti: Uuid,
    /// The customer. Required of the operator; a token's holder may leave it out.
    pub customer_id: Option<Uuid>,
    pub decision: DecisionWord,
    pub reason: Option<Reason>,
    /// Who decided, for the record.
    pub decided_by: Option<Name>,
}

/// Presents a cosignature.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub struct VerifyCosignature {
    /// The customer. Required of the operator; a token's holder may leave it out.
    pub customer_id: Option<Uuid>,
    /// The override token that the decision was taken with.
    pub override_jti: Uuid,
    pub decision: DecisionWord,
    #[schema(schema_with = cosignature)]
    pub cosignature: String,
}

/// Says why. Everything may be left out, the body too.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SayWhy {
    pub reason: Option<Reason>,
}

/// A list that may be null, which is the same as absent.
fn list(item: &str, min: usize, max: usize) -> ArrayBuilder {
    ArrayBuilder::new()
        .schema_type(SchemaType::from_iter([Type::Array, Type::Null]))
        .items(Ref::from_schema_name(item))
        .min_items(Some(min))
        .max_items(Some(max))
}

fn scopes() -> Schema {
    list(&ScopeWord::name(), 1, SCOPES_MAX)
        .description(Some("What it may be used for; `*`, which is everything, by default."))
        .into()
}

fn decisions() -> Schema {
    list(&DecisionWord::name(), 1, Decision::ALL.len().min(DECISIONS_MAX))
        .description(Some("The decisions that it permits; both by default."))
        .into()
}

fn allowed() -> Schema {
    list(&Pattern::name(), 1, PATTERNS_PER_LIST_MAX)
        .description(Some("What may be done, or touched."))
        .into()
}

fn denied() -> Schema {
    list(&Pattern::name(), 0, PATTERNS_PER_LIST_MAX)
        .description(Some("What must not be done, or touched, whatever allows it."))
        .into()
}

fn batch_items() -> Schema {
    ArrayBuilder::new()
        .items(Ref::from_schema_name(BatchItem::name()))
        .min_items(Some(1))
        .max_items(Some(BATCH_MAX))
        .description(Some("The tokens, in the order in which they are answered."))
        .into()
}

fn risk_score() -> Schema {
    ObjectBuilder::new()
        .schema_type(SchemaType::from_iter([Type::Number, Type::Null]))
        .minimum(Some(0))
        .examples([json!(0.5)])
        .description(Some(
            "A bound that is carried for those who read it, and only narrows; 0 means that none is set.",
        ))
        .into()
}

/// Text of any kind that is not empty.
fn some_text(example: &str) -> ObjectBuilder {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .min_length(Some(1))
        .examples([json!(example)])
}

fn presented() -> ObjectBuilder {
    some_text("qt_agent_eyJhbGciOiJFUzI1NiJ9.eyJ0eXAiOiJhZ2VudCJ9.c2lnbmF0dXJl")
        .description(Some("The whole string, with its prefix."))
}

fn cosignature() -> ObjectBuilder {
    some_text("9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08").description(Some(
        "What the decision's answer gave; anything else is just not valid.",
    ))
}

fn judged_action() -> ObjectBuilder {
    some_text("code:review:diff")
        .max_length(Some(countersign_actors::limits::AUTHORIZED_CHARS_MAX))
        .description(Some("What it wants to do."))
}

fn parent_hash() -> ObjectBuilder {
    some_text("9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08")
        .schema_type(SchemaType::from_iter([Type::String, Type::Null])).description(Some("The app token that it is derived from, by the `token_hash` of its answer. Required, unless the app token is the credential."))
}

fn session_parents() -> Schema {
    let parents = TokenKind::Session.parents().iter().map(|kind| kind.as_str());
    OneOfBuilder::new()
        .item(ObjectBuilder::new().schema_type(Type::Null))
        .item(words(parents))
        .description(Some(
            "What kind of token that is. Required, unless that token is the credential.",
        ))
        .into()
}
