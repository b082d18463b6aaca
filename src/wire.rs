//! Request and response bodies.

pub mod fields;
pub mod introspection;
pub mod keys;
pub mod kinds;
pub mod look_up;
pub mod mint;
pub mod overrides;
pub mod permissions;
pub mod rbac;
pub mod revocation;
pub mod tokens;

use actix_web::HttpResponse;
use actix_web::http::header::ContentType;
use serde::Serialize;

use crate::error::ApiError;

/// A 200 with a JSON body.
///
/// # Errors
/// 500 if the body cannot be written as JSON, which none of ours can fail to be.
pub fn json(body: &impl Serialize) -> Result<HttpResponse, ApiError> {
    Ok(respond(to_json(body)?))
}

/// A 200 with a JSON object that gets one more member, `claims`, whose JSON is written already: it was signed as it stands.
///
/// # Errors
/// As [`json`].
pub fn json_with_claims(body: &impl Serialize, claims: &str) -> Result<HttpResponse, ApiError> {
    Ok(respond(object_with_claims(body, claims)?))
}

/// The bytes of [`json_with_claims`].
///
/// # Errors
/// As [`json`].
pub fn object_with_claims(body: &impl Serialize, claims: &str) -> Result<Vec<u8>, ApiError> {
    const MEMBER: &[u8] = b",\"claims\":";
    let mut bytes = to_json(body)?;
    if bytes.pop() != Some(b'}') {
        return Err(ApiError::internal());
    }
    bytes.reserve(MEMBER.len() + claims.len() + 1);
    bytes.extend_from_slice(MEMBER);
    bytes.extend_from_slice(claims.as_bytes());
    bytes.push(b'}');
    Ok(bytes)
}

fn to_json(body: &impl Serialize) -> Result<Vec<u8>, ApiError> {
    let mut bytes = Vec::with_capacity(1_024);
    serde_json::to_writer(&mut bytes, body).map_err(|error| {
        tracing::error!(%error, "an answer could not be written as JSON");
        ApiError::internal()
    })?;
    Ok(bytes)
}

fn respond(bytes: Vec<u8>) -> HttpResponse {
    HttpResponse::Ok().content_type(ContentType::json()).body(bytes)
}
