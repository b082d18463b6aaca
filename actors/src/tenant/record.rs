//! One token as its tenant remembers it.

use std::sync::Arc;

use super::event::{Mint, MintDetails};
use super::tokens::Links;
use crate::clock::{UnixMillis, UnixSeconds};
use crate::id::{AgentId, EventId, Jti, KeyId, Name, SessionId};
use crate::rbac::Policy;
use crate::token::{DecisionSet, Environment, Scopes, TokenHashDigest, TokenKind};

/// A token as its tenant remembers it.
#[derive(Clone, Debug)]
pub struct Token {
    /// Its identifier.
    pub jti: Jti,
    /// The key that signs it.
    pub kid: KeyId,
    /// `iat`.
    pub issued_at: UnixSeconds,
    /// `exp`.
    pub expires_at: UnixSeconds,
    /// The journal's sequence number of its minting: the order of tokens within a tenant.
    pub sequence: u64,
    /// What only tokens of its kind have.
    pub details: Details,
    /// Whether it was revoked by its own identifier.
    pub revoked: Option<Revoked>,
    pub(super) links: Links,
}

/// How a token was revoked by its own identifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Revoked {
    /// It alone; what is derived from it lives on.
    Alone,
    /// With everything derived from it.
    Cascade,
}

/// What only tokens of one kind have, as kept in memory: policies resolved and shared.
#[derive(Clone, Debug, PartialEq)]
pub enum Details {
    /// An application's token.
    App {
        /// Shown to people.
        name: Name,
        /// What it may do as a management credential.
        scopes: Scopes,
        /// What names it as a parent.
        hash: TokenHashDigest,
    },
    /// A bearer token.
    Bearer {
        /// The environment it is for.
        environment: Environment,
    },
    /// An agent's token.
    Agent(AgentDetails),
    /// A subagent's token.
    Subagent {
        /// What it shares with an agent.
        agent: AgentDetails,
        /// Steps below the agent.
        depth: u8,
    },
    /// A session's token.
    Session {
        /// The session.
        session_id: SessionId,
        /// Events it may count.
        max_events: u32,
        /// Events it has counted.
        used: u32,
    },
    /// An override token.
    Override {
        /// The event it decides.
        event_id: EventId,
        /// The decisions it permits.
        allowed_decisions: DecisionSet,
        /// Why it was made.
        reason: Option<Box<str>>,
    },
}

/// What agents and subagents have.
#[derive(Clone, Debug, PartialEq)]
pub struct AgentDetails {
    /// The agent.
    pub agent_id: AgentId,
    /// Shown to people.
    pub agent_name: Option<Name>,
    /// What it may do; shared with every descendant that inherits it.
    pub policy: Arc<Policy>,
}

impl Details {
    /// The kind of token that has these.
    pub const fn kind(&self) -> TokenKind {
        match self {
            Self::App { .. } => TokenKind::App,
            Self::Bearer { .. } => TokenKind::Bearer,
            Self::Agent(_) => TokenKind::Agent,
            Self::Subagent { .. } => TokenKind::Subagent,
            Self::Session { .. } => TokenKind::Session,
            Self::Override { .. } => TokenKind::Override,
        }
    }

    /// The details as memory keeps them: a policy that was inherited is shared with the parent. `None` if the parent has none.
    pub(super) fn of_mint(details: MintDetails, inherited: impl FnOnce() -> Option<Arc<Policy>>) -> Option<Self> {
        Some(match details {
            MintDetails::App { name, scopes, hash } => Self::App { name, scopes, hash },
            MintDetails::Bearer { environment } => Self::Bearer { environment },
            MintDetails::Agent {
                agent_id,
                agent_name,
                policy,
            } => {
                let policy = policy.unwrap_or_else(Policy::default_shared);
                Self::Agent(AgentDetails {
                    agent_id,
                    agent_name,
                    policy,
                })
            }
            MintDetails::Subagent {
                agent_id,
                agent_name,
                policy,
                depth,
            } => {
                let policy = policy.or_else(inherited)?;
                Self::Subagent {
                    agent: AgentDetails {
                        agent_id,
                        agent_name,
                        policy,
                    },
                    depth,
                }
            }
            MintDetails::Session { session_id, max_events } => Self::Session {
                session_id,
                max_events,
                used: 0,
            },
            MintDetails::Override {
                event_id,
                allowed_decisions,
                reason,
            } => Self::Override {
                event_id,
                allowed_decisions,
                reason,
            },
        })
    }

    /// The details as they were minted; the policy is always there, inherited or not.
    fn to_mint(&self) -> MintDetails {
        match self.clone() {
            Self::App { name, scopes, hash } => MintDetails::App { name, scopes, hash },
            Self::Bearer { environment } => MintDetails::Bearer { environment },
            Self::Agent(AgentDetails {
                agent_id,
                agent_name,
                policy,
            }) => MintDetails::Agent {
                agent_id,
                agent_name,
                policy: Some(policy),
            },
            Self::Subagent {
                agent:
                    AgentDetails {
                        agent_id,
                        agent_name,
                        policy,
                    },
                depth,
            } => MintDetails::Subagent {
                agent_id,
                agent_name,
                policy: Some(policy),
                depth,
            },
            Self::Session {
                session_id,
                max_events,
                used: _,
            } => MintDetails::Session { session_id, max_events },
            Self::Override {
                event_id,
                allowed_decisions,
                reason,
            } => MintDetails::Override {
                event_id,
                allowed_decisions,
                reason,
            },
        }
    }

    /// What an agent or subagent has; `None` for the others.
    pub const fn agent(&self) -> Option<&AgentDetails> {
        match self {
            Self::Agent(agent) | Self::Subagent { agent, .. } => Some(agent),
            _ => None,
        }
    }
}

impl Token {
    /// The token as it was minted.
    pub fn to_mint(&self, parent: Option<&Self>) -> Mint {
        Mint {
            jti: self.jti,
            parent: parent.map(|parent| parent.jti),
            kid: self.kid,
            issued_at: self.issued_at,
            expires_at: self.expires_at,
            details: self.details.to_mint(),
        }
    }

    /// Its kind.
    pub const fn kind(&self) -> TokenKind {
        self.details.kind()
    }

    /// Whether it has expired: at its `exp`, not after it.
    pub const fn is_expired(&self, now: UnixMillis) -> bool {
        now.get() >= self.expires_at.millis().get()
    }

    /// Steps below the agent that heads its delegation; `None` if it is neither agent nor subagent.
    pub const fn depth(&self) -> Option<u8> {
        match &self.details {
            Details::Agent(_) => Some(0),
            Details::Subagent { depth, .. } => Some(*depth),
            _ => None,
        }
    }
}
