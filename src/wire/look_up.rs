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
use utoipa::ToSchema;

use super::kinds;

/// What is shown of a token; absent members are not of its kind.
#[derive(Serialize, ToSchema)]
pub struct TokenAnswer<'a> {
    /// Its identifier: a name, never a credential.
    #[schema(value_type = kinds::Uuid)]
    jti: Jti,
    #[schema(value_type = kinds::Kind)]
    #[serde(rename = "type")]
    kind: TokenKind,
    #[schema(value_type = kinds::TokenStatus)]
    status: &'static str,
    /// The token that it was derived from; null if it has none.
    #[schema(value_type = Option<kinds::Uuid>, required)]
    parent_jti: Option<Jti>,
    /// When it was minted.
    #[schema(value_type = kinds::Time)]
    issued_at: String,
    /// When its time is over.
    #[schema(value_type = kinds::Time)]
    expires_at: String,
    /// How many tokens were derived from it.
    #[schema(minimum = 0)]
    children: usize,
    /// Of an app token.
    #[schema(value_type = kinds::Name)]
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    /// Of an app token.
    #[schema(value_type = Vec<kinds::ScopeWord>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    scopes: Option<Scopes>,
    /// Of a bearer token.
    #[schema(value_type = kinds::EnvironmentWord)]
    #[serde(skip_serializing_if = "Option::is_none")]
    environment: Option<Environment>,
    /// Of an agent or subagent token.
    #[schema(value_type = kinds::AgentId)]
    #[serde(skip_serializing_if = "Option::is_none")]
    agent_id: Option<&'a str>,
    /// Of an agent or subagent token, if it was given.
    #[schema(value_type = kinds::Name)]
    #[serde(skip_serializing_if = "Option::is_none")]
    agent_name: Option<&'a str>,
    /// Of a subagent token: how far below its agent.
    #[schema(value_type = u8, minimum = 1)]
    #[serde(skip_serializing_if = "Option::is_none")]
    delegation_depth: Option<u8>,
    /// Of an agent or subagent token.
    #[schema(value_type = kinds::PolicyClaim)]
    #[serde(skip_serializing_if = "Option::is_none")]
    rbac: Option<&'a RawValue>,
    /// Of a session token.
    #[schema(value_type = kinds::SessionId)]
    #[serde(skip_serializing_if = "Option::is_none")]
    session_id: Option<&'a str>,
    /// Of a session token.
    #[schema(value_type = kinds::EventCount)]
    #[serde(skip_serializing_if = "Option::is_none")]
    max_events: Option<u32>,
    /// Of a session token.
    #[schema(value_type = u32, minimum = 0)]
    #[serde(skip_serializing_if = "Option::is_none")]
    events_used: Option<u32>,
    /// Of an override token.
    #[schema(value_type = kinds::EventId)]
    #[serde(skip_serializing_if = "Option::is_none")]
    event_id: Option<&'a str>,
    /// Of an override token.
    #[schema(value_type = Vec<kinds::DecisionWord>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    allowed_decisions: Option<DecisionSet>,
    /// Of an override token, if it was given.
    #[schema(value_type = kinds::Reason)]
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
#[derive(Serialize, ToSchema)]
pub struct TokensAnswer<'a> {
    /// The tokens.
    tokens: Vec<TokenAnswer<'a>>,
    /// Where to go on; null at the end.
    #[schema(value_type = Option<kinds::Uuid>, required)]
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
#[derive(Serialize, ToSchema)]
pub struct LineageAnswer<'a> {
    /// From its parent to the root.
    ancestors: Vec<TokenAnswer<'a>>,
    /// Everything derived from it that is still known.
    descendants: Vec<TokenAnswer<'a>>,
    /// Whether there are more descendants than are listed.
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
#[derive(Serialize, ToSchema)]
pub struct AuditAnswer<'a> {
    /// The oldest first.
    entries: Vec<AuditEntryAnswer<'a>>,
    /// Where to go on: the next call's `after`; null at the end.
    #[schema(value_type = Option<kinds::AuditCursor>, required)]
    cursor: Option<&'a str>,
}

/// Who did what.
#[derive(Serialize, ToSchema)]
#[schema(as = AuditEntry)]
struct AuditEntryAnswer<'a> {
    #[schema(value_type = kinds::AuditId)]
    id: &'a str,
    /// When.
    #[schema(value_type = kinds::Time)]
    at: String,
    /// Who: `management`, or the kind and identifier of a token.
    actor: &'a str,
    /// What was done.
    action: &'a str,
    /// What it was done to.
    target: &'a str,
    /// Why, if that was said.
    #[schema(required)]
    reason: Option<&'a str>,
    /// The `x-request-id` of the call; null for what the service did by itself.
    #[schema(required)]
    request_id: Option<&'a str>,
    /// How it was before, if that is told.
    #[serde(skip_serializing_if = "Option::is_none")]
    before: Option<&'a Value>,
    /// How it is since, if that is told.
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
#[derive(Serialize, ToSchema)]
pub struct CustomersAnswer {
    /// In the order of their identifiers.
    customers: Vec<CustomerAnswer>,
    /// Where to go on; null at the end.
    #[schema(value_type = Option<kinds::Uuid>, required)]
    cursor: Option<CustomerId>,
}

/// A customer in a list.
#[derive(Serialize, ToSchema)]
#[schema(as = ListedCustomer)]
struct CustomerAnswer {
    /// Its identifier.
    #[schema(value_type = kinds::Uuid)]
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
