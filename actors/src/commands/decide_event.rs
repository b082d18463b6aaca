//! A human's decision on a flagged event: taken once, whatever tokens the event has.

use std::sync::Arc;

use super::{Access, Command, Decided, Moment, Status};
use crate::clock::UnixMillis;
use crate::crypto::sealed::SealedSecret;
use crate::id::{EventId, Jti};
use crate::tenant::audit::AuditDraft;
use crate::tenant::decisions::DecisionRecord;
use crate::tenant::event::Event;
use crate::tenant::idempotency::Outcome;
use crate::tenant::state::Dead;
use crate::tenant::tokens::{Details, Token};
use crate::tenant::{Rejection, State};
use crate::token::{Decision, DecisionSet, Scope};

/// A decision that stands, with what its cosignature is made of.
#[derive(Clone, Debug)]
pub struct Taken {
    /// The event.
    pub event_id: EventId,
    /// The decision.
    pub record: DecisionRecord,
    pub(crate) secret: Arc<SealedSecret>,
}

impl Taken {
    fn of(state: &State, event_id: &EventId) -> Option<Self> {
        let record = state.decisions.get(event_id)?.clone();
        let secret = Arc::clone(state.vault.override_secret()?);
        Some(Self {
            event_id: event_id.clone(),
            record,
            secret,
        })
    }
}

/// Takes a decision with an override token.
#[derive(Clone, Debug)]
pub struct DecideEvent {
    /// The event, as the path names it.
    pub event_id: EventId,
    /// The token.
    pub override_jti: Jti,
    /// What is decided.
    pub decision: Decision,
    /// Who decides.
    pub decided_by: Option<Box<str>>,
    /// Why.
    pub reason: Option<Box<str>>,
}

impl Command for DecideEvent {
    type Reply = Taken;

    fn access(&self) -> Access {
        Access::Scope(Scope::OverridesDecide)
    }

    fn decide(self, state: &State, moment: &Moment<'_>) -> Result<Decided<Taken>, Rejection> {
        let token = state.tokens.get(self.override_jti).ok_or(Rejection::TokenNotFound)?;
        let Details::Override {
            event_id,
            allowed_decisions,
            ..
        } = &token.details
        else {
            return Err(Rejection::TokenNotFound);
        };
        if *event_id != self.event_id {
            return Err(Rejection::EventDiffers);
        }
        if let Some(standing) = state.decisions.standing(event_id) {
            return Err(Rejection::EventDecided(Box::new(standing)));
        }
        if state.decisions.is_barred(event_id) {
            return Err(Rejection::EventBarred);
        }
        state.liveness(token, moment.now).map_err(|dead| match dead {
            Dead::Revoked => Rejection::OverrideRevoked,
            Dead::Expired => Rejection::OverrideExpired,
            Dead::Suspended => Rejection::CustomerSuspended,
        })?;
        if !allowed_decisions.contains(self.decision) {
            return Err(Rejection::DecisionNotAllowed(self.decision));
        }
        let secret = Arc::clone(state.vault.override_secret().ok_or(Rejection::NoActiveKey)?);
        let Self {
            event_id,
            override_jti,
            decision,
            decided_by,
            reason,
        } = self;
        let audit = AuditDraft::new("event.decided", &event_id).because(reason.as_deref());
        let audit = AuditDraft {
            after: Some(
                serde_json::json!({"decision": decision, "decided_by": decided_by, "override_jti": override_jti}),
            ),
            ..audit
        };
        let record = DecisionRecord {
            override_jti,
            decision,
            decided_by: decided_by.clone(),
            reason: reason.clone(),
            decided_at: moment.now,
        };
        let reply = Taken {
            event_id: event_id.clone(),
            record,
            secret,
        };
        let outcome = Outcome::Decided(event_id.clone());
        let event = Event::EventDecided {
            event_id,
            override_jti,
            decision,
            decided_by,
            reason,
        };
        Ok(Decided::event(event, reply).audited(audit).coming_to(outcome))
    }

    fn repeat(&self, state: &State, _: &Moment<'_>, outcome: &Outcome) -> Result<Taken, Rejection> {
        match outcome {
            Outcome::Decided(event_id) => Taken::of(state, event_id).ok_or(Rejection::IdempotentResultGone),
            _ => Err(Rejection::IdempotentResultGone),
        }
    }
}

/// An override token of an event.
#[derive(Clone, Debug, PartialEq)]
pub struct EventToken {
    /// The token.
    pub jti: Jti,
    /// The decisions it permits.
    pub allowed_decisions: DecisionSet,
    /// Why it was made.
    pub reason: Option<Box<str>>,
    /// When it expires.
    pub expires_at: UnixMillis,
    /// What it is worth.
    pub status: Status,
}

/// An event with its override tokens and, once taken, the decision.
#[derive(Clone, Debug)]
pub struct EventFile {
    /// Its tokens, oldest first, at most as many as a page holds.
    pub tokens: Vec<EventToken>,
    /// Its decision.
    pub taken: Option<Taken>,
}

/// Asks what is known of an event.
#[derive(Clone, Debug)]
pub struct FindEvent {
    /// The event.
    pub event_id: EventId,
}

impl Command for FindEvent {
    type Reply = EventFile;

    fn access(&self) -> Access {
        Access::Scope(Scope::OverridesDecide)
    }

    fn decide(self, state: &State, moment: &Moment<'_>) -> Result<Decided<EventFile>, Rejection> {
        let taken = Taken::of(state, &self.event_id);
        let tokens = state.tokens.of_event(&self.event_id).take(crate::limits::PAGE_MAX);
        let tokens: Vec<_> = tokens.filter_map(|token| describe(state, token, moment.now)).collect();
        if tokens.is_empty() && taken.is_none() {
            return Err(Rejection::EventNotFound);
        }
        Ok(Decided::answer(EventFile { tokens, taken }))
    }
}

fn describe(state: &State, token: &Token, now: UnixMillis) -> Option<EventToken> {
    let Details::Override {
        allowed_decisions,
        reason,
        ..
    } = &token.details
    else {
        return None;
    };
    Some(EventToken {
        jti: token.jti,
        allowed_decisions: *allowed_decisions,
        reason: reason.clone(),
        expires_at: token.expires_at.millis(),
        status: Status::of(state, token, now),
    })
}

/// Asks for the secret that cosignatures are made with.
#[derive(Clone, Copy, Debug)]
pub struct FindOverrideSecret;

impl Command for FindOverrideSecret {
    type Reply = Option<Arc<SealedSecret>>;

    fn access(&self) -> Access {
        Access::Scope(Scope::OverridesDecide)
    }

    fn decide(self, state: &State, _: &Moment<'_>) -> Result<Decided<Self::Reply>, Rejection> {
        Ok(Decided::answer(state.vault.override_secret().cloned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::RevokeToken;
    use crate::commands::tests::{Given, event_id, jti};
    use crate::tenant::event::MintDetails;

    fn decide(event: &str, token: u128, decision: Decision) -> DecideEvent {
        let (event_id, override_jti) = (event_id(event), jti(token));
        DecideEvent {
            event_id,
            override_jti,
            decision,
            decided_by: None,
            reason: None,
        }
    }

    fn only_approve() -> MintDetails {
        let allowed_decisions = DecisionSet::parse(&["approve"]).unwrap();
        MintDetails::Override {
            event_id: event_id("evt"),
            allowed_decisions,
            reason: None,
        }
    }

    #[test]
    fn an_event_is_decided_once_across_all_its_tokens() {
        let given = Given::hierarchy().token(61, None, 300, only_approve());
        let given = given.then(decide("evt", 60, Decision::Approve));
        for token in [60, 61] {
            let refused = given.when(decide("evt", token, Decision::Approve)).err();
            assert!(matches!(refused, Some(Rejection::EventDecided(standing)) if standing.override_jti == jti(60)));
        }
    }

    #[test]
    fn the_checks_come_in_the_order_of_the_contract() {
        let revoke = || RevokeToken {
            jti: jti(61),
            kind: None,
            cascade: false,
            reason: None,
        };
        let given = || Given::hierarchy().token(61, None, 300, only_approve());
        let refused = |given: Given, event, decision| given.when(decide(event, 61, decision)).err();
        assert_eq!(
            given().when(decide("evt", 77, Decision::Approve)).err(),
            Some(Rejection::TokenNotFound)
        );
        assert_eq!(
            given().when(decide("evt", 30, Decision::Approve)).err(),
            Some(Rejection::TokenNotFound)
        );
        let decided = || {
            given()
                .then(decide("evt", 60, Decision::Approve))
                .then(revoke())
                .after(300)
        };
        assert_eq!(
            refused(decided(), "other", Decision::Reject),
            Some(Rejection::EventDiffers)
        );
        assert!(matches!(
            refused(decided(), "evt", Decision::Reject),
            Some(Rejection::EventDecided(_))
        ));
        let dead = given().then(revoke()).after(300);
        assert_eq!(refused(dead, "evt", Decision::Reject), Some(Rejection::OverrideRevoked));
        assert_eq!(
            refused(given().after(300), "evt", Decision::Reject),
            Some(Rejection::OverrideExpired)
        );
        let not_allowed = Some(Rejection::DecisionNotAllowed(Decision::Reject));
        assert_eq!(refused(given(), "evt", Decision::Reject), not_allowed);
        assert_eq!(refused(given().after(299), "evt", Decision::Approve), None);
    }

    #[test]
    fn a_decision_outlives_its_tokens_for_90_days() {
        let mut given = Given::hierarchy()
            .then(decide("evt", 60, Decision::Approve))
            .after(89 * 24 * 3_600);
        given.state.purge(given.now, usize::MAX);
        let file = given
            .when(FindEvent {
                event_id: event_id("evt"),
            })
            .unwrap()
            .reply;
        assert!(file.tokens.is_empty() && file.taken.is_some());
        let mut given = given.after(24 * 3_600);
        given.state.purge(given.now, usize::MAX);
        let forgotten = given
            .when(FindEvent {
                event_id: event_id("evt"),
            })
            .err();
        assert_eq!(forgotten, Some(Rejection::EventNotFound));
    }
}
