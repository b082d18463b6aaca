//! Subagent tokens: derived from an agent or a subagent, with a policy that can only be narrower.

use std::sync::Arc;

use super::{Access, Command, Decided, Moment};
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
