//! What has to be recorded of a customer that was read back from a backup, before anybody is served.

use super::{Access, Command, Decided, Moment};
use crate::clock::UnixMillis;
use crate::id::{EventId, KeyId};
use crate::limits::RESTORED_PER_STEP_MAX;
use crate::permissions::{Override, OverrideId, PermissionEvent, audit};
use crate::tenant::audit::AuditDraft;
use crate::tenant::event::Event;
use crate::tenant::restoration::{RESTORED, Restoration};
use crate::tenant::vault::VaultChange;
use crate::tenant::{Rejection, State};

/// Takes the next step of a restoration: revokes keys, bars the events that are undecided, suspends the permission overrides that
/// grant; the last step ends every token. It is repeated until it says that it was the last.
#[derive(Clone, Copy, Debug)]
pub struct RestoreCustomer {
    /// When the backup was taken.
    pub taken_at: UnixMillis,
}

/// What a step was about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RestoreStep {
    /// Keys that it revoked.
    pub keys_revoked: usize,
    /// Events that it barred.
    pub events_barred: usize,
    /// Permission overrides that it suspended.
    pub grants_suspended: usize,
    /// Whether it was the last.
    pub is_last: bool,
}

impl Command for RestoreCustomer {
    type Reply = RestoreStep;

    fn access(&self) -> Access {
        Access::Admin
    }

    fn decide(self, state: &State, moment: &Moment<'_>) -> Result<Decided<RestoreStep>, Rejection> {
        let keys: Vec<KeyId> = first(state.keys.unrevoked().map(|key| key.kid));
        let is_undecided =
            |event_id: &&EventId| state.decisions.get(event_id).is_none() && !state.decisions.is_barred(event_id);
        let event_ids: Vec<EventId> = first(state.tokens.events().filter(is_undecided).cloned());
        let grants: Vec<_> = first(state.permissions.granting(moment.now));
        let step = RestoreStep {
            keys_revoked: keys.len(),
            events_barred: event_ids.len(),
            grants_suspended: grants.len(),
            is_last: [keys.len(), event_ids.len(), grants.len()]
                .into_iter()
                .all(|count| count < RESTORED_PER_STEP_MAX),
        };
        let mut decided = Decided::answer(step);
        for kid in keys {
            let reason = Some(RESTORED.into());
            decided.events.push(Event::SigningKeyRevoked { kid, reason });
            decided.vault.push(VaultChange::EraseSigningKey(kid));
            let draft = AuditDraft::new("signing_key.revoked", kid).because(Some(RESTORED));
            decided.audit.push(draft);
        }
        if !event_ids.is_empty() {
            let drafts = event_ids
                .iter()
                .map(|event_id| AuditDraft::new("event.barred", event_id));
            decided.audit.extend(drafts.map(|draft| draft.because(Some(RESTORED))));
            decided
                .events
                .push(Event::Restoration(Restoration::EventsBarred { event_ids }));
        }
        if !grants.is_empty() {
            let ids: Vec<OverrideId> = grants.iter().map(|rule| rule.id).collect();
            decided.audit.extend(grants.iter().map(|rule| suspension(rule)));
            decided
                .events
                .push(Event::Permission(PermissionEvent::GrantsSuspended { ids }));
        }
        if step.is_last {
            let taken_at = self.taken_at;
            decided.events.push(Event::Restoration(Restoration::CustomerRestored {
                taken_at,
                issued_before: moment.now.seconds().plus(1),
            }));
            decided.audit.push(AuditDraft {
                after: Some(serde_json::json!({"taken_at": taken_at.to_rfc3339()})),
                ..AuditDraft::new("customer.restored", state.customer()).because(Some(RESTORED))
            });
        }
        Ok(decided)
    }
}

fn first<T>(all: impl Iterator<Item = T>) -> Vec<T> {
    all.take(RESTORED_PER_STEP_MAX).collect()
}

fn suspension(rule: &Override) -> AuditDraft {
    let suspended = Override {
        suspended: true,
        ..rule.clone()
    };
    AuditDraft {
        before: Some(rule.to_json()),
        after: Some(suspended.to_json()),
        ..AuditDraft::new(audit::OVERRIDE_SUSPENDED, rule.id).because(Some(RESTORED))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::UnixSeconds;
    use crate::commands::permissions::tests::{admin, rule};
    use crate::commands::tests::{Given, event_id, jti, kid, new_key, override_secret};
    use crate::commands::{CreateSigningKey, DecideEvent, ListRevocations, MintOverride, RevokeMany, Selector};
    use crate::permissions::{Effect, Source};
    use crate::tenant::event::MintDetails;
    use crate::tenant::revocations::Target;
    use crate::token::{Decision, DecisionSet, TokenKind};

    fn restore() -> RestoreCustomer {
        RestoreCustomer {
            taken_at: UnixMillis::new(7),
        }
    }

    fn decide(event: &str, token: u128) -> DecideEvent {
        DecideEvent {
            event_id: event_id(event),
            override_jti: jti(token),
            decision: Decision::Approve,
            decided_by: None,
            reason: None,
        }
    }

    fn flag(event: &str) -> MintDetails {
        MintDetails::Override {
            event_id: event_id(event),
            allowed_decisions: DecisionSet::default(),
            reason: None,
        }
    }

    fn mint(event: &str, number: u128) -> MintOverride {
        MintOverride {
            jti: jti(number),
            parent: None,
            event_id: event_id(event),
            allowed_decisions: DecisionSet::default(),
            reason: None,
            ttl_minutes: None,
        }
    }

    fn new_key_made(number: u128) -> CreateSigningKey {
        CreateSigningKey {
            key: new_key(kid(number)),
            override_secret: override_secret(),
        }
    }

    fn is_live(given: &Given, number: u128) -> bool {
        let token = given.state.tokens.get(jti(number)).unwrap();
        given.state.liveness(token, given.now).is_ok()
    }

    #[test]
    fn every_token_is_dead_every_key_is_gone_and_what_is_minted_in_the_same_second_lives() {
        let given = Given::hierarchy().then(restore());
        assert!(
            [10, 20, 30, 40, 50, 60]
                .into_iter()
                .all(|number| !is_live(&given, number))
        );
        assert!(given.state.keys.published(given.now).is_empty());
        assert!(given.state.vault.signing_key(kid(1)).is_none());
        let refused = given.when(mint("other", 70)).err();
        assert_eq!(refused, Some(Rejection::NoActiveKey));
        // By the wall clock no time has passed; by the customer's own, enough to tell the tokens apart.
        let mut given = given;
        given.now = given.state.now(given.now);
        let mut given = given.then(new_key_made(2));
        given.kid = kid(2);
        let given = given.then(mint("other", 70));
        assert!(is_live(&given, 70));
    }

    #[test]
    fn a_token_is_dead_even_if_no_key_were_revoked() {
        let given = Given::hierarchy();
        let issued_before = given.now.seconds();
        let taken_at = UnixMillis::new(7);
        let given = given.event(Event::Restoration(Restoration::CustomerRestored {
            taken_at,
            issued_before,
        }));
        assert!(
            [10, 20, 30, 40, 50, 60]
                .into_iter()
                .all(|number| !is_live(&given, number))
        );
    }

    #[test]
    fn an_undecided_event_is_barred_with_every_token_it_gets_and_a_decision_stands() {
        let given = Given::hierarchy()
            .token(61, None, 300, flag("decided"))
            .then(decide("decided", 61))
            .then(restore());
        assert_eq!(given.when(decide("evt", 60)).err(), Some(Rejection::EventBarred));
        assert_eq!(given.when(mint("evt", 70)).err(), Some(Rejection::EventBarred));
        assert!(matches!(
            given.when(decide("decided", 61)).err(),
            Some(Rejection::EventDecided(_))
        ));
        // A token that was minted all the same decides nothing.
        let mut given = given.then(new_key_made(2));
        given.kid = kid(2);
        let given = given.token(71, None, 300, flag("evt"));
        assert_eq!(given.when(decide("evt", 71)).err(), Some(Rejection::EventBarred));
    }

    #[test]
    fn a_bar_is_kept_as_long_as_a_decision() {
        let mut given = Given::hierarchy().then(restore()).after(90 * 24 * 3_600 - 1);
        given.state.purge(given.now, usize::MAX);
        assert!(given.state.decisions.is_barred(&event_id("evt")));
        let mut given = given.after(1);
        given.state.purge(given.now, usize::MAX);
        assert!(!given.state.decisions.is_barred(&event_id("evt")));
    }

    #[test]
    fn grants_are_suspended_and_denials_stay() {
        let given = Given::customer()
            .then(rule("user", Effect::Grant, "a:b"))
            .then(rule("user", Effect::Deny, "c:d"))
            .then(restore());
        let check = |what: &str| {
            let (path, action) = what.split_once(':').unwrap();
            let check = crate::commands::permissions::tests::check("user", path, action);
            let command = crate::commands::permissions::CheckPermission { check, explain: false };
            given.when(command).unwrap().reply.source
        };
        assert_eq!((check("a:b"), check("c:d")), (Source::None, Source::OverrideDeny));
        let subject = given.state.permissions.subject(admin("user").as_str()).unwrap();
        assert_eq!(subject.len(), 2, "nothing is lost");
    }

    #[test]
    fn a_follower_of_the_lost_history_is_told_all_of_it_again() {
        let lost = Given::hierarchy().state.sequence() + 1_000;
        let given = Given::hierarchy().then(restore());
        let mut first = None;
        for after in [0, 1, lost] {
            let told = given.when(ListRevocations { after }).unwrap().reply;
            assert!(matches!(told[0].target, Target::Key(key) if key == kid(1)));
            let last = told.last().unwrap();
            assert!(
                matches!(last.target, Target::Restoration { issued_before } if issued_before > given.now.seconds())
            );
            assert!(last.sequence > lost, "no place is given out twice");
            assert_eq!(*first.get_or_insert(last.sequence), last.sequence);
            let at_end = given.when(ListRevocations { after: last.sequence }).unwrap().reply;
            assert!(at_end.is_empty());
        }
        // What comes later has places behind those.
        let mut later = given.then(new_key_made(2)).after(2);
        later.now = later.state.now(later.now);
        let later = later.then(RevokeMany {
            selector: Selector::Key(kid(2)),
            reason: None,
        });
        let told = later.when(ListRevocations { after: first.unwrap() }).unwrap().reply;
        assert_eq!(told.len(), 1);
    }

    #[test]
    fn a_second_restoration_goes_by_the_same_rules() {
        let given = Given::hierarchy().then(restore());
        let mut given = given.then(new_key_made(2)).after(5);
        given.kid = kid(2);
        let app = MintDetails::Bearer {
            environment: crate::token::Environment::Production,
        };
        let given = given.token(80, None, 600, app).then(restore());
        assert!(!is_live(&given, 80) && given.state.keys.unrevoked().next().is_none());
        assert_eq!(given.state.tokens.get(jti(80)).unwrap().kind(), TokenKind::Bearer);
        let step = given.when(restore()).unwrap().reply;
        assert_eq!((step.keys_revoked, step.events_barred), (0, 0));
        assert!(given.state.now(UnixSeconds::new(0).millis()) > given.now);
    }

    #[test]
    fn it_goes_step_by_step() {
        let mut given = Given::customer();
        for number in 0..=RESTORED_PER_STEP_MAX {
            let id = u128::try_from(number).unwrap() + 100;
            given = given.token(id, None, 300, flag(&format!("evt-{number}")));
        }
        let step = given.when(restore()).unwrap().reply;
        assert_eq!((step.events_barred, step.is_last), (RESTORED_PER_STEP_MAX, false));
        assert!(is_live(&given, 100), "nothing has happened yet");
        let given = given.then(restore());
        let last = given.when(restore()).unwrap();
        assert_eq!((last.reply.events_barred, last.reply.is_last), (1, true));
        let given = given.then(restore());
        assert!(
            given
                .state
                .tokens
                .events()
                .all(|event| given.state.decisions.is_barred(event))
        );
    }
}
