//! Deleting an override.

use super::{Access, Command, Decided, Moment, Repeatable, outcome_id};
use crate::permissions::{OverrideId, PermissionEvent, PermissionRejection, audit};
use crate::tenant::audit::AuditDraft;
use crate::tenant::event::Event;
use crate::tenant::idempotency::Outcome;
use crate::tenant::{Rejection, State};
use crate::token::Scope;

/// Deletes an override, in force or over.
#[derive(Clone, Copy, Debug)]
pub struct DeleteOverride {
    /// Which.
    pub id: OverrideId,
}

impl Command for DeleteOverride {
    type Reply = Repeatable<OverrideId>;

    fn access(&self) -> Access {
        Access::Scope(Scope::PermissionsManage)
    }

    fn decide(self, state: &State, moment: &Moment<'_>) -> Result<Decided<Self::Reply>, Rejection> {
        let rule = state.permissions.get(self.id, moment.now);
        let rule = rule.ok_or(PermissionRejection::OverrideNotFound)?;
        let audit = AuditDraft {
            before: Some(rule.to_json()),
            ..AuditDraft::new(audit::OVERRIDE_DELETED, self.id)
        };
        let event = Event::Permission(PermissionEvent::OverrideDeleted { id: self.id });
        let outcome = Outcome::Thing(self.id.to_string().into());
        let decided = Decided::event(event, Repeatable::first(self.id));
        Ok(decided.audited(audit).coming_to(outcome))
    }

    fn repeat(&self, _state: &State, _moment: &Moment<'_>, outcome: &Outcome) -> Result<Self::Reply, Rejection> {
        outcome_id(outcome, OverrideId::parse).map(Repeatable::again)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{Given, rule, rule_until};
    use super::*;
    use crate::permissions::{Effect, Source};

    #[test]
    fn deleting_one_of_two_alike_leaves_the_other_in_force() {
        let mut given = Given::nothing();
        let first = given.when(rule("user", Effect::Deny, "a:b")).unwrap().answer.rule.id;
        let second = given.when(rule("user", Effect::Deny, "a:b")).unwrap().answer.rule.id;
        given.when(DeleteOverride { id: first }).unwrap();
        assert_eq!(given.check("user", "a", "b").source, Source::OverrideDeny);
        given.when(DeleteOverride { id: second }).unwrap();
        assert_eq!(given.check("user", "a", "b").source, Source::None);
        assert!(
            given.state.permissions.subject("user").is_none(),
            "nothing is left of the user"
        );
    }

    #[test]
    fn what_is_gone_and_what_never_was_look_alike() {
        let mut given = Given::nothing();
        let id = given.when(rule("user", Effect::Deny, "a:b")).unwrap().answer.rule.id;
        given.when(DeleteOverride { id }).unwrap();
        let not_found = Some(PermissionRejection::OverrideNotFound.into());
        assert_eq!(given.when(DeleteOverride { id }).err(), not_found);
        let unknown = rule("user", Effect::Deny, "a:b").id;
        assert_eq!(given.when(DeleteOverride { id: unknown }).err(), not_found);
        let old = given
            .when(rule_until("user", Effect::Deny, "a:b", 60))
            .unwrap()
            .answer
            .rule
            .id;
        given.advance(60 + 90 * 86_400);
        assert_eq!(
            given.when(DeleteOverride { id: old }).err(),
            not_found,
            "though it is not purged yet"
        );
    }
}
