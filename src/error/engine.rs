//! Every failure of the engine as HTTP.

use actix_web::http::StatusCode;
use countersign_actors::error::{Failure, Overload};
use countersign_actors::rbac::InvalidPolicy;
use countersign_actors::tenant::{Needed, Rejection};

use super::{ApiError, FieldError, RETRY_SECONDS};

impl From<Failure> for ApiError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Rejected(rejection) => rejection.into(),
            Failure::Overloaded(Overload::Tenant) => Self::tenant_busy(),
            Failure::Overloaded(Overload::Process) => Self::overloaded(),
            Failure::Overloaded(Overload::Draining) => Self::unavailable("the service is shutting down"),
            Failure::Overloaded(Overload::StorageLow) => Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "storage_low",
                "Storage is low",
                "nothing can be written until there is room on the disk again; reads go on",
            )
            .with_retry_after(RETRY_SECONDS),
            Failure::Interrupted => {
                Self::unavailable("the call was interrupted before it was recorded; it can be repeated")
            }
            Failure::Indeterminate => Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "indeterminate",
                "The journal has failed",
                "the journal failed while the call was being recorded; whether it took effect is known after recovery",
            )
            .with_retry_after(RETRY_SECONDS),
            Failure::Unreadable => Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "records_unreadable",
                "The records cannot be read",
                "the customer's records cannot be read; an operator has to look at the log",
            ),
            Failure::Crypto => Self::internal(),
        }
    }
}

impl From<Rejection> for ApiError {
    fn from(rejection: Rejection) -> Self {
        let detail = rejection.to_string();
        match rejection {
            Rejection::UnknownCustomer => Self::refusal(404, "unknown_customer", "Unknown customer", detail),
            Rejection::InvalidCredential => Self::invalid_credential("the credential is not a valid token"),
            Rejection::Forbidden { needed } => Self::forbidden(match needed {
                Needed::Admin => "the call needs the admin credential".to_owned(),
                Needed::Scope(scope) => format!("the call needs the admin credential or the scope `{scope}`"),
            }),
            Rejection::ParentDisagrees { field } => {
                Self::refusal(400, "parent_disagrees", "Two different parents", detail).about(field)
            }
            Rejection::NoActiveKey => Self::refusal(404, "no_active_key", "No active signing key", detail),
            Rejection::ActiveKeyExists { kid } => {
                let refused = Self::refusal(409, "signing_key_exists", "A signing key exists", detail);
                refused.with_extra("key_id", kid.to_string())
            }
            Rejection::KeyNotFound => Self::refusal(404, "key_not_found", "Unknown key", detail),
            Rejection::KeyNotActive => Self::refusal(409, "key_not_active", "Not the active key", detail),
            Rejection::RotationPending { kid, signs_from } => {
                Self::refusal(409, "rotation_pending", "A rotation is pending", detail)
                    .with_extra("key_id", kid.to_string())
                    .with_extra("signs_from", signs_from.seconds().to_rfc3339())
            }
            Rejection::ParentNotFound { field, .. } => {
                Self::refusal(404, "parent_not_found", "Unknown parent token", detail).about(field)
            }
            Rejection::ParentRevoked => Self::refusal(409, "parent_revoked", "Revoked parent token", detail),
            Rejection::ParentExpired => Self::refusal(409, "parent_expired", "Expired parent token", detail),
            Rejection::TtlOutOfRange { kind, .. } => Self::invalid_field(kind.ttl_field(), detail),
            Rejection::InvalidField { field, message } => Self::invalid_field(field, message),
            Rejection::InvalidPolicy(invalid) => Self::invalid_policy(&invalid, detail),
            Rejection::PermissionEscalation { field, .. } => {
                let refused = Self::refusal(400, "permission_escalation", "Wider than the parent's policy", detail);
                refused.about(rbac_field(field))
            }
            Rejection::DelegationDepthExceeded { depth, max } => {
                Self::refusal(400, "delegation_depth_exceeded", "Delegated too deep", detail)
                    .with_extra("depth", depth)
                    .with_extra("max_delegation_depth", max)
            }
            Rejection::TokenLimit { .. } => {
                Self::refusal(429, "token_limit", "Too many tokens", detail).with_retry_after(TOKEN_LIMIT_RETRY_SECONDS)
            }
            Rejection::IdempotencyMismatch => Self::refusal(
                422,
                "idempotency_key_reused",
                "The idempotency key was used before",
                detail,
            ),
            Rejection::IdempotentResultGone => Self::refusal(
                409,
                "idempotent_result_gone",
                "The result is no longer in force",
                detail,
            ),
            Rejection::IdempotencyLimit => {
                let refused = Self::refusal(429, "idempotency_limit", "Too many idempotency keys", detail);
                refused.with_retry_after(TOKEN_LIMIT_RETRY_SECONDS)
            }
            Rejection::KeyChanged => Self::unavailable(detail),
            Rejection::Permission(rejection) => rejection.into(),
        }
    }
}

/// Room comes back when tokens expire, which is a matter of minutes at best.
const TOKEN_LIMIT_RETRY_SECONDS: u32 = 60;

/// The path of a field of the policy in a request's body.
fn rbac_field(field: &'static str) -> &'static str {
    match field {
        "allowed_actions" => "rbac.allowed_actions",
        "denied_actions" => "rbac.denied_actions",
        "allowed_resources" => "rbac.allowed_resources",
        "denied_resources" => "rbac.denied_resources",
        "max_sensitivity_level" => "rbac.max_sensitivity_level",
        "max_risk_score" => "rbac.max_risk_score",
        _ => "rbac",
    }
}

impl ApiError {
    /// Names the field that the refusal is about.
    fn about(mut self, field: &'static str) -> Self {
        let message = self.detail.clone();
        self.errors = vec![FieldError {
            field: field.into(),
            message,
        }];
        self
    }

    /// Two fields that say different things.
    pub fn conflicting_fields(field: &'static str, message: &'static str) -> Self {
        let detail = format!("`{field}` {message}");
        let refused = Self::refusal(400, "conflicting_fields", "Two fields disagree", detail);
        Self {
            errors: vec![FieldError {
                field: field.into(),
                message: message.into(),
            }],
            ..refused
        }
    }

    /// A rule's refusal.
    pub(super) fn refusal(status: u16, code: &'static str, title: &'static str, detail: String) -> Self {
        Self::new(
            StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST),
            code,
            title,
            detail,
        )
    }

    fn invalid_policy(invalid: &InvalidPolicy, detail: String) -> Self {
        let field = rbac_field(invalid.field().unwrap_or_default());
        match invalid {
            InvalidPolicy::TooLarge { .. } => {
                Self::refusal(422, "policy_too_large", "The policy is too large", detail).about(field)
            }
            InvalidPolicy::EmptyAllowed { .. } => {
                Self::refusal(400, "empty_allowed_list", "An empty list of what is allowed", detail).about(field)
            }
            _ => Self::invalid_field(field, detail),
        }
    }
}
