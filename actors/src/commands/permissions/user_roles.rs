//! Reading which roles a user has.

use super::{Access, Command, Decided, Moment};
use crate::permissions::{AdminId, RoleId, Subject};
use crate::tenant::{Rejection, State};
use crate::token::Scope;

/// Asks for a user's roles. A user of whom nothing is known has none.
#[derive(Clone, Debug)]
pub struct UserRoles {
    /// The user.
    pub admin_id: AdminId,
}

impl Command for UserRoles {
    type Reply = Vec<RoleId>;

    fn access(&self) -> Access {
        Access::Scope(Scope::PermissionsManage)
    }

    fn decide(self, state: &State, _moment: &Moment<'_>) -> Result<Decided<Self::Reply>, Rejection> {
        let subject = state.permissions.subject(self.admin_id.as_str());
        Ok(Decided::answer(
            subject.map(Subject::roles).unwrap_or_default().to_vec(),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{Given, admin};
    use super::*;

    #[test]
    fn the_unknown_have_none() {
        let roles = Given::nothing().when(UserRoles {
            admin_id: admin("nobody"),
        });
        assert_eq!(roles.unwrap(), []);
    }
}
