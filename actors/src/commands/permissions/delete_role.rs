//! Deleting a role.

use super::{Access, Command, Decided, Moment, Repeatable, changeable_role, outcome_id, role_json};
use crate::permissions::{PermissionEvent, PermissionRejection, RoleId, audit};
use crate::tenant::audit::AuditDraft;
use crate::tenant::event::Event;
use crate::tenant::idempotency::Outcome;
use crate::tenant::{Rejection, State};
use crate::token::Scope;

/// Deletes a role that nobody has.
#[derive(Clone, Copy, Debug)]
pub struct DeleteRole {
    /// Which.
    pub id: RoleId,
}

impl Command for DeleteRole {
    type Reply = Repeatable<RoleId>;

    fn access(&self) -> Access {
        Access::Scope(Scope::PermissionsManage)
    }

    fn decide(self, state: &State, _moment: &Moment<'_>) -> Result<Decided<Self::Reply>, Rejection> {
        let role = changeable_role(state, self.id)?;
        let holders = state.permissions.holders(self.id);
        if holders > 0 {
            return Err(PermissionRejection::RoleAssigned { holders }.into());
        }
        let audit = AuditDraft {
            before: Some(role_json(
                &role.name,
                role.description.as_deref(),
                role.capabilities.list(),
            )),
            ..AuditDraft::new(audit::ROLE_DELETED, self.id)
        };
        let event = Event::Permission(PermissionEvent::RoleDeleted { id: self.id });
        let outcome = Outcome::Thing(self.id.to_string().into());
        Ok(Decided::event(event, Repeatable::first(self.id))
            .audited(audit)
            .coming_to(outcome))
    }

    fn repeat(&self, _state: &State, _moment: &Moment<'_>, outcome: &Outcome) -> Result<Self::Reply, Rejection> {
        outcome_id(outcome, RoleId::parse).map(Repeatable::again)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{Given, admin, role_id};
    use super::super::{AssignRoles, CreateRole};
    use super::*;

    #[test]
    fn only_what_nobody_has_is_deleted() {
        let mut given = Given::nothing();
        let id = role_id();
        let create = CreateRole {
            id,
            name: "clerk".into(),
            description: None,
            capabilities: Vec::new(),
        };
        given.when(create).unwrap();
        let assign = |user, role_ids| AssignRoles {
            admin_id: admin(user),
            role_ids,
        };
        given.when(assign("a", vec![id])).unwrap();
        given.when(assign("b", vec![id, RoleId::Viewer])).unwrap();
        let refused = given.when(DeleteRole { id }).unwrap_err();
        assert_eq!(refused, PermissionRejection::RoleAssigned { holders: 2 }.into());
        given.when(assign("a", vec![])).unwrap();
        given.when(assign("b", vec![RoleId::Viewer])).unwrap();
        given.when(DeleteRole { id }).unwrap();
        assert_eq!(
            given.when(DeleteRole { id }).err(),
            Some(PermissionRejection::RoleNotFound.into())
        );
        let id = RoleId::Viewer;
        assert_eq!(
            given.when(DeleteRole { id }).err(),
            Some(PermissionRejection::RoleBuiltIn { id }.into())
        );
    }
}
