//! What is answered about tokens that are looked up: never their strings, never their hashes.

use countersign_actors::commands::{Lineage, TokenInfo};
use countersign_actors::engine::AuditPage;
use countersign_actors::id::{CustomerId, Jti};
use countersign_actors::rbac::Policy;
use countersign_actors::tenant::audit::AuditEntry;
use countersign_actors::tenant::tokens::Details;
use countersign_actors::token::{DecisionSet, Environment, Scopes, TokenKind};
use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;

/// What is shown of a token; absent members are not of its kind.
#[derive(Serialize)]
pub struct TokenAnswer<'a> {
    jti: Jti,
    #[serde(rename = "type")]
    kind: TokenKind,
    status: &'static str,
    parent_jti: Option<Jti>,
    issued_at: String,
    expires_at: String,
    children: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scopes: Option<Scopes>,
    #[serde(skip_serializing_if = "Option::is_none")]
    environment: Option<Environment>,
    #[serde(skip_serializing_if = "Option::is_none")]
    agent_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    agent_name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    delegation_depth: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rbac: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    session_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_events: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    events_used: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    event_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    allowed_decisions: Option<DecisionSet>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
}

impl<'a> TokenAnswer<'a> {
    /// The answer about this token.
    pub fn of(info: &'a TokenInfo) -> Self {
        let mut answer = Self {
            jti: info.jti,
            kind: info.details.kind(),
            status: info.status.as_str(),
            parent_jti: info.parent,
            issued_at: info.issued_at.to_rfc3339(),
            expires_at: info.expires_at.to_rfc3339(),
            children: info.children,
            name: None,
            scopes: None,
            environment: None,
            agent_id: None,
            agent_name: None,
            delegation_depth: None,
            rbac: None,
            session_id: None,
            max_events: None,
            events_used: None,
            event_id: None,
            allowed_decisions: None,
            reason: None,
        };
        answer.describe(&info.details);
        answer
    }

    fn describe(&mut self, details: &'a Details) {
        if let Some(agent) = details.agent() {
            self.agent_id = Some(agent.agent_id.as_str());
            self.agent_name = agent.agent_name.as_ref().map(|name| name.as_str());
            self.rbac = Some(Policy::claim(&agent.policy));
        }
        match details {
            Details::App { name, scopes, hash: _ } => {
                self.name = Some(name.as_str());
                self.scopes = Some(*scopes);
            }
            Details::Bearer { environment } => self.environment = Some(*environment),
            Details::Agent(_) => {}
            Details::Subagent { depth, .. } => self.delegation_depth = Some(*depth),
            Details::Session {
                session_id,
                max_events,
                used,
            } => {
                self.session_id = Some(session_id.as_str());
                self.max_events = Some(*max_events);
                self.events_used = Some(*used);
            }
            Details::Override {
                event_id,
                allowed_decisions,
                reason,
            } => {
                self.event_id = Some(event_id.as_str());
                self.allowed_decisions = Some(*allowed_decisions);
                self.reason = reason.as_deref();
            }
        }
    }
}

/// A page of tokens.
#[derive(Serialize)]
pub struct TokensAnswer<'a> {
    tokens: Vec<TokenAnswer<'a>>,
    cursor: Option<Jti>,
}

impl<'a> TokensAnswer<'a> {
    /// The page of what was found.
    pub fn of(found: &'a [TokenInfo], cursor: Option<Jti>) -> Self {
        Self {
            tokens: found.iter().map(TokenAnswer::of).collect(),
            cursor,
        }
    }
}

/// Where a token stands in its hierarchy.
#[derive(Serialize)]
pub struct LineageAnswer<'a> {
    ancestors: Vec<TokenAnswer<'a>>,
    descendants: Vec<TokenAnswer<'a>>,
    truncated: bool,
}

impl<'a> LineageAnswer<'a> {
    /// The answer about this lineage.
    pub fn of(lineage: &'a Lineage) -> Self {
        Self {
            ancestors: lineage.ancestors.iter().map(TokenAnswer::of).collect(),
            descendants: lineage.descendants.iter().map(TokenAnswer::of).collect(),
            truncated: lineage.truncated,
        }
    }
}

/// A page of the audit.
#[derive(Serialize)]
pub struct AuditAnswer<'a> {
    entries: Vec<AuditEntryAnswer<'a>>,
    cursor: Option<&'a str>,
}

#[derive(Serialize)]
struct AuditEntryAnswer<'a> {
    id: &'a str,
    at: String,
    actor: &'a str,
    action: &'a str,
    target: &'a str,
    reason: Option<&'a str>,
    request_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    before: Option<&'a Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    after: Option<&'a Value>,
}

impl<'a> AuditAnswer<'a> {
    /// The answer of this page.
    pub fn of(page: &'a AuditPage) -> Self {
        Self {
            entries: page.entries.iter().map(AuditEntryAnswer::of).collect(),
            cursor: page.cursor.as_deref(),
        }
    }
}

impl<'a> AuditEntryAnswer<'a> {
    fn of(entry: &'a AuditEntry) -> Self {
        Self {
            id: &entry.id,
            at: entry.at.seconds().to_rfc3339(),
            actor: &entry.actor,
            action: &entry.action,
            target: &entry.target,
            reason: entry.reason.as_deref(),
            request_id: entry.request_id.as_deref(),
            before: entry.before.as_ref(),
            after: entry.after.as_ref(),
        }
    }
}

/// A page of customers.
#[derive(Serialize)]
pub struct CustomersAnswer {
    customers: Vec<CustomerAnswer>,
    cursor: Option<CustomerId>,
}

#[derive(Serialize)]
struct CustomerAnswer {
    customer_id: CustomerId,
}

impl CustomersAnswer {
    /// The page of at most `limit` of these customers.
    pub fn of(mut customers: Vec<CustomerId>, limit: usize) -> Self {
        let more = customers.len() > limit;
        customers.truncate(limit);
        let cursor = customers.last().copied().filter(|_| more);
        Self {
            customers: customers
                .into_iter()
                .map(|customer_id| CustomerAnswer { customer_id })
                .collect(),
            cursor,
        }
    }
}
