//! The words by which the audit tells what happened to permissions, and what was decided about them.

/// An override was created.
pub const OVERRIDE_CREATED: &str = "override.created";
/// An override was deleted.
pub const OVERRIDE_DELETED: &str = "override.deleted";
/// An override was forgotten, long after it expired.
pub const OVERRIDE_PURGED: &str = "override.purged";
/// An override that grants was suspended.
pub const OVERRIDE_SUSPENDED: &str = "override.suspended";
/// A suspended override was confirmed.
pub const OVERRIDE_CONFIRMED: &str = "override.confirmed";
/// A role was made.
pub const ROLE_CREATED: &str = "role.created";
/// A role was changed.
pub const ROLE_CHANGED: &str = "role.changed";
/// A role was deleted.
pub const ROLE_DELETED: &str = "role.deleted";
/// A user's roles were replaced.
pub const USER_ROLES_ASSIGNED: &str = "user_roles.assigned";
/// A check was answered with yes.
pub const PERMISSION_ALLOWED: &str = "permission.allowed";
/// A check was answered with no.
pub const PERMISSION_DENIED: &str = "permission.denied";
/// So many decisions were not told, because there were too many.
pub const DECISIONS_LEFT_OUT: &str = "permission.decisions_left_out";

/// What an entry of the audit is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Something changed.
    Change,
    /// Something was decided.
    Decision,
}

impl Kind {
    /// The kind of an entry of this action; `None` if it is not about permissions.
    pub fn of_action(action: &str) -> Option<Self> {
        match action {
            OVERRIDE_CREATED | OVERRIDE_DELETED | OVERRIDE_PURGED | OVERRIDE_SUSPENDED | OVERRIDE_CONFIRMED
            | ROLE_CREATED | ROLE_CHANGED | ROLE_DELETED | USER_ROLES_ASSIGNED => Some(Self::Change),
            PERMISSION_ALLOWED | PERMISSION_DENIED | DECISIONS_LEFT_OUT => Some(Self::Decision),
            _ => None,
        }
    }

    /// The word that callers know.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Change => "change",
            Self::Decision => "decision",
        }
    }
}
