//! Minted tokens and their claims. On the wire one type writes all six.

use countersign_actors::limits::BATCH_MAX;
use countersign_actors::token::TokenKind;
use serde_json::json;
use utoipa::ToSchema;
use utoipa::openapi::schema::{ArrayBuilder, ObjectBuilder, Ref, Schema, Type};

use super::any_object;
use crate::wire::kinds::{
    AgentId, DecisionWord, EnvironmentWord, EventCount, EventId, PolicyClaim, ScopeWord, SessionId, Time, TokenHash,
    Uuid, words,
};

/// An app token.
#[derive(ToSchema)]
pub struct MintedApp {
    /// The token. It is told this once, and kept nowhere.
    #[schema(schema_with = app_token)]
    pub token: String,
    pub token_hash: TokenHash,
    /// Its identifier.
    pub jti: Uuid,
    /// When its time is over.
    pub expires_at: Time,
    pub claims: AppClaims,
}

/// A bearer token.
#[derive(ToSchema)]
pub struct MintedBearer {
    #[schema(schema_with = bearer_token)]
    pub token: String,
    /// Its identifier.
    pub jti: Uuid,
    pub environment: EnvironmentWord,
    /// When its time is over.
    pub expires_at: Time,
    pub claims: BearerClaims,
}

/// An agent token.
#[derive(ToSchema)]
pub struct MintedAgent {
    #[schema(schema_with = agent_token)]
    pub token: String,
    /// Its identifier.
    pub jti: Uuid,
    pub agent_id: AgentId,
    /// When its time is over.
    pub expires_at: Time,
    /// Only there if something about it is worth a warning.
    #[schema(required = false)]
    pub warnings: Vec<String>,
    pub claims: AgentClaims,
}

/// A subagent token.
#[derive(ToSchema)]
pub struct MintedSubagent {
    #[schema(schema_with = subagent_token)]
    pub token: String,
    /// Its identifier.
    pub jti: Uuid,
    pub agent_id: AgentId,
    /// How far below its agent it is.
    #[schema(minimum = 1)]
    pub delegation_depth: u8,
    /// When its time is over.
    pub expires_at: Time,
    /// Only there if something about it is worth a warning.
    #[schema(required = false)]
    pub warnings: Vec<String>,
    pub claims: SubagentClaims,
}

/// A session token.
#[derive(ToSchema)]
pub struct MintedSession {
    #[schema(schema_with = session_token)]
    pub token: String,
    /// Its identifier.
    pub jti: Uuid,
    pub session_id: SessionId,
    pub max_events: EventCount,
    /// When its time is over.
    pub expires_at: Time,
    pub claims: SessionClaims,
}

/// An override token.
#[derive(ToSchema)]
pub struct MintedOverride {
    #[schema(schema_with = override_token)]
    pub token: String,
    /// Its identifier.
    pub jti: Uuid,
    pub event_id: EventId,
    /// When its time is over.
    pub expires_at: Time,
    pub claims: OverrideClaims,
}

/// Declares the claims of each kind of token (RFC 7519 section 4): those that all have, and its own.
macro_rules! claims {
    ($($(#[doc = $doc:literal])+ $name:ident $kind:literal $kind_schema:ident { $($(#[$meta:meta])* $field:ident: $type:ty),* $(,)? })+) => {$(
        $(#[doc = $doc])+
        #[derive(ToSchema)]
        pub struct $name {
            /// The token's identifier.
            pub jti: Uuid,
            /// The customer.
            pub sub: Uuid,
            /// The kind of token.
            #[schema(schema_with = $kind_schema)]
            pub typ: String,
            /// When it was minted, in seconds since 1970.
            #[schema(minimum = 0)]
            pub iat: u64,
            /// When its time is over, in seconds since 1970.
            #[schema(minimum = 0)]
            pub exp: u64,
            $($(#[$meta])* pub $field: $type,)*
        }

        fn $kind_schema() -> ObjectBuilder {
            words([$kind])
        }
    )+};
}

claims! {
    /// The claims of an app token.
    AppClaims "app" app_word {
        /// What it may be used for.
        scopes: Vec<ScopeWord>,
    }
    /// The claims of a bearer token.
    BearerClaims "bearer" bearer_word {
        /// The token that it was derived from.
        parent_jti: Uuid,
        env: EnvironmentWord,
    }
    /// The claims of an agent token.
    AgentClaims "agent" agent_word {
        /// The token that it was derived from.
        parent_jti: Uuid,
        agent_id: AgentId,
        rbac: PolicyClaim,
    }
    /// The claims of a subagent token.
    SubagentClaims "subagent" subagent_word {
        /// The token that it was derived from.
        parent_jti: Uuid,
        agent_id: AgentId,
        rbac: PolicyClaim,
        /// How far below its agent it is.
        #[schema(minimum = 1)]
        depth: u8,
    }
    /// The claims of a session token.
    SessionClaims "session" session_word {
        /// The token that it was derived from.
        parent_jti: Uuid,
        session_id: SessionId,
        max_events: EventCount,
    }
    /// The claims of an override token.
    OverrideClaims "override" override_word {
        event_id: EventId,
        /// The decisions that it permits.
        allowed_decisions: Vec<DecisionWord>,
    }
}

/// The results of a batch.
#[derive(ToSchema)]
pub struct BatchResults {
    #[schema(schema_with = results)]
    pub results: Vec<BatchResult>,
}

/// What became of one request of a batch.
#[derive(ToSchema)]
pub struct BatchResult {
    /// The status that a request of its own would have been answered with.
    #[schema(minimum = 200, maximum = 599)]
    pub status: u16,
    #[schema(schema_with = any_object)]
    pub body: serde_json::Value,
}

fn token(prefix: &str) -> ObjectBuilder {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .pattern(Some(format!(
            "^{prefix}[A-Za-z0-9_-]+\\.[A-Za-z0-9_-]+\\.[A-Za-z0-9_-]{{86}}$"
        )))
        .description(Some("The token: its prefix, and a compact JWS (RFC 7515 section 3.1)."))
        .examples([json!(format!(
            "{prefix}eyJhbGciOiJFUzI1NiJ9.eyJ0eXAiOiIuLi4ifQ.{}",
            "c2ln".repeat(22).get(..86).unwrap_or_default()
        ))])
}

/// Declares the schemas of tokens, each with the prefix of its kind.
macro_rules! tokens {
    ($($name:ident $kind:ident),+ $(,)?) => {$(
        fn $name() -> ObjectBuilder {
            token(TokenKind::$kind.prefix())
        }
    )+};
}

tokens! {
    app_token App,
    bearer_token Bearer,
    agent_token Agent,
    subagent_token Subagent,
    session_token Session,
    override_token Override,
}

fn results() -> Schema {
    ArrayBuilder::new()
        .items(Ref::from_schema_name(BatchResult::name()))
        .min_items(Some(1))
        .max_items(Some(BATCH_MAX))
        .description(Some("One for each request, in the same order."))
        .into()
}
