//! `/tokens`: minting.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use countersign_actors::commands::{
    BearerParent, MintAgent, MintBearer, MintOverride, MintSession, MintSubagent, SessionParent,
};
use countersign_actors::engine::NewApp;
use countersign_actors::id::{AgentId, CustomerId, EventId, Jti, Name, SessionId};
use countersign_actors::limits::{DECISIONS_MAX, SCOPES_MAX, SESSION_EVENTS_MAX};
use countersign_actors::tenant::Rejection;
use countersign_actors::token::{DecisionSet, Environment, Scope, Scopes, TokenHashDigest, TokenKind};

use crate::app::App;
use crate::error::ApiError;
use crate::extract::{Body, Fields};
use crate::idempotency::Keyed;
use crate::identity::Identity;
use crate::wire::fields::reason;
use crate::wire::rbac::RbacBody;
use crate::wire::tokens::minted;

/// `POST /tokens/app`
///
/// # Errors
/// 404 if the customer has no key that signs.
pub async fn app(request: HttpRequest, app: Data<App>, body: Body) -> Result<HttpResponse, ApiError> {
    let identity = Identity::of(&request, &app).await?;
    let content = body.json().await?;
    let mut fields = content.fields()?;
    let named = fields.optional_uuid("customer_id", CustomerId::parse);
    let name = fields.required_parsed("name", Name::parse);
    let scopes = fields.optional_text_list("scopes", SCOPES_MAX);
    let scopes = match scopes.map(|words| Scopes::parse(&words)) {
        None => Some([Scope::All].into_iter().collect()),
        Some(Ok(scopes)) if scopes.is_empty() => {
            fields.reject("scopes", "must not be empty");
            None
        }
        Some(Ok(scopes)) => Some(scopes),
        Some(Err(error)) => {
            fields.reject("scopes", error.to_string());
            None
        }
    };
    let ttl_days = ttl(&mut fields, TokenKind::App);
    let new = fields.finish(|| {
        Some(NewApp {
            name: name?,
            scopes: scopes?,
            ttl_days,
        })
    })?;
    let customer = identity.customer(named)?;
    minted(
        &app.engine
            .mint_app(customer, identity.keyed_call(&request, &content, new)?)
            .await?,
    )
}

/// `POST /tokens/bearer`
///
/// # Errors
/// 404 for an unknown app token, 409 if it is revoked or has expired.
pub async fn bearer(request: HttpRequest, app: Data<App>, body: Body) -> Result<HttpResponse, ApiError> {
    let identity = Identity::of(&request, &app).await?;
    let content = body.json().await?;
    let mut fields = content.fields()?.in_form(identity.form(TokenKind::Bearer));
    let named = fields.optional_uuid("customer_id", CustomerId::parse);
    let hash = fields.optional_text("app_token_hash");
    let environment = fields.optional_parsed("environment", |text| {
        Environment::parse(text).ok_or("must be `development`, `staging` or `production`")
    });
    let ttl_days = ttl(&mut fields, TokenKind::Bearer);
    fields.finish(|| Some(()))?;
    let customer = identity.customer(named)?;
    let parent = match (identity.parent_of(TokenKind::Bearer), hash) {
        (Some(_), Some(hash)) if identity.presented_hash() != Some(&hash) => {
            return Err(Rejection::ParentDisagrees {
                field: "app_token_hash",
            }
            .into());
        }
        (Some(jti), _) => BearerParent::Presented(jti),
        (None, Some(hash)) => BearerParent::Hash(TokenHashDigest::of(&hash)),
        (None, None) => return Err(ApiError::invalid_field("app_token_hash", "is required")),
    };
    let environment = environment.unwrap_or(Environment::Production);
    let command = MintBearer {
        jti: app.engine.fresh_jti(),
        parent,
        environment,
        ttl_days,
    };
    minted(
        &app.engine
            .mint(customer, identity.keyed_call(&request, &content, command)?)
            .await?,
    )
}

/// `POST /tokens/agent`
///
/// # Errors
/// 404 for an unknown bearer token, 409 if it is revoked or has expired, 400 for a policy that breaks a rule.
pub async fn agent(request: HttpRequest, app: Data<App>, body: Body) -> Result<HttpResponse, ApiError> {
    let identity = Identity::of(&request, &app).await?;
    let content = body.json().await?;
    let mut fields = content.fields()?.in_form(identity.form(TokenKind::Agent));
    let named = fields.optional_uuid("customer_id", CustomerId::parse);
    let parent = fields.optional_uuid("bearer_jti", Jti::parse);
    let agent_id = fields.required_parsed("agent_id", AgentId::parse);
    let agent_name = fields.optional_parsed("agent_name", Name::parse);
    let rbac = RbacBody::take(&mut fields);
    let ttl_hours = ttl(&mut fields, TokenKind::Agent);
    let agent_id = fields.finish(|| agent_id)?;
    let customer = identity.customer(named)?;
    let bearer_jti = identity.parent(TokenKind::Agent, "bearer_jti", parent)?;
    let rbac = rbac.into_request()?;
    let command = MintAgent {
        jti: app.engine.fresh_jti(),
        bearer_jti,
        agent_id,
        agent_name,
        rbac,
        ttl_hours,
    };
    minted(
        &app.engine
            .mint(customer, identity.keyed_call(&request, &content, command)?)
            .await?,
    )
}

/// `POST /tokens/subagent`
///
/// # Errors
/// As [`agent`]; 400 also for a policy that is wider than the parent's, or too deep a delegation.
pub async fn subagent(request: HttpRequest, app: Data<App>, body: Body) -> Result<HttpResponse, ApiError> {
    let identity = Identity::of(&request, &app).await?;
    let content = body.json().await?;
    let mut fields = content.fields()?.in_form(identity.form(TokenKind::Subagent));
    let named = fields.optional_uuid("customer_id", CustomerId::parse);
    let parent = fields.optional_uuid("parent_agent_jti", Jti::parse);
    let agent_id = fields.required_parsed("agent_id", AgentId::parse);
    let agent_name = fields.optional_parsed("agent_name", Name::parse);
    let rbac = RbacBody::take(&mut fields);
    let ttl_hours = ttl(&mut fields, TokenKind::Subagent);
    let agent_id = fields.finish(|| agent_id)?;
    let customer = identity.customer(named)?;
    let parent_agent_jti = identity.parent(TokenKind::Subagent, "parent_agent_jti", parent)?;
    let rbac = rbac.into_request()?;
    let jti = app.engine.fresh_jti();
    let command = MintSubagent {
        jti,
        parent_agent_jti,
        agent_id,
        agent_name,
        rbac,
        ttl_hours,
    };
    minted(
        &app.engine
            .mint(customer, identity.keyed_call(&request, &content, command)?)
            .await?,
    )
}

/// `POST /tokens/session`
///
/// # Errors
/// 404 for an unknown agent or subagent token, 409 if it is revoked or has expired.
pub async fn session(request: HttpRequest, app: Data<App>, body: Body) -> Result<HttpResponse, ApiError> {
    let identity = Identity::of(&request, &app).await?;
    let content = body.json().await?;
    let mut fields = content.fields()?.in_form(identity.form(TokenKind::Session));
    let named = fields.optional_uuid("customer_id", CustomerId::parse);
    let parent = fields.optional_uuid("parent_jti", Jti::parse);
    let named_type = fields.optional_parsed("parent_type", |text| match text {
        "agent" => Ok(SessionParent::Agent),
        "subagent" => Ok(SessionParent::Subagent),
        _ => Err("must be `agent` or `subagent`"),
    });
    let session_id = fields.required_parsed("session_id", SessionId::parse);
    let max_events = fields.optional_integer("max_events", 1..=SESSION_EVENTS_MAX);
    let ttl_minutes = ttl(&mut fields, TokenKind::Session);
    let session_id = fields.finish(|| session_id)?;
    let customer = identity.customer(named)?;
    let parent_jti = identity.parent(TokenKind::Session, "parent_jti", parent)?;
    let parent_type = session_parent(&identity, named_type)?;
    let jti = app.engine.fresh_jti();
    let command = MintSession {
        jti,
        parent_jti,
        parent_type,
        session_id,
        max_events,
        ttl_minutes,
    };
    minted(
        &app.engine
            .mint(customer, identity.keyed_call(&request, &content, command)?)
            .await?,
    )
}

fn session_parent(identity: &Identity, named: Option<SessionParent>) -> Result<SessionParent, ApiError> {
    let presented = match identity.presented_kind() {
        Some(TokenKind::Agent) => Some(SessionParent::Agent),
        Some(TokenKind::Subagent) => Some(SessionParent::Subagent),
        _ => None,
    };
    match (presented, named) {
        (Some(presented), Some(named)) if presented != named => {
            Err(Rejection::ParentDisagrees { field: "parent_type" }.into())
        }
        (Some(parent), _) | (None, Some(parent)) => Ok(parent),
        (None, None) => Err(ApiError::invalid_field("parent_type", "is required")),
    }
}

/// `POST /tokens/override`
///
/// # Errors
/// 404 if the customer has no key that signs, 409 for an event that is decided.
pub async fn override_token(request: HttpRequest, app: Data<App>, body: Body) -> Result<HttpResponse, ApiError> {
    let identity = Identity::of(&request, &app).await?;
    let content = body.json().await?;
    let mut fields = content.fields()?.in_form(identity.form(TokenKind::Override));
    let named = fields.optional_uuid("customer_id", CustomerId::parse);
    let event_id = fields.required_parsed("event_id", EventId::parse);
    let allowed = fields.optional_text_list("allowed_decisions", DECISIONS_MAX);
    let allowed = match allowed.map(|words| DecisionSet::parse(&words)) {
        None => Some(DecisionSet::default()),
        Some(Ok(decisions)) => Some(decisions),
        Some(Err(error)) => {
            fields.reject("allowed_decisions", error.to_string());
            None
        }
    };
    let reason = reason(&mut fields);
    let ttl_minutes = ttl(&mut fields, TokenKind::Override);
    let (event_id, allowed_decisions) = fields.finish(|| event_id.zip(allowed))?;
    let customer = identity.customer(named)?;
    let parent = identity.parent_of(TokenKind::Override);
    let jti = app.engine.fresh_jti();
    let command = MintOverride {
        jti,
        parent,
        event_id,
        allowed_decisions,
        reason,
        ttl_minutes,
    };
    minted(
        &app.engine
            .mint(customer, identity.keyed_call(&request, &content, command)?)
            .await?,
    )
}

/// Takes `ttl_days`, `ttl_hours` or `ttl_minutes`, whichever is the kind's, within its maximum.
fn ttl(fields: &mut Fields<'_>, kind: TokenKind) -> Option<u32> {
    let max = u32::try_from(kind.max_ttl_seconds() / kind.ttl_unit_seconds()).unwrap_or(u32::MAX);
    fields.optional_integer(kind.ttl_field(), 1..=max)
}
