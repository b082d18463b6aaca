//! Forgetting overrides that expired long ago.

use super::{Access, Command, Decided, Moment};
use crate::limits::OVERRIDES_PURGED_PER_TURN_MAX;
use crate::permissions::{PermissionEvent, audit};
use crate::tenant::audit::AuditDraft;
use crate::tenant::event::Event;
use crate::tenant::{Rejection, State};

/// Forgets some of the overrides that expired over 90 days ago; those without an expiry never.
#[derive(Clone, Copy, Debug)]
pub struct PurgeOverrides;

impl Command for PurgeOverrides {
    /// How many were due, those that this step forgets among them.
    type Reply = usize;

    fn access(&self) -> Access {
        Access::Admin
    }

    fn decide(self, state: &State, moment: &Moment<'_>) -> Result<Decided<usize>, Rejection> {
        let due = state.permissions.forgotten(moment.now).count();
        if due == 0 {
            return Ok(Decided::answer(0));
        }
        let forgotten = state.permissions.forgotten(moment.now);
        let forgotten: Vec<_> = forgotten.take(OVERRIDES_PURGED_PER_TURN_MAX).collect();
        let ids = forgotten.iter().map(|rule| rule.id).collect();
        let event = Event::Permission(PermissionEvent::OverridesPurged { ids });
        let drafts = forgotten.iter().map(|rule| AuditDraft {
            before: Some(rule.to_json()),
            ..AuditDraft::new(audit::OVERRIDE_PURGED, rule.id)
        });
        Ok(drafts.fold(Decided::event(event, due), Decided::audited))
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{Given, rule, rule_until};
    use super::*;
    use crate::permissions::Effect;

    #[test]
    fn it_goes_step_by_step_and_leaves_what_is_not_due() {
        let mut given = Given::nothing();
        let due = OVERRIDES_PURGED_PER_TURN_MAX + 3;
        for _ in 0..due {
            given.when(rule_until("user", Effect::Deny, "a:b", 0)).unwrap();
        }
        given.when(rule_until("user", Effect::Deny, "a:b", 1)).unwrap();
        given.when(rule("user", Effect::Deny, "a:b")).unwrap();
        given.advance(90 * 86_400 - 1);
        assert!(given.decide(PurgeOverrides).unwrap().events.is_empty());
        given.advance(1);
        let step = given.decide(PurgeOverrides).unwrap();
        assert_eq!(step.audit.len(), OVERRIDES_PURGED_PER_TURN_MAX);
        given.when(PurgeOverrides).unwrap();
        assert_eq!(given.decide(PurgeOverrides).unwrap().audit.len(), 3);
        given.when(PurgeOverrides).unwrap();
        assert!(given.decide(PurgeOverrides).unwrap().events.is_empty());
        assert_eq!(given.state.permissions.override_count(), 2);
    }
}
