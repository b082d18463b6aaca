//! Refusals of the permission family as HTTP.

use countersign_actors::journal::ReadError;
use countersign_actors::permissions::PermissionRejection;

use super::ApiError;

impl From<PermissionRejection> for ApiError {
    fn from(rejection: PermissionRejection) -> Self {
        let detail = rejection.to_string();
        match rejection {
            PermissionRejection::OverrideNotFound
            | PermissionRejection::RoleNotFound
            | PermissionRejection::UnknownRole { .. } => Self::not_found(detail),
            PermissionRejection::LiveOverrideLimit { .. } | PermissionRejection::OverrideLimit { .. } => {
                Self::refusal(409, "override_limit", "Too many overrides", detail)
            }
            PermissionRejection::RoleNameTaken => Self::refusal(409, "role_name_taken", "The name is taken", detail),
            PermissionRejection::RoleBuiltIn { .. } => Self::refusal(409, "role_built_in", "A built-in role", detail),
            PermissionRejection::RoleAssigned { holders } => {
                Self::refusal(409, "role_assigned", "The role is assigned", detail).with_extra("holders", holders)
            }
            PermissionRejection::RoleLimit { .. } => Self::refusal(409, "role_limit", "Too many roles", detail),
        }
    }
}

impl From<ReadError> for ApiError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Closed => Self::unavailable("the service is shutting down"),
            ReadError::Failed(_) => Self::unavailable("the journal has failed"),
            ReadError::Corrupt(_) | ReadError::Store(_) => {
                tracing::error!(%error, "records could not be read");
                Self::unavailable("the records cannot be read; an operator has to look at the log")
            }
        }
    }
}
