//! The `jsonwebtoken` crate's view of a token and of a published key set, for verifying away from the service.
//!
//! The service itself verifies through [`super::keys::PublicKey::verify`]; this is the second, independent implementation.

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, JwkSet, KeyAlgorithm, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde_json::{Map, Value};

use super::CryptoError;
use super::keys::PublicKey;
use crate::id::KeyId;

/// The claims of a compact JWS whose ES256 signature verifies with `key`, else nothing. Expiry is left to the caller.
pub(crate) fn claims_if_signed(compact: &str, key: &PublicKey) -> Option<Map<String, Value>> {
    let key = DecodingKey::from_ec_components(&key.x_base64url(), &key.y_base64url()).ok()?;
    let mut validation = Validation::new(Algorithm::ES256);
    // The crate would read the system clock, allow 60 s of leeway and let `exp == now` pass.
    validation.validate_exp = false;
    validation.leeway = 0;
    jsonwebtoken::decode(compact, &key, &validation)
        .ok()
        .map(|token| token.claims)
}

/// The ES256 signing keys of a JWK Set (RFC 7517 section 5), as `GET /keys/public/{customer_id}/jwks.json` answers it.
///
/// Keys of another kind are passed over, as the RFC asks, so that a later algorithm does not break this reader.
///
/// # Errors
/// [`CryptoError::InvalidKey`] when the text is no JWK Set, or when a P-256 key in it is not on the curve or its `kid` is no UUID.
pub fn keys_of_jwks(json: &str) -> Result<Vec<(KeyId, PublicKey)>, CryptoError> {
    let set: JwkSet = serde_json::from_str(json).map_err(|_| CryptoError::InvalidKey)?;
    set.keys.iter().filter_map(es256_key).collect()
}

fn es256_key(jwk: &Jwk) -> Option<Result<(KeyId, PublicKey), CryptoError>> {
    let for_signatures = matches!(jwk.common.public_key_use, None | Some(PublicKeyUse::Signature));
    let for_es256 = matches!(jwk.common.key_algorithm, None | Some(KeyAlgorithm::ES256));
    match &jwk.algorithm {
        AlgorithmParameters::EllipticCurve(point)
            if point.curve == EllipticCurve::P256 && for_signatures && for_es256 =>
        {
            let kid = jwk
                .common
                .key_id
                .as_deref()
                .and_then(KeyId::parse)
                .ok_or(CryptoError::InvalidKey);
            Some(kid.and_then(|kid| Ok((kid, PublicKey::from_base64url(&point.x, &point.y)?))))
        }
        _ => None,
    }
}
