//! Making a role.

use super::{Access, Command, Decided, Moment, Repeatable, RoleView, outcome_id, role_json};
use crate::limits::ROLES_PER_TENANT_MAX;
use crate::permissions::event::RoleContent;
use crate::permissions::{Capability, PermissionEvent, PermissionRejection, RoleId, audit};
use crate::tenant::audit::AuditDraft;
use crate::tenant::event::Event;
use crate::tenant::idempotency::Outcome;
use crate::tenant::{Rejection, State};
use crate::token::Scope;

/// Makes a role.
#[derive(Clone, Debug)]
pub struct CreateRole {
    /// A fresh identifier.
    pub id: RoleId,
    /// Its name, which no other role has.
    pub name: Box<str>,
    /// What it is for.
    pub description: Option<Box<str>>,
    /// What it permits.
    pub capabilities: Vec<Capability>,
}

impl Command for CreateRole {
    type Reply = Repeatable<RoleView>;

    fn access(&self) -> Access {
        Access::Scope(Scope::PermissionsManage)
    }

    fn decide(self, state: &State, moment: &Moment<'_>) -> Result<Decided<Self::Reply>, Rejection> {
        let Self {
            id,
            name,
            description,
            capabilities,
        } = self;
        let capabilities = Capability::once_each(capabilities);
        if state.permissions.role_named(&name).is_some() {
            return Err(PermissionRejection::RoleNameTaken.into());
        }
        if state.permissions.role_count() >= ROLES_PER_TENANT_MAX {
            let max = ROLES_PER_TENANT_MAX;
            return Err(PermissionRejection::RoleLimit { max }.into());
        }
        let audit = AuditDraft {
            after: Some(role_json(&name, description.as_deref(), &capabilities)),
            ..AuditDraft::new(audit::ROLE_CREATED, id)
        };
        let content = RoleContent {
            id,
            name,
            description,
            capabilities,
        };
        let reply = Repeatable::first(RoleView::made(&content, moment.now, moment.now));
        let event = Event::Permission(PermissionEvent::RoleCreated(content));
        let outcome = Outcome::Thing(id.to_string().into());
        Ok(Decided::event(event, reply).audited(audit).coming_to(outcome))
    }

    fn repeat(&self, state: &State, _moment: &Moment<'_>, outcome: &Outcome) -> Result<Self::Reply, Rejection> {
        let role = state.permissions.role(outcome_id(outcome, RoleId::parse)?);
        let role = role.ok_or(Rejection::IdempotentResultGone)?;
        Ok(Repeatable::again(RoleView::of(role)))
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{Given, capability, role_id};
    use super::*;

    fn create(name: &str) -> CreateRole {
        CreateRole {
            id: role_id(),
            name: name.into(),
            description: Some("for tests".into()),
            capabilities: vec![capability("orders.*:read")],
        }
    }

    #[test]
    fn a_name_is_taken_once() {
        let mut given = Given::nothing();
        given.when(create("clerk")).unwrap();
        for taken in ["clerk", "viewer", "super-admin"] {
            let refused = given.when(create(taken)).unwrap_err();
            assert_eq!(refused, PermissionRejection::RoleNameTaken.into(), "{taken}");
        }
        assert!(given.when(create("Clerk")).is_ok());
    }

    #[test]
    fn the_last_that_fits_is_the_thousandth() {
        let mut given = Given::nothing();
        for number in 0..ROLES_PER_TENANT_MAX {
            given.when(create(&format!("role {number}"))).unwrap();
        }
        let max = ROLES_PER_TENANT_MAX;
        assert_eq!(
            given.when(create("one more")).err(),
            Some(PermissionRejection::RoleLimit { max }.into())
        );
    }
}
