//! What a presented key is.

use super::{Access, Command, Decided, Moment};
use crate::clock::UnixSeconds;
use crate::commands::{PresentedToken, presented_token};
use crate::id::{Jti, Name};
use crate::tenant::tokens::Details;
use crate::tenant::{Rejection, State};
use crate::token::Scopes;

/// Asks what a key is: an app token whose signature was verified.
#[derive(Clone, Debug)]
pub struct DescribeKey {
    /// The key.
    pub presented: PresentedToken,
}

/// A live key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyDescription {
    /// Its identifier.
    pub jti: Jti,
    /// Its name.
    pub name: Name,
    /// What it may do.
    pub scopes: Scopes,
    /// When it was minted.
    pub issued_at: UnixSeconds,
    /// When it expires.
    pub expires_at: UnixSeconds,
}

impl Command for DescribeKey {
    type Reply = KeyDescription;

    /// It tells whoever presents a token about that token.
    fn access(&self) -> Access {
        Access::Public
    }

    fn decide(self, state: &State, moment: &Moment<'_>) -> Result<Decided<KeyDescription>, Rejection> {
        let token = presented_token(state, &self.presented, moment.now)?;
        let Details::App { name, scopes, .. } = &token.details else {
            return Err(Rejection::InvalidCredential);
        };
        Ok(Decided::answer(KeyDescription {
            jti: token.jti,
            name: name.clone(),
            scopes: *scopes,
            issued_at: token.issued_at,
            expires_at: token.expires_at,
        }))
    }
}
