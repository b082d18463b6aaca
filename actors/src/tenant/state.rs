//! A tenant's state: what its events add up to, and the questions that rules ask of it.

use std::sync::Arc;

use super::decisions::{DecisionRecord, Decisions};
use super::event::{Event, Mint, Recorded};
use super::folding::Folding;
use super::idempotency::IdempotencyRecords;
use super::keys::{Keys, SigningKeyRecord};
use super::permissions::Permissions;
use super::rejection::Rejection;
use super::revocations::{Revocation, Revocations, Target};
use super::rows::RowChange;
use super::tokens::{Details, NewToken, Revoked, Token, Tokens};
use super::vault::{Vault, VaultChange};
use crate::clock::UnixMillis;
use crate::crypto::sealed::SealedKey;
use crate::id::{CustomerId, Jti};
use crate::limits::EXPIRED_READABLE_SECONDS;
use crate::token::TokenKind;
use crate::token::grant::claims_json;

/// An event that does not fit the state it meets: the journal is not what this program wrote, or the program is wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("event {sequence} does not fit: {reason}")]
pub struct Inconsistent {
    /// The event's sequence number.
    pub sequence: u64,
    /// What does not fit.
    pub reason: &'static str,
}

/// One customer's state.
#[derive(Debug)]
pub struct State {
    customer: CustomerId,
    sequence: u64,
    last_at: UnixMillis,
    /// The customer's signing keys.
    pub keys: Keys,
    /// The customer's tokens.
    pub tokens: Tokens,
    /// Sealed secrets.
    pub vault: Vault,
    /// Calls with an idempotency key.
    pub idempotency: IdempotencyRecords,
    /// Permission overrides and roles.
    pub permissions: Permissions,
    /// What was revoked.
    pub revocations: Revocations,
    /// What was decided on flagged events.
    pub decisions: Decisions,
    /// Whether the customer is suspended.
    pub suspended: bool,
    /// How far all this stands in rows.
    pub folding: Folding,
}

impl State {
    /// A customer of whom nothing is known.
    pub fn new(customer: CustomerId) -> Self {
        Self {
            customer,
            sequence: 0,
            last_at: UnixMillis::default(),
            keys: Keys::default(),
            tokens: Tokens::default(),
            vault: Vault::default(),
            idempotency: IdempotencyRecords::default(),
            permissions: Permissions::default(),
            revocations: Revocations::default(),
            decisions: Decisions::default(),
            suspended: false,
            folding: Folding::default(),
        }
    }

    /// Whose state this is.
    pub const fn customer(&self) -> CustomerId {
        self.customer
    }

    /// The sequence number of the last event; 0 before the first.
    pub const fn sequence(&self) -> u64 {
        self.sequence
    }

    /// The tenant's time: the wall clock's, but never before its last event.
    pub fn now(&self, wall_clock: UnixMillis) -> UnixMillis {
        wall_clock.max(self.last_at)
    }

    /// Adds an event.
    ///
    /// # Errors
    /// [`Inconsistent`] if the event does not follow the last one or does not fit; the state is then of no use any more.
    pub fn apply(&mut self, sequence: u64, recorded: Recorded) -> Result<(), Inconsistent> {
        let inconsistent = |reason| Inconsistent { sequence, reason };
        if sequence != self.sequence + 1 {
            return Err(inconsistent("it does not follow the last one"));
        }
        self.note_unfolded(&recorded);
        let Recorded { at, event, idempotency } = recorded;
        match event {
            Event::SigningKeyCreated(made) => self.keys.insert(sequence, &made, at),
            Event::SigningKeyRotated { previous, new } => {
                self.keys.retire(previous, new.signs_from);
                self.keys.insert(sequence, &new, at);
            }
            Event::SigningKeyPromoted { previous, kid } => {
                self.keys.retire(previous, at);
                self.keys.promote(kid, at);
            }
            Event::TokenMinted(mint) => self.add_token(sequence, mint).map_err(inconsistent)?,
            Event::Permission(event) => self.permissions.apply(sequence, at, event).map_err(inconsistent)?,
            Event::Restoration(part) => self.apply_restoration(sequence, at, part).map_err(inconsistent)?,
            Event::CustomerSuspended { reason: _ } => self.suspended = true,
            Event::CustomerResumed { reason: _ } => self.suspended = false,
            Event::SessionCounted { jti, used } => {
                if !self.tokens.note_used(jti, used) {
                    return Err(inconsistent("there is no such session"));
                }
            }
            Event::EventDecided {
                event_id,
                override_jti,
                decision,
                decided_by,
                reason,
            } => {
                let record = DecisionRecord {
                    override_jti,
                    decision,
                    decided_by,
                    reason,
                    decided_at: at,
                };
                if !self.decisions.insert(event_id, record) {
                    return Err(inconsistent("the event is decided"));
                }
            }
            Event::TokenRevoked { jti, cascade, reason } => {
                self.revoke(sequence, Target::Token { jti, cascade }, at, reason)
                    .map_err(inconsistent)?;
            }
            Event::AgentRevoked { agent_id, reason } => {
                self.revoke(sequence, Target::Agent(agent_id), at, reason)
                    .map_err(inconsistent)?;
            }
            Event::IssuedBeforeRevoked { issued_before, reason } => {
                self.revoke(sequence, Target::IssuedBefore(issued_before), at, reason)
                    .map_err(inconsistent)?;
            }
            Event::SigningKeyRevoked { kid, reason } => {
                self.revoke(sequence, Target::Key(kid), at, reason)
                    .map_err(inconsistent)?;
            }
        }
        if let Some(record) = idempotency {
            self.idempotency.insert(at, record);
        }
        self.sequence = sequence;
        self.last_at = self.last_at.max(at);
        Ok(())
    }

    /// The state's time is `now` from here on, if it is not later already.
    pub(super) fn advance_to(&mut self, now: UnixMillis) {
        self.last_at = self.last_at.max(now);
    }

    /// The time of the last event or fold.
    pub(super) const fn last_at(&self) -> UnixMillis {
        self.last_at
    }

    /// Where a fold left the state.
    pub(super) const fn restore_moment(&mut self, sequence: u64, at: UnixMillis) {
        self.sequence = sequence;
        self.last_at = at;
    }

    /// Overwrites a fact that is kept in a row of its own. `false` if there is nothing here that it is about.
    pub fn apply_row(&mut self, change: &RowChange) -> bool {
        match *change {
            RowChange::SessionUsed { jti, used } => self.tokens.note_used(jti, used),
            RowChange::SessionForgotten(_) | RowChange::KeyForgotten(_) => true,
        }
    }

    /// Forgets up to `at_most` things of each kind that nobody needs any more; returns the rows that can be deleted.
    pub fn purge(&mut self, now: UnixMillis, at_most: usize) -> Vec<RowChange> {
        // What is forgotten may come again, and must not find itself in the journal when that is read again: so the tenant's time
        // does not go back behind this.
        self.advance_to(now);
        let expired_by = now.seconds().plus(-EXPIRED_READABLE_SECONDS);
        self.idempotency.purge(now, at_most);
        self.decisions.purge(now, at_most);
        self.revocations.purge(expired_by, at_most);
        let sessions = self.tokens.purge(expired_by, at_most).into_iter();
        let mut garbage: Vec<_> = sessions.map(RowChange::SessionForgotten).collect();
        for key in self.keys.purge(expired_by) {
            self.vault.apply(VaultChange::EraseSigningKey(key.kid));
            self.folding.note_forgotten_key(&key);
            garbage.push(RowChange::KeyForgotten(key.kid));
        }
        garbage
    }

    /// The key that signs now, with its sealed private part.
    ///
    /// # Errors
    /// [`Rejection::NoActiveKey`] if there is none.
    pub fn signing_key(&self, now: UnixMillis) -> Result<(&SigningKeyRecord, &Arc<SealedKey>), Rejection> {
        let record = self.keys.active(now).ok_or(Rejection::NoActiveKey)?;
        let sealed = self.vault.signing_key(record.kid).ok_or(Rejection::NoActiveKey)?;
        Ok((record, sealed))
    }

    /// The claims of a token, as they were signed.
    pub fn claims_of(&self, token: &Token) -> Option<String> {
        let mint = token.to_mint(self.tokens.parent_of(token));
        let policy = token.details.agent().map(|agent| agent.policy.as_ref());
        claims_json(self.customer, &mint, policy).ok()
    }

    /// Whether a token grants anything now, and if not, why. Looks at the token and at its ancestors, of which there are few.
    ///
    /// # Errors
    /// [`Dead`] says why it grants nothing.
    pub fn liveness(&self, token: &Token, now: UnixMillis) -> Result<(), Dead> {
        // Revoked before expired: it stays true, and is what an operator looks for.
        if token.revoked.is_some()
            || self
                .tokens
                .lineage(token)
                .any(|above| self.is_revoked_with_descendants(above))
        {
            return Err(Dead::Revoked);
        }
        if token.is_expired(now) {
            return Err(Dead::Expired);
        }
        if self.suspended {
            return Err(Dead::Suspended);
        }
        Ok(())
    }

    /// Whether a revocation kills this token and everything derived from it.
    fn is_revoked_with_descendants(&self, token: &Token) -> bool {
        token.revoked == Some(Revoked::Cascade) || self.revocations.covers(token) || self.keys.is_revoked(token.kid)
    }

    /// A parent for a new token: a live token of one of these kinds.
    ///
    /// # Errors
    /// [`Rejection::ParentNotFound`] naming `field`, [`Rejection::ParentRevoked`] or [`Rejection::ParentExpired`].
    pub fn live_parent(&self, query: &ParentQuery<'_>, now: UnixMillis) -> Result<&Token, Rejection> {
        let found = self
            .tokens
            .get(query.jti)
            .filter(|token| query.kinds.contains(&token.kind()));
        let not_found = Rejection::ParentNotFound {
            field: query.field,
            expected: query.expected,
        };
        let parent = found.ok_or(not_found)?;
        self.check_parent(parent, now)?;
        Ok(parent)
    }

    /// Whether `parent` may have children now.
    ///
    /// # Errors
    /// [`Rejection::ParentRevoked`] or [`Rejection::ParentExpired`].
    pub fn check_parent(&self, parent: &Token, now: UnixMillis) -> Result<(), Rejection> {
        self.liveness(parent, now).map_err(|dead| match dead {
            Dead::Expired => Rejection::ParentExpired,
            Dead::Revoked => Rejection::ParentRevoked,
            Dead::Suspended => Rejection::CustomerSuspended,
        })
    }

    pub(super) fn revoke(
        &mut self,
        sequence: u64,
        target: Target,
        at: UnixMillis,
        reason: Option<Box<str>>,
    ) -> Result<(), &'static str> {
        let last_expiry = match &target {
            Target::Token { jti, cascade } => {
                let revoked = if *cascade { Revoked::Cascade } else { Revoked::Alone };
                if !self.tokens.revoke(*jti, revoked) {
                    return Err("there is no such token");
                }
                self.tokens.get(*jti).map(|token| token.expires_at)
            }
            Target::Key(kid) => {
                if !self.keys.revoke(*kid, at) {
                    return Err("there is no such key");
                }
                self.keys.get(*kid).and_then(|key| key.last_expiry)
            }
            Target::Agent(_) | Target::IssuedBefore(_) | Target::Restoration { .. } => None,
        };
        self.revocations.insert(Revocation {
            sequence,
            relevant_until: target.relevant_until(at, last_expiry),
            target,
            at,
            reason,
        });
        Ok(())
    }

    /// Adds a token whose parent is here.
    pub(super) fn add_token(&mut self, sequence: u64, mint: Mint) -> Result<(), &'static str> {
        let Mint {
            jti,
            parent,
            kid,
            issued_at,
            expires_at,
            details,
        } = mint;
        let inherited = || Some(Arc::clone(&self.tokens.get(parent?)?.details.agent()?.policy));
        let details = Details::of_mint(details, inherited).ok_or("its parent has no policy to inherit")?;
        self.keys.note_signature(kid, expires_at);
        let new = NewToken {
            jti,
            parent,
            kid,
            issued_at,
            expires_at,
            sequence,
            details,
        };
        if self.tokens.insert(new) {
            Ok(())
        } else {
            Err("its identifier is taken or its parent is not here")
        }
    }
}

/// Why a token grants nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dead {
    /// Its time is over.
    Expired,
    /// It was revoked, itself or through an ancestor.
    Revoked,
    /// Its customer is suspended.
    Suspended,
}

/// Which token may be the parent of a new one.
#[derive(Clone, Copy, Debug)]
pub struct ParentQuery<'a> {
    /// The token named.
    pub jti: Jti,
    /// The kinds it may be.
    pub kinds: &'a [TokenKind],
    /// The request's field that names it.
    pub field: &'static str,
    /// The kinds in words.
    pub expected: &'static str,
}
