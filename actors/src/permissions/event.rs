//! What happens to permissions. As all events: fields are only ever added, with a default.

use serde::{Deserialize, Serialize};

use super::{
    ActionPattern, AdminId, Capability, Effect, Expiry, Override, OverrideId, PathPattern, Reason, Role, RoleId,
};
use crate::id::Jti;

/// What happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PermissionEvent {
    /// An override was created.
    OverrideCreated(NewOverride),
    /// An override was deleted.
    OverrideDeleted {
        /// Which.
        id: OverrideId,
    },
    /// Overrides were forgotten that expired long ago.
    OverridesPurged {
        /// Which.
        ids: Vec<OverrideId>,
    },
    /// Overrides that grant were suspended, because the customer was restored from a backup.
    GrantsSuspended {
        /// Which.
        ids: Vec<OverrideId>,
    },
    /// A suspended override was confirmed: it grants again.
    GrantConfirmed {
        /// Which.
        id: OverrideId,
    },
    /// A role was made.
    RoleCreated(RoleContent),
    /// A role was changed; this is how it is since.
    RoleChanged(RoleContent),
    /// A role was deleted.
    RoleDeleted {
        /// Which.
        id: RoleId,
    },
    /// A user's roles were replaced.
    RolesAssigned {
        /// The user.
        admin_id: AdminId,
        /// All of the user's roles since.
        roles: Vec<RoleId>,
    },
}

/// An override as it was created; when, the entry of the journal says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NewOverride {
    /// Its identifier.
    pub id: OverrideId,
    /// Whom it is about.
    pub admin_id: AdminId,
    /// What it is about.
    pub path: PathPattern,
    /// What is done to that.
    pub action: ActionPattern,
    /// Whether it forbids or permits.
    pub effect: Effect,
    /// Why.
    pub reason: Reason,
    /// How long.
    #[serde(default = "never", skip_serializing_if = "is_never")]
    pub expiry: Expiry,
    /// The key that created it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_by: Option<Jti>,
}

impl From<&Override> for NewOverride {
    fn from(rule: &Override) -> Self {
        Self {
            id: rule.id,
            admin_id: rule.admin_id.clone(),
            path: rule.path.clone(),
            action: rule.action.clone(),
            effect: rule.effect,
            reason: rule.reason.clone(),
            expiry: rule.expiry,
            created_by: rule.created_by,
        }
    }
}

/// All that a role is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RoleContent {
    /// Its identifier.
    pub id: RoleId,
    /// Its name.
    pub name: Box<str>,
    /// What it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<Box<str>>,
    /// What it permits.
    pub capabilities: Vec<Capability>,
}

impl From<&Role> for RoleContent {
    fn from(role: &Role) -> Self {
        Self {
            id: role.id,
            name: role.name.clone(),
            description: role.description.clone(),
            capabilities: role.capabilities.list().to_vec(),
        }
    }
}

const fn never() -> Expiry {
    Expiry::Never
}

fn is_never(expiry: &Expiry) -> bool {
    *expiry == Expiry::Never
}
