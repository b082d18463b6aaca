//! Every failure of the engine as HTTP.

use actix_web::http::StatusCode;
use countersign_actors::engine::PageError;
use countersign_actors::error::{Failure, Overload};
use countersign_actors::rbac::InvalidPolicy;
use countersign_actors::tenant::rejection::StandingDecision;
use countersign_actors::tenant::{Needed, Rejection};

use serde_json::json;

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
            Rejection::InvalidCredential => Self::invalid_credential("the credential is not a valid token"),
            Rejection::Forbidden { needed: Needed::Admin } => Self::forbidden("the call needs the admin credential"),
            Rejection::Forbidden {
                needed: Needed::Scope(scope),
            } => Self::forbidden(format!("the call needs the admin credential or the scope `{scope}`")),
            Rejection::TtlOutOfRange { kind, .. } => Self::invalid_field(kind.ttl_field(), detail),
            Rejection::InvalidField { field, message } => Self::invalid_field(field, message),
            Rejection::InvalidPolicy(invalid) => Self::invalid_policy(&invalid, detail),
            Rejection::KeyChanged => Self::unavailable(detail),
            Rejection::Permission(rejection) => rejection.into(),
            Rejection::EventDecided(standing) => Self::event_decided(&standing, detail),
            other => {
                let (status, code, title) = words(&other);
                Self::refusal(status, code, title, detail).told_more(&other)
            }
        }
    }
}

/// Status, code and title of the rejections that have nothing special about them.
const fn words(rejection: &Rejection) -> (u16, &'static str, &'static str) {
    match rejection {
        Rejection::UnknownCustomer => (404, "unknown_customer", "Unknown customer"),
        Rejection::CustomerSuspended => (403, "customer_suspended", "The customer is suspended"),
        Rejection::ParentDisagrees { .. } => (400, "parent_disagrees", "Two different parents"),
        Rejection::NoActiveKey => (404, "no_active_key", "No active signing key"),
        Rejection::ActiveKeyExists { .. } => (409, "signing_key_exists", "A signing key exists"),
        Rejection::KeyNotFound => (404, "key_not_found", "Unknown key"),
        Rejection::KeyNotActive => (409, "key_not_active", "Not the active key"),
        Rejection::RotationPending { .. } => (409, "rotation_pending", "A rotation is pending"),
        Rejection::ParentNotFound { .. } => (404, "parent_not_found", "Unknown parent token"),
        Rejection::ParentRevoked => (409, "parent_revoked", "Revoked parent token"),
        Rejection::ParentExpired => (409, "parent_expired", "Expired parent token"),
        Rejection::PermissionEscalation { .. } => (400, "permission_escalation", "Wider than the parent's policy"),
        Rejection::DelegationDepthExceeded { .. } => (400, "delegation_depth_exceeded", "Delegated too deep"),
        Rejection::TokenLimit { .. } => (429, "token_limit", "Too many tokens"),
        Rejection::KeyLimit => (429, "key_limit", "Too many signing keys"),
        Rejection::TokenNotFound => (404, "token_not_found", "Unknown token"),
        Rejection::EventDiffers => (400, "event_differs", "Another event"),
        Rejection::EventBarred => (409, "event_barred", "Nothing decides the event"),
        Rejection::OverrideRevoked => (403, "override_revoked", "Revoked override token"),
        Rejection::OverrideExpired => (410, "override_expired", "Expired override token"),
        Rejection::DecisionNotAllowed(_) => (400, "decision_not_allowed", "Not among the token's decisions"),
        Rejection::EventNotFound => (404, "event_not_found", "Unknown event"),
        Rejection::SessionInactive => (409, "session_inactive", "Inactive session"),
        // No Retry-After: the session never gets more.
        Rejection::SessionExhausted { .. } => (429, "session_exhausted", "The session is exhausted"),
        Rejection::IdempotencyMismatch => (422, "idempotency_key_reused", "The idempotency key was used before"),
        Rejection::IdempotentResultGone => (409, "idempotent_result_gone", "The result is no longer in force"),
        Rejection::IdempotencyLimit => (429, "idempotency_limit", "Too many idempotency keys"),
        // Those that the caller of this has handled.
        _ => (400, "refused", "Refused"),
    }
}

/// Room comes back when tokens expire, which is a matter of minutes at best.
const ROOM_RETRY_SECONDS: u32 = 60;

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
    /// The fields and members that tell more about a rejection.
    fn told_more(self, rejection: &Rejection) -> Self {
        match rejection {
            Rejection::ParentDisagrees { field } | Rejection::ParentNotFound { field, .. } => self.about(field),
            Rejection::PermissionEscalation { field, .. } => self.about(rbac_field(field)),
            Rejection::EventDiffers => self.about("event_id"),
            Rejection::DecisionNotAllowed(_) => self.about("decision"),
            Rejection::ActiveKeyExists { kid } => self.with_extra("key_id", kid.to_string()),
            Rejection::RotationPending { kid, signs_from } => {
                let signs_from = signs_from.seconds().to_rfc3339();
                self.with_extra("key_id", kid.to_string())
                    .with_extra("signs_from", signs_from)
            }
            Rejection::DelegationDepthExceeded { depth, max } => self
                .with_extra("depth", *depth)
                .with_extra("max_delegation_depth", *max),
            Rejection::SessionExhausted { remaining } => self.with_extra("events_remaining", *remaining),
            Rejection::TokenLimit { .. } | Rejection::KeyLimit | Rejection::IdempotencyLimit => {
                self.with_retry_after(ROOM_RETRY_SECONDS)
            }
            _ => self,
        }
    }

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

    /// A page that could not be read; `field` holds its cursor.
    pub fn of_page(error: &PageError, field: &'static str) -> Self {
        match error {
            PageError::Cursor => Self::invalid_field(field, "is none that this list gave"),
            PageError::Read(error) => {
                tracing::error!(%error, "the store could not be read");
                Self::unavailable("the records cannot be read now")
            }
        }
    }

    fn event_decided(standing: &StandingDecision, detail: String) -> Self {
        let decision = json!({
            "event_id": standing.event_id.as_str(),
            "decision": standing.decision,
            "override_jti": standing.override_jti,
            "decided_by": standing.decided_by,
            "decided_at": standing.decided_at.seconds().to_rfc3339(),
        });
        Self::refusal(409, "event_decided", "The event is decided", detail).with_extra("decision", decision)
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
