//! The permission family: roles, and who has them.

use countersign_actors::limits::ROLES_PER_PAGE_MAX;
use countersign_actors::token::Scope;

use super::super::answers::{CapabilitiesAnswer, RoleDeleted, UserRolesAnswer};
use super::super::operation::{Operation, delete, get, patch, post, put};
use super::super::requests::permissions::{Capabilities, ChangeRole, CreateRole, UserRoles};
use super::permissions::with_key;
use crate::wire::kinds::{AdminId, RoleId};
use crate::wire::permissions::{RoleAnswer, RolesAnswer};

const ROLES: &str = "/api/v1/permissions/roles";
const ROLE: &str = "/api/v1/permissions/roles/{id}";
const CAPABILITIES: &str = "/api/v1/permissions/roles/{id}/capabilities";
const USER_ROLES: &str = "/api/v1/permissions/users/{admin_id}/roles";

pub(super) fn operations() -> Vec<Operation> {
    let one = |operation| manages(operation).path::<RoleId>("id", "The role.");
    let of_user =
        |operation| manages(operation).path::<AdminId>("admin_id", "The user; one that is not known has none.");
    vec![
        manages(get(ROLES, "listRoles", "All roles, the built-in ones among them"))
            .query::<RoleId>("cursor", "The `cursor` of an earlier answer.")
            .limit(ROLES_PER_PAGE_MAX, ROLES_PER_PAGE_MAX)
            .envelopes::<RolesAnswer<'static>>(200, "The roles."),
        manages(post(ROLES, "createRole", "Makes a role"))
            .body::<CreateRole>()
            .keyed()
            .writes()
            .envelopes::<RoleAnswer<'static>>(201, "The role.")
            .refuses(&["conflict"]),
        one(get(ROLE, "findRole", "One role")).envelopes::<RoleAnswer<'static>>(200, "The role."),
        one(patch(ROLE, "changeRole", "Changes a role; in force for the next check"))
            .body::<ChangeRole>()
            .keyed()
            .writes()
            .envelopes::<RoleAnswer<'static>>(200, "The role as it is now.")
            .refuses(&["conflict"]),
        one(delete(ROLE, "deleteRole", "Deletes a role that nobody has"))
            .keyed()
            .writes()
            .envelopes::<RoleDeleted>(200, "It is deleted.")
            .refuses(&["conflict"]),
        one(get(CAPABILITIES, "roleCapabilities", "What a role permits"))
            .envelopes::<CapabilitiesAnswer>(200, "Its capabilities."),
        one(put(CAPABILITIES, "setRoleCapabilities", "Replaces what a role permits"))
            .body::<Capabilities>()
            .writes()
            .envelopes::<CapabilitiesAnswer>(200, "Its capabilities now.")
            .refuses(&["conflict"]),
        of_user(get(USER_ROLES, "userRoles", "The roles of a user")).envelopes::<UserRolesAnswer>(200, "The roles."),
        of_user(put(USER_ROLES, "assignRoles", "Replaces the roles of a user"))
            .body::<UserRoles>()
            .writes()
            .envelopes::<UserRolesAnswer>(200, "The roles now."),
    ]
}

fn manages(operation: Operation) -> Operation {
    with_key(operation, Some(Scope::PermissionsManage))
}
