//! What has happened to a tenant: past tense, versioned, the only thing that changes its state.
//!
//! Events are written as JSON, so that a store outlives the program that wrote it: fields are only ever added, with a
//! default, and never change their meaning.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::idempotency::IdempotencyRecord;
use super::restoration::Restoration;
use crate::clock::{UnixMillis, UnixSeconds};
use crate::crypto::keys::PublicKey;
use crate::id::{AgentId, EventId, Jti, KeyId, Name, SessionId};
use crate::permissions::PermissionEvent;
use crate::rbac::Policy;
use crate::token::{Decision, DecisionSet, Environment, Scopes, TokenHashDigest, TokenKind};

/// An event with the moment it happened at: what one entry of the journal holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Recorded {
    /// The tenant's time; it never runs backwards from one entry to the next.
    pub at: UnixMillis,
    /// What happened.
    pub event: Event,
    /// The idempotency key that it was asked for with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idempotency: Option<IdempotencyRecord>,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// A first signing key was made, or a new one after the last was revoked.
    SigningKeyCreated(KeyMade),
    /// A new signing key was made that takes over from the active one.
    SigningKeyRotated {
        /// The key that signs until the new one does.
        previous: KeyId,
        /// The new key.
        new: KeyMade,
    },
    /// A key that was published ahead was told to sign before its time.
    SigningKeyPromoted {
        /// The key that signed until then.
        previous: KeyId,
        /// The key that signs from then on.
        kid: KeyId,
    },
    /// A token was minted.
    TokenMinted(Mint),
    /// A token was revoked.
    TokenRevoked {
        /// The token.
        jti: Jti,
        /// Whether everything derived from it is dead too.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        cascade: bool,
        /// Why.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<Box<str>>,
    },
    /// Every token that an agent had until then was revoked, with everything derived from them.
    AgentRevoked {
        /// The agent.
        agent_id: AgentId,
        /// Why.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<Box<str>>,
    },
    /// Every token issued before a second was revoked, with everything derived from them.
    IssuedBeforeRevoked {
        /// The second.
        issued_before: UnixSeconds,
        /// Why.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<Box<str>>,
    },
    /// A signing key was revoked, with every token it signed and everything derived from them. Its private part left the vault.
    SigningKeyRevoked {
        /// The key.
        kid: KeyId,
        /// Why.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<Box<str>>,
    },
    /// A flagged event was decided.
    EventDecided {
        /// The event.
        event_id: EventId,
        /// The override token it was decided with.
        override_jti: Jti,
        /// What was decided.
        decision: Decision,
        /// Who decided, as the caller said.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        decided_by: Option<Box<str>>,
        /// Why, as the caller said.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<Box<str>>,
    },
    /// Events of a session were counted by a call with an idempotency key. Others only overwrite the session's row.
    SessionCounted {
        /// The session's token.
        jti: Jti,
        /// Counted in all.
        used: u32,
    },
    /// Nothing mints and everything is inactive until the customer is resumed.
    CustomerSuspended {
        /// Why.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<Box<str>>,
    },
    /// The suspension ended.
    CustomerResumed {
        /// Why.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<Box<str>>,
    },
    /// Something about permission overrides or roles.
    Permission(PermissionEvent),
    /// The customer was read back from a backup.
    Restoration(Restoration),
}

/// A signing key as it was made. Its private part is not here: it is sealed in the vault, where it can be erased.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct KeyMade {
    /// The key's identifier.
    pub kid: KeyId,
    /// What verifiers need.
    pub public: PublicKey,
    /// When it starts to sign; until then it is only published.
    pub signs_from: UnixMillis,
}

/// A token as it was minted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Mint {
    /// The token's identifier.
    pub jti: Jti,
    /// The token it was derived from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<Jti>,
    /// The key that signs it.
    pub kid: KeyId,
    /// `iat`.
    pub issued_at: UnixSeconds,
    /// `exp`; never after the parent's.
    pub expires_at: UnixSeconds,
    /// What only tokens of this kind have.
    pub details: MintDetails,
}

/// What only tokens of one kind have.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MintDetails {
    /// An application's token, the root of a hierarchy.
    App {
        /// Shown to people.
        name: Name,
        /// What it may do as a management credential.
        scopes: Scopes,
        /// SHA-256 of the token hash that names it as a parent.
        hash: TokenHashDigest,
    },
    /// A bearer token.
    Bearer {
        /// The environment it is for.
        environment: Environment,
    },
    /// An agent's token.
    Agent {
        /// The agent.
        agent_id: AgentId,
        /// Shown to people.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        agent_name: Option<Name>,
        /// Its policy; absent for the default one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        policy: Option<Arc<Policy>>,
    },
    /// A subagent's token.
    Subagent {
        /// The subagent.
        agent_id: AgentId,
        /// Shown to people.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        agent_name: Option<Name>,
        /// Its policy; absent if it inherits its parent's.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        policy: Option<Arc<Policy>>,
        /// Steps below the agent.
        depth: u8,
    },
    /// A session's token.
    Session {
        /// The session.
        session_id: SessionId,
        /// Events it may count.
        max_events: u32,
    },
    /// A single-use token by which a human decides a flagged event.
    Override {
        /// The event.
        event_id: EventId,
        /// The decisions it permits.
        allowed_decisions: DecisionSet,
        /// Why it was made.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<Box<str>>,
    },
}

impl MintDetails {
    /// Why it was made, if its kind keeps that.
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::Override { reason, .. } => reason.as_deref(),
            _ => None,
        }
    }

    /// The kind of token that has these.
    pub const fn kind(&self) -> TokenKind {
        match self {
            Self::App { .. } => TokenKind::App,
            Self::Bearer { .. } => TokenKind::Bearer,
            Self::Agent { .. } => TokenKind::Agent,
            Self::Subagent { .. } => TokenKind::Subagent,
            Self::Session { .. } => TokenKind::Session,
            Self::Override { .. } => TokenKind::Override,
        }
    }
}
