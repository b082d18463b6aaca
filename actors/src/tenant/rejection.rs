//! Why a tenant refuses a command. A rejection changes nothing.

use crate::clock::UnixMillis;
use crate::id::{EventId, Jti, KeyId};
use crate::limits::KEYS_PER_TENANT_MAX;
use crate::permissions::PermissionRejection;
use crate::rbac::{InvalidPolicy, NarrowError};
use crate::token::{Decision, Scope, TokenKind};

/// Why a command was refused. Nothing of it happened.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Rejection {
    /// No record of this customer.
    #[error("no customer of this id is known here; `POST /keys/signing` with its id creates it")]
    UnknownCustomer,
    /// The presented credential is not a live token of this customer.
    #[error("the credential is not a valid token")]
    InvalidCredential,
    /// The presented credential is valid and does not cover this call.
    #[error("the credential does not cover this call: {needed}")]
    Forbidden {
        /// What would cover it.
        needed: Needed,
    },
    /// The caller's credential and the request name different parents.
    #[error("`{field}` names another token than the one in Authorization")]
    ParentDisagrees {
        /// The request's field.
        field: &'static str,
    },
    /// The customer has no key that signs.
    #[error("the customer has no active signing key; create one with `POST /keys/signing`")]
    NoActiveKey,
    /// The customer has a key that signs already.
    #[error("the customer has an active signing key, `{kid}`; replace it with `POST /keys/{kid}/rotate`")]
    ActiveKeyExists {
        /// That key.
        kid: KeyId,
    },
    /// No key of this id.
    #[error("the customer has no signing key of this id")]
    KeyNotFound,
    /// The key named is not the one that signs.
    #[error("the key is not the active one")]
    KeyNotActive,
    /// A new key is published already and waits for its time.
    #[error("key `{kid}` is published already and signs from {}; `immediate` lets it sign now", signs_from.seconds())]
    RotationPending {
        /// The key that waits.
        kid: KeyId,
        /// When it starts to sign.
        signs_from: UnixMillis,
    },
    /// The parent named does not exist, belongs to another customer, or is of a kind that nothing like this derives from.
    #[error("`{field}` names no {expected} token of this customer")]
    ParentNotFound {
        /// The request's field.
        field: &'static str,
        /// The kinds it may be, in words.
        expected: &'static str,
    },
    /// The parent was revoked, itself or through an ancestor.
    #[error("the parent token is revoked")]
    ParentRevoked,
    /// The parent has expired.
    #[error("the parent token has expired")]
    ParentExpired,
    /// A time to live out of range.
    #[error("must be between 1 and {max}")]
    TtlOutOfRange {
        /// The kind of token.
        kind: TokenKind,
        /// The longest, in the unit of the kind's field.
        max: u64,
    },
    /// A field out of range.
    #[error("{message}")]
    InvalidField {
        /// The field.
        field: &'static str,
        /// What is wrong with it.
        message: String,
    },
    /// A policy that breaks a rule of its own.
    #[error(transparent)]
    InvalidPolicy(#[from] InvalidPolicy),
    /// A policy that is not a subset of its parent's.
    #[error("{message}")]
    PermissionEscalation {
        /// The field that widens.
        field: &'static str,
        /// The whole sentence; it names the pattern, or value, that widens it.
        message: String,
    },
    /// A subagent too far below its agent.
    #[error("a subagent of this parent would have depth {depth}; the limit is {max}")]
    DelegationDepthExceeded {
        /// The depth it would have.
        depth: u8,
        /// The deepest allowed.
        max: u8,
    },
    /// The customer has as many live tokens as it may.
    #[error("the customer has as many live tokens as one customer may have, {max}")]
    TokenLimit {
        /// That many.
        max: usize,
    },
    /// The customer has as many signing keys as it may.
    #[error("the customer has as many signing keys as one customer may have, {KEYS_PER_TENANT_MAX}")]
    KeyLimit,
    /// The customer is suspended.
    #[error("the customer is suspended")]
    CustomerSuspended,
    /// No token of this id, or not of the kind named.
    #[error("the customer has no such token")]
    TokenNotFound,
    /// The path names another event than the token is bound to.
    #[error("the override token is bound to another event than the one in the path")]
    EventDiffers,
    /// The event has a decision already.
    #[error("the event is decided: {}", .0.decision)]
    EventDecided(Box<StandingDecision>),
    /// The event was undecided in the backup that the customer was restored from.
    #[error(
        "the customer was restored from a backup in which the event was undecided; whether it was decided after that is not known, so nothing decides it any more"
    )]
    EventBarred,
    /// The override token was revoked.
    #[error("the override token is revoked")]
    OverrideRevoked,
    /// The override token has expired.
    #[error("the override token has expired")]
    OverrideExpired,
    /// The override token does not permit the decision.
    #[error("the override token does not permit the decision `{0}`")]
    DecisionNotAllowed(Decision),
    /// Neither an override token nor a decision is known of the event.
    #[error("the customer has no such event")]
    EventNotFound,
    /// The session is revoked or has expired.
    #[error("the session is not active")]
    SessionInactive,
    /// The session may not count as many events; none of them was counted.
    #[error("the session has {remaining} events left")]
    SessionExhausted {
        /// Events it may still count.
        remaining: u32,
    },
    /// The same idempotency key came with something else.
    #[error("the idempotency key was used for another request")]
    IdempotencyMismatch,
    /// The result that would be given again is dead since.
    #[error("the result of the first call with this idempotency key is no longer in force")]
    IdempotentResultGone,
    /// The customer has as many records of idempotency keys as it may.
    #[error("the customer has used as many idempotency keys as it may within a day")]
    IdempotencyLimit,
    /// The signing key changed between preparing a token and recording it.
    #[error("the signing key changed meanwhile; the call can be repeated")]
    KeyChanged,
    /// A rule of permissions.
    #[error(transparent)]
    Permission(#[from] PermissionRejection),
}

/// The decision that stands on an event.
#[derive(Clone, Debug, PartialEq)]
pub struct StandingDecision {
    /// The event.
    pub event_id: EventId,
    /// The token it was taken with.
    pub override_jti: Jti,
    /// What was decided.
    pub decision: Decision,
    /// Who decided.
    pub decided_by: Option<Box<str>>,
    /// When.
    pub decided_at: UnixMillis,
}

/// What a credential lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needed {
    /// The admin credential.
    Admin,
    /// The admin credential, or an app token with this scope.
    Scope(Scope),
}

impl std::fmt::Display for Needed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Admin => f.write_str("it needs the admin credential"),
            Self::Scope(scope) => write!(
                f,
                "it needs the admin credential or an app token with scope `{}`",
                scope.as_str()
            ),
        }
    }
}

impl From<NarrowError> for Rejection {
    fn from(error: NarrowError) -> Self {
        let message = error.to_string();
        match error {
            NarrowError::Invalid(invalid) => Self::InvalidPolicy(invalid),
            NarrowError::Escalation { field, .. } | NarrowError::Undecided { field, .. } => {
                Self::PermissionEscalation { field, message }
            }
        }
    }
}
