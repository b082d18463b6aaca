//! What all mint commands share: the key that signs, the time to live, the grant.

use std::sync::Arc;

use super::audit::AuditDraft;
use super::event::{Event, Mint, MintDetails};
use super::idempotency::Outcome;
use super::rejection::Rejection;
use super::state::{Dead, State};
use super::tokens::Token;
use crate::clock::UnixSeconds;
use crate::commands::{Decided, Moment};
use crate::crypto::sealed::SealedKey;
use crate::id::{Jti, KeyId};
use crate::rbac::Policy;
use crate::token::{TokenGrant, TokenKind};

/// A token in the making: the customer may mint, and this key signs.
pub(crate) struct Minting<'a> {
    state: &'a State,
    issued_at: UnixSeconds,
    kid: KeyId,
    key: &'a Arc<SealedKey>,
}

/// A token that every rule allows.
pub(crate) struct Allowed<'a> {
    pub(crate) jti: Jti,
    pub(crate) parent: Option<&'a Token>,
    pub(crate) ttl_seconds: u64,
    pub(crate) details: MintDetails,
    /// The policy in force: the one in the details, or the inherited one that they leave out.
    pub(crate) policy: Option<Arc<Policy>>,
}

impl<'a> Minting<'a> {
    /// # Errors
    /// [`Rejection::CustomerSuspended`], [`Rejection::NoActiveKey`] or [`Rejection::TokenLimit`].
    pub(crate) fn begin(state: &'a State, moment: &Moment<'_>) -> Result<Self, Rejection> {
        if state.suspended {
            return Err(Rejection::CustomerSuspended);
        }
        let (record, key) = state.signing_key(moment.now)?;
        let max = moment.rules.tokens_per_tenant_max;
        if state.tokens.len() >= max {
            return Err(Rejection::TokenLimit { max });
        }
        Ok(Self {
            state,
            issued_at: moment.now.seconds(),
            kid: record.kid,
            key,
        })
    }

    /// The event and the grant of a token that every rule allows.
    pub(crate) fn finish(self, allowed: Allowed<'_>) -> Decided<TokenGrant> {
        let Allowed {
            jti,
            parent,
            ttl_seconds,
            details,
            policy,
        } = allowed;
        let mint = Mint {
            jti,
            parent: parent.map(|parent| parent.jti),
            kid: self.kid,
            issued_at: self.issued_at,
            expires_at: expiry(self.issued_at, ttl_seconds, parent),
            details,
        };
        let kind = mint.details.kind();
        let reason = mint.details.reason().map(str::to_owned);
        let grant = TokenGrant::new(self.state.customer(), mint.clone(), policy, Arc::clone(self.key));
        let decided = Decided::event(Event::TokenMinted(mint), grant).coming_to(Outcome::Minted(jti));
        match kind {
            // Many and short-lived: what an auditor looks for is who was given the power to mint them.
            TokenKind::Agent | TokenKind::Subagent | TokenKind::Session => decided,
            TokenKind::App => decided.audited(AuditDraft::new("app_token.minted", jti)),
            TokenKind::Bearer => decided.audited(AuditDraft::new("bearer_token.minted", jti)),
            TokenKind::Override => {
                decided.audited(AuditDraft::new("override_token.minted", jti).because(reason.as_deref()))
            }
        }
    }
}

/// `exp` of a new token: as long as requested, but never after its parent's.
pub(crate) fn expiry(issued_at: UnixSeconds, ttl_seconds: u64, parent: Option<&Token>) -> UnixSeconds {
    let requested = issued_at.plus(i64::try_from(ttl_seconds).unwrap_or(i64::MAX));
    parent.map_or(requested, |parent| requested.min(parent.expires_at))
}

/// The time to live in seconds: what was asked for in the kind's own unit, or the default.
///
/// # Errors
/// [`Rejection::TtlOutOfRange`] if it is 0 or more than the kind's maximum.
pub(crate) fn ttl_seconds(kind: TokenKind, requested: Option<u32>, default: Option<u32>) -> Result<u64, Rejection> {
    let unit = kind.ttl_unit_seconds();
    let max = kind.max_ttl_seconds() / unit;
    let amount = requested
        .or(default)
        .map_or(kind.default_ttl_seconds() / unit, u64::from);
    if amount == 0 || amount > max {
        return Err(Rejection::TtlOutOfRange { kind, max });
    }
    Ok(amount.saturating_mul(unit))
}

/// The grant of a token that an earlier call with the same idempotency key minted.
///
/// # Errors
/// [`Rejection::IdempotentResultGone`] if the token, or the key that signs it, is no longer in force,
/// [`Rejection::CustomerSuspended`] if it only rests.
pub(crate) fn granted_again(state: &State, moment: &Moment<'_>, outcome: &Outcome) -> Result<TokenGrant, Rejection> {
    let Outcome::Minted(jti) = outcome else {
        return Err(Rejection::IdempotentResultGone);
    };
    let token = state.tokens.get(*jti).ok_or(Rejection::IdempotentResultGone)?;
    state.liveness(token, moment.now).map_err(|dead| match dead {
        Dead::Suspended => Rejection::CustomerSuspended,
        Dead::Expired | Dead::Revoked => Rejection::IdempotentResultGone,
    })?;
    if state.decisions.is_used(token) {
        return Err(Rejection::IdempotentResultGone);
    }
    let key = state
        .vault
        .signing_key(token.kid)
        .ok_or(Rejection::IdempotentResultGone)?;
    let mint = token.to_mint(state.tokens.parent_of(token));
    let policy = token.details.agent().map(|agent| Arc::clone(&agent.policy));
    Ok(TokenGrant::new(state.customer(), mint, policy, Arc::clone(key)))
}
