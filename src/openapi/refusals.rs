//! Every failure as the document describes it: which codes a call may be refused with, by status, in the form of its family.

use std::collections::BTreeMap;

use serde_json::json;
use utoipa::ToSchema;
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::schema::{AllOfBuilder, ObjectBuilder, Ref, Schema, Type};
use utoipa::openapi::{Content, ContentBuilder, Header, RefOr, Response, ResponseBuilder};

use super::failures::{Problem, Refusal};
use crate::error::{Family, envelope_code};
use crate::wire::kinds::words;

/// Codes of the token family with their statuses; the permission family has the status alone.
const CODES: &[(u16, &[&str])] = &[
    (
        400,
        &[
            "malformed_json",
            "malformed_request",
            "conflicting_fields",
            "parent_disagrees",
            "permission_escalation",
            "delegation_depth_exceeded",
            "empty_allowed_list",
            "event_differs",
            "decision_not_allowed",
        ],
    ),
    (401, &["unauthenticated"]),
    (
        403,
        &[
            "forbidden",
            "open_mode_refused",
            "customer_suspended",
            "override_revoked",
        ],
    ),
    (
        404,
        &[
            "not_found",
            "unknown_customer",
            "no_active_key",
            "key_not_found",
            "parent_not_found",
            "token_not_found",
            "event_not_found",
        ],
    ),
    (408, &["request_timeout"]),
    (
        409,
        &[
            "signing_key_exists",
            "key_not_active",
            "rotation_pending",
            "parent_revoked",
            "parent_expired",
            "event_decided",
            "event_barred",
            "session_inactive",
            "idempotent_result_gone",
            "backup_in_progress",
            "conflict",
        ],
    ),
    (410, &["override_expired"]),
    (413, &["payload_too_large"]),
    (415, &["unsupported_media_type"]),
    (422, &["invalid_request", "policy_too_large", "idempotency_key_reused"]),
    (
        429,
        &[
            "tenant_busy",
            "token_limit",
            "key_limit",
            "session_exhausted",
            "idempotency_limit",
            "rate_limited",
        ],
    ),
    (500, &["internal"]),
    (
        503,
        &[
            "overloaded",
            "unavailable",
            "storage_low",
            "indeterminate",
            "records_unreadable",
        ],
    ),
];

/// Of a call with a body.
pub(super) const BODY: &[&str] = &[
    "malformed_json",
    "malformed_request",
    "request_timeout",
    "payload_too_large",
    "unsupported_media_type",
    "invalid_request",
];
/// Of a call with query parameters.
pub(super) const QUERY: &[&str] = &["malformed_request", "invalid_request"];
/// Of a call with something in its path.
pub(super) const PATH: &[&str] = &["malformed_request"];
/// Of a call with an idempotency key.
pub(super) const KEYED: &[&str] = &[
    "invalid_request",
    "idempotency_key_reused",
    "idempotent_result_gone",
    "idempotency_limit",
];
/// Of every call.
pub(super) const ANY: &[&str] = &["internal", "overloaded"];
/// Of a call that concerns one customer, and of every credential that is a token.
pub(super) const TENANT: &[&str] = &["tenant_busy", "unavailable", "indeterminate", "records_unreadable"];
/// Of a call that needs a credential.
pub(super) const CREDENTIAL: &[&str] = &["unauthenticated", "forbidden", "customer_suspended"];
/// Of every call in open mode.
pub(super) const OPEN_MODE: &[&str] = &["open_mode_refused"];

/// The refusals with these codes: the status, a name for what is said of it, and that.
pub(super) fn responses(family: Family, codes: &[&'static str]) -> Vec<(u16, String, Response)> {
    let mut statuses: BTreeMap<u16, Vec<&str>> = BTreeMap::new();
    for (status, known) in CODES {
        let of_status: Vec<&str> = known.iter().copied().filter(|code| codes.contains(code)).collect();
        if of_status.is_empty() {
            continue;
        }
        match family {
            Family::Tokens => statuses.insert(*status, of_status),
            // That family knows no 422.
            Family::Permissions => statuses.insert(if *status == 422 { 400 } else { *status }, Vec::new()),
        };
    }
    statuses
        .into_iter()
        .map(|(status, codes)| match family {
            Family::Tokens => (status, format!("{status}-{}", codes.join("-")), problem(status, &codes)),
            Family::Permissions => (status, format!("{status}-permissions"), refusal(status)),
        })
        .collect()
}

fn problem(status: u16, codes: &[&str]) -> Response {
    let only = ObjectBuilder::new()
        .schema_type(Type::Integer)
        .enum_values(Some([status]));
    let own = ObjectBuilder::new()
        .schema_type(Type::Object)
        .property("status", only)
        .property("code", words(codes.iter().copied()));
    let told: Vec<String> = codes.iter().map(|code| format!("`{code}`")).collect();
    let code = codes.first().copied().unwrap_or_default();
    let content = ContentBuilder::new()
        .schema(Some(narrowed(&Problem::name(), own)))
        .example(Some(json!({
            "type": format!("urn:countersign:problem:{code}"),
            "title": reason(status),
            "status": status,
            "detail": "what happened this time",
            "code": code,
        })));
    answer(status, told.join(", "), "application/problem+json", content.build())
}

fn refusal(status: u16) -> Response {
    let code = envelope_code(status);
    let error = ObjectBuilder::new()
        .schema_type(Type::Object)
        .property("code", words([code]));
    let own = ObjectBuilder::new().schema_type(Type::Object).property("error", error);
    let content = ContentBuilder::new()
        .schema(Some(narrowed(&Refusal::name(), own)))
        .example(Some(
            json!({"success": false, "error": {"code": code, "message": "what happened this time"}}),
        ));
    answer(status, format!("`{code}`"), "application/json", content.build())
}

/// What a form of a failure becomes for one status.
fn narrowed(form: &str, own: ObjectBuilder) -> RefOr<Schema> {
    AllOfBuilder::new().item(Ref::from_schema_name(form)).item(own).into()
}

fn answer(status: u16, codes: String, media: &str, content: Content) -> Response {
    let response = ResponseBuilder::new()
        .description(format!("{}: {codes}.", reason(status)))
        .content(media, content);
    match status {
        401 | 403 => response.header(
            "WWW-Authenticate",
            header("What to authenticate with (RFC 6750 section 3)."),
        ),
        429 | 503 => response.header("Retry-After", header("Seconds to wait, where waiting helps.")),
        _ => response,
    }
    .build()
}

/// A header with text in it that is not always there.
pub(super) fn header(description: &str) -> Header {
    HeaderBuilder::new()
        .schema(Some(ObjectBuilder::new().schema_type(Type::String)))
        .description(Some(description))
        .build()
}

fn reason(status: u16) -> &'static str {
    match status {
        400 => "The request breaks a rule",
        401 => "No valid credential",
        403 => "The call is not allowed",
        404 => "There is no such thing",
        408 => "The body did not arrive in time",
        409 => "It conflicts with what is there",
        410 => "Its time is over",
        413 => "The body is too large",
        415 => "The media type is not served",
        422 => "Fields are missing or at fault",
        429 => "Too many",
        500 => "A defect of the service",
        _ => "Not now",
    }
}

/// Registers what failures are made of.
pub(super) fn schemas(family: Family, into: &mut Vec<(String, RefOr<Schema>)>) {
    fn with<T: ToSchema>(into: &mut Vec<(String, RefOr<Schema>)>) {
        into.push((T::name().into_owned(), T::schema()));
        T::schemas(into);
    }
    match family {
        Family::Tokens => with::<Problem>(into),
        Family::Permissions => with::<Refusal>(into),
    }
}
