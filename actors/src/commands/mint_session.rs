//! Session tokens: derived from an agent or a subagent, with a number of events they may count.

use super::{Access, Command, Decided, MintCommand, Moment};
use crate::id::{Jti, SessionId};
use crate::limits::SESSION_EVENTS_MAX;
use crate::tenant::event::MintDetails;
use crate::tenant::idempotency::Outcome;
use crate::tenant::minting::{Allowed, Minting, granted_again, ttl_seconds};
use crate::tenant::state::ParentQuery;
use crate::tenant::{Rejection, State};
use crate::token::{TokenGrant, TokenKind};

/// Which of the two kinds of agent a session's parent is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionParent {
    /// An agent.
    Agent,
    /// A subagent.
    Subagent,
}

/// Mints a session token.
#[derive(Clone, Debug)]
pub struct MintSession {
    /// The token's identifier.
    pub jti: Jti,
    /// The agent or subagent it is derived from.
    pub parent_jti: Jti,
    /// Which of the two its parent is.
    pub parent_type: SessionParent,
    /// The session.
    pub session_id: SessionId,
    /// Events it may count; 1,000 if left out.
    pub max_events: Option<u32>,
    /// Time to live in minutes.
    pub ttl_minutes: Option<u32>,
}

const DEFAULT_MAX_EVENTS: u32 = 1_000;

impl MintSession {
    const fn parents(&self) -> (&'static [TokenKind], &'static str) {
        match self.parent_type {
            SessionParent::Agent => (&[TokenKind::Agent], "agent"),
            SessionParent::Subagent => (&[TokenKind::Subagent], "subagent"),
        }
    }
}

impl MintCommand for MintSession {
    const KIND: TokenKind = TokenKind::Session;
}

impl Command for MintSession {
    type Reply = TokenGrant;

    fn access(&self) -> Access {
        Access::Mint {
            parent: Some(self.parent_jti),
            parent_kinds: self.parents().0,
        }
    }

    fn decide(self, state: &State, moment: &Moment<'_>) -> Result<Decided<TokenGrant>, Rejection> {
        let ttl_seconds = ttl_seconds(TokenKind::Session, self.ttl_minutes, None)?;
        let max_events = self.max_events.unwrap_or(DEFAULT_MAX_EVENTS);
        if max_events == 0 || max_events > SESSION_EVENTS_MAX {
            let message = format!("must be between 1 and {SESSION_EVENTS_MAX}");
            return Err(Rejection::InvalidField {
                field: "max_events",
                message,
            });
        }
        let minting = Minting::begin(state, moment)?;
        let (kinds, expected) = self.parents();
        let query = ParentQuery {
            jti: self.parent_jti,
            kinds,
            field: "parent_jti",
            expected,
        };
        let parent = Some(state.live_parent(&query, moment.now)?);
        let details = MintDetails::Session {
            session_id: self.session_id,
            max_events,
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
    use crate::commands::tests::{Given, jti};

    fn session(parent: u128, parent_type: SessionParent, max_events: Option<u32>) -> MintSession {
        let session_id = SessionId::parse("s").unwrap();
        MintSession {
            jti: jti(99),
            parent_jti: jti(parent),
            parent_type,
            session_id,
            max_events,
            ttl_minutes: None,
        }
    }

    #[test]
    fn the_parent_is_of_the_type_that_is_named() {
        let given = Given::hierarchy();
        assert!(given.when(session(30, SessionParent::Agent, None)).is_ok());
        assert!(given.when(session(40, SessionParent::Subagent, None)).is_ok());
        for (parent, parent_type) in [(40, SessionParent::Agent), (30, SessionParent::Subagent)] {
            let refused = given.when(session(parent, parent_type, None)).err();
            assert!(matches!(
                refused,
                Some(Rejection::ParentNotFound {
                    field: "parent_jti",
                    ..
                })
            ));
        }
    }

    #[test]
    fn it_counts_at_least_one_event_and_at_most_a_million() {
        for (max_events, good) in [(0, false), (1, true), (1_000_000, true), (1_000_001, false)] {
            let decided = Given::hierarchy().when(session(30, SessionParent::Agent, Some(max_events)));
            assert_eq!(decided.is_ok(), good, "{max_events}");
        }
    }
}
