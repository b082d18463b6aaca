//! `/keys`: a customer's signing keys.

use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, ETAG, IF_NONE_MATCH};
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use countersign_actors::commands::{PublicKeys, PublishedKeys};
use countersign_actors::crypto::digest::sha256_hex;
use countersign_actors::id::{CustomerId, KeyId};

use crate::app::App;
use crate::error::ApiError;
use crate::extract::{Body, path_uuid};
use crate::idempotency::Keyed;
use crate::identity::Identity;
use crate::wire::json;
use crate::wire::keys::{JwkSet, KeyAnswer, PublicKeysAnswer};

/// How long verifiers may keep a key set without asking again.
const KEY_SET_CACHE: &str = "max-age=300";

/// `POST /keys/signing`
///
/// # Errors
/// 409 if the customer has a key that signs.
pub async fn create(request: HttpRequest, app: Data<App>, body: Body) -> Result<HttpResponse, ApiError> {
    let identity = Identity::of(&request, &app).await?;
    let content = body.json().await?;
    let mut fields = content.fields()?;
    let named = identity.take_customer(&mut fields);
    fields.finish(|| Some(()))?;
    let customer = identity.customer(named)?;
    let key = app
        .engine
        .create_signing_key(customer, identity.keyed_call(&request, &content, ())?)
        .await?;
    json(&KeyAnswer::created(&key))
}

/// `POST /keys/{key_id}/rotate`
///
/// # Errors
/// 404 for an unknown key, 409 if it is not the one that signs or another waits to take over.
pub async fn rotate(request: HttpRequest, app: Data<App>, body: Body) -> Result<HttpResponse, ApiError> {
    let identity = Identity::of(&request, &app).await?;
    let kid = path_uuid(&request, "key_id", KeyId::parse)?;
    let content = body.json().await?;
    let mut fields = content.fields()?;
    let named = identity.take_customer(&mut fields);
    let immediate = fields.optional_bool("immediate").unwrap_or(false);
    fields.finish(|| Some(()))?;
    let customer = identity.customer(named)?;
    let key = app
        .engine
        .rotate_signing_key(customer, identity.keyed_call(&request, &content, ())?, kid, immediate)
        .await?;
    json(&KeyAnswer::rotated(&key))
}

/// `GET /keys/public/{customer_id}`
///
/// # Errors
/// 404 for an unknown customer.
pub async fn public(request: HttpRequest, app: Data<App>) -> Result<HttpResponse, ApiError> {
    let (customer, published) = published(&request, &app).await?;
    json(&PublicKeysAnswer::of(customer, &published))
}

/// `GET /keys/public/{customer_id}/jwks.json`
///
/// # Errors
/// 404 for an unknown customer.
pub async fn jwks(request: HttpRequest, app: Data<App>) -> Result<HttpResponse, ApiError> {
    let (_, published) = published(&request, &app).await?;
    let set = serde_json::to_vec(&JwkSet::of(&published)).map_err(|_| ApiError::internal())?;
    let tag = format!("\"{}\"", sha256_hex(&set));
    let known = request
        .headers()
        .get_all(IF_NONE_MATCH)
        .filter_map(|value| value.to_str().ok());
    let fresh = known
        .flat_map(|value| value.split(','))
        .any(|known| matches_tag(known.trim(), &tag));
    let mut response = HttpResponse::build(if fresh {
        StatusCode::NOT_MODIFIED
    } else {
        StatusCode::OK
    });
    response
        .insert_header((ETAG, tag))
        .insert_header((CACHE_CONTROL, KEY_SET_CACHE));
    if fresh {
        return Ok(response.finish());
    }
    Ok(response.content_type("application/jwk-set+json").body(set))
}

/// The weak comparison of RFC 9110 section 13.1.2.
fn matches_tag(known: &str, tag: &str) -> bool {
    known == "*" || known.strip_prefix("W/").unwrap_or(known) == tag
}

async fn published(request: &HttpRequest, app: &App) -> Result<(CustomerId, PublishedKeys), ApiError> {
    let customer = path_uuid(request, "customer_id", CustomerId::parse)?;
    let published = app.engine.ask(customer, PublicKeys).await?;
    Ok((customer, published))
}
