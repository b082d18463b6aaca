//! Reading what is to be minted, in both forms of a request: named in the body, or derived from the token that was presented.
//!
//! Every function here takes all fields but `customer_id`, which its caller has taken.

use countersign_actors::commands::{
    BatchItem, BearerParent, MintAgent, MintBearer, MintOverride, MintSession, MintSubagent, SessionParent,
};
use countersign_actors::engine::NewApp;
use countersign_actors::id::{AgentId, EventId, Jti, Name, SessionId};
use countersign_actors::limits::{DECISIONS_MAX, SCOPES_MAX, SESSION_EVENTS_MAX};
use countersign_actors::tenant::Rejection;
use countersign_actors::token::{DecisionSet, Environment, Scope, Scopes, TokenHashDigest, TokenKind};

use super::fields::reason;
use super::rbac::RbacBody;
use crate::error::ApiError;
use crate::extract::Fields;
use crate::identity::Identity;

/// An app token.
///
/// # Errors
/// 422 for a field at fault.
pub fn app(mut fields: Fields<'_>) -> Result<NewApp, ApiError> {
    let name = fields.required_parsed("name", Name::parse);
    let scopes = parsed_list(&mut fields, "scopes", SCOPES_MAX, |words| match Scopes::parse(words) {
        Ok(scopes) if scopes.is_empty() => Err("must not be empty".to_owned()),
        parsed => parsed.map_err(|error| error.to_string()),
    });
    let ttl_days = ttl(&mut fields, TokenKind::App);
    let scopes = scopes.unwrap_or_else(|| [Scope::All].into_iter().collect());
    fields.finish(|| {
        Some(NewApp {
            name: name?,
            scopes,
            ttl_days,
        })
    })
}

/// A bearer token.
///
/// # Errors
/// 422 for a field at fault, 400 if the app token named is not the one that was presented.
pub fn bearer(mut fields: Fields<'_>, identity: &Identity, jti: Jti) -> Result<MintBearer, ApiError> {
    let presented = identity.parent_of(TokenKind::Bearer);
    let hash = match presented {
        Some(_) => fields.optional_text("app_token_hash"),
        None => fields.required_text("app_token_hash"),
    };
    let environment = fields.optional_parsed("environment", |text| {
        Environment::parse(text).ok_or("must be `development`, `staging` or `production`")
    });
    let ttl_days = ttl(&mut fields, TokenKind::Bearer);
    fields.finish(|| Some(()))?;
    let parent = match (presented, hash) {
        (Some(_), Some(hash)) if identity.presented_hash() != Some(&hash) => {
            return Err(Rejection::ParentDisagrees {
                field: "app_token_hash",
            }
            .into());
        }
        (Some(jti), _) => BearerParent::Presented(jti),
        (None, hash) => BearerParent::Hash(TokenHashDigest::of(&hash.unwrap_or_default())),
    };
    let environment = environment.unwrap_or(Environment::Production);
    Ok(MintBearer {
        jti,
        parent,
        environment,
        ttl_days,
    })
}

/// An agent token.
///
/// # Errors
/// 422 for a field at fault, 400 if the parent named is not the one that was presented, or two fields disagree.
pub fn agent(mut fields: Fields<'_>, identity: &Identity, jti: Jti) -> Result<MintAgent, ApiError> {
    let parent = parent(&mut fields, identity, TokenKind::Agent, "bearer_jti");
    let agent_id = fields.required_parsed("agent_id", AgentId::parse);
    let agent_name = fields.optional_parsed("agent_name", Name::parse);
    let rbac = RbacBody::take(&mut fields);
    let ttl_hours = ttl(&mut fields, TokenKind::Agent);
    let agent_id = fields.finish(|| agent_id)?;
    let bearer_jti = identity.parent(TokenKind::Agent, "bearer_jti", parent)?;
    Ok(MintAgent {
        jti,
        bearer_jti,
        agent_id,
        agent_name,
        rbac: rbac.into_request()?,
        ttl_hours,
    })
}

/// A subagent token.
///
/// # Errors
/// As [`agent`].
pub fn subagent(mut fields: Fields<'_>, identity: &Identity, jti: Jti) -> Result<MintSubagent, ApiError> {
    let parent = parent(&mut fields, identity, TokenKind::Subagent, "parent_agent_jti");
    let agent_id = fields.required_parsed("agent_id", AgentId::parse);
    let agent_name = fields.optional_parsed("agent_name", Name::parse);
    let rbac = RbacBody::take(&mut fields);
    let ttl_hours = ttl(&mut fields, TokenKind::Subagent);
    let agent_id = fields.finish(|| agent_id)?;
    let parent_agent_jti = identity.parent(TokenKind::Subagent, "parent_agent_jti", parent)?;
    Ok(MintSubagent {
        jti,
        parent_agent_jti,
        agent_id,
        agent_name,
        rbac: rbac.into_request()?,
        ttl_hours,
    })
}

/// A session token.
///
/// # Errors
/// 422 for a field at fault, 400 if the parent named is not the one that was presented.
pub fn session(mut fields: Fields<'_>, identity: &Identity, jti: Jti) -> Result<MintSession, ApiError> {
    let presented = match identity.presented_kind() {
        Some(TokenKind::Agent) => Some(SessionParent::Agent),
        Some(TokenKind::Subagent) => Some(SessionParent::Subagent),
        _ => None,
    };
    let parent = parent(&mut fields, identity, TokenKind::Session, "parent_jti");
    let parse_parent = |text: &str| match text {
        "agent" => Ok(SessionParent::Agent),
        "subagent" => Ok(SessionParent::Subagent),
        _ => Err("must be `agent` or `subagent`"),
    };
    let named = match presented {
        Some(_) => fields.optional_parsed("parent_type", parse_parent),
        None => fields.required_parsed("parent_type", parse_parent),
    };
    let session_id = fields.required_parsed("session_id", SessionId::parse);
    let max_events = fields.optional_integer("max_events", 1..=SESSION_EVENTS_MAX);
    let ttl_minutes = ttl(&mut fields, TokenKind::Session);
    let (session_id, parent_type) = fields.finish(|| session_id.zip(presented.or(named)))?;
    let parent_jti = identity.parent(TokenKind::Session, "parent_jti", parent)?;
    if named.is_some_and(|named| named != parent_type) {
        return Err(Rejection::ParentDisagrees { field: "parent_type" }.into());
    }
    Ok(MintSession {
        jti,
        parent_jti,
        parent_type,
        session_id,
        max_events,
        ttl_minutes,
    })
}

/// An override token.
///
/// # Errors
/// 422 for a field at fault.
pub fn override_token(mut fields: Fields<'_>, identity: &Identity, jti: Jti) -> Result<MintOverride, ApiError> {
    let event_id = fields.required_parsed("event_id", EventId::parse);
    let allowed = parsed_list(&mut fields, "allowed_decisions", DECISIONS_MAX, |words| {
        DecisionSet::parse(words).map_err(|error| error.to_string())
    });
    let reason = reason(&mut fields);
    let ttl_minutes = ttl(&mut fields, TokenKind::Override);
    let event_id = fields.finish(|| event_id)?;
    let parent = identity.parent_of(TokenKind::Override);
    let allowed_decisions = allowed.unwrap_or_default();
    Ok(MintOverride {
        jti,
        parent,
        event_id,
        allowed_decisions,
        reason,
        ttl_minutes,
    })
}

/// One item of a batch.
///
/// # Errors
/// 422 for an item of no type that a batch mints; otherwise as the function of its type.
pub fn batch_item(mut fields: Fields<'_>, identity: &Identity, jti: Jti) -> Result<BatchItem, ApiError> {
    let kind = fields.required_parsed("type", |text| match TokenKind::parse(text) {
        None | Some(TokenKind::App) => Err("must be `bearer`, `agent`, `subagent`, `session` or `override`"),
        Some(kind) => Ok(kind),
    });
    let fields = match kind {
        Some(kind) => fields.in_form(identity.form(kind)),
        None => fields,
    };
    Ok(match kind {
        Some(TokenKind::Bearer) => BatchItem::Bearer(bearer(fields, identity, jti)?),
        Some(TokenKind::Agent) => BatchItem::Agent(agent(fields, identity, jti)?),
        Some(TokenKind::Subagent) => BatchItem::Subagent(subagent(fields, identity, jti)?),
        Some(TokenKind::Session) => BatchItem::Session(session(fields, identity, jti)?),
        Some(TokenKind::Override) => BatchItem::Override(override_token(fields, identity, jti)?),
        None | Some(TokenKind::App) => return fields.finish(|| None),
    })
}

/// Takes the field that names the parent; it may be left out if the parent was presented.
fn parent(fields: &mut Fields<'_>, identity: &Identity, child: TokenKind, field: &'static str) -> Option<Jti> {
    match identity.parent_of(child) {
        Some(_) => fields.optional_uuid(field, Jti::parse),
        None => fields.required_uuid(field, Jti::parse),
    }
}

/// Takes `ttl_days`, `ttl_hours` or `ttl_minutes`, whichever is the kind's, within its maximum.
fn ttl(fields: &mut Fields<'_>, kind: TokenKind) -> Option<u32> {
    let max = u32::try_from(kind.max_ttl_seconds() / kind.ttl_unit_seconds()).unwrap_or(u32::MAX);
    fields.optional_integer(kind.ttl_field(), 1..=max)
}

/// Takes a list of words that only make sense together.
fn parsed_list<T>(
    fields: &mut Fields<'_>,
    name: &'static str,
    max: usize,
    parse: impl FnOnce(&[std::borrow::Cow<'_, str>]) -> Result<T, String>,
) -> Option<T> {
    let words = fields.optional_text_list(name, max)?;
    parse(&words).map_err(|message| fields.reject(name, message)).ok()
}
