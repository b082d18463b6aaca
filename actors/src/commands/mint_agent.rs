//! Agent tokens: derived from a bearer token, with a policy.

use std::sync::Arc;

use super::{Access, Command, Decided, Moment};
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
