//! Bearer tokens: derived from an app token.

use super::{Access, Command, Decided, MintCommand, Moment};
use crate::id::Jti;
use crate::tenant::event::MintDetails;
use crate::tenant::idempotency::Outcome;
use crate::tenant::minting::{Allowed, Minting, granted_again, ttl_seconds};
use crate::tenant::state::ParentQuery;
use crate::tenant::tokens::Token;
use crate::tenant::{Rejection, State};
use crate::token::{Environment, TokenGrant, TokenHashDigest, TokenKind};

const FIELD: &str = "app_token_hash";

/// How a request names the app token that a bearer token is derived from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BearerParent {
    /// By its `token_hash`, as the documents do.
    Hash(TokenHashDigest),
    /// By presenting it.
    Presented(Jti),
}

/// Mints a bearer token.
#[derive(Clone, Debug)]
pub struct MintBearer {
    /// The token's identifier.
    pub jti: Jti,
    /// The app token it is derived from.
    pub parent: BearerParent,
    /// The environment it is for.
    pub environment: Environment,
    /// Time to live in days.
    pub ttl_days: Option<u32>,
}

impl MintBearer {
    fn parent<'a>(&self, state: &'a State, moment: &Moment<'_>) -> Result<&'a Token, Rejection> {
        match self.parent {
            BearerParent::Presented(jti) => {
                let query = ParentQuery {
                    jti,
                    kinds: &[TokenKind::App],
                    field: FIELD,
                    expected: "app",
                };
                state.live_parent(&query, moment.now)
            }
            BearerParent::Hash(hash) => {
                let not_found = Rejection::ParentNotFound {
                    field: FIELD,
                    expected: "app",
                };
                let parent = state.tokens.get_by_hash(&hash).ok_or(not_found)?;
                state.check_parent(parent, moment.now)?;
                Ok(parent)
            }
        }
    }
}

impl MintCommand for MintBearer {
    const KIND: TokenKind = TokenKind::Bearer;
}

impl Command for MintBearer {
    type Reply = TokenGrant;

    fn access(&self) -> Access {
        let parent = match self.parent {
            BearerParent::Presented(jti) => Some(jti),
            BearerParent::Hash(_) => None,
        };
        Access::Mint {
            parent,
            parent_kinds: &[TokenKind::App],
        }
    }

    fn decide(self, state: &State, moment: &Moment<'_>) -> Result<Decided<TokenGrant>, Rejection> {
        let ttl_seconds = ttl_seconds(TokenKind::Bearer, self.ttl_days, None)?;
        let minting = Minting::begin(state, moment)?;
        let parent = Some(self.parent(state, moment)?);
        let details = MintDetails::Bearer {
            environment: self.environment,
        };
        Ok(minting.finish(Allowed {
            jti: self.jti,
            parent,
            ttl_seconds,
            details,
            policy: None,
        }))
    }

    fn repeat(&self, state: &State, moment: &Moment<'_>, outcome: &Outcome) -> Result<TokenGrant, Rejection> {
        granted_again(state, moment, outcome)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::tests::{Given, jti};

    fn bearer(parent: BearerParent) -> MintBearer {
        MintBearer {
            jti: jti(99),
            parent,
            environment: Environment::Staging,
            ttl_days: None,
        }
    }

    #[test]
    fn the_hash_names_the_parent_and_so_does_the_token_itself() {
        let given = Given::hierarchy();
        for parent in [
            BearerParent::Hash(TokenHashDigest::of("hash")),
            BearerParent::Presented(jti(10)),
        ] {
            let decided = given.when(bearer(parent)).unwrap();
            assert_eq!(decided.reply.expires_at(), given.now.seconds().plus(90 * 24 * 3_600));
            assert_eq!(decided.audit.len(), 1);
        }
    }

    #[test]
    fn anything_but_an_app_token_is_no_parent() {
        let given = Given::hierarchy();
        let not_found = Some(Rejection::ParentNotFound {
            field: FIELD,
            expected: "app",
        });
        for parent in [
            BearerParent::Hash(TokenHashDigest::of("other")),
            BearerParent::Presented(jti(20)),
        ] {
            assert_eq!(given.when(bearer(parent)).err(), not_found);
        }
    }

    #[test]
    fn an_expired_parent_mints_nothing() {
        let given = Given::hierarchy().after(365 * 24 * 3_600);
        assert_eq!(
            given.when(bearer(BearerParent::Presented(jti(10)))).err(),
            Some(Rejection::ParentExpired)
        );
    }
}
