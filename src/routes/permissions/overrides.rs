//! `/api/v1/permissions/overrides`

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use countersign_actors::commands::permissions::{
    ConfirmOverride, CreateOverride, DeleteOverride, ListOverrides, StatusFilter,
};
use countersign_actors::limits::OVERRIDES_PER_PAGE_MAX;
use countersign_actors::permissions::{
    ActionPattern, AdminId, Effect, Expiry, OverrideId, PathPattern, PermissionRejection, Reason,
};
use countersign_actors::tenant::Rejection;
use countersign_actors::token::Scope;

use super::admin_id;
use crate::api_key::ApiKey;
use crate::app::App;
use crate::error::ApiError;
use crate::extract::{Body, Fields, Form};
use crate::rate_limit::Class;
use crate::wire::permissions::{DeletedAnswer, OverrideAnswer, OverridesAnswer, created, success};

const MANAGE: Option<Scope> = Some(Scope::PermissionsManage);

/// `POST /api/v1/permissions/overrides`
///
/// # Errors
/// 409 if the user has as many live overrides as one may.
pub(super) async fn create(request: HttpRequest, app: Data<App>, body: Body) -> Result<HttpResponse, ApiError> {
    let key = ApiKey::admit(&request, &app, Class::Management, MANAGE).await?;
    let content = body.json().await?;
    let mut fields = content.fields()?.in_form(Form::Permissions);
    let admin_id = fields.required_parsed("adminId", AdminId::parse);
    let path = fields.required_parsed("path", PathPattern::parse);
    let action = fields.required_parsed("action", ActionPattern::parse);
    let effect = fields.required_parsed("effect", Effect::parse);
    let reason = fields.required_parsed("reason", Reason::parse);
    let expiry = fields.optional_parsed("expiresAt", Expiry::parse);
    let command = fields.finish(|| {
        Some(CreateOverride {
            id: OverrideId::fresh(app.engine.now()),
            admin_id: admin_id?,
            path: path?,
            action: action?,
            effect: effect?,
            reason: reason?,
            expiry: expiry.unwrap_or(Expiry::Never),
            created_by: Some(key.jti()),
        })
    })?;
    let call = key.call_once(&request, &content.canonical()?, command)?;
    let made = app.engine.execute(key.customer(), call).await?;
    key.tell_repetition(made.is_repetition);
    created(OverrideAnswer::created(key.customer(), &made.answer))
}

/// `GET /api/v1/permissions/overrides/:adminId`
///
/// # Errors
/// Of the key and the parameters; an unknown user has an empty list.
pub(super) async fn list(request: HttpRequest, app: Data<App>) -> Result<HttpResponse, ApiError> {
    let key = ApiKey::admit(&request, &app, Class::Management, MANAGE).await?;
    let mut query = Fields::from_query(request.query_string())?.in_form(Form::Permissions);
    let admin_id = admin_id(&request, &mut query)?;
    let status = query.optional_parsed("status", StatusFilter::parse);
    let limit = query.optional_integer("limit", 1..=OVERRIDES_PER_PAGE_MAX);
    let after = query.optional_parsed("cursor", |text| {
        text.parse().map_err(|_| "must be the cursor of an earlier answer")
    });
    let command = query.finish(|| {
        Some(ListOverrides {
            admin_id: admin_id?,
            status: status.unwrap_or_default(),
            after,
            limit: limit.unwrap_or(OVERRIDES_PER_PAGE_MAX),
        })
    })?;
    let page = app.engine.execute(key.customer(), key.call(command)).await?;
    success(OverridesAnswer::of(key.customer(), &page))
}

/// `POST /api/v1/permissions/overrides/:id/confirm`: lets an override grant again that a restoration has suspended. It takes no body.
///
/// # Errors
/// 404 for an override that is unknown, deleted or another organisation's: all alike.
pub(super) async fn confirm(request: HttpRequest, app: Data<App>) -> Result<HttpResponse, ApiError> {
    let key = ApiKey::admit(&request, &app, Class::Management, MANAGE).await?;
    let id = request.match_info().get("id").and_then(OverrideId::parse);
    let id = id.ok_or_else(|| Rejection::from(PermissionRejection::OverrideNotFound))?;
    let call = key.call_once(&request, "", ConfirmOverride { id })?;
    let confirmed = app.engine.execute(key.customer(), call).await?;
    key.tell_repetition(confirmed.is_repetition);
    success(OverrideAnswer::listed(key.customer(), &confirmed.answer))
}

/// `DELETE /api/v1/permissions/overrides/remove/:id`
///
/// # Errors
/// 404 for an override that is unknown, deleted or another organisation's: all alike.
pub(super) async fn delete(request: HttpRequest, app: Data<App>) -> Result<HttpResponse, ApiError> {
    let key = ApiKey::admit(&request, &app, Class::Management, MANAGE).await?;
    let id = request.match_info().get("id").and_then(OverrideId::parse);
    let id = id.ok_or_else(|| Rejection::from(PermissionRejection::OverrideNotFound))?;
    let call = key.call_once(&request, "", DeleteOverride { id })?;
    let deleted = app.engine.execute(key.customer(), call).await?;
    key.tell_repetition(deleted.is_repetition);
    success(DeletedAnswer::of(deleted.answer))
}
