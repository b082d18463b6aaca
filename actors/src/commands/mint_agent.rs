//! Agent tokens: derived from a bearer token, with a policy.

use std::sync::Arc;

use super::{Access, Command, Decided, MintCommand, Moment};
use crate::id::{AgentId, Jti, Name};
use crate::rbac::{Policy, PolicyRequest};
use crate::tenant::event::MintDetails;
use crate::tenant::idempotency::Outcome;
use crate::tenant::minting::{Allowed, Minting, granted_again, ttl_seconds};
use crate::tenant::state::ParentQuery;
use crate::tenant::{Rejection, State};
use crate::token::{TokenGrant, TokenKind};

/// Mints an agent token.
#[derive(Clone, Debug)]
pub struct MintAgent {
    /// The token's identifier.
    pub jti: Jti,
    /// The bearer token it is derived from.
    pub bearer_jti: Jti,
    /// The agent.
    pub agent_id: AgentId,
    /// Shown to people.
    pub agent_name: Option<Name>,
    /// What the agent may do; what it leaves out is the default.
    pub rbac: PolicyRequest,
    /// Time to live in hours.
    pub ttl_hours: Option<u32>,
}

const PARENTS: &[TokenKind] = &[TokenKind::Bearer];

impl MintCommand for MintAgent {
    const KIND: TokenKind = TokenKind::Agent;
}

impl Command for MintAgent {
    type Reply = TokenGrant;

    fn access(&self) -> Access {
        Access::Mint {
            parent: Some(self.bearer_jti),
            parent_kinds: PARENTS,
        }
    }

    fn decide(self, state: &State, moment: &Moment<'_>) -> Result<Decided<TokenGrant>, Rejection> {
        let ttl_seconds = ttl_seconds(TokenKind::Agent, self.ttl_hours, None)?;
        let minting = Minting::begin(state, moment)?;
        let query = ParentQuery {
            jti: self.bearer_jti,
            kinds: PARENTS,
            field: "bearer_jti",
            expected: "bearer",
        };
        let parent = Some(state.live_parent(&query, moment.now)?);
        let requested = if self.rbac == PolicyRequest::default() {
            None
        } else {
            Some(Arc::new(Policy::root(self.rbac)?))
        };
        let policy = requested.clone().unwrap_or_else(Policy::default_shared);
        let details = MintDetails::Agent {
            agent_id: self.agent_id,
            agent_name: self.agent_name,
            policy: requested,
        };
        Ok(minting.finish(Allowed {
            jti: self.jti,
            parent,
            ttl_seconds,
            details,
            policy: Some(policy),
        }))
    }

    fn repeat(&self, state: &State, moment: &Moment<'_>, outcome: &Outcome) -> Result<TokenGrant, Rejection> {
        granted_again(state, moment, outcome)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::RevokeToken;
    use crate::commands::tests::{Given, agent_id, jti};
    use crate::tenant::event::Event;

    fn agent(bearer: u128, ttl_hours: Option<u32>) -> MintAgent {
        let rbac = PolicyRequest::default();
        MintAgent {
            jti: jti(99),
            bearer_jti: jti(bearer),
            agent_id: agent_id("a"),
            agent_name: None,
            rbac,
            ttl_hours,
        }
    }

    #[test]
    fn a_child_never_outlives_its_parent() {
        let given = Given::hierarchy().after(90 * 24 * 3_600 - 60);
        let decided = given.when(agent(20, Some(720))).unwrap();
        assert_eq!(decided.reply.expires_at(), given.now.seconds().plus(60));
    }

    #[test]
    fn the_default_policy_is_left_out_of_the_event() {
        let decided = Given::hierarchy().when(agent(20, None)).unwrap();
        let [Event::TokenMinted(mint)] = decided.events.as_slice() else {
            panic!("one token")
        };
        assert!(matches!(&mint.details, MintDetails::Agent { policy: None, .. }));
        assert!(decided.reply.policy().is_some());
    }

    #[test]
    fn its_time_to_live_has_a_limit() {
        for hours in [0, 721] {
            let refused = Given::hierarchy().when(agent(20, Some(hours))).err();
            assert_eq!(
                refused,
                Some(Rejection::TtlOutOfRange {
                    kind: TokenKind::Agent,
                    max: 720
                })
            );
        }
    }

    #[test]
    fn a_dead_parent_says_how_it_died() {
        let revoke = RevokeToken {
            jti: jti(20),
            kind: None,
            cascade: false,
            reason: None,
        };
        assert_eq!(
            Given::hierarchy().then(revoke).when(agent(20, None)).err(),
            Some(Rejection::ParentRevoked)
        );
        let cascade = RevokeToken {
            jti: jti(10),
            kind: None,
            cascade: true,
            reason: None,
        };
        assert_eq!(
            Given::hierarchy().then(cascade).when(agent(20, None)).err(),
            Some(Rejection::ParentRevoked)
        );
        let late = Given::hierarchy().after(90 * 24 * 3_600);
        assert_eq!(late.when(agent(20, None)).err(), Some(Rejection::ParentExpired));
    }

    #[test]
    fn a_customer_has_no_more_tokens_than_it_may() {
        let mut given = Given::hierarchy();
        given.rules.tokens_per_tenant_max = 7;
        let given = given.then(agent(20, None));
        assert_eq!(
            given.when(agent(20, None)).err(),
            Some(Rejection::TokenLimit { max: 7 })
        );
    }

    #[test]
    fn without_a_key_that_signs_nothing_is_minted() {
        assert_eq!(
            Given::nobody().when(agent(20, None)).err(),
            Some(Rejection::NoActiveKey)
        );
    }
}
