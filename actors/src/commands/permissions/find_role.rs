//! Reading one role.

use super::{Access, Command, Decided, Moment, RoleView};
use crate::permissions::{PermissionRejection, RoleId};
use crate::tenant::{Rejection, State};
use crate::token::Scope;

/// Asks for a role.
#[derive(Clone, Copy, Debug)]
pub struct FindRole {
    /// Which.
    pub id: RoleId,
}

impl Command for FindRole {
    type Reply = RoleView;

    fn access(&self) -> Access {
        Access::Scope(Scope::PermissionsManage)
    }

    fn decide(self, state: &State, _moment: &Moment<'_>) -> Result<Decided<RoleView>, Rejection> {
        let role = state.permissions.role(self.id);
        let role = role.ok_or(PermissionRejection::RoleNotFound)?;
        Ok(Decided::answer(RoleView::of(role)))
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{Given, role_id};
    use super::*;

    #[test]
    fn the_built_in_roles_are_there_from_the_beginning() {
        let mut given = Given::nothing();
        let viewer = given.when(FindRole { id: RoleId::Viewer }).unwrap();
        assert_eq!((&*viewer.name, viewer.created_at), ("viewer", None));
        assert_eq!(
            given.when(FindRole { id: role_id() }).err(),
            Some(PermissionRejection::RoleNotFound.into())
        );
    }
}
