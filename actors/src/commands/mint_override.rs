//! Override tokens: single use, bound to one event that was flagged for review.

use super::{Access, Command, Decided, Moment};
use crate::id::{EventId, Jti};
use crate::limits::REASON_CHARS_MAX;
use crate::tenant::event::MintDetails;
use crate::tenant::idempotency::Outcome;
use crate::tenant::minting::{Allowed, Minting, granted_again, ttl_seconds};
use crate::tenant::state::ParentQuery;
use crate::tenant::{Rejection, State};
use crate::token::{DecisionSet, TokenGrant, TokenKind};

/// Mints an override token.
#[derive(Clone, Debug)]
pub struct MintOverride {
    /// The token's identifier.
    pub jti: Jti,
    /// The agent, subagent or session under which it is minted, if it presented itself.
    pub parent: Option<Jti>,
    /// The event.
    pub event_id: EventId,
    /// The decisions it permits.
    pub allowed_decisions: DecisionSet,
    /// Why it is made.
    pub reason: Option<Box<str>>,
    /// Time to live in minutes.
    pub ttl_minutes: Option<u32>,
}

const PARENTS: &[TokenKind] = &[TokenKind::Agent, TokenKind::Subagent, TokenKind::Session];

impl Command for MintOverride {
    type Reply = TokenGrant;

    fn access(&self) -> Access {
        Access::Mint {
            parent: self.parent,
            parent_kinds: PARENTS,
        }
    }

    fn decide(self, state: &State, moment: &Moment<'_>) -> Result<Decided<TokenGrant>, Rejection> {
        let ttl_seconds = ttl_seconds(TokenKind::Override, self.ttl_minutes, None)?;
        if self
            .reason
            .as_ref()
            .is_some_and(|reason| reason.chars().count() > REASON_CHARS_MAX)
        {
            let message = format!("must have at most {REASON_CHARS_MAX} characters");
            return Err(Rejection::InvalidField {
                field: "reason",
                message,
            });
        }
        if let Some(standing) = state.decisions.standing(&self.event_id) {
            return Err(Rejection::EventDecided(Box::new(standing)));
        }
        let minting = Minting::begin(state, moment)?;
        let query = |jti| ParentQuery {
            jti,
            kinds: PARENTS,
            field: "parent_jti",
            expected: "agent, subagent or session",
        };
        let parent = self
            .parent
            .map(|jti| state.live_parent(&query(jti), moment.now))
            .transpose()?;
        let details = MintDetails::Override {
            event_id: self.event_id,
            allowed_decisions: self.allowed_decisions,
            reason: self.reason,
        };
        Ok(minting.finish(Allowed {
            jti: self.jti,
            parent,
            ttl_seconds,
            details,
            policy: None,
        }))
    }

    fn repeat(&self, state: &State, moment: &Moment<'_>, outcome: &Outcome) -> Result<TokenGrant, Rejection> {
        granted_again(state, moment, outcome)
    }
}
