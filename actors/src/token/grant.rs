//! A token that is recorded but not signed yet.

use std::fmt;
use std::sync::Arc;

use super::claims::{Claims, Details};
use super::jwt::{SignedToken, compose, write_claims};
use super::kind::TokenKind;
use crate::clock::UnixSeconds;
use crate::crypto::CryptoError;
use crate::crypto::seal::Sealer;
use crate::crypto::sealed::SealedKey;
use crate::id::{CustomerId, Jti};
use crate::rbac::Policy;
use crate::tenant::event::{Mint, MintDetails};

/// The right to one token, given by its tenant. Only [`TokenGrant::sign`] makes a token of it, and that happens on the caller's
/// thread, never in a tenant's turn.
#[derive(Clone)]
pub struct TokenGrant {
    customer: CustomerId,
    mint: Mint,
    policy: Option<Arc<Policy>>,
    key: Arc<SealedKey>,
}

impl TokenGrant {
    pub(crate) const fn new(
        customer: CustomerId,
        mint: Mint,
        policy: Option<Arc<Policy>>,
        key: Arc<SealedKey>,
    ) -> Self {
        Self {
            customer,
            mint,
            policy,
            key,
        }
    }

    /// The token's identifier.
    pub const fn jti(&self) -> Jti {
        self.mint.jti
    }

    /// The token's kind.
    pub const fn kind(&self) -> TokenKind {
        self.mint.details.kind()
    }

    /// When it expires: as requested, or with its parent if that is sooner.
    pub const fn expires_at(&self) -> UnixSeconds {
        self.mint.expires_at
    }

    /// What only tokens of its kind have.
    pub const fn details(&self) -> &MintDetails {
        &self.mint.details
    }

    /// The policy in force, of an agent or subagent.
    pub fn policy(&self) -> Option<&Policy> {
        self.policy.as_deref()
    }

    /// Signs the token. An app token is signed deterministically (RFC 6979), so that signing it again gives the same string.
    ///
    /// # Errors
    /// [`CryptoError`] if the key does not open or the library fails.
    pub fn sign(&self, sealer: &Sealer) -> Result<SignedToken, CryptoError> {
        let key = self.key.open(sealer)?;
        let claims = claims(self.customer, &self.mint, self.policy.as_deref())?;
        compose(self.mint.kid, &claims, |input| match self.kind() {
            TokenKind::App => key.sign_deterministic(input),
            _ => key.sign(input),
        })
    }
}

/// The claims of a token as JSON, as they were or will be signed.
///
/// # Errors
/// [`CryptoError::UnwritableClaims`] if a parent or a policy is missing, which no rule allows.
pub(crate) fn claims_json(customer: CustomerId, mint: &Mint, policy: Option<&Policy>) -> Result<String, CryptoError> {
    write_claims(&claims(customer, mint, policy)?)
}

fn claims<'a>(customer: CustomerId, mint: &'a Mint, policy: Option<&'a Policy>) -> Result<Claims<'a>, CryptoError> {
    let seconds = |time: UnixSeconds| u64::try_from(time.get()).map_err(|_| CryptoError::UnwritableClaims);
    Ok(Claims {
        jti: mint.jti,
        sub: customer,
        iat: seconds(mint.issued_at)?,
        exp: seconds(mint.expires_at)?,
        details: details_claimed(mint, policy).ok_or(CryptoError::UnwritableClaims)?,
    })
}

/// `None` if a parent or a policy is missing.
fn details_claimed<'a>(mint: &'a Mint, policy: Option<&'a Policy>) -> Option<Details<'a>> {
    let parent_jti = mint.parent;
    let rbac = policy.map(Policy::claim);
    Some(match &mint.details {
        MintDetails::App { scopes, .. } => Details::App { scopes: *scopes },
        MintDetails::Bearer { environment } => Details::Bearer {
            parent_jti: parent_jti?,
            env: *environment,
        },
        MintDetails::Agent { agent_id, .. } => Details::Agent {
            parent_jti: parent_jti?,
            agent_id,
            rbac: rbac?,
        },
        MintDetails::Subagent { agent_id, depth, .. } => Details::Subagent {
            parent_jti: parent_jti?,
            agent_id,
            rbac: rbac?,
            depth: *depth,
        },
        MintDetails::Session { session_id, max_events } => Details::Session {
            parent_jti: parent_jti?,
            session_id,
            max_events: *max_events,
        },
        MintDetails::Override {
            event_id,
            allowed_decisions,
            ..
        } => Details::Override {
            event_id,
            allowed_decisions: *allowed_decisions,
        },
    })
}

impl fmt::Debug for TokenGrant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenGrant")
            .field("kind", &self.kind())
            .field("jti", &self.mint.jti)
            .finish_non_exhaustive()
    }
}
