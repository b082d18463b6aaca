//! Changing a role: its name, its description, its capabilities.

use super::{Access, Command, Decided, Moment, Repeatable, RoleView, changeable_role, outcome_id, role_json};
use crate::permissions::event::RoleContent;
use crate::permissions::{Capability, PermissionEvent, PermissionRejection, RoleId, audit};
use crate::tenant::audit::AuditDraft;
use crate::tenant::event::Event;
use crate::tenant::idempotency::Outcome;
use crate::tenant::{Rejection, State};
use crate::token::Scope;

/// Changes a role; the next check sees it. What is not given stays.
#[derive(Clone, Debug)]
pub struct ChangeRole {
    /// Which.
    pub id: RoleId,
    /// Its new name.
    pub name: Option<Box<str>>,
    /// What it is for since.
    pub description: Option<Box<str>>,
    /// All that it permits since.
    pub capabilities: Option<Vec<Capability>>,
}

impl Command for ChangeRole {
    type Reply = Repeatable<RoleView>;

    fn access(&self) -> Access {
        Access::Scope(Scope::PermissionsManage)
    }

    fn decide(self, state: &State, moment: &Moment<'_>) -> Result<Decided<Self::Reply>, Rejection> {
        let role = changeable_role(state, self.id)?;
        let content = RoleContent {
            id: self.id,
            name: self.name.unwrap_or_else(|| role.name.clone()),
            description: self.description.or_else(|| role.description.clone()),
            capabilities: self
                .capabilities
                .map_or_else(|| role.capabilities.list().to_vec(), Capability::once_each),
        };
        if state
            .permissions
            .role_named(&content.name)
            .is_some_and(|id| id != self.id)
        {
            return Err(PermissionRejection::RoleNameTaken.into());
        }
        let audit = AuditDraft {
            before: Some(role_json(
                &role.name,
                role.description.as_deref(),
                role.capabilities.list(),
            )),
            after: Some(role_json(
                &content.name,
                content.description.as_deref(),
                &content.capabilities,
            )),
            ..AuditDraft::new(audit::ROLE_CHANGED, self.id)
        };
        let reply = Repeatable::first(RoleView::made(&content, role.created_at, moment.now));
        let event = Event::Permission(PermissionEvent::RoleChanged(content));
        let outcome = Outcome::Thing(self.id.to_string().into());
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
    use super::super::tests::{Given, admin, capability, role_id};
    use super::super::{AssignRoles, CreateRole};
    use super::*;

    fn change(id: RoleId) -> ChangeRole {
        ChangeRole {
            id,
            name: None,
            description: None,
            capabilities: None,
        }
    }

    #[test]
    fn a_change_is_in_force_for_the_next_check_and_its_name_is_free_again() {
        let mut given = Given::nothing();
        let id = role_id();
        let create = |id, name: &str| CreateRole {
            id,
            name: name.into(),
            description: None,
            capabilities: vec![capability("a:read")],
        };
        given.when(create(id, "clerk")).unwrap();
        given
            .when(AssignRoles {
                admin_id: admin("user"),
                role_ids: vec![id],
            })
            .unwrap();
        assert!(given.check("user", "a", "read").allowed);
        let changed = given.when(ChangeRole {
            name: Some("scribe".into()),
            capabilities: Some(vec![capability("a:write")]),
            ..change(id)
        });
        assert_eq!(&*changed.unwrap().answer.name, "scribe");
        assert!(!given.check("user", "a", "read").allowed && given.check("user", "a", "write").allowed);
        given.when(create(role_id(), "clerk")).unwrap();
        let taken = given.when(ChangeRole {
            name: Some("clerk".into()),
            ..change(id)
        });
        assert_eq!(taken.err(), Some(PermissionRejection::RoleNameTaken.into()));
        assert!(
            given
                .when(ChangeRole {
                    name: Some("scribe".into()),
                    ..change(id)
                })
                .is_ok(),
            "its own name"
        );
    }

    #[test]
    fn the_built_in_and_the_unknown_cannot_be_changed() {
        let mut given = Given::nothing();
        for id in [RoleId::SuperAdmin, RoleId::Viewer] {
            assert_eq!(
                given.when(change(id)).err(),
                Some(PermissionRejection::RoleBuiltIn { id }.into())
            );
        }
        assert_eq!(
            given.when(change(role_id())).err(),
            Some(PermissionRejection::RoleNotFound.into())
        );
    }
}
