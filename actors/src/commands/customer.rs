//! A customer as a whole: suspended, resumed, counted.

use super::{Access, Command, Decided, Moment};
use crate::id::Jti;
use crate::tenant::audit::AuditDraft;
use crate::tenant::event::Event;
use crate::tenant::idempotency::Outcome;
use crate::tenant::walk::{self, Slice};
use crate::tenant::{Rejection, State};
use crate::token::TokenKind;

/// Suspends or resumes a customer. Doing it again changes nothing.
#[derive(Clone, Debug)]
pub struct SetSuspended {
    /// Whether it is to be suspended.
    pub suspended: bool,
    /// Why.
    pub reason: Option<Box<str>>,
}

impl Command for SetSuspended {
    type Reply = ();

    fn access(&self) -> Access {
        Access::Admin
    }

    fn decide(self, state: &State, _: &Moment<'_>) -> Result<Decided<()>, Rejection> {
        if state.suspended == self.suspended {
            return Ok(Decided::answer(()));
        }
        let Self { suspended, reason } = self;
        let action = if suspended {
            "customer.suspended"
        } else {
            "customer.resumed"
        };
        let audit = AuditDraft::new(action, state.customer()).because(reason.as_deref());
        let event = if suspended {
            Event::CustomerSuspended { reason }
        } else {
            Event::CustomerResumed { reason }
        };
        Ok(Decided::event(event, ()).audited(audit).coming_to(Outcome::Done))
    }

    fn repeat(&self, _: &State, _: &Moment<'_>, _: &Outcome) -> Result<(), Rejection> {
        Ok(())
    }
}

/// What can be said of a customer at a glance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Overview {
    /// Whether it is suspended.
    pub suspended: bool,
    /// Decisions kept.
    pub decisions: usize,
    /// The sequence number of the last event.
    pub sequence: u64,
}

/// Asks for an overview.
#[derive(Clone, Copy, Debug)]
pub struct Describe;

impl Command for Describe {
    type Reply = Overview;

    fn access(&self) -> Access {
        Access::Admin
    }

    fn decide(self, state: &State, _: &Moment<'_>) -> Result<Decided<Overview>, Rejection> {
        Ok(Decided::answer(Overview {
            suspended: state.suspended,
            decisions: state.decisions.len(),
            sequence: state.sequence(),
        }))
    }
}

/// Lists the kinds of a slice of the live tokens.
#[derive(Clone, Copy, Debug)]
pub struct ListLiveKinds {
    /// Where the last slice ended.
    pub after: Option<Jti>,
}

impl Command for ListLiveKinds {
    type Reply = Slice<TokenKind>;

    fn access(&self) -> Access {
        Access::Admin
    }

    fn decide(self, state: &State, moment: &Moment<'_>) -> Result<Decided<Self::Reply>, Rejection> {
        let kinds = walk::tokens(state, self.after, usize::MAX, |token| {
            state.liveness(token, moment.now).is_ok().then(|| token.kind())
        });
        Ok(Decided::answer(kinds))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::tests::{Given, event_id, jti};
    use crate::commands::{CountEvents, MintOverride};
    use crate::token::DecisionSet;

    #[test]
    fn while_suspended_nothing_mints_or_counts_and_resuming_restores_everything() {
        let set = |suspended| SetSuspended {
            suspended,
            reason: None,
        };
        let mint = || MintOverride {
            jti: jti(99),
            parent: None,
            event_id: event_id("other"),
            allowed_decisions: DecisionSet::default(),
            reason: None,
            ttl_minutes: None,
        };
        let count = CountEvents {
            session_jti: jti(50),
            count: 1,
        };
        let given = Given::hierarchy().then(set(true));
        assert!(given.when(set(true)).unwrap().changes_nothing());
        assert_eq!(given.when(mint()).err(), Some(Rejection::CustomerSuspended));
        assert_eq!(given.when(count).err(), Some(Rejection::CustomerSuspended));
        let given = given.then(set(false));
        assert!(given.when(mint()).is_ok() && given.when(count).is_ok());
        let kinds = given.when(ListLiveKinds { after: None }).unwrap().reply.found;
        assert_eq!(kinds.len(), 6);
    }
}
