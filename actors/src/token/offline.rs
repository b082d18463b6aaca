//! Verifying a token away from the service, with nothing but published keys and a clock.
//!
//! It cannot know of revocations; where that matters, ask the service or follow its revocation feed.

use serde_json::{Map, Value};

use super::jwt::{InvalidToken, parse};
use super::kind::TokenKind;
use crate::crypto::jose;
use crate::crypto::keys::PublicKey;
use crate::id::{CustomerId, Jti, KeyId};

/// Why a token is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    /// It is no token of ours.
    #[error(transparent)]
    Malformed(#[from] InvalidToken),
    /// None of the keys given has its key id. A rotated key set may have to be fetched again.
    #[error("the token's key is not among the known ones")]
    UnknownKey,
    /// The key did not sign this.
    #[error("the token's signature is not valid")]
    BadSignature,
    /// Its time is over.
    #[error("the token is expired")]
    Expired,
}

/// The claims of a token whose signature and time have been checked.
#[derive(Clone, Debug)]
pub struct VerifiedClaims {
    /// The kind of token.
    pub kind: TokenKind,
    /// The key that signed it.
    pub kid: KeyId,
    /// The customer it belongs to.
    pub customer: CustomerId,
    /// The token's id.
    pub jti: Jti,
    /// When it was minted, in seconds since 1970.
    pub issued_at: u64,
    /// From when on it is expired, in seconds since 1970.
    pub expires_at: u64,
    /// All claims, by name.
    pub claims: Map<String, Value>,
}

/// Verifies a token with published keys at the time `now`, in seconds since 1970.
///
/// A token minted by a clock ahead of the caller's is accepted: refusing fresh tokens for skew would gain nothing. It is expired
/// from the second that `exp` names, without leeway.
///
/// # Errors
/// [`VerifyError`] says what is wrong, in the order: form, key, signature, time.
pub fn verify_offline(token: &str, keys: &[(KeyId, PublicKey)], now: u64) -> Result<VerifiedClaims, VerifyError> {
    let presented = parse(token)?;
    let kid = presented.kid();
    let mut candidates = keys.iter().filter(|(known, _)| *known == kid);
    let (_, key) = candidates.next().ok_or(VerifyError::UnknownKey)?;
    let claims = jose::claims_if_signed(presented.compact(), key).ok_or(VerifyError::BadSignature)?;
    if now >= presented.expires_at() {
        return Err(VerifyError::Expired);
    }
    Ok(VerifiedClaims {
        kind: presented.kind(),
        kid,
        customer: presented.customer(),
        jti: presented.jti(),
        issued_at: presented.issued_at(),
        expires_at: presented.expires_at(),
        claims,
    })
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::super::claims::{Claims, Details, Environment};
    use super::super::jwt::{SignedToken, compose};
    use super::*;
    use crate::crypto::CryptoError;
    use crate::crypto::keys::SigningKey;

    /// Signed by the key of RFC 6979 A.2.5, in Python with no library but its own integers and hashes.
    const FOREIGN: &str = "qt_app_eyJhbGciOiJFUzI1NiIsInR5cCI6IkpXVCIsImtpZCI6IjNmMjUwNGUwLTRmODktNDFkMy05YTBjLTAzMDVlODJjMzMwMSJ9.eyJqdGkiOiJjMWQyZTNmNC1hNWI2LTc4OTAtY2RlZi0xMjM0NTY3ODkwYWIiLCJzdWIiOiI1NTBlODQwMC1lMjliLTQxZDQtYTcxNi00NDY2NTU0NDAwMDAiLCJ0eXAiOiJhcHAiLCJpYXQiOjE3OTUzNTE2NDMsImV4cCI6MTgyNjg4NzY0Mywic2NvcGVzIjpbInRva2VuczptaW50IiwidG9rZW5zOnJlYWQiXX0.Hr1BR1PjgzJy1yI7LVGLgMa_1xfKLXbfdG9n-TyalUYMh9Vo2ESHhCRGI1T0tw_jZErDwpoewBSCSnceZZoU8g";
    const FOREIGN_JWKS: &str = r#"{"keys":[
        {"kty":"RSA","kid":"another","n":"AQAB","e":"AQAB","alg":"RS256"},
        {"kty":"EC","crv":"P-256","use":"sig","alg":"ES256","kid":"3f2504e0-4f89-41d3-9a0c-0305e82c3301",
         "x":"YP7UuiVanTHJYet0xjVtaMBJuJI7Yfps5mliLmDyn7Y","y":"eQP-EAi4vJmkGunpVii8ZPLxsgwtfp9Rd6PClNRGIpk"}]}"#;

    fn kid(number: u128) -> KeyId {
        KeyId::new(Uuid::from_u128(number))
    }

    fn minted(key: &SigningKey, kid: KeyId) -> SignedToken {
        let details = Details::Bearer {
            parent_jti: Jti::new(Uuid::from_u128(7)),
            env: Environment::Production,
        };
        let claims = Claims {
            jti: Jti::new(Uuid::from_u128(1)),
            sub: CustomerId::new(Uuid::from_u128(2)),
            iat: 100,
            exp: 200,
            details,
        };
        compose::<CryptoError>(kid, &claims, |message| key.sign(message)).unwrap()
    }

    #[test]
    fn a_token_by_another_implementation_verifies_with_its_published_keys() {
        let keys = jose::keys_of_jwks(FOREIGN_JWKS).unwrap();
        assert_eq!(keys.len(), 1, "the RSA key is passed over");
        let verified = verify_offline(FOREIGN, &keys, 1_795_351_643).unwrap();
        assert_eq!(verified.kind, TokenKind::App);
        assert_eq!(verified.customer.to_string(), "550e8400-e29b-41d4-a716-446655440000");
        assert_eq!(
            verified.claims["scopes"],
            serde_json::json!(["tokens:mint", "tokens:read"])
        );
        assert!(parse(FOREIGN).unwrap().verify(&keys[0].1));
    }

    #[test]
    fn another_library_accepts_what_is_minted_here() {
        let (key, public) = SigningKey::generate().unwrap();
        let token = minted(&key, kid(3));
        let verified = verify_offline(token.token(), &[(kid(9), public), (kid(3), public)], 100).unwrap();
        assert_eq!(verified.jti, token.jti());
        assert_eq!(verified.kid, kid(3));
        assert_eq!((verified.issued_at, verified.expires_at), (100, 200));
        assert_eq!(
            serde_json::to_string(&verified.claims["env"]).unwrap(),
            "\"production\""
        );
    }

    #[test]
    fn a_token_is_expired_from_the_second_of_its_exp_and_never_too_fresh() {
        let (key, public) = SigningKey::generate().unwrap();
        let token = minted(&key, kid(3));
        let at = |now| verify_offline(token.token(), &[(kid(3), public)], now).map(|_| ());
        assert_eq!(at(199), Ok(()));
        assert_eq!(at(200), Err(VerifyError::Expired));
        assert_eq!(at(0), Ok(()), "the caller's clock is behind the service's");
    }

    #[test]
    fn an_unknown_key_a_wrong_key_and_no_token_are_told_apart() {
        let (key, public) = SigningKey::generate().unwrap();
        let (_, other) = SigningKey::generate().unwrap();
        let token = minted(&key, kid(3));
        let with = |text: &str, keys: &[(KeyId, PublicKey)]| verify_offline(text, keys, 100).map(|_| ());
        assert_eq!(with(token.token(), &[]), Err(VerifyError::UnknownKey));
        assert_eq!(with(token.token(), &[(kid(4), public)]), Err(VerifyError::UnknownKey));
        assert_eq!(with(token.token(), &[(kid(3), other)]), Err(VerifyError::BadSignature));
        assert_eq!(
            with("qt_app_", &[(kid(3), public)]),
            Err(VerifyError::Malformed(InvalidToken::NotThreeParts))
        );
    }

    #[test]
    fn a_key_set_that_cannot_be_trusted_is_refused() {
        for broken in [
            "",
            "{}",
            r#"{"keys":[{"kty":"EC","crv":"P-256","kid":"no-uuid","x":"YP7UuiVanTHJYet0xjVtaMBJuJI7Yfps5mliLmDyn7Y","y":"eQP-EAi4vJmkGunpVii8ZPLxsgwtfp9Rd6PClNRGIpk"}]}"#,
            r#"{"keys":[{"kty":"EC","crv":"P-256","kid":"3f2504e0-4f89-41d3-9a0c-0305e82c3301","x":"YP7UuiVanTHJYet0xjVtaMBJuJI7Yfps5mliLmDyn7Y","y":"YP7UuiVanTHJYet0xjVtaMBJuJI7Yfps5mliLmDyn7Y"}]}"#,
        ] {
            assert_eq!(jose::keys_of_jwks(broken), Err(CryptoError::InvalidKey), "{broken}");
        }
    }
}
