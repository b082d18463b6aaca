//! What is answered about a presented token.

use actix_web::HttpResponse;
use countersign_actors::commands::{Active, Authorization};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa::openapi::ObjectBuilder;

use super::kinds::{Pattern, words};
use super::respond;
use crate::error::ApiError;

/// `active`, then the token's claims as they were signed, then its type.
///
/// # Errors
/// 500 if the claims are no JSON object, which none that was signed here is.
pub fn active(found: &Active) -> Result<HttpResponse, ApiError> {
    let claims = found
        .claims
        .strip_prefix('{')
        .and_then(|claims| claims.strip_suffix('}'));
    let claims = claims.ok_or_else(ApiError::internal)?;
    Ok(respond(
        format!(r#"{{"active":true,{claims},"token_type":"{}"}}"#, found.kind).into_bytes(),
    ))
}

/// What an authorisation came to.
#[derive(Serialize, ToSchema)]
pub struct AuthorizationAnswer<'a> {
    /// Whether the token may do it.
    allowed: bool,
    #[schema(schema_with = steps)]
    step: &'static str,
    /// The same, for people.
    reason: &'static str,
    /// The pattern that decided, if one did.
    #[schema(value_type = Option<Pattern>, required)]
    pattern: Option<&'a str>,
}

impl<'a> AuthorizationAnswer<'a> {
    /// The answer about this authorisation.
    pub fn of(authorization: &'a Authorization) -> Self {
        Self {
            allowed: authorization.allowed,
            step: authorization.step,
            reason: authorization.reason,
            pattern: authorization.pattern.as_deref(),
        }
    }
}

fn steps() -> ObjectBuilder {
    words([
        "token",
        "token_type",
        "override_deny",
        "denied_actions",
        "allowed_actions",
        "denied_resources",
        "allowed_resources",
        "sensitivity",
        "allowed",
    ])
    .description(Some("The step that decided: the first that refuses, or `allowed`."))
}
