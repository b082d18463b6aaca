//! Override tokens: single use, bound to one event that was flagged for review.

use super::{Access, Command, Decided, MintCommand, Moment};
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

impl MintCommand for MintOverride {
    const KIND: TokenKind = TokenKind::Override;
}

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
        if state.decisions.is_barred(&self.event_id) {
            return Err(Rejection::EventBarred);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::DecideEvent;
    use crate::commands::tests::{Given, event_id, jti};
    use crate::token::Decision;

    fn flag(event: &str, parent: Option<u128>) -> MintOverride {
        MintOverride {
            jti: jti(99),
            parent: parent.map(jti),
            event_id: event_id(event),
            allowed_decisions: DecisionSet::default(),
            reason: None,
            ttl_minutes: None,
        }
    }

    #[test]
    fn it_has_a_parent_only_if_one_presented_itself() {
        let given = Given::hierarchy();
        assert!(given.when(flag("other", None)).is_ok());
        let under_session = given.when(flag("other", Some(50))).unwrap();
        assert_eq!(under_session.reply.expires_at(), given.now.seconds().plus(300));
        assert!(matches!(
            given.when(flag("other", Some(20))),
            Err(Rejection::ParentNotFound { .. })
        ));
    }

    #[test]
    fn a_decided_event_gets_no_further_token() {
        let decide = DecideEvent {
            event_id: event_id("evt"),
            override_jti: jti(60),
            decision: Decision::Reject,
            decided_by: None,
            reason: None,
        };
        let refused = Given::hierarchy().then(decide).when(flag("evt", None)).err();
        assert!(matches!(refused, Some(Rejection::EventDecided(standing)) if standing.decision == Decision::Reject));
    }
}
