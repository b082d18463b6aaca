//! `Idempotency-Key`: which call is repeated, and whether it is the same.

use actix_web::HttpRequest;
use countersign_actors::commands::Call;
use countersign_actors::crypto::digest::sha256;
use countersign_actors::limits::IDEMPOTENCY_KEY_CHARS_MAX;
use countersign_actors::tenant::idempotency::{Digest, Idempotency};
use serde_json::Value;

use crate::error::ApiError;
use crate::extract::Content;
use crate::identity::Identity;

const HEADER: &str = "idempotency-key";

/// Calls that may carry an idempotency key.
pub trait Keyed {
    /// A command in this caller's name, with the request's idempotency key if it has one.
    ///
    /// # Errors
    /// 422 for a key that is empty, too long or not visible ASCII, or given twice.
    fn keyed_call<C>(&self, request: &HttpRequest, content: &Content, command: C) -> Result<Call<C>, ApiError>;
}

impl Keyed for Identity {
    fn keyed_call<C>(&self, request: &HttpRequest, content: &Content, command: C) -> Result<Call<C>, ApiError> {
        let call = self.call(command);
        let Some(key) = key(request)? else { return Ok(call) };
        let scope = digest(&[request.method().as_str(), request.path(), key]);
        let asked = content.canonical()?;
        // A client that presents the parent leaves it out of the body.
        let presented = call.caller.to_string();
        let request = digest(&[
            &asked,
            if self.presented_kind().is_some() {
                &presented
            } else {
                ""
            },
        ]);
        Ok(Call {
            idempotency: Some(Idempotency { scope, request }),
            ..call
        })
    }
}

/// The key of one item of a batch: the batch's, and the item's place in it.
pub fn of_item(batch: Option<Idempotency>, place: usize) -> Option<Idempotency> {
    let Idempotency { scope, request } = batch?;
    let scope = Digest::of_sha256(sha256(&[scope.as_bytes().as_slice(), &place.to_be_bytes()].concat()));
    Some(Idempotency { scope, request })
}

fn key(request: &HttpRequest) -> Result<Option<&str>, ApiError> {
    let mut values = request.headers().get_all(HEADER);
    let (Some(value), second) = (values.next(), values.next()) else {
        return Ok(None);
    };
    let key = value.to_str().unwrap_or_default();
    if second.is_some() || key.is_empty() || key.chars().count() > IDEMPOTENCY_KEY_CHARS_MAX {
        return Err(ApiError::invalid_field(
            "Idempotency-Key",
            "must be given once, with 1 to 255 visible characters",
        ));
    }
    Ok(Some(key))
}

/// A digest of texts that cannot run into each other.
fn digest(parts: &[&str]) -> Digest {
    let joined: Vec<u8> = parts
        .iter()
        .flat_map(|part| [&part.len().to_be_bytes(), part.as_bytes()].concat())
        .collect();
    Digest::of_sha256(sha256(&joined))
}

/// JSON with its members in the order of their names and without those that are `null`, which means absent.
pub fn canonical(value: Value) -> Value {
    match value {
        Value::Object(members) => {
            let present = members.into_iter().filter(|(_, value)| !value.is_null());
            let sorted: std::collections::BTreeMap<_, _> =
                present.map(|(name, value)| (name, canonical(value))).collect();
            sorted.into_iter().collect()
        }
        Value::Array(items) => items.into_iter().map(canonical).collect(),
        other => other,
    }
}
