//! Creating an override.

use std::sync::Arc;

use super::{Access, Command, Decided, Moment, OverrideView, Repeatable, outcome_id};
use crate::id::Jti;
use crate::limits::{LIVE_OVERRIDES_PER_USER_MAX, OVERRIDES_PER_TENANT_MAX};
use crate::permissions::event::NewOverride;
use crate::permissions::{
    ActionPattern, AdminId, Effect, Expiry, Override, OverrideId, PathPattern, PermissionEvent, PermissionRejection,
    Reason, audit,
};
use crate::tenant::audit::AuditDraft;
use crate::tenant::event::Event;
use crate::tenant::idempotency::Outcome;
use crate::tenant::{Rejection, State};
use crate::token::Scope;

/// Creates an override. Another one that says the same does not matter.
#[derive(Clone, Debug)]
pub struct CreateOverride {
    /// A fresh identifier.
    pub id: OverrideId,
    /// Whom it is about.
    pub admin_id: AdminId,
    /// What it is about.
    pub path: PathPattern,
    /// What is done to that.
    pub action: ActionPattern,
    /// Whether it forbids or permits.
    pub effect: Effect,
    /// Why.
    pub reason: Reason,
    /// How long.
    pub expiry: Expiry,
    /// The key that creates it.
    pub created_by: Option<Jti>,
}

impl Command for CreateOverride {
    type Reply = Repeatable<OverrideView>;

    fn access(&self) -> Access {
        Access::Scope(Scope::PermissionsManage)
    }

    fn decide(self, state: &State, moment: &Moment<'_>) -> Result<Decided<Self::Reply>, Rejection> {
        let now = moment.now;
        let is_live = self.expiry.is_live(now);
        if !is_live && moment.rules.permissions.reject_past_expiry {
            return Err(Rejection::InvalidField {
                field: "expiresAt",
                message: "must be in the future".to_owned(),
            });
        }
        if state.permissions.override_count() >= OVERRIDES_PER_TENANT_MAX {
            let max = OVERRIDES_PER_TENANT_MAX;
            return Err(PermissionRejection::OverrideLimit { max }.into());
        }
        let subject = state.permissions.subject(self.admin_id.as_str());
        let live = subject.map_or(0, |subject| subject.live_count(now));
        if is_live && live >= LIVE_OVERRIDES_PER_USER_MAX {
            let max = LIVE_OVERRIDES_PER_USER_MAX;
            return Err(PermissionRejection::LiveOverrideLimit { max }.into());
        }
        let new = NewOverride {
            id: self.id,
            admin_id: self.admin_id,
            path: self.path,
            action: self.action,
            effect: self.effect,
            reason: self.reason,
            expiry: self.expiry,
            created_by: self.created_by,
        };
        let rule = Arc::new(Override {
            id: new.id,
            sequence: state.sequence() + 1,
            admin_id: new.admin_id.clone(),
            path: new.path.clone(),
            action: new.action.clone(),
            effect: new.effect,
            reason: new.reason.clone(),
            expiry: new.expiry,
            created_at: now,
            created_by: new.created_by,
            suspended: false,
        });
        let audit = AuditDraft {
            after: Some(rule.to_json()),
            ..AuditDraft::new(audit::OVERRIDE_CREATED, rule.id).because(Some(rule.reason.as_str()))
        };
        let event = Event::Permission(PermissionEvent::OverrideCreated(new));
        let outcome = Outcome::Thing(rule.id.to_string().into());
        let reply = Repeatable::first(OverrideView { rule, is_live });
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
    use super::super::tests::{Given, START, rule, rule_until};
    use super::super::{DeleteOverride, PermissionRules};
    use super::*;

    #[test]
    fn duplicates_are_separate_and_the_1001st_in_force_is_refused() {
        let mut given = Given::nothing();
        for _ in 0..LIVE_OVERRIDES_PER_USER_MAX - 1 {
            given.when(rule("user", Effect::Deny, "billing:delete")).unwrap();
        }
        let last = given
            .when(rule_until("user", Effect::Deny, "billing:delete", 60))
            .unwrap();
        let refused = given.when(rule("user", Effect::Deny, "billing:delete")).unwrap_err();
        let max = LIVE_OVERRIDES_PER_USER_MAX;
        assert_eq!(refused, PermissionRejection::LiveOverrideLimit { max }.into());
        assert!(
            given.when(rule("other", Effect::Deny, "billing:delete")).is_ok(),
            "each user has room"
        );
        assert!(
            given.when(rule_until("user", Effect::Deny, "a:b", -1)).is_ok(),
            "what is over takes none"
        );
        given.advance(60);
        assert!(
            given.when(rule("user", Effect::Deny, "billing:delete")).is_ok(),
            "it is over by the clock"
        );
        assert!(given.when(rule("user", Effect::Deny, "billing:delete")).is_err());
        given
            .when(DeleteOverride {
                id: last.answer.rule.id,
            })
            .unwrap();
        assert!(
            given.when(rule("user", Effect::Deny, "billing:delete")).is_err(),
            "it was over already"
        );
    }

    #[test]
    fn a_past_expiry_is_accepted_unless_the_operator_refuses_it() {
        let mut given = Given::nothing();
        let created = given.when(rule_until("user", Effect::Deny, "a:b", 0)).unwrap();
        assert!(!created.answer.is_live && !created.is_repetition);
        assert_eq!(created.answer.rule.created_at, START);
        let mut strict = Given::with_rules(PermissionRules {
            reject_past_expiry: true,
            ..PermissionRules::default()
        });
        let refused = strict.when(rule_until("user", Effect::Deny, "a:b", 0)).unwrap_err();
        assert!(matches!(refused, Rejection::InvalidField { field: "expiresAt", .. }));
        assert!(strict.when(rule_until("user", Effect::Deny, "a:b", 1)).is_ok());
    }

    #[test]
    fn a_repetition_shows_the_same_override_until_it_is_gone() {
        let mut given = Given::nothing();
        let command = rule("user", Effect::Deny, "a:b");
        let id = command.id;
        let outcome = given.decide(command.clone()).unwrap().outcome.unwrap();
        given.when(command).unwrap();
        let moment = Moment {
            now: given.now,
            rules: &given.rules,
            keyed: false,
        };
        let again = rule("user", Effect::Deny, "a:b")
            .repeat(&given.state, &moment, &outcome)
            .unwrap();
        assert!(again.is_repetition && again.answer.rule.id == id);
        given.when(DeleteOverride { id }).unwrap();
        let moment = Moment {
            now: given.now,
            rules: &given.rules,
            keyed: false,
        };
        let gone = rule("user", Effect::Deny, "a:b").repeat(&given.state, &moment, &outcome);
        assert_eq!(gone, Err(Rejection::IdempotentResultGone));
    }
}
