//! What is answered about signing keys.

use countersign_actors::commands::{KeyInfo, PublishedKeys};
use countersign_actors::crypto::keys::Jwk;
use countersign_actors::id::CustomerId;
use serde::Serialize;
use utoipa::ToSchema;

use super::kinds::{Pem, PublicJwk, Time, Uuid, es256};

/// The documented fields of a new key, and when it starts to sign.
#[derive(Serialize, ToSchema)]
pub struct KeyAnswer {
    /// The key's identifier, the `kid` of what it signs.
    #[schema(value_type = Uuid)]
    key_id: String,
    #[schema(value_type = Pem)]
    public_key: String,
    #[schema(schema_with = es256)]
    key_type: &'static str,
    /// When it was made.
    #[schema(value_type = Time)]
    created_at: String,
    /// When it takes over; only told of the successor of another.
    #[schema(value_type = Time)]
    #[serde(skip_serializing_if = "Option::is_none")]
    signs_from: Option<String>,
}

impl KeyAnswer {
    /// About a first key, which signs at once.
    pub fn created(key: &KeyInfo) -> Self {
        Self {
            key_id: key.kid.to_string(),
            public_key: key.public.pem(),
            key_type: "ES256",
            created_at: key.created_at.seconds().to_rfc3339(),
            signs_from: None,
        }
    }

    /// About a key that takes over from another.
    pub fn rotated(key: &KeyInfo) -> Self {
        // A second that has begun when the key starts to sign, never one that ends before.
        let signs_from = key
            .signs_from
            .plus_seconds(1)
            .seconds()
            .plus(if key.signs_from.get() % 1_000 == 0 { -1 } else { 0 });
        Self {
            signs_from: Some(signs_from.to_rfc3339()),
            ..Self::created(key)
        }
    }
}

/// A customer's published keys, as PEM and as JWK.
#[derive(Serialize, ToSchema)]
pub struct PublicKeysAnswer {
    /// The customer.
    #[schema(value_type = Uuid)]
    customer_id: String,
    /// The key that signs; null if none does.
    #[schema(value_type = Option<Pem>, required)]
    public_key: Option<String>,
    /// The active one first, then the one that will take over, then those whose tokens are not over yet.
    #[schema(value_type = Vec<PublicJwk>)]
    keys: Vec<Jwk>,
}

impl PublicKeysAnswer {
    /// The answer about these keys.
    pub fn of(customer: CustomerId, published: &PublishedKeys) -> Self {
        let active = published.keys.first().filter(|_| published.first_is_active);
        Self {
            customer_id: customer.to_string(),
            public_key: active.map(|key| key.public.pem()),
            keys: jwks(published),
        }
    }
}

/// A plain JWK Set (RFC 7517 section 5).
#[derive(Serialize, ToSchema)]
pub struct JwkSet {
    /// The active one first, then the one that will take over, then those whose tokens are not over yet.
    #[schema(value_type = Vec<PublicJwk>)]
    keys: Vec<Jwk>,
}

impl JwkSet {
    /// The set of these keys.
    pub fn of(published: &PublishedKeys) -> Self {
        Self { keys: jwks(published) }
    }
}

fn jwks(published: &PublishedKeys) -> Vec<Jwk> {
    published.keys.iter().map(|key| key.public.jwk(key.kid)).collect()
}
