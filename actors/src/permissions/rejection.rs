//! Why a command about permissions is refused.

use super::RoleId;

/// Why a command about permissions was refused. Nothing of it happened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PermissionRejection {
    /// No override of this identifier, or another customer's, or one that is gone; all look alike.
    #[error("no override has this id")]
    OverrideNotFound,
    /// The user has as many live overrides as one user may.
    #[error("the user has {max} overrides in force, as many as one user may")]
    LiveOverrideLimit {
        /// That many.
        max: usize,
    },
    /// The customer has as many overrides as it may.
    #[error("the organisation has {max} overrides, as many as it may")]
    OverrideLimit {
        /// That many.
        max: usize,
    },
    /// No role of this identifier.
    #[error("no role has this id")]
    RoleNotFound,
    /// A role to be assigned does not exist.
    #[error("no role has the id `{id}`")]
    UnknownRole {
        /// The role.
        id: RoleId,
    },
    /// Another role has this name.
    #[error("another role has this name")]
    RoleNameTaken,
    /// The role is built in.
    #[error("the role `{id}` is built in and cannot be changed or deleted")]
    RoleBuiltIn {
        /// The role.
        id: RoleId,
    },
    /// Users have the role.
    #[error("{holders} users have this role; take it from them first")]
    RoleAssigned {
        /// How many.
        holders: usize,
    },
    /// The customer has as many roles as it may.
    #[error("the organisation has {max} roles, as many as it may")]
    RoleLimit {
        /// That many.
        max: usize,
    },
}
