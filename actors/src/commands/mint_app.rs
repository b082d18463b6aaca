//! App tokens: the root of a customer's hierarchy.
//!
//! The hash of an app token's string is kept, so the string is signed before the event is written: first the tenant says which
//! key signs and when, then the token is signed outside any turn, deterministically (RFC 6979), then it is recorded.

use std::sync::Arc;

use super::{Access, Command, Decided, Moment};
use crate::clock::UnixSeconds;
use crate::crypto::sealed::SealedKey;
use crate::id::{CustomerId, Jti, KeyId, Name};
use crate::tenant::audit::AuditDraft;
use crate::tenant::event::{Event, Mint, MintDetails};
use crate::tenant::idempotency::Outcome;
use crate::tenant::minting::{Minting, expiry, granted_again, ttl_seconds};
use crate::tenant::{Rejection, State};
use crate::token::{Scopes, TokenGrant, TokenHashDigest, TokenKind};

/// Seconds between preparing and recording an app token, after which it has to be prepared again.
const PREPARED_SECONDS_MAX: i64 = 60;

/// What preparing an app token comes to.
#[derive(Clone, Debug)]
pub enum Preparation {
    /// A token that can be signed.
    New(PreparedApp),
    /// The token of an earlier call with the same idempotency key.
    Repeated(TokenGrant),
}

/// Asks which key would sign an app token now, and for how long.
#[derive(Clone, Debug)]
pub struct PrepareApp {
    /// The token's identifier.
    pub jti: Jti,
    /// Shown to people.
    pub name: Name,
    /// What it may do as a management credential.
    pub scopes: Scopes,
    /// Time to live in days.
    pub ttl_days: Option<u32>,
}

/// An app token that can be signed but is not recorded yet.
#[derive(Clone, Debug)]
pub struct PreparedApp {
    customer: CustomerId,
    jti: Jti,
    name: Name,
    scopes: Scopes,
    kid: KeyId,
    key: Arc<SealedKey>,
    issued_at: UnixSeconds,
    expires_at: UnixSeconds,
}

impl PreparedApp {
    /// The grant to sign, so that the hash of the signed string is known.
    fn grant(&self, hash: TokenHashDigest) -> TokenGrant {
        TokenGrant::new(self.customer, self.mint(hash), None, Arc::clone(&self.key))
    }

    /// The grant to sign. Its digest is a placeholder that no claim shows.
    pub(crate) fn unrecorded_grant(&self) -> TokenGrant {
        self.grant(TokenHashDigest::of(""))
    }

    fn mint(&self, hash: TokenHashDigest) -> Mint {
        Mint {
            jti: self.jti,
            parent: None,
            kid: self.kid,
            issued_at: self.issued_at,
            expires_at: self.expires_at,
            details: MintDetails::App {
                name: self.name.clone(),
                scopes: self.scopes,
                hash,
            },
        }
    }
}

impl Command for PrepareApp {
    type Reply = Preparation;

    fn access(&self) -> Access {
        Access::Admin
    }

    fn decide(self, state: &State, moment: &Moment<'_>) -> Result<Decided<Preparation>, Rejection> {
        let ttl = ttl_seconds(TokenKind::App, self.ttl_days, Some(moment.rules.default_app_ttl_days))?;
        Minting::begin(state, moment)?;
        let (record, key) = state.signing_key(moment.now)?;
        let issued_at = moment.now.seconds();
        Ok(Decided::answer(Preparation::New(PreparedApp {
            customer: state.customer(),
            jti: self.jti,
            name: self.name,
            scopes: self.scopes,
            kid: record.kid,
            key: Arc::clone(key),
            issued_at,
            expires_at: expiry(issued_at, ttl, None),
        })))
    }

    fn repeat(&self, state: &State, moment: &Moment<'_>, outcome: &Outcome) -> Result<Preparation, Rejection> {
        granted_again(state, moment, outcome).map(Preparation::Repeated)
    }
}

/// Records an app token that was prepared and signed.
#[derive(Clone, Debug)]
pub struct MintApp {
    /// What was prepared.
    pub prepared: PreparedApp,
    /// What names the signed string as a parent.
    pub hash: TokenHashDigest,
}

impl Command for MintApp {
    type Reply = TokenGrant;

    fn access(&self) -> Access {
        Access::Admin
    }

    fn decide(self, state: &State, moment: &Moment<'_>) -> Result<Decided<TokenGrant>, Rejection> {
        Minting::begin(state, moment)?;
        let (record, _) = state.signing_key(moment.now)?;
        let age = moment.now.seconds().get() - self.prepared.issued_at.get();
        if record.kid != self.prepared.kid || !(0..=PREPARED_SECONDS_MAX).contains(&age) {
            return Err(Rejection::KeyChanged);
        }
        let grant = self.prepared.grant(self.hash);
        let audit = AuditDraft::new("app_token.minted", grant.jti());
        let outcome = Outcome::Minted(grant.jti());
        let event = Event::TokenMinted(self.prepared.mint(self.hash));
        Ok(Decided::event(event, grant).audited(audit).coming_to(outcome))
    }

    fn repeat(&self, state: &State, moment: &Moment<'_>, outcome: &Outcome) -> Result<TokenGrant, Rejection> {
        granted_again(state, moment, outcome)
    }
}
