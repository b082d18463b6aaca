//! What can be asked of a tenant. Each command has its rules in [`Command::decide`]: a pure function of the state, the command
//! and the moment, which returns what happens and what to answer, or why not.

mod authenticate;
mod create_signing_key;
mod mint_agent;
mod mint_app;
mod mint_bearer;
mod mint_override;
mod mint_session;
mod mint_subagent;
pub mod permissions;
mod public_keys;
mod rotate_signing_key;

use std::fmt;
use std::sync::Arc;

pub use authenticate::{Authenticate, FindKey};
pub use create_signing_key::CreateSigningKey;
pub use mint_agent::MintAgent;
pub use mint_app::{MintApp, Preparation, PrepareApp, PreparedApp};
pub use mint_bearer::{BearerParent, MintBearer};
pub use mint_override::MintOverride;
pub use mint_session::{MintSession, SessionParent};
pub use mint_subagent::MintSubagent;
use permissions::PermissionRules;
pub use public_keys::{PublicKeys, PublishedKeys};
pub use rotate_signing_key::{KeyInfo, NewKey, RotateSigningKey};

use crate::clock::UnixMillis;
use crate::id::{Jti, KeyId};
use crate::limits::LIVE_TOKENS_MAX;
use crate::tenant::audit::AuditDraft;
use crate::tenant::event::Event;
use crate::tenant::idempotency::{Idempotency, Outcome};
use crate::tenant::tokens::{Details, Token};
use crate::tenant::vault::VaultChange;
use crate::tenant::{Needed, Rejection, State};
use crate::token::{Scope, TokenKind};

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

/// The time and the settings that a command is decided by.
#[derive(Clone, Copy, Debug)]
pub struct Moment<'a> {
    /// The tenant's time.
    pub now: UnixMillis,
    /// The operator's settings.
    pub rules: &'a Rules,
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
    /// What the audit says of it, in the same batch.
    pub audit: Vec<AuditDraft>,
    /// What the audit may say of an answer that changes nothing: never waited for, and left out where there is too much of it.
    pub notes: Vec<AuditDraft>,
    /// What is kept of it if it was asked for with an idempotency key.
    pub outcome: Option<Outcome>,
    /// What is answered once that is durable.
    pub reply: R,
}

impl<R> Decided<R> {
    /// An answer that changes nothing.
    pub const fn answer(reply: R) -> Self {
        Self {
            events: Vec::new(),
            vault: Vec::new(),
            audit: Vec::new(),
            notes: Vec::new(),
            outcome: None,
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
            Self::Service => f.write_str("service"),
            Self::Token(token) => write!(f, "{}:{}", token.kind, token.jti),
        }
    }
}

/// A token whose signature was verified against the published key of its header's `kid`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PresentedToken {
    /// Its identifier.
    pub jti: Jti,
    /// Its kind.
    pub kind: TokenKind,
    /// The key that verified it.
    pub kid: KeyId,
}

/// What a caller must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Anyone.
    Public,
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
        Access::Public => return Ok(()),
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

/// The record of a presented token, if it is live and was signed by the key that its record names: claims signed again by a
/// retired or stolen key for an existing identifier are worth nothing.
///
/// # Errors
/// [`Rejection::InvalidCredential`] otherwise.
pub(crate) fn presented_token<'a>(
    state: &'a State,
    presented: &PresentedToken,
    now: UnixMillis,
) -> Result<&'a Token, Rejection> {
    state
        .tokens
        .get(presented.jti)
        .filter(|token| token.kid == presented.kid && token.kind() == presented.kind)
        .filter(|token| state.liveness(token, now).is_ok())
        .ok_or(Rejection::InvalidCredential)
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
    /// A command of the operator.
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
