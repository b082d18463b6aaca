//! Which presented tokens were signed here. What was verified once is remembered; whether a token is live never is.

use std::sync::Arc;

use quick_cache::sync::Cache;

use super::Engine;
use crate::commands::{Access, Call, Caller, FindKey, PresentedToken};
use crate::crypto::digest::sha256;
use crate::crypto::keys::VerifyingKey;
use crate::error::Failure;
use crate::id::{CustomerId, KeyId};
use crate::limits::{TOKEN_BYTES_MAX, VERIFIED_TOKENS_MAX, VERIFYING_KEYS_MAX};
use crate::tenant::Rejection;
use crate::token::jwt;

/// What verifying has found out. None of it can change: a string has the signature it has, and a key identifier is never used again.
pub(super) struct Verified {
    /// Tokens by the digest of their string, with the customer they belong to.
    tokens: Cache<[u8; 32], (CustomerId, PresentedToken)>,
    /// Public keys, ready to verify. One that was revoked stays: its tokens are dead by their records.
    keys: Cache<(CustomerId, KeyId), Arc<VerifyingKey>>,
}

impl Verified {
    pub(super) fn new() -> Self {
        Self {
            tokens: Cache::new(VERIFIED_TOKENS_MAX),
            keys: Cache::new(VERIFYING_KEYS_MAX),
        }
    }
}

impl Engine {
    /// Verifies a token that is presented as a credential, and that it is live. It may die before the command that it comes with is
    /// decided, so that asks again; but whoever presents a dead one is told nothing else first.
    ///
    /// # Errors
    /// As [`Engine::verify`]; [`Rejection::InvalidCredential`] also for a dead token.
    pub async fn authenticate(&self, token: &str) -> Result<(CustomerId, PresentedToken), Failure> {
        let (customer, verified) = self.verify(token, None).await?;
        let call = Call {
            caller: Caller::Token(verified.clone()),
            ..Call::management(Access::Live)
        };
        match self.check_access(customer, call).await {
            Ok(()) => Ok((customer, verified)),
            // It was verified from memory, and its customer is gone since.
            Err(Failure::Rejected(Rejection::UnknownCustomer)) => Err(Rejection::InvalidCredential.into()),
            Err(failure) => Err(failure),
        }
    }

    /// Reads a presented token and verifies its signature; `only` refuses those of other customers unread. Whether the token is live
    /// is for the command that it comes with: a forged signature never reaches that far.
    ///
    /// # Errors
    /// [`Rejection::InvalidCredential`] for what is no token, or one that no key of its customer signed; otherwise as
    /// [`Engine::execute`].
    pub async fn verify(&self, token: &str, only: Option<CustomerId>) -> Result<(CustomerId, PresentedToken), Failure> {
        let invalid = || Failure::from(Rejection::InvalidCredential);
        let is_foreign = |customer| only.is_some_and(|own| own != customer);
        if token.len() > TOKEN_BYTES_MAX {
            return Err(invalid());
        }
        let digest = sha256(token.as_bytes());
        if let Some(verified) = self.inner.verified.tokens.get(&digest) {
            if is_foreign(verified.0) {
                return Err(invalid());
            }
            self.counters().presented(true);
            return Ok(verified);
        }
        let presented = jwt::parse(token).map_err(|_| invalid())?;
        let (customer, kid) = (presented.customer(), presented.kid());
        if is_foreign(customer) {
            return Err(invalid());
        }
        let key = self.verifying_key(customer, kid).await?.ok_or_else(invalid)?;
        self.counters().presented(false);
        if !presented.verify_with(&key) {
            return Err(invalid());
        }
        let verified = PresentedToken {
            jti: presented.jti(),
            kind: presented.kind(),
            kid,
            payload: presented.payload().into(),
        };
        self.inner.verified.tokens.insert(digest, (customer, verified.clone()));
        Ok((customer, verified))
    }

    async fn verifying_key(&self, customer: CustomerId, kid: KeyId) -> Result<Option<Arc<VerifyingKey>>, Failure> {
        if let Some(key) = self.inner.verified.keys.get(&(customer, kid)) {
            return Ok(Some(key));
        }
        let public = match self.ask(customer, FindKey { kid }).await {
            Ok(Some(public)) => public,
            Ok(None) | Err(Failure::Rejected(_)) => return Ok(None),
            Err(failure) => return Err(failure),
        };
        let key = Arc::new(public.verifying().map_err(|_| Failure::Crypto)?);
        self.inner.verified.keys.insert((customer, kid), Arc::clone(&key));
        Ok(Some(key))
    }
}
