//! Every failure as HTTP: the only file that knows status codes for what went wrong.
//!
//! Handlers return [`ApiError`]; the [`border`](crate::border) renders it in the form of the family that was called:
//! problem details (RFC 9457) or, under `/api/v1`, the envelope of the permission family.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderValue};
use serde::Serialize;
use serde_json::{Map, Value};

mod bodies;
mod engine;
mod permissions;

pub(crate) use bodies::envelope_code;

/// Seconds after which a refused call may be tried again, where nothing better is known.
const RETRY_SECONDS: u32 = 1;

/// One field at fault.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FieldError {
    /// Its path, such as `rbac.allowed_actions[2]`.
    pub field: Cow<'static, str>,
    /// What is wrong with it.
    pub message: Cow<'static, str>,
}

/// What `WWW-Authenticate` says (RFC 6750 section 3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Challenge {
    /// No credential was given, so there is no error to name.
    Missing,
    /// The credential is malformed, unknown, expired or revoked.
    InvalidToken,
    /// The credential is valid and does not cover the call.
    InsufficientScope,
}

/// The family of endpoints that was called, which decides the form of a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// `application/problem+json`.
    Tokens,
    /// `{"success":false,"error":{…}}`.
    Permissions,
}

impl Family {
    /// The family that a path belongs to, whether or not a route exists there.
    pub fn of_path(path: &str) -> Self {
        match path.strip_prefix("/api/v1") {
            Some(rest) if rest.is_empty() || rest.starts_with('/') => Self::Permissions,
            _ => Self::Tokens,
        }
    }
}

/// A failure as the caller may see it: nothing internal stands in it.
#[derive(Clone, Debug)]
pub struct ApiError {
    /// The HTTP status.
    pub status: StatusCode,
    /// The stable word for programs.
    pub code: &'static str,
    /// The stable sentence for people, the same for each code.
    pub title: &'static str,
    /// What happened this time.
    pub detail: Cow<'static, str>,
    /// The fields at fault, in the documented order.
    pub errors: Vec<FieldError>,
    /// Seconds for `Retry-After`.
    pub retry_after: Option<u32>,
    /// What `WWW-Authenticate` says; a 401 always has one.
    pub challenge: Option<Challenge>,
    /// The methods for `Allow`.
    pub allow: Option<Arc<str>>,
    /// Extension members, such as a standing decision.
    pub extra: Option<Box<Map<String, Value>>>,
}

impl ApiError {
    /// A failure of this status and code; the named constructors are to be preferred.
    pub fn new(
        status: StatusCode,
        code: &'static str,
        title: &'static str,
        detail: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self {
            status,
            code,
            title,
            detail: detail.into(),
            errors: Vec::new(),
            retry_after: None,
            challenge: (status == StatusCode::UNAUTHORIZED).then_some(Challenge::InvalidToken),
            allow: None,
            extra: None,
        }
    }

    /// Adds an extension member.
    #[must_use]
    pub fn with_extra(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.extra.get_or_insert_default().insert(name.to_owned(), value.into());
        self
    }

    /// Sets the seconds for `Retry-After`.
    #[must_use]
    pub fn with_retry_after(mut self, seconds: u32) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    /// 400 `malformed_json`: the body is not what its media type says.
    pub fn malformed_json(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            "malformed_json",
            "The body is not well-formed",
            detail,
        )
    }

    /// 400 `malformed_request`: the query, a form or the transfer itself is broken.
    pub fn malformed_request(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            "malformed_request",
            "The request is not well-formed",
            detail,
        )
    }

    /// 422 `invalid_request`: fields missing, of the wrong type, out of range or unknown.
    pub fn invalid_fields(errors: Vec<FieldError>) -> Self {
        let detail = match errors.as_slice() {
            [] => Cow::Borrowed("a field is at fault"),
            [only] => format!("`{}` {}", only.field, only.message).into(),
            [first, rest @ ..] => format!("`{}` {}; {} more", first.field, first.message, rest.len()).into(),
        };
        let title = "Fields are missing or at fault";
        Self {
            errors,
            ..Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_request", title, detail)
        }
    }

    /// 422 `invalid_request` for a single field.
    pub fn invalid_field(field: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self::invalid_fields(vec![FieldError {
            field: field.into(),
            message: message.into(),
        }])
    }

    /// 401 `unauthenticated`: no credential was given where one is needed.
    pub fn unauthenticated() -> Self {
        Self {
            challenge: Some(Challenge::Missing),
            ..Self::invalid_credential("a credential is needed")
        }
    }

    /// 401 `unauthenticated`: the credential is malformed, wrong or dead. The detail must not say which of the latter.
    pub fn invalid_credential(detail: &'static str) -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "unauthenticated",
            "The call is not authenticated",
            detail,
        )
    }

    /// 403 `forbidden`: the credential is valid and does not cover the call.
    pub fn forbidden(detail: impl Into<Cow<'static, str>>) -> Self {
        let title = "The credential does not cover the call";
        let challenge = Some(Challenge::InsufficientScope);
        Self {
            challenge,
            ..Self::new(StatusCode::FORBIDDEN, "forbidden", title, detail)
        }
    }

    /// 403 `open_mode_refused`: the call does not look like one from this machine (tokens.md section 3).
    pub fn open_mode_refused(detail: &'static str) -> Self {
        let title = "Without an admin credential only local programs may call";
        Self::new(StatusCode::FORBIDDEN, "open_mode_refused", title, detail)
    }

    /// 404 `not_found`: it does not exist, or not for this caller; the two look alike.
    pub fn not_found(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", "There is no such thing", detail)
    }

    /// 404 `route_not_found`: no endpoint has this path.
    pub fn route_not_found() -> Self {
        let detail = "no endpoint has this path; paths have no trailing slash";
        Self::new(
            StatusCode::NOT_FOUND,
            "route_not_found",
            "There is no such endpoint",
            detail,
        )
    }

    /// 405 `method_not_allowed`: the path exists with these methods.
    pub fn method_not_allowed(allow: Arc<str>) -> Self {
        let title = "The endpoint has other methods";
        let detail = format!("allowed here: {allow}");
        let allow = Some(allow);
        Self {
            allow,
            ..Self::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", title, detail)
        }
    }

    /// 408 `request_timeout`: the body did not arrive in time.
    pub fn request_timeout() -> Self {
        let detail = "the body did not arrive in time";
        Self::new(
            StatusCode::REQUEST_TIMEOUT,
            "request_timeout",
            "The request took too long",
            detail,
        )
    }

    /// 413 `payload_too_large`.
    pub fn payload_too_large(limit: usize) -> Self {
        let detail = format!("the body may have at most {limit} bytes");
        Self::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "payload_too_large",
            "The body is too large",
            detail,
        )
    }

    /// 415 `unsupported_media_type`.
    pub fn unsupported_media_type(detail: &'static str) -> Self {
        let title = "The media type of the body is not served";
        Self::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unsupported_media_type",
            title,
            detail,
        )
    }

    /// 429 `tenant_busy`: the permits of one customer are spent; others do not feel it.
    pub fn tenant_busy() -> Self {
        let title = "This customer has too many calls in progress";
        Self::new(StatusCode::TOO_MANY_REQUESTS, "tenant_busy", title, "try again").with_retry_after(RETRY_SECONDS)
    }

    /// Whether it is [`tenant_busy`](Self::tenant_busy).
    pub fn is_tenant_busy(&self) -> bool {
        self.code == Self::tenant_busy().code
    }

    /// 503 `overloaded`: the process is at its limit and did nothing.
    pub fn overloaded() -> Self {
        let title = "The service is at its limit";
        let detail = "nothing was done; try again";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "overloaded", title, detail).with_retry_after(RETRY_SECONDS)
    }

    /// 503 `unavailable`: the process starts, drains, or cannot write.
    pub fn unavailable(detail: impl Into<Cow<'static, str>>) -> Self {
        let title = "The service is not available";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", title, detail).with_retry_after(RETRY_SECONDS)
    }

    /// 500 `internal`: a defect of ours. The reason belongs into the log, so there is no detail to give.
    pub fn internal() -> Self {
        let title = "Something went wrong here";
        let detail = "the x-request-id of this answer finds the reason in the log";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", title, detail)
    }

    /// The nearest failure of ours to a bare status, for errors that come from the HTTP library.
    pub fn from_status(status: StatusCode) -> Self {
        match status {
            StatusCode::NOT_FOUND => Self::route_not_found(),
            StatusCode::PAYLOAD_TOO_LARGE => Self::new(
                status,
                "payload_too_large",
                "The body is too large",
                "the body is too large",
            ),
            StatusCode::UNSUPPORTED_MEDIA_TYPE => Self::unsupported_media_type("the body has another media type"),
            other if other.is_client_error() => Self::malformed_request("the request cannot be read"),
            _ => Self::internal(),
        }
    }

    /// The body as `application/problem+json`.
    pub fn problem(&self) -> Vec<u8> {
        bodies::problem(self)
    }

    /// The whole answer in the form of a family.
    pub fn respond(&self, family: Family) -> HttpResponse {
        let (status, media, body) = match family {
            Family::Tokens => (self.status, "application/problem+json", bodies::problem(self)),
            Family::Permissions => (
                bodies::envelope_status(self),
                "application/json",
                bodies::envelope(self),
            ),
        };
        let mut response = HttpResponse::new(status).set_body(body).map_into_boxed_body();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media));
        if let Some(challenge) = self.challenge {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge.header()));
        }
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if let Some(Ok(allow)) = self.allow.as_deref().map(HeaderValue::from_str) {
            headers.insert(header::ALLOW, allow);
        }
        response
    }
}

impl Challenge {
    fn header(self) -> &'static str {
        match self {
            Self::Missing => r#"Bearer realm="countersign""#,
            Self::InvalidToken => r#"Bearer realm="countersign", error="invalid_token""#,
            Self::InsufficientScope => r#"Bearer realm="countersign", error="insufficient_scope""#,
        }
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.status.as_u16(), self.code, self.detail)
    }
}

impl std::error::Error for ApiError {}

impl actix_web::ResponseError for ApiError {
    fn status_code(&self) -> StatusCode {
        self.status
    }

    /// Only the border knows the path; it renders failures of the permission family anew.
    fn error_response(&self) -> HttpResponse {
        self.respond(Family::Tokens)
    }
}

// The engine's errors become answers here: one `impl From<…> for ApiError` per layer, without a wildcard arm.

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_401_always_says_how_to_authenticate_and_a_503_when_to_come_back() {
        for (error, name) in [
            (ApiError::unauthenticated(), header::WWW_AUTHENTICATE),
            (ApiError::invalid_credential("no"), header::WWW_AUTHENTICATE),
            (
                ApiError::new(StatusCode::UNAUTHORIZED, "x", "x", "x"),
                header::WWW_AUTHENTICATE,
            ),
            (ApiError::forbidden("no"), header::WWW_AUTHENTICATE),
            (ApiError::tenant_busy(), header::RETRY_AFTER),
            (ApiError::overloaded(), header::RETRY_AFTER),
            (ApiError::unavailable("draining"), header::RETRY_AFTER),
            (ApiError::method_not_allowed("GET, HEAD".into()), header::ALLOW),
        ] {
            for family in [Family::Tokens, Family::Permissions] {
                assert!(
                    error.respond(family).headers().contains_key(&name),
                    "{} {name}",
                    error.code
                );
            }
        }
    }

    #[test]
    fn an_error_fits_into_a_result_that_is_cheap_to_move() {
        assert!(size_of::<ApiError>() <= 128);
    }

    #[test]
    fn the_family_is_decided_by_whole_segments() {
        assert_eq!(Family::of_path("/api/v1"), Family::Permissions);
        assert_eq!(Family::of_path("/api/v1/whoami"), Family::Permissions);
        assert_eq!(Family::of_path("/api/v10/whoami"), Family::Tokens);
        assert_eq!(Family::of_path("/tokens/api/v1"), Family::Tokens);
    }
}
