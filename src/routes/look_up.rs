//! `GET /tokens`, `GET /tokens/{jti}`, `GET /tokens/{jti}/lineage`, `GET /audit`: looking things up.

use actix_web::web::{self, Data};
use actix_web::{HttpRequest, HttpResponse};
use countersign_actors::commands::{Access, FindLineage, FindToken, ListTokens, Status};
use countersign_actors::id::{AgentId, CustomerId, Jti};
use countersign_actors::limits::LIST_TURNS_MAX;
use countersign_actors::token::{Scope, TokenKind};

use crate::app::App;
use crate::error::ApiError;
use crate::extract::{Fields, path_uuid};
use crate::identity::Identity;
use crate::wire::fields::limit;
use crate::wire::json;
use crate::wire::look_up::{AuditAnswer, LineageAnswer, TokenAnswer, TokensAnswer};

/// `GET /tokens/{jti}`
///
/// # Errors
/// 404 for an unknown token.
pub async fn token(request: HttpRequest, app: Data<App>) -> Result<HttpResponse, ApiError> {
    let (identity, customer, jti) = one(&request, &app).await?;
    let found = app.engine.execute(customer, identity.call(FindToken { jti })).await?;
    json(&TokenAnswer::of(&found))
}

/// `GET /tokens/{jti}/lineage`
///
/// # Errors
/// 404 for an unknown token.
pub async fn lineage(request: HttpRequest, app: Data<App>) -> Result<HttpResponse, ApiError> {
    let (identity, customer, jti) = one(&request, &app).await?;
    let found = app.engine.execute(customer, identity.call(FindLineage { jti })).await?;
    json(&LineageAnswer::of(&found))
}

async fn one(request: &HttpRequest, app: &App) -> Result<(Identity, CustomerId, Jti), ApiError> {
    let identity = Identity::of(request, app).await?;
    let jti = path_uuid(request, "jti", Jti::parse)?;
    let mut query = Fields::from_query(request.query_string())?;
    let named = identity.take_customer(&mut query);
    query.finish(|| Some(()))?;
    let customer = identity.customer(named)?;
    Ok((identity, customer, jti))
}

/// `GET /tokens`
///
/// # Errors
/// 422 for a parameter at fault.
pub async fn tokens(request: HttpRequest, app: Data<App>) -> Result<HttpResponse, ApiError> {
    let identity = Identity::of(&request, &app).await?;
    let mut query = Fields::from_query(request.query_string())?;
    let named = identity.take_customer(&mut query);
    let kind = query.optional_parsed("type", |text| TokenKind::parse(text).ok_or("is no type of token"));
    let agent_id = query.optional_parsed("agent_id", AgentId::parse);
    let status = query.optional_parsed("status", |text| Status::parse(text).ok_or("is no status of a token"));
    let mut after = query.optional_uuid("cursor", Jti::parse);
    let limit = limit(&mut query);
    query.finish(|| Some(()))?;
    let customer = identity.customer(named)?;
    let mut found = Vec::new();
    // A rare match would need many turns: then the page is short, and its cursor says where to go on.
    for _ in 0..LIST_TURNS_MAX {
        let wanted = limit - found.len();
        let command = ListTokens {
            kind,
            agent_id: agent_id.clone(),
            status,
            after,
            limit: wanted,
        };
        let slice = app.engine.execute(customer, identity.call(command)).await?;
        found.extend(slice.found);
        after = slice.next;
        if after.is_none() || found.len() >= limit {
            break;
        }
    }
    json(&TokensAnswer::of(&found, after))
}

/// `GET /audit`
///
/// # Errors
/// 422 for a parameter at fault.
pub async fn audit(request: HttpRequest, app: Data<App>) -> Result<HttpResponse, ApiError> {
    let identity = Identity::of(&request, &app).await?;
    let mut query = Fields::from_query(request.query_string())?;
    let named = identity.take_customer(&mut query);
    let after = query.optional_text("after").map(std::borrow::Cow::into_owned);
    let limit = limit(&mut query);
    query.finish(|| Some(()))?;
    let customer = identity.customer(named)?;
    app.engine
        .check_access(customer, identity.call(Access::Scope(Scope::TokensRead)))
        .await?;
    let engine = app.engine.clone();
    let page = web::block(move || engine.read_audit(customer, after.as_deref(), limit)).await;
    let page = page.map_err(|_| ApiError::unavailable("the service is shutting down"))?;
    json(&AuditAnswer::of(
        &page.map_err(|error| ApiError::of_page(&error, "after"))?,
    ))
}
