//! Listing roles.

use super::{Access, Command, Decided, Moment, RoleView};
use crate::limits::ROLES_PER_PAGE_MAX;
use crate::permissions::RoleId;
use crate::tenant::{Rejection, State};
use crate::token::Scope;

/// Lists roles: the built-in ones, then the others in the order of their identifiers, which is about that of their making.
#[derive(Clone, Copy, Debug)]
pub struct ListRoles {
    /// Those behind this one.
    pub after: Option<RoleId>,
    /// At most so many, and [`ROLES_PER_PAGE_MAX`].
    pub limit: usize,
}

/// Some roles.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RolePage {
    /// The roles.
    pub roles: Vec<RoleView>,
    /// The last of them, if there are more.
    pub more_after: Option<RoleId>,
}

impl Command for ListRoles {
    type Reply = RolePage;

    fn access(&self) -> Access {
        Access::Scope(Scope::PermissionsManage)
    }

    fn decide(self, state: &State, _moment: &Moment<'_>) -> Result<Decided<RolePage>, Rejection> {
        let limit = self.limit.clamp(1, ROLES_PER_PAGE_MAX);
        let mut behind = state.permissions.roles_after(self.after);
        let roles: Vec<_> = behind.by_ref().take(limit).map(RoleView::of).collect();
        let last = roles.last().map(|role| role.id);
        let more_after = last.filter(|_| behind.next().is_some());
        Ok(Decided::answer(RolePage { roles, more_after }))
    }
}

#[cfg(test)]
mod tests {
    use super::super::CreateRole;
    use super::super::tests::{Given, role_id};
    use super::*;

    #[test]
    fn pages_join_without_gap() {
        let mut given = Given::nothing();
        for name in ["a", "b", "c"] {
            let create = CreateRole {
                id: role_id(),
                name: name.into(),
                description: None,
                capabilities: Vec::new(),
            };
            given.when(create).unwrap();
        }
        for limit in 1..7 {
            let (mut names, mut after) = (Vec::new(), None);
            loop {
                let page = given.when(ListRoles { after, limit }).unwrap();
                names.extend(page.roles.into_iter().map(|role| role.name));
                after = page.more_after;
                if after.is_none() {
                    break;
                }
            }
            assert_eq!(
                names.iter().map(|name| &**name).collect::<Vec<_>>(),
                ["super-admin", "viewer", "a", "b", "c"]
            );
        }
    }
}
