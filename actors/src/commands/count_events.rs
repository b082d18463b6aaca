//! Counting a session's events. The count is overwritten in place, so the journal does not grow with it.

use super::{Access, Command, Decided, Moment};
use crate::id::Jti;
use crate::tenant::event::Event;
use crate::tenant::idempotency::Outcome;
use crate::tenant::rows::RowChange;
use crate::tenant::state::Dead;
use crate::tenant::tokens::Details;
use crate::tenant::{Rejection, State};
use crate::token::TokenKind;

/// Counts events of a session: all of them, or none.
#[derive(Clone, Copy, Debug)]
pub struct CountEvents {
    /// The session's token.
    pub session_jti: Jti,
    /// How many.
    pub count: u32,
}

/// Where a session stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counted {
    /// Counted in all.
    pub used: u32,
    /// What may still be counted.
    pub remaining: u32,
}

impl Command for CountEvents {
    type Reply = Counted;

    fn access(&self) -> Access {
        Access::Mint {
            parent: Some(self.session_jti),
            parent_kinds: &[TokenKind::Session],
        }
    }

    fn decide(self, state: &State, moment: &Moment<'_>) -> Result<Decided<Counted>, Rejection> {
        let token = state.tokens.get(self.session_jti).ok_or(Rejection::TokenNotFound)?;
        let Details::Session { max_events, used, .. } = &token.details else {
            return Err(Rejection::TokenNotFound);
        };
        state.liveness(token, moment.now).map_err(|dead| match dead {
            Dead::Suspended => Rejection::CustomerSuspended,
            Dead::Expired | Dead::Revoked => Rejection::SessionInactive,
        })?;
        let left = max_events.saturating_sub(*used);
        let remaining = left
            .checked_sub(self.count)
            .ok_or(Rejection::SessionExhausted { remaining: left })?;
        let used = used + self.count;
        let reply = Counted { used, remaining };
        if moment.keyed {
            let event = Event::SessionCounted { jti: token.jti, used };
            return Ok(Decided::event(event, reply).coming_to(Outcome::Counted { used, remaining }));
        }
        Ok(Decided {
            rows: vec![RowChange::SessionUsed { jti: token.jti, used }],
            ..Decided::answer(reply)
        })
    }

    fn repeat(&self, _: &State, _: &Moment<'_>, outcome: &Outcome) -> Result<Counted, Rejection> {
        match outcome {
            Outcome::Counted { used, remaining } => Ok(Counted {
                used: *used,
                remaining: *remaining,
            }),
            _ => Err(Rejection::IdempotentResultGone),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::RevokeToken;
    use crate::commands::tests::{Given, HOUR, jti};

    fn count(session: u128, count: u32) -> CountEvents {
        CountEvents {
            session_jti: jti(session),
            count,
        }
    }

    #[test]
    fn a_session_counts_to_its_limit_and_then_not_at_all() {
        let given = Given::hierarchy().then(count(50, 9));
        assert_eq!(
            given.when(count(50, 2)).err(),
            Some(Rejection::SessionExhausted { remaining: 1 })
        );
        let given = given.then(count(50, 1));
        assert_eq!(
            given.when(count(50, 1)).err(),
            Some(Rejection::SessionExhausted { remaining: 0 })
        );
    }

    #[test]
    fn counting_writes_a_row_and_no_event() {
        let decided = Given::hierarchy().when(count(50, 3)).unwrap();
        assert!(decided.events.is_empty());
        assert_eq!(decided.rows, [RowChange::SessionUsed { jti: jti(50), used: 3 }]);
        assert_eq!(decided.reply, Counted { used: 3, remaining: 7 });
    }

    #[test]
    fn a_dead_session_counts_nothing() {
        assert_eq!(
            Given::hierarchy().after(HOUR).when(count(50, 1)).err(),
            Some(Rejection::SessionInactive)
        );
        let revoke = RevokeToken {
            jti: jti(20),
            kind: None,
            cascade: true,
            reason: None,
        };
        let refused = Given::hierarchy().then(revoke).when(count(50, 1)).err();
        assert_eq!(refused, Some(Rejection::SessionInactive));
        assert_eq!(
            Given::hierarchy().when(count(40, 1)).err(),
            Some(Rejection::TokenNotFound)
        );
    }
}
