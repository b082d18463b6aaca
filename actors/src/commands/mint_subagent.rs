//! Subagent tokens: derived from an agent or a subagent, with a policy that can only be narrower.

use std::sync::Arc;

use super::{Access, Command, Decided, MintCommand, Moment};
use crate::id::{AgentId, Jti, Name};
use crate::rbac::PolicyRequest;
use crate::tenant::event::MintDetails;
use crate::tenant::idempotency::Outcome;
use crate::tenant::minting::{Allowed, Minting, granted_again, ttl_seconds};
use crate::tenant::state::ParentQuery;
use crate::tenant::{Rejection, State};
use crate::token::{TokenGrant, TokenKind};

/// Mints a subagent token.
#[derive(Clone, Debug)]
pub struct MintSubagent {
    /// The token's identifier.
    pub jti: Jti,
    /// The agent or subagent it is derived from.
    pub parent_agent_jti: Jti,
    /// The subagent.
    pub agent_id: AgentId,
    /// Shown to people.
    pub agent_name: Option<Name>,
    /// What the subagent may do; what it leaves out is inherited.
    pub rbac: PolicyRequest,
    /// Time to live in hours.
    pub ttl_hours: Option<u32>,
}

const PARENTS: &[TokenKind] = &[TokenKind::Agent, TokenKind::Subagent];

impl MintCommand for MintSubagent {
    const KIND: TokenKind = TokenKind::Subagent;
}

impl Command for MintSubagent {
    type Reply = TokenGrant;

    fn access(&self) -> Access {
        Access::Mint {
            parent: Some(self.parent_agent_jti),
            parent_kinds: PARENTS,
        }
    }

    fn decide(self, state: &State, moment: &Moment<'_>) -> Result<Decided<TokenGrant>, Rejection> {
        let ttl_seconds = ttl_seconds(TokenKind::Subagent, self.ttl_hours, None)?;
        let minting = Minting::begin(state, moment)?;
        let field = "parent_agent_jti";
        let query = ParentQuery {
            jti: self.parent_agent_jti,
            kinds: PARENTS,
            field,
            expected: "agent or subagent",
        };
        let parent = state.live_parent(&query, moment.now)?;
        let not_found = Rejection::ParentNotFound {
            field,
            expected: query.expected,
        };
        let (above, inherited) = parent.depth().zip(parent.details.agent()).ok_or(not_found)?;
        let (depth, max) = (above.saturating_add(1), moment.rules.max_delegation_depth);
        if depth > max {
            return Err(Rejection::DelegationDepthExceeded { depth, max });
        }
        let policy = inherited.policy.narrow(self.rbac)?;
        let own = (!Arc::ptr_eq(&policy, &inherited.policy)).then(|| Arc::clone(&policy));
        let details = MintDetails::Subagent {
            agent_id: self.agent_id,
            agent_name: self.agent_name,
            policy: own,
            depth,
        };
        Ok(minting.finish(Allowed {
            jti: self.jti,
            parent: Some(parent),
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
    use crate::commands::tests::{Given, agent_id, jti};
    use crate::rbac::Pattern;

    fn subagent(number: u128, parent: u128, rbac: PolicyRequest) -> MintSubagent {
        let (jti, parent_agent_jti) = (jti(number), jti(parent));
        MintSubagent {
            jti,
            parent_agent_jti,
            agent_id: agent_id("s"),
            agent_name: None,
            rbac,
            ttl_hours: None,
        }
    }

    fn allowing(action: &str) -> PolicyRequest {
        PolicyRequest {
            allowed_actions: Some(vec![Pattern::parse(action).unwrap()]),
            ..PolicyRequest::default()
        }
    }

    #[test]
    fn a_subagent_that_asks_for_nothing_shares_its_parents_policy() {
        let given = Given::hierarchy().then(subagent(99, 40, PolicyRequest::default()));
        assert!(Arc::ptr_eq(given.policy(99), given.policy(30)));
    }

    #[test]
    fn what_a_subagent_narrows_its_own_subagent_cannot_widen() {
        let given = Given::hierarchy().then(subagent(99, 30, allowing("data:read:*")));
        let refused = given.when(subagent(100, 99, allowing("data:*:x"))).err();
        assert!(matches!(
            refused,
            Some(Rejection::PermissionEscalation {
                field: "allowed_actions",
                ..
            })
        ));
        assert!(given.when(subagent(100, 99, allowing("data:read:x"))).is_ok());
    }

    #[test]
    fn delegation_ends_at_its_depth() {
        let given = Given::hierarchy().then(subagent(98, 40, PolicyRequest::default()));
        let given = given.then(subagent(99, 98, PolicyRequest::default()));
        let refused = given.when(subagent(100, 99, PolicyRequest::default())).err();
        assert_eq!(refused, Some(Rejection::DelegationDepthExceeded { depth: 4, max: 3 }));
    }

    #[test]
    fn only_agents_and_subagents_have_subagents() {
        for parent in [10, 20, 50, 60, 77] {
            let refused = Given::hierarchy()
                .when(subagent(99, parent, PolicyRequest::default()))
                .err();
            assert!(
                matches!(
                    refused,
                    Some(Rejection::ParentNotFound {
                        field: "parent_agent_jti",
                        ..
                    })
                ),
                "{parent}"
            );
        }
    }
}
