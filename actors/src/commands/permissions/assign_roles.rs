//! Giving a user roles, and taking them.

use serde_json::json;

use super::{Access, Command, Decided, Moment};
use crate::permissions::{AdminId, PermissionEvent, PermissionRejection, RoleId, Subject, audit};
use crate::tenant::audit::AuditDraft;
use crate::tenant::event::Event;
use crate::tenant::{Rejection, State};
use crate::token::Scope;

/// Replaces a user's roles; the next check sees it.
#[derive(Clone, Debug)]
pub struct AssignRoles {
    /// The user.
    pub admin_id: AdminId,
    /// All of the user's roles since.
    pub role_ids: Vec<RoleId>,
}

impl Command for AssignRoles {
    type Reply = Vec<RoleId>;

    fn access(&self) -> Access {
        Access::Scope(Scope::PermissionsManage)
    }

    fn decide(self, state: &State, _moment: &Moment<'_>) -> Result<Decided<Self::Reply>, Rejection> {
        let Self { admin_id, role_ids } = self;
        let mut roles: Vec<RoleId> = Vec::with_capacity(role_ids.len());
        for id in role_ids {
            if state.permissions.role(id).is_none() {
                return Err(PermissionRejection::UnknownRole { id }.into());
            }
            if !roles.contains(&id) {
                roles.push(id);
            }
        }
        let subject = state.permissions.subject(admin_id.as_str());
        let before = subject.map(Subject::roles).unwrap_or_default();
        if before == roles {
            // Nothing happens, so there is nothing to record.
            return Ok(Decided::answer(roles));
        }
        let audit = AuditDraft {
            before: Some(json!({"roleIds": before})),
            after: Some(json!({"roleIds": roles})),
            ..AuditDraft::new(audit::USER_ROLES_ASSIGNED, &admin_id)
        };
        let event = PermissionEvent::RolesAssigned {
            admin_id,
            roles: roles.clone(),
        };
        Ok(Decided::event(Event::Permission(event), roles).audited(audit))
    }
}

#[cfg(test)]
mod tests {
    use super::super::UserRoles;
    use super::super::tests::{Given, admin, role_id};
    use super::*;

    #[test]
    fn the_last_assignment_counts() {
        let mut given = Given::nothing();
        let assign = |role_ids| AssignRoles {
            admin_id: admin("user"),
            role_ids,
        };
        let twice = vec![RoleId::Viewer, RoleId::Viewer];
        assert_eq!(given.when(assign(twice)).unwrap(), [RoleId::Viewer], "kept once");
        assert!(given.check("user", "a", "read").allowed && !given.check("user", "a", "write").allowed);
        given.when(assign(vec![RoleId::SuperAdmin])).unwrap();
        assert!(given.check("user", "a", "write").allowed);
        let unknown = role_id();
        let refused = given.when(assign(vec![RoleId::Viewer, unknown])).unwrap_err();
        assert_eq!(refused, PermissionRejection::UnknownRole { id: unknown }.into());
        let roles = given
            .when(UserRoles {
                admin_id: admin("user"),
            })
            .unwrap();
        assert_eq!(roles, [RoleId::SuperAdmin], "a refused call changes nothing");
        assert!(
            given
                .decide(assign(vec![RoleId::SuperAdmin]))
                .unwrap()
                .events
                .is_empty()
        );
        given.when(assign(vec![])).unwrap();
        assert!(!given.check("user", "a", "read").allowed);
        assert!(given.state.permissions.subject("user").is_none());
    }
}
