//! What can be asked of a tenant. Each command has its rules in [`Command::decide`]: a pure function of the state, the command
//! and the moment, which returns what happens and what to answer, or why not.

mod authenticate;
mod count_events;
mod create_signing_key;
mod customer;
mod decide_event;
mod introspect;
mod look_up;
mod mint_agent;
mod mint_app;
mod mint_batch;
mod mint_bearer;
mod mint_override;
mod mint_session;
mod mint_subagent;
pub mod permissions;
mod public_keys;
mod restore_customer;
mod revoke;
mod rotate_signing_key;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

pub use authenticate::{Authenticate, FindKey};
pub use count_events::{CountEvents, Counted};
pub use create_signing_key::CreateSigningKey;
pub use customer::{Describe, ListLiveKinds, Overview, SetSuspended};
pub use decide_event::{DecideEvent, EventFile, EventToken, FindEvent, FindOverrideSecret, Taken};
pub use introspect::{Active, Authorization, Authorize, Introspect};
pub use look_up::{FindLineage, FindToken, Lineage, ListRevocations, ListTokens, Status, TokenInfo};
pub use mint_agent::MintAgent;
pub use mint_app::{MintApp, Preparation, PrepareApp, PreparedApp};
pub use mint_batch::{BatchItem, MintBatch};
pub use mint_bearer::{BearerParent, MintBearer};
pub use mint_override::MintOverride;
pub use mint_session::{MintSession, SessionParent};
pub use mint_subagent::MintSubagent;
use permissions::PermissionRules;
pub use public_keys::{PublicKeys, PublishedKeys};
pub use restore_customer::{RestoreCustomer, RestoreStep};
pub use revoke::{CountSelected, ListDescendants, RevokeMany, RevokeToken, Selector};
pub use rotate_signing_key::{KeyInfo, NewKey, RotateSigningKey};

use crate::clock::UnixMillis;
use crate::id::{Jti, KeyId};
use crate::limits::LIVE_TOKENS_MAX;
use crate::tenant::audit::AuditDraft;
use crate::tenant::event::Event;
use crate::tenant::idempotency::{Idempotency, IdempotencyRecord, Outcome};
use crate::tenant::rows::RowChange;
use crate::tenant::state::Dead;
use crate::tenant::tokens::{Details, Token};
use crate::tenant::vault::VaultChange;
use crate::tenant::{Needed, Rejection, State};
use crate::token::{Scope, TokenGrant, TokenKind};

/// Something that can be asked of a tenant.
pub trait Command: Send + 'static {
    /// What is answered.
    type Reply: Send + 'static;

    /// What the caller must be.
    fn access(&self) -> Access;

    /// Whether the command may bring a customer into being; every other meets only customers that are known.
    const CREATES_CUSTOMER: bool = false;

    /// The rules. Changes nothing.
    ///
    /// # Errors
    /// A [`Rejection`] says which rule forbids it.
    fn decide(self, state: &State, moment: &Moment<'_>) -> Result<Decided<Self::Reply>, Rejection>;

    /// The answer to a repetition of a call that was made with an idempotency key.
    ///
    /// # Errors
    /// [`Rejection::IdempotentResultGone`] if what it came to is dead since.
    fn repeat(&self, _state: &State, _moment: &Moment<'_>, _outcome: &Outcome) -> Result<Self::Reply, Rejection> {
        Err(Rejection::IdempotentResultGone)
    }
}

/// A command that grants a token.
pub trait MintCommand: Command<Reply = TokenGrant> {
    /// The kind that it grants.
    const KIND: TokenKind;
}

/// The time and the settings that a command is decided by.
#[derive(Clone, Copy, Debug)]
pub struct Moment<'a> {
    /// The tenant's time.
    pub now: UnixMillis,
    /// The operator's settings.
    pub rules: &'a Rules,
    /// Whether the call came with an idempotency key.
    pub keyed: bool,
}

/// Settings of an operator that rules depend on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    /// TTL of an app token for which none is asked, in days.
    pub default_app_ttl_days: u32,
    /// The deepest that a subagent may be below its agent.
    pub max_delegation_depth: u8,
    /// Seconds between publishing a key and signing with it.
    pub key_publish_ahead_seconds: u64,
    /// Tokens that one customer may have in memory: live ones, and those that expired within the last hour.
    pub tokens_per_tenant_max: usize,
    /// What rules about permissions depend on.
    pub permissions: PermissionRules,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            default_app_ttl_days: 365,
            max_delegation_depth: 3,
            key_publish_ahead_seconds: 300,
            tokens_per_tenant_max: LIVE_TOKENS_MAX,
            permissions: PermissionRules::default(),
        }
    }
}

/// What a command comes to.
#[derive(Debug)]
pub struct Decided<R> {
    /// What happens.
    pub events: Vec<Event>,
    /// What changes in the vault, in the same batch.
    pub vault: Vec<VaultChange>,
    /// What is overwritten in place, in the same batch.
    pub rows: Vec<RowChange>,
    /// What the audit says of it, in the same batch.
    pub audit: Vec<AuditDraft>,
    /// What the audit may say of an answer that changes nothing: never waited for, and left out where there is too much of it.
    pub notes: Vec<AuditDraft>,
    /// What is kept of it if it was asked for with an idempotency key.
    pub outcome: Option<Outcome>,
    /// What is kept with each event, if more than one of them was asked for with a key of its own.
    pub records: Vec<Option<IdempotencyRecord>>,
    /// What is answered once that is durable.
    pub reply: R,
}

impl<R> Decided<R> {
    /// An answer that changes nothing.
    pub const fn answer(reply: R) -> Self {
        Self {
            events: Vec::new(),
            vault: Vec::new(),
            rows: Vec::new(),
            audit: Vec::new(),
            notes: Vec::new(),
            outcome: None,
            records: Vec::new(),
            reply,
        }
    }

    /// An answer with one event.
    pub fn event(event: Event, reply: R) -> Self {
        Self {
            events: vec![event],
            ..Self::answer(reply)
        }
    }

    /// Whether there is nothing to write.
    pub fn changes_nothing(&self) -> bool {
        self.events.is_empty() && self.vault.is_empty() && self.rows.is_empty() && self.audit.is_empty()
    }

    /// With an entry in the audit.
    #[must_use]
    pub fn audited(mut self, draft: AuditDraft) -> Self {
        self.audit.push(draft);
        self
    }

    /// With what the audit may say of it.
    #[must_use]
    pub fn noted(mut self, notes: impl IntoIterator<Item = AuditDraft>) -> Self {
        self.notes.extend(notes);
        self
    }

    /// With what is kept of it if it was asked for with an idempotency key.
    #[must_use]
    pub fn coming_to(mut self, outcome: Outcome) -> Self {
        self.outcome = Some(outcome);
        self
    }
}

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Caller {
    /// The operator: the admin credential, open mode, or the program that runs the engine in its own process.
    Management,
    /// The operator, known by this name, such as the one in a client certificate.
    Operator(Arc<str>),
    /// The service itself, keeping house.
    Service,
    /// The holder of a token whose signature was verified; whether it is live is the tenant's to say.
    Token(PresentedToken),
}

impl fmt::Display for Caller {
    /// As the audit names it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Management => f.write_str("management"),
            Self::Operator(name) => write!(f, "management:{name}"),
            Self::Service => f.write_str("service"),
            Self::Token(token) => write!(f, "{}:{}", token.kind, token.jti),
        }
    }
}

/// A token whose signature was verified against the published key of its header's `kid`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PresentedToken {
    /// Its identifier.
    pub jti: Jti,
    /// Its kind.
    pub kind: TokenKind,
    /// The key that verified it.
    pub kid: KeyId,
    /// Its claims, as they were signed.
    pub payload: Arc<str>,
}

/// What a caller must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Anyone.
    Public,
    /// The operator, or the holder of any live token.
    Live,
    /// The operator.
    Admin,
    /// The operator, or an app token with this scope.
    Scope(Scope),
    /// The operator, an app token with `tokens:mint`, or the live parent itself.
    Mint {
        /// The parent.
        parent: Option<Jti>,
        /// The kinds that it may be.
        parent_kinds: &'static [TokenKind],
    },
}

/// Whether `caller` may ask for something that needs `access`.
///
/// # Errors
/// [`Rejection::InvalidCredential`] if its token is not live here, [`Rejection::Forbidden`] if it is and does not cover the call.
pub(crate) fn check_access(state: &State, caller: &Caller, access: Access, now: UnixMillis) -> Result<(), Rejection> {
    let Caller::Token(presented) = caller else {
        return Ok(());
    };
    if access == Access::Public {
        return Ok(());
    }
    let token = presented_token(state, presented, now)?;
    let (scope, is_parent) = match access {
        Access::Public | Access::Live => return Ok(()),
        Access::Admin => return Err(Rejection::Forbidden { needed: Needed::Admin }),
        Access::Scope(scope) => (scope, false),
        Access::Mint { parent, parent_kinds } => (
            Scope::TokensMint,
            parent == Some(token.jti) && parent_kinds.contains(&token.kind()),
        ),
    };
    match &token.details {
        // An app token is a management credential too: as a parent it mints no more than its scopes allow.
        Details::App { scopes, .. } if scopes.covers(scope) => Ok(()),
        Details::App { .. } => Err(Rejection::Forbidden {
            needed: Needed::Scope(scope),
        }),
        _ if is_parent => Ok(()),
        _ => Err(Rejection::Forbidden {
            needed: Needed::Scope(scope),
        }),
    }
}

/// The record of a presented token, if it is live and says what its record says: signed by the key that the record names, with the
/// very claims. So a token that was signed again by a retired or stolen key, or with wider claims, is worth nothing.
///
/// # Errors
/// [`Rejection::CustomerSuspended`], or else [`Rejection::InvalidCredential`].
pub(crate) fn presented_token<'a>(
    state: &'a State,
    presented: &PresentedToken,
    now: UnixMillis,
) -> Result<&'a Token, Rejection> {
    let token = state
        .tokens
        .get(presented.jti)
        .filter(|token| token.kid == presented.kid);
    let token = token.ok_or(Rejection::InvalidCredential)?;
    state.liveness(token, now).map_err(|dead| match dead {
        Dead::Suspended => Rejection::CustomerSuspended,
        Dead::Expired | Dead::Revoked => Rejection::InvalidCredential,
    })?;
    if state.decisions.is_used(token) || !claims_match(state, token, &presented.payload) {
        return Err(Rejection::InvalidCredential);
    }
    Ok(token)
}

/// Whether these claims are the token's own.
fn claims_match(state: &State, token: &Token, payload: &str) -> bool {
    let Some(own) = state.claims_of(token) else {
        return false;
    };
    // Tokens of this version compare byte for byte; those of another may order their claims differently.
    own == payload || serde_json::from_str::<serde_json::Value>(&own).ok() == serde_json::from_str(payload).ok()
}

/// A command with who asks for it.
#[derive(Clone, Debug)]
pub struct Call<C> {
    /// Who asks.
    pub caller: Caller,
    /// The `x-request-id` it came with, for the audit.
    pub request_id: Option<Arc<str>>,
    /// The idempotency key it came with.
    pub idempotency: Option<Idempotency>,
    /// What is asked.
    pub command: C,
}

impl<C> Call<C> {
    /// A call in the operator's name: what a program asks that runs the engine in its own process.
    pub const fn management(command: C) -> Self {
        Self {
            caller: Caller::Management,
            request_id: None,
            idempotency: None,
            command,
        }
    }

    /// The same caller, request and key with another command.
    pub fn map<D>(self, change: impl FnOnce(C) -> D) -> Call<D> {
        let Self {
            caller,
            request_id,
            idempotency,
            command,
        } = self;
        Call {
            caller,
            request_id,
            idempotency,
            command: change(command),
        }
    }
}
