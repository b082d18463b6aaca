//! The two bodies of a failure.

use actix_web::http::StatusCode;
use serde::Serialize;
use serde_json::{Map, Value};

use super::{ApiError, FieldError};

#[derive(Serialize)]
struct Problem<'a> {
    r#type: String,
    title: &'a str,
    status: u16,
    detail: &'a str,
    code: &'a str,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    errors: &'a [FieldError],
    #[serde(flatten)]
    extra: Option<&'a Map<String, Value>>,
}

#[derive(Serialize)]
struct Envelope<'a> {
    success: bool,
    error: EnvelopeError<'a>,
}

#[derive(Serialize)]
struct EnvelopeError<'a> {
    code: &'a str,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    details: Option<Details<'a>>,
}

#[derive(Serialize)]
struct Details<'a> {
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    errors: &'a [FieldError],
    #[serde(flatten)]
    extra: Option<&'a Map<String, Value>>,
}

/// `application/problem+json` (RFC 9457). `type` is a URN, stable without anything having to be served at it.
pub(super) fn problem(error: &ApiError) -> Vec<u8> {
    to_json(&Problem {
        r#type: format!("urn:countersign:problem:{}", error.code),
        title: error.title,
        status: error.status.as_u16(),
        detail: &error.detail,
        code: error.code,
        errors: &error.errors,
        extra: error.extra.as_deref(),
    })
}

/// `{"success":false,"error":{…}}` (permissions.md section 2).
pub(super) fn envelope(error: &ApiError) -> Vec<u8> {
    let has_details = !error.errors.is_empty() || error.extra.is_some();
    let details = has_details.then_some(Details {
        errors: &error.errors,
        extra: error.extra.as_deref(),
    });
    let code = envelope_code(envelope_status(error).as_u16());
    to_json(&Envelope {
        success: false,
        error: EnvelopeError {
            code,
            message: &error.detail,
            details,
        },
    })
}

/// That family knows no 422: a field at fault is a bad request, and an idempotency key used twice a conflict.
pub(super) fn envelope_status(error: &ApiError) -> StatusCode {
    if error.code == "idempotency_key_reused" {
        StatusCode::CONFLICT
    } else if error.status == StatusCode::UNPROCESSABLE_ENTITY {
        StatusCode::BAD_REQUEST
    } else {
        error.status
    }
}

/// The word of the permission family for a status.
pub(crate) const fn envelope_code(status: u16) -> &'static str {
    match status {
        401 => "UNAUTHORIZED",
        403 => "FORBIDDEN",
        404 => "NOT_FOUND",
        405 => "METHOD_NOT_ALLOWED",
        409 => "CONFLICT",
        429 => "RATE_LIMITED",
        503 => "UNAVAILABLE",
        500..=599 => "INTERNAL_ERROR",
        // 413, 415 and the like have no word of their own in that family.
        _ => "BAD_REQUEST",
    }
}

/// Text and numbers always serialise; an empty body is what would be left if they ever did not.
fn to_json(body: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(body).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parsed(bytes: Vec<u8>) -> Value {
        serde_json::from_slice(&bytes).unwrap()
    }

    #[test]
    fn a_problem_has_its_code_its_fields_and_its_extension_members() {
        let error = ApiError::invalid_field("name", "is required").with_extra("decision", "approve");
        assert_eq!(
            parsed(problem(&error)),
            json!({
                "type": "urn:countersign:problem:invalid_request",
                "title": "Fields are missing or at fault",
                "status": 422,
                "detail": "`name` is required",
                "code": "invalid_request",
                "errors": [{"field": "name", "message": "is required"}],
                "decision": "approve",
            })
        );
    }

    #[test]
    fn the_envelope_calls_a_field_at_fault_a_bad_request() {
        let error = ApiError::invalid_field("reason", "is too short");
        assert_eq!(envelope_status(&error), StatusCode::BAD_REQUEST);
        assert_eq!(
            parsed(envelope(&error)),
            json!({"success": false, "error": {
                "code": "BAD_REQUEST",
                "message": "`reason` is too short",
                "details": {"errors": [{"field": "reason", "message": "is too short"}]},
            }})
        );
        assert_eq!(
            parsed(envelope(&ApiError::route_not_found()))["error"],
            json!({"code": "NOT_FOUND", "message": "no endpoint has this path; paths have no trailing slash"})
        );
    }
}
