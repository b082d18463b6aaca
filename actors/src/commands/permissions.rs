//! What can be asked about permissions: overrides, checks, roles.

mod assign_roles;
mod change_role;
mod check_permission;
mod check_permissions;
mod confirm_override;
mod create_override;
mod create_role;
mod delete_override;
mod delete_role;
mod describe_key;
mod find_role;
mod list_overrides;
mod list_roles;
mod purge_overrides;
mod resolve_permissions;
mod user_roles;

use std::sync::Arc;

pub use assign_roles::AssignRoles;
pub use change_role::ChangeRole;
pub use check_permission::{Check, CheckAnswer, CheckPermission, Explanation, Layer};
pub use check_permissions::CheckPermissions;
pub use confirm_override::ConfirmOverride;
pub use create_override::CreateOverride;
pub use create_role::CreateRole;
pub use delete_override::DeleteOverride;
pub use delete_role::DeleteRole;
pub use describe_key::{DescribeKey, KeyDescription};
pub use find_role::FindRole;
pub use list_overrides::{ListOverrides, OverridePage, StatusFilter};
pub use list_roles::{ListRoles, RolePage};
pub use purge_overrides::PurgeOverrides;
pub use resolve_permissions::{Resolution, ResolvePermissions};
pub use user_roles::UserRoles;

use super::{Access, Command, Decided, Moment};
use crate::clock::UnixMillis;
use crate::permissions::event::RoleContent;
use crate::permissions::{Capability, Override, PermissionRejection, Role, RoleId};
use crate::tenant::idempotency::Outcome;
use crate::tenant::{Rejection, State};

/// Which decisions the audit tells of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DecisionAudit {
    /// All.
    All,
    /// Those that allow nothing.
    #[default]
    Denied,
    /// None.
    None,
}

/// Settings of an operator that rules about permissions depend on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PermissionRules {
    /// Whether an override that is over before it begins is refused.
    pub reject_past_expiry: bool,
    /// Which decisions the audit tells of.
    pub audit_decisions: DecisionAudit,
}

/// An answer that says whether it was given before, to the same call with the same idempotency key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repeatable<T> {
    /// The answer.
    pub answer: T,
    /// Whether the call had no effect of its own.
    pub is_repetition: bool,
}

impl<T> Repeatable<T> {
    const fn first(answer: T) -> Self {
        Self {
            answer,
            is_repetition: false,
        }
    }

    const fn again(answer: T) -> Self {
        Self {
            answer,
            is_repetition: true,
        }
    }
}

/// An override as it is at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OverrideView {
    /// The override.
    pub rule: Arc<Override>,
    /// Whether it is not over.
    pub is_live: bool,
}

impl OverrideView {
    fn of(rule: &Arc<Override>, now: UnixMillis) -> Self {
        Self {
            rule: Arc::clone(rule),
            is_live: rule.is_live(now),
        }
    }
}

/// A role as it is at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoleView {
    /// Its identifier.
    pub id: RoleId,
    /// Its name.
    pub name: Box<str>,
    /// What it is for.
    pub description: Option<Box<str>>,
    /// What it permits.
    pub capabilities: Vec<Capability>,
    /// When it was made; `None` if it is built in.
    pub created_at: Option<UnixMillis>,
    /// When it was last changed; `None` if it is built in.
    pub updated_at: Option<UnixMillis>,
}

impl RoleView {
    /// A role as an event leaves it.
    fn made(content: &RoleContent, created_at: UnixMillis, updated_at: UnixMillis) -> Self {
        Self {
            id: content.id,
            name: content.name.clone(),
            description: content.description.clone(),
            capabilities: content.capabilities.clone(),
            created_at: Some(created_at),
            updated_at: Some(updated_at),
        }
    }

    fn of(role: &Role) -> Self {
        let made = !role.id.is_built_in();
        Self {
            id: role.id,
            name: role.name.clone(),
            description: role.description.clone(),
            capabilities: role.capabilities.list().to_vec(),
            created_at: made.then_some(role.created_at),
            updated_at: made.then_some(role.updated_at),
        }
    }
}

/// As the audit keeps a role.
fn role_json(name: &str, description: Option<&str>, capabilities: &[Capability]) -> serde_json::Value {
    serde_json::json!({"name": name, "description": description, "capabilities": capabilities})
}

/// A role that can be changed.
fn changeable_role(state: &State, id: RoleId) -> Result<&Role, Rejection> {
    if id.is_built_in() {
        return Err(PermissionRejection::RoleBuiltIn { id }.into());
    }
    let role = state.permissions.role(id);
    role.ok_or_else(|| PermissionRejection::RoleNotFound.into())
}

/// The identifier that a repeated call came to.
fn outcome_id<T>(outcome: &Outcome, parse: fn(&str) -> Option<T>) -> Result<T, Rejection> {
    let id = match outcome {
        Outcome::Thing(text) => parse(text),
        _ => None,
    };
    id.ok_or(Rejection::IdempotentResultGone)
}

#[cfg(test)]
pub(crate) mod tests;
