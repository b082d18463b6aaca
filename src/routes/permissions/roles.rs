//! `/api/v1/permissions/roles` and `/api/v1/permissions/users/:adminId/roles`

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use countersign_actors::commands::permissions::{
    AssignRoles, ChangeRole, CreateRole, DeleteRole, FindRole, ListRoles, UserRoles,
};
use countersign_actors::id::Name;
use countersign_actors::limits::{CAPABILITIES_PER_ROLE_MAX, REASON_CHARS_MAX, ROLES_PER_PAGE_MAX, ROLES_PER_USER_MAX};
use countersign_actors::permissions::{Capability, RoleId};
use countersign_actors::token::Scope;
use serde_json::json;

use super::{admin_id, role_id};
use crate::api_key::ApiKey;
use crate::app::App;
use crate::error::ApiError;
use crate::extract::{Body, Fields, Form};
use crate::rate_limit::Class;
use crate::wire::permissions::{DeletedAnswer, RoleAnswer, RolesAnswer, created, success};

async fn admit(request: &HttpRequest, app: &App) -> Result<ApiKey, ApiError> {
    ApiKey::admit(request, app, Class::Management, Some(Scope::PermissionsManage)).await
}

/// `GET /api/v1/permissions/roles`
///
/// # Errors
/// Of the key and the parameters.
pub(super) async fn list(request: HttpRequest, app: Data<App>) -> Result<HttpResponse, ApiError> {
    let key = admit(&request, &app).await?;
    let mut query = Fields::from_query(request.query_string())?.in_form(Form::Permissions);
    let limit = query.optional_integer("limit", 1..=ROLES_PER_PAGE_MAX);
    let after = query.optional_parsed("cursor", |text| {
        RoleId::parse(text).ok_or("must be the cursor of an earlier answer")
    });
    let limit = limit.unwrap_or(ROLES_PER_PAGE_MAX);
    let command = query.finish(|| Some(ListRoles { after, limit }))?;
    let page = app.engine.execute(key.customer(), key.call(command)).await?;
    success(RolesAnswer::of(&page))
}

/// `POST /api/v1/permissions/roles`
///
/// # Errors
/// 409 if another role has the name.
pub(super) async fn create(request: HttpRequest, app: Data<App>, body: Body) -> Result<HttpResponse, ApiError> {
    let key = admit(&request, &app).await?;
    let content = body.json().await?;
    let mut fields = content.fields()?.in_form(Form::Permissions);
    let name = fields.required_parsed("name", name);
    let description = fields.optional_parsed("description", description);
    let capabilities = capability_list(&mut fields);
    let command = fields.finish(|| {
        Some(CreateRole {
            id: RoleId::fresh(app.engine.now()),
            name: name?,
            description,
            capabilities: capabilities.unwrap_or_default(),
        })
    })?;
    let call = key.call_once(&request, &content.canonical()?, command)?;
    let made = app.engine.execute(key.customer(), call).await?;
    key.tell_repetition(made.is_repetition);
    created(RoleAnswer::of(&made.answer))
}

/// `GET /api/v1/permissions/roles/:id`
///
/// # Errors
/// 404 for an unknown role.
pub(super) async fn find(request: HttpRequest, app: Data<App>) -> Result<HttpResponse, ApiError> {
    let key = admit(&request, &app).await?;
    let command = FindRole { id: role_id(&request)? };
    let role = app.engine.execute(key.customer(), key.call(command)).await?;
    success(RoleAnswer::of(&role))
}

/// `PATCH /api/v1/permissions/roles/:id`
///
/// # Errors
/// 404 for an unknown role, 409 if it is built in or another has the name.
pub(super) async fn change(request: HttpRequest, app: Data<App>, body: Body) -> Result<HttpResponse, ApiError> {
    let key = admit(&request, &app).await?;
    let content = body.json().await?;
    let mut fields = content.fields()?.in_form(Form::Permissions);
    let name = fields.optional_parsed("name", name);
    let description = fields.optional_parsed("description", description);
    let capabilities = capability_list(&mut fields);
    fields.finish(|| Some(()))?;
    let command = ChangeRole {
        id: role_id(&request)?,
        name,
        description,
        capabilities,
    };
    let call = key.call_once(&request, &content.canonical()?, command)?;
    let changed = app.engine.execute(key.customer(), call).await?;
    key.tell_repetition(changed.is_repetition);
    success(RoleAnswer::of(&changed.answer))
}

/// `DELETE /api/v1/permissions/roles/:id`
///
/// # Errors
/// 404 for an unknown role, 409 if it is built in or somebody has it.
pub(super) async fn delete(request: HttpRequest, app: Data<App>) -> Result<HttpResponse, ApiError> {
    let key = admit(&request, &app).await?;
    let command = DeleteRole { id: role_id(&request)? };
    let call = key.call_once(&request, "", command)?;
    let deleted = app.engine.execute(key.customer(), call).await?;
    key.tell_repetition(deleted.is_repetition);
    success(DeletedAnswer::of(deleted.answer))
}

/// `GET /api/v1/permissions/roles/:id/capabilities`
///
/// # Errors
/// 404 for an unknown role.
pub(super) async fn capabilities(request: HttpRequest, app: Data<App>) -> Result<HttpResponse, ApiError> {
    let key = admit(&request, &app).await?;
    let command = FindRole { id: role_id(&request)? };
    let role = app.engine.execute(key.customer(), key.call(command)).await?;
    success(json!({"capabilities": role.capabilities}))
}

/// `PUT /api/v1/permissions/roles/:id/capabilities`
///
/// # Errors
/// 404 for an unknown role, 409 if it is built in.
pub(super) async fn set_capabilities(
    request: HttpRequest,
    app: Data<App>,
    body: Body,
) -> Result<HttpResponse, ApiError> {
    let key = admit(&request, &app).await?;
    let content = body.json().await?;
    let mut fields = content.fields()?.in_form(Form::Permissions);
    require(&mut fields, "capabilities");
    let capabilities = capability_list(&mut fields);
    let capabilities = fields.finish(|| capabilities)?;
    let command = ChangeRole {
        id: role_id(&request)?,
        name: None,
        description: None,
        capabilities: Some(capabilities),
    };
    let changed = app.engine.execute(key.customer(), key.call(command)).await?;
    success(json!({"capabilities": changed.answer.capabilities}))
}

/// `GET /api/v1/permissions/users/:adminId/roles`
///
/// # Errors
/// Of the key; an unknown user has none.
pub(super) async fn of_user(request: HttpRequest, app: Data<App>) -> Result<HttpResponse, ApiError> {
    let key = admit(&request, &app).await?;
    let mut query = Fields::from_query(request.query_string())?.in_form(Form::Permissions);
    let admin_id = admin_id(&request, &mut query)?;
    let command = query.finish(|| Some(UserRoles { admin_id: admin_id? }))?;
    let roles = app.engine.execute(key.customer(), key.call(command)).await?;
    success(json!({"roleIds": roles}))
}

/// `PUT /api/v1/permissions/users/:adminId/roles`
///
/// # Errors
/// 404 if one of the roles is unknown; nothing is assigned then.
pub(super) async fn assign(request: HttpRequest, app: Data<App>, body: Body) -> Result<HttpResponse, ApiError> {
    let key = admit(&request, &app).await?;
    let content = body.json().await?;
    let mut fields = content.fields()?.in_form(Form::Permissions);
    let admin_id = admin_id(&request, &mut fields)?;
    require(&mut fields, "roleIds");
    let role_ids = fields.optional_parsed_list("roleIds", ROLES_PER_USER_MAX, |text| {
        RoleId::parse(text).ok_or("is no role's id")
    });
    let command = fields.finish(|| {
        Some(AssignRoles {
            admin_id: admin_id?,
            role_ids: role_ids?,
        })
    })?;
    let roles = app.engine.execute(key.customer(), key.call(command)).await?;
    success(json!({"roleIds": roles}))
}

fn require(fields: &mut Fields<'_>, name: &'static str) {
    if !fields.is_present(name) {
        fields.reject(name, "is required");
    }
}

fn capability_list(fields: &mut Fields<'_>) -> Option<Vec<Capability>> {
    fields.optional_parsed_list("capabilities", CAPABILITIES_PER_ROLE_MAX, Capability::parse)
}

fn name(text: &str) -> Result<Box<str>, countersign_actors::id::InvalidName> {
    Name::parse(text).map(|name| name.as_str().into())
}

fn description(text: &str) -> Result<Box<str>, String> {
    if text.chars().count() > REASON_CHARS_MAX {
        return Err(format!("must have at most {REASON_CHARS_MAX} characters"));
    }
    Ok(text.into())
}
