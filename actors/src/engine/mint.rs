//! What takes more than one step: tokens that are signed once they are recorded, and keys that are made before they are.

use std::sync::Arc;

use super::Engine;
use crate::clock::fresh_uuid;
use crate::commands::{
    Call, CreateSigningKey, KeyInfo, MintApp, MintBatch, MintCommand, NewKey, Preparation, PrepareApp, RotateSigningKey,
};
use crate::crypto::sealed::{SealedKey, SealedSecret};
use crate::error::Failure;
use crate::id::{CustomerId, KeyId, Name};
use crate::tenant::Rejection;
use crate::token::hash::{TokenHashDigest, token_hash};
use crate::token::jwt::SignedToken;
use crate::token::{Scopes, TokenGrant, TokenKind};

/// Times that an app token is prepared again because the signing key changed meanwhile.
const PREPARATIONS_MAX: usize = 3;

/// A token that is recorded and signed.
#[derive(Debug)]
pub struct Minted {
    /// What was granted.
    pub grant: TokenGrant,
    /// The token.
    pub signed: SignedToken,
}

/// An app token to mint.
#[derive(Clone, Debug)]
pub struct NewApp {
    /// Shown to people.
    pub name: Name,
    /// What it may do as a management credential.
    pub scopes: Scopes,
    /// Time to live in days.
    pub ttl_days: Option<u32>,
}

impl Engine {
    /// Mints a bearer, agent, subagent, session or override token: records it, then signs it on this thread.
    ///
    /// # Errors
    /// As [`Engine::execute`]; [`Failure::Crypto`] if the recorded token could not be signed.
    pub async fn mint<C>(&self, customer: CustomerId, call: Call<C>) -> Result<Minted, Failure>
    where
        C: MintCommand,
    {
        let granted = self.execute(customer, call).await;
        let minted = granted.and_then(|grant| self.signed(grant));
        self.counters().minted(C::KIND, &minted);
        minted
    }

    /// Mints many tokens in one commit, each for itself, and signs them on this thread. The results are in the order of the items.
    ///
    /// # Errors
    /// As [`Engine::execute`], if none of them was decided; what is wrong with one stands in its result.
    pub async fn mint_batch(
        &self,
        customer: CustomerId,
        call: Call<MintBatch>,
    ) -> Result<Vec<Result<Minted, Failure>>, Failure> {
        let kinds: Vec<_> = call.command.items.iter().map(|(item, _)| item.kind()).collect();
        match self.execute(customer, call).await {
            Ok(granted) => {
                let signed = kinds.into_iter().zip(granted).map(|(kind, granted)| {
                    let minted = granted.map_err(Failure::Rejected).and_then(|grant| self.signed(grant));
                    self.counters().minted(kind, &minted);
                    minted
                });
                Ok(signed.collect())
            }
            Err(failure) => {
                let failed = Err(failure);
                for kind in kinds {
                    self.counters().minted(kind, &failed);
                }
                failed
            }
        }
    }

    /// Mints an app token. Its string is signed before it is recorded, because what is recorded is its hash.
    ///
    /// # Errors
    /// As [`Engine::mint`].
    pub async fn mint_app(&self, customer: CustomerId, call: Call<NewApp>) -> Result<Minted, Failure> {
        let minted = self.mint_app_in_two_steps(customer, call).await;
        self.counters().minted(TokenKind::App, &minted);
        minted
    }

    async fn mint_app_in_two_steps(&self, customer: CustomerId, call: Call<NewApp>) -> Result<Minted, Failure> {
        let jti = self.fresh_jti();
        let call = call.map(|NewApp { name, scopes, ttl_days }| PrepareApp {
            jti,
            name,
            scopes,
            ttl_days,
        });
        let mut preparations = 0;
        loop {
            preparations += 1;
            let prepared = match self.execute(customer, call.clone()).await? {
                Preparation::New(prepared) => prepared,
                Preparation::Repeated(grant) => return self.signed(grant),
            };
            let signed = self.sign(&prepared.unrecorded_grant())?;
            let hash = TokenHashDigest::of(&token_hash(signed.token()));
            match self
                .execute(customer, call.clone().map(|_| MintApp { prepared, hash }))
                .await
            {
                // A call with the same idempotency key may have been recorded meanwhile: then its token is the answer.
                Ok(grant) => return self.signed(grant),
                Err(Failure::Rejected(Rejection::KeyChanged)) if preparations < PREPARATIONS_MAX => {}
                Err(failure) => return Err(failure),
            }
        }
    }

    /// Makes a customer's first signing key, and with it the customer.
    ///
    /// # Errors
    /// [`Rejection::ActiveKeyExists`] if there is one; otherwise as [`Engine::execute`].
    pub async fn create_signing_key(&self, customer: CustomerId, call: Call<()>) -> Result<KeyInfo, Failure> {
        let key = self.new_key(customer)?;
        let secret = SealedSecret::generate(self.sealer(), customer).map_err(|_| Failure::Crypto)?;
        let override_secret = Arc::new(secret);
        self.execute(customer, call.map(|()| CreateSigningKey { key, override_secret }))
            .await
    }

    /// Replaces the active signing key `kid`; the new one signs after it has been published long enough, or `immediate`ly.
    ///
    /// # Errors
    /// [`Rejection::KeyNotFound`], [`Rejection::KeyNotActive`], [`Rejection::RotationPending`]; otherwise as [`Engine::execute`].
    pub async fn rotate_signing_key(
        &self,
        customer: CustomerId,
        call: Call<()>,
        kid: KeyId,
        immediate: bool,
    ) -> Result<KeyInfo, Failure> {
        let new = self.new_key(customer)?;
        self.execute(customer, call.map(|()| RotateSigningKey { kid, immediate, new }))
            .await
    }

    /// Signs what was granted, on this thread.
    ///
    /// # Errors
    /// [`Failure::Crypto`] if the key does not open or the library fails.
    pub fn sign(&self, grant: &TokenGrant) -> Result<SignedToken, Failure> {
        grant.sign(self.sealer()).map_err(|error| {
            tracing::error!(%error, jti = %grant.jti(), "a recorded token could not be signed");
            Failure::Crypto
        })
    }

    /// Signs what was granted and keeps the two together.
    ///
    /// # Errors
    /// As [`Engine::sign`].
    pub fn signed(&self, grant: TokenGrant) -> Result<Minted, Failure> {
        let signed = self.sign(&grant)?;
        Ok(Minted { grant, signed })
    }

    fn new_key(&self, customer: CustomerId) -> Result<NewKey, Failure> {
        let kid = KeyId::new(fresh_uuid(self.now()));
        let sealed = SealedKey::generate(self.sealer(), customer, kid).map_err(|_| Failure::Crypto)?;
        Ok(NewKey {
            kid,
            public: *sealed.public(),
            sealed: Arc::new(sealed),
        })
    }
}
