//! The kinds of values that requests and answers are made of, as the API document describes them. Their limits are the engine's own.
//!
//! Nothing is ever of these types: they stand in `value_type` of what is answered, and in the descriptions of what is read.

use countersign_actors::commands::Status;
use countersign_actors::limits::{
    AUTHORIZED_CHARS_MAX, NAME_CHARS_MAX, PATTERN_CHARS_MAX, REASON_CHARS_MAX, SENSITIVITY_LEVEL_MAX,
    SESSION_EVENTS_MAX,
};
use countersign_actors::token::{Decision, Environment, Scope, TokenKind};
use serde_json::{Value, json};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, SchemaFormat, Type};
use utoipa::{PartialSchema, ToSchema};

/// Declares kinds: their documentation is their description.
macro_rules! kinds {
    ($($(#[doc = $doc:literal])+ $name:ident = $schema:expr;)+) => {$(
        $(#[doc = $doc])+
        pub struct $name;

        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                let schema: ObjectBuilder = $schema;
                schema.description(Some(concat!($($doc),+).trim())).into()
            }
        }

        impl ToSchema for $name {}
    )+};
}

kinds! {
    /// A UUID, written in lower case with hyphens.
    Uuid = formatted("uuid")
        .examples([json!("550e8400-e29b-41d4-a716-446655440000")]);
    /// A time in UTC, in whole seconds.
    Time = formatted("date-time")
        .pattern(Some(r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z$")).examples([json!("2026-03-01T12:00:00Z")]);
    /// A time in UTC, in milliseconds.
    TimeMillis = formatted("date-time")
        .pattern(Some(r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z$")).examples([json!("2026-06-01T00:00:00.000Z")]);
    /// A time with a zone (RFC 3339).
    AnyTime = formatted("date-time")
        .examples([json!("2099-06-01T00:00:00.000Z")]);
    /// A time with a zone (RFC 3339) that is not in the future.
    PastTime = formatted("date-time").examples([json!("2026-03-01T12:00:00Z")]);
    /// A display name that the caller chose, without control characters.
    Name = name().examples([json!("billing-assistant")]);
    /// The caller's identifier of an agent, without control characters.
    AgentId = name().examples([json!("code-reviewer")]);
    /// The caller's identifier of a session, without control characters.
    SessionId = name().examples([json!("sess-2026-03-01-a")]);
    /// The caller's identifier of an event that was flagged for review, without control characters and without `|`.
    EventId = name().pattern(Some(r"^[^\x00-\x1f\x7f-\x9f|]*$"))
        .examples([json!("evt-a1b2c3d4-5678-9012-abcd-ef3456789012")]);
    /// Why, for the record.
    Reason = text().max_length(Some(REASON_CHARS_MAX)).examples([json!("the key was found in a log")]);
    /// What kind of token it is.
    Kind = words(TokenKind::ALL.iter().map(|kind| kind.as_str()));
    /// Where a token stands.
    TokenStatus = words(Status::ALL.iter().map(|status| status.as_str()));
    /// Where an application runs.
    EnvironmentWord = words(Environment::ALL.iter().map(|environment| environment.as_str()))
        .examples([json!("production")]);
    /// A part of the management plane; `*` is all of it.
    ScopeWord = words(Scope::ALL.iter().map(|scope| scope.as_str()));
    /// A reviewer's verdict on a flagged event.
    DecisionWord = words(Decision::ALL.iter().map(|decision| decision.as_str()));
    /// A pattern as of Python's `fnmatch`: `*` and `?` cross `:` and `/`. Without control characters.
    Pattern = text().min_length(Some(1)).max_length(Some(PATTERN_CHARS_MAX)).pattern(Some(NO_CONTROL))
        .examples([json!("code:*")]);
    /// How sensitive what is touched may be.
    SensitivityLevel = whole(0, SENSITIVITY_LEVEL_MAX.into()).examples([json!(3)]);
    /// How many events a session may count.
    EventCount = whole(1, SESSION_EVENTS_MAX.into()).examples([json!(100)]);
    /// An action or a resource to be judged.
    Judged = text().max_length(Some(AUTHORIZED_CHARS_MAX)).examples([json!("code:review:diff")]);
    /// Days that an app token lives.
    AppTtlDays = ttl(TokenKind::App);
    /// Days that a bearer token lives.
    BearerTtlDays = ttl(TokenKind::Bearer);
    /// Hours that an agent token lives.
    AgentTtlHours = ttl(TokenKind::Agent);
    /// Hours that a subagent token lives.
    SubagentTtlHours = ttl(TokenKind::Subagent);
    /// Minutes that a session token lives.
    SessionTtlMinutes = ttl(TokenKind::Session);
    /// Minutes that an override token lives.
    OverrideTtlMinutes = ttl(TokenKind::Override);
    /// SHA-256 of an app token's whole string, in lower-case hexadecimal digits.
    TokenHash = digest();
    /// HMAC-SHA256 over the decision under a secret of the customer, in lower-case hexadecimal digits.
    Cosignature = digest();
    /// A public key as PEM (SubjectPublicKeyInfo).
    Pem = text().examples([json!("-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE...\n-----END PUBLIC KEY-----\n")]);
    /// A coordinate of a P-256 key (RFC 7518 section 6.2.1).
    Coordinate = text().pattern(Some("^[A-Za-z0-9_-]{43}$"))
        .examples([json!("f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU")]);
    /// What a permission is about: segments joined by `.` or `/`, without a wildcard.
    PermissionPath = text().min_length(Some(1)).max_length(Some(NAME_CHARS_MAX))
        .pattern(Some("^[A-Za-z0-9_:@-]+([./][A-Za-z0-9_:@-]+)*$")).examples([json!("billing")]);
    /// A permission path whose last segment may be `*` for all below; `*` alone is everything.
    PermissionPathPattern = text().min_length(Some(1)).max_length(Some(NAME_CHARS_MAX))
        .pattern(Some(r"^(\*|[A-Za-z0-9_:@-]+([./][A-Za-z0-9_:@-]+)*([./]\*)?)$")).examples([json!("billing.*")]);
    /// What is done.
    PermissionAction = text().pattern(Some("^[A-Za-z][A-Za-z0-9_-]{0,63}$")).examples([json!("delete")]);
    /// What is done; `*` is anything.
    PermissionActionPattern = text().pattern(Some(r"^(\*|[A-Za-z][A-Za-z0-9_-]{0,63})$")).examples([json!("delete")]);
    /// What a role permits: `path:action`, parted at the last `:`; either may end in a wildcard.
    CapabilityText = text()
        .pattern(Some(r"^(\*|[A-Za-z0-9_:@-]+([./][A-Za-z0-9_:@-]+)*([./]\*)?):(\*|[A-Za-z][A-Za-z0-9_-]{0,63})$"))
        .examples([json!("billing.*:read")]);
    /// The user that a permission is about, without control characters.
    AdminId = name().examples([json!("user_xyz789")]);
    /// Whether an override gives or takes.
    EffectWord = words(["GRANT", "DENY"]);
    /// Why an override was made: at least ten characters, blanks around them not counted.
    OverrideReason = text().max_length(Some(REASON_CHARS_MAX)).pattern(Some(r"^\s*\S[\s\S]{8,}\S\s*$"))
        .examples([json!("Temporary block during financial audit period")]);
    /// The identifier of an override.
    OverrideId = text().pattern(Some("^ovr_[0-9a-f]{32}$")).examples([json!("ovr_0195fd2c7b9e7c5fa1b2c3d4e5f60718")]);
    /// The identifier of a role.
    RoleId = text().pattern(Some("^(super-admin|viewer|role_[0-9a-f]{32})$")).examples([json!("viewer")]);
    /// The identifier of an entry of the audit.
    AuditId = text().pattern(Some("^aud_")).examples([json!("aud_0195fd2c7b9e7c5fa1b2c3d4e5f60718")]);
    /// What decided a check.
    CheckSource = words(["override_deny", "override_grant", "role", "none"]);
    /// A place in an audit, as an earlier answer gave it.
    AuditCursor = text().pattern(Some("^[A-Za-z0-9_-]*$")).examples([json!("AAABnKY")]);
    /// A place in a list of overrides, as an earlier answer gave it.
    OverrideCursor = text().pattern(Some("^[0-9]+$")).examples([json!("42")]);
    /// Entity tags (RFC 9110 section 8.8.3).
    EntityTags = text().examples([json!("\"9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08\"")]);
}

/// A published key (RFC 7517 section 4).
#[derive(ToSchema)]
#[schema(as = Jwk)]
pub struct PublicJwk {
    /// The key's identifier, which stands in the header of every token that it signed.
    pub kid: Uuid,
    #[schema(schema_with = elliptic)]
    pub kty: String,
    #[schema(schema_with = p256)]
    pub crv: String,
    /// The first coordinate.
    pub x: Coordinate,
    /// The second coordinate.
    pub y: Coordinate,
    #[schema(schema_with = signatures)]
    pub r#use: String,
    #[schema(schema_with = es256)]
    pub alg: String,
}

/// What an agent or subagent token may do, as it was signed.
#[derive(ToSchema)]
#[schema(as = Policy)]
pub struct PolicyClaim {
    /// Actions that may be done.
    pub allowed_actions: Vec<Pattern>,
    /// Actions that must not be done, whatever allows them.
    pub denied_actions: Vec<Pattern>,
    /// Resources that may be touched.
    pub allowed_resources: Vec<Pattern>,
    /// Resources that must not be touched, whatever allows them.
    pub denied_resources: Vec<Pattern>,
    /// The highest sensitivity level.
    pub max_sensitivity_level: SensitivityLevel,
    /// The same level, for readers that know it by this name.
    pub sensitivity_level: SensitivityLevel,
    /// A bound that is carried for those who read it; absent if there is none.
    #[schema(required = false, exclusive_minimum = 0)]
    pub max_risk_score: f64,
}

fn elliptic() -> ObjectBuilder {
    words(["EC"]).description(Some("The family of keys."))
}

fn p256() -> ObjectBuilder {
    words(["P-256"]).description(Some("The curve."))
}

fn signatures() -> ObjectBuilder {
    words(["sig"]).description(Some("What it is for."))
}

/// The one algorithm that keys of ours sign with.
pub fn es256() -> ObjectBuilder {
    words(["ES256"]).description(Some("The algorithm."))
}

const NO_CONTROL: &str = r"^[^\x00-\x1f\x7f-\x9f]*$";

fn text() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String)
}

fn formatted(format: &str) -> ObjectBuilder {
    text().format(Some(SchemaFormat::Custom(format.to_owned())))
}

fn name() -> ObjectBuilder {
    text()
        .min_length(Some(1))
        .max_length(Some(NAME_CHARS_MAX))
        .pattern(Some(NO_CONTROL))
}

/// Text that is one of these words.
pub fn words<'a>(words: impl IntoIterator<Item = &'a str>) -> ObjectBuilder {
    text().enum_values(Some(words.into_iter().map(Value::from)))
}

fn whole(min: i64, max: i64) -> ObjectBuilder {
    ObjectBuilder::new()
        .schema_type(Type::Integer)
        .minimum(Some(min))
        .maximum(Some(max))
}

fn ttl(kind: TokenKind) -> ObjectBuilder {
    let in_units = |seconds: u64| i64::try_from(seconds / kind.ttl_unit_seconds()).unwrap_or(i64::MAX);
    let default = in_units(kind.default_ttl_seconds());
    whole(1, in_units(kind.max_ttl_seconds())).examples([json!(default)])
}

fn digest() -> ObjectBuilder {
    text().pattern(Some("^[0-9a-f]{64}$")).examples([json!(
        "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
    )])
}
