//! Confirming an override that a restoration has suspended.

use std::sync::Arc;

use super::{Access, Command, Decided, Moment, OverrideView, Repeatable, outcome_id};
use crate::permissions::{Override, OverrideId, PermissionEvent, PermissionRejection, audit};
use crate::tenant::audit::AuditDraft;
use crate::tenant::event::Event;
use crate::tenant::idempotency::Outcome;
use crate::tenant::{Rejection, State};
use crate::token::Scope;

/// Lets a suspended override grant again. One that is not suspended stays as it is.
#[derive(Clone, Copy, Debug)]
pub struct ConfirmOverride {
    /// Which.
    pub id: OverrideId,
}

impl Command for ConfirmOverride {
    type Reply = Repeatable<OverrideView>;

    fn access(&self) -> Access {
        Access::Scope(Scope::PermissionsManage)
    }

    fn decide(self, state: &State, moment: &Moment<'_>) -> Result<Decided<Self::Reply>, Rejection> {
        let rule = state.permissions.get(self.id, moment.now);
        let rule = rule.ok_or(PermissionRejection::OverrideNotFound)?;
        if !rule.suspended {
            return Ok(Decided::answer(Repeatable::first(OverrideView::of(rule, moment.now))));
        }
        let confirmed = Arc::new(Override {
            suspended: false,
            ..Override::clone(rule)
        });
        let audit = AuditDraft {
            before: Some(rule.to_json()),
            after: Some(confirmed.to_json()),
            ..AuditDraft::new(audit::OVERRIDE_CONFIRMED, self.id)
        };
        let event = Event::Permission(PermissionEvent::GrantConfirmed { id: self.id });
        let outcome = Outcome::Thing(self.id.to_string().into());
        let reply = Repeatable::first(OverrideView::of(&confirmed, moment.now));
        Ok(Decided::event(event, reply).audited(audit).coming_to(outcome))
    }

    fn repeat(&self, state: &State, moment: &Moment<'_>, outcome: &Outcome) -> Result<Self::Reply, Rejection> {
        let id = outcome_id(outcome, OverrideId::parse)?;
        let rule = state.permissions.get(id, moment.now);
        let rule = rule.ok_or(Rejection::IdempotentResultGone)?;
        Ok(Repeatable::again(OverrideView::of(rule, moment.now)))
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{Given, admin, capability, rule, rule_until};
    use super::super::{DeleteOverride, ListOverrides, ResolvePermissions, StatusFilter};
    use super::*;
    use crate::permissions::{Effect, Source};

    fn suspended(given: &mut Given) -> OverrideId {
        let id = given.when(rule("user", Effect::Grant, "a:b")).unwrap().answer.rule.id;
        given.happened(Event::Permission(PermissionEvent::GrantsSuspended { ids: vec![id] }));
        id
    }

    fn listed(given: &mut Given, status: StatusFilter) -> Vec<bool> {
        let list = ListOverrides {
            admin_id: admin("user"),
            status,
            after: None,
            limit: 10,
        };
        let page = given.when(list).unwrap();
        page.overrides.iter().map(|view| view.rule.suspended).collect()
    }

    #[test]
    fn a_suspended_override_is_listed_and_grants_nothing_until_it_is_confirmed() {
        let mut given = Given::nothing();
        let id = suspended(&mut given);
        let resolve = || ResolvePermissions {
            admin_id: admin("user"),
        };
        assert_eq!(given.check("user", "a", "b").source, Source::None);
        let resolved = given.when(resolve()).unwrap();
        assert!(resolved.capabilities.is_empty() && resolved.overrides.is_empty());
        assert_eq!(listed(&mut given, StatusFilter::All), [true]);
        assert_eq!(listed(&mut given, StatusFilter::Suspended), [true]);
        assert_eq!(listed(&mut given, StatusFilter::Active), [false; 0]);
        let confirmed = given.when(ConfirmOverride { id }).unwrap();
        assert!(!confirmed.answer.rule.suspended && confirmed.answer.is_live);
        assert_eq!(given.check("user", "a", "b").source, Source::OverrideGrant);
        assert_eq!(given.when(resolve()).unwrap().capabilities, [capability("a:b")]);
        assert_eq!(listed(&mut given, StatusFilter::Active), [false]);
        assert!(given.decide(ConfirmOverride { id }).unwrap().changes_nothing());
    }

    #[test]
    fn it_does_not_hide_another_of_its_kind_that_is_over_earlier() {
        let mut given = Given::nothing();
        suspended(&mut given);
        given.when(rule_until("user", Effect::Grant, "a:b", 5)).unwrap();
        assert_eq!(given.check("user", "a", "b").source, Source::OverrideGrant);
        given.advance(5);
        assert_eq!(given.check("user", "a", "b").source, Source::None);
    }

    #[test]
    fn it_is_deleted_like_any_other_and_is_unknown_then() {
        let mut given = Given::nothing();
        let id = suspended(&mut given);
        given.when(DeleteOverride { id }).unwrap();
        assert!(given.state.permissions.subject("user").is_none());
        let refused = given.when(ConfirmOverride { id }).err();
        assert_eq!(refused, Some(PermissionRejection::OverrideNotFound.into()));
    }
}
