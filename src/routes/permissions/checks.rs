//! `/api/v1/permissions/check`, `check-batch` and `resolve`

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use countersign_actors::commands::permissions::{Check, CheckPermission, CheckPermissions, ResolvePermissions};
use countersign_actors::limits::{CHECKS_PER_CALL_MAX, NAME_CHARS_MAX};
use countersign_actors::permissions::{Action, AdminId, Path};
use countersign_actors::token::Scope;

use super::admin_id;
use crate::api_key::ApiKey;
use crate::app::App;
use crate::error::ApiError;
use crate::extract::{Body, Fields, Form};
use crate::rate_limit::Class;
use crate::wire::permissions::{BatchItemAnswer, CheckedAnswer, ResolvedAnswer, success};

const CHECK: Option<Scope> = Some(Scope::PermissionsCheck);

/// `POST /api/v1/permissions/check`
///
/// # Errors
/// 403 also if an explanation is asked for with a key that may neither manage nor read the audit.
pub(super) async fn check(request: HttpRequest, app: Data<App>, body: Body) -> Result<HttpResponse, ApiError> {
    let key = ApiKey::admit(&request, &app, Class::Checks, CHECK).await?;
    let content = body.json().await?;
    let mut fields = content.fields()?.in_form(Form::Permissions);
    let admin_id = fields.required_parsed("adminId", AdminId::parse);
    let (path, action) = subject_matter(&mut fields);
    let resource = fields.optional_parsed("resource", resource);
    // What surrounds the question is for rules to come; today it only has to be an object.
    fields.optional_object("context", |_| ());
    let explain = fields.optional_bool("explain").unwrap_or(false);
    let check = fields.finish(|| {
        Some(Check {
            admin_id: admin_id?,
            path: path?,
            action: action?,
            resource,
        })
    })?;
    if explain && !key.covers(Scope::PermissionsManage) && !key.covers(Scope::PermissionsAudit) {
        let detail = "`explain` needs the scope `permissions:manage` or `permissions:audit`";
        return Err(ApiError::forbidden(detail));
    }
    let command = CheckPermission { check, explain };
    let answer = app.engine.execute(key.customer(), key.call(command)).await?;
    success(CheckedAnswer::of(&answer))
}

/// `POST /api/v1/permissions/check-batch`
///
/// # Errors
/// Of the key and the fields.
pub(super) async fn check_batch(request: HttpRequest, app: Data<App>, body: Body) -> Result<HttpResponse, ApiError> {
    let key = ApiKey::admit(&request, &app, Class::Checks, CHECK).await?;
    let content = body.json().await?;
    let mut fields = content.fields()?.in_form(Form::Permissions);
    let shared = fields.optional_parsed("adminId", AdminId::parse);
    let has_shared = shared.is_some();
    let items = fields.required_list_of_objects("checks", 1..=CHECKS_PER_CALL_MAX, |item| {
        let own = if has_shared {
            item.optional_parsed("adminId", AdminId::parse)
        } else {
            item.required_parsed("adminId", AdminId::parse)
        };
        let admin_id = own.or_else(|| shared.clone());
        let (path, action) = subject_matter(item);
        let resource = item.optional_parsed("resource", resource);
        Some(Check {
            admin_id: admin_id?,
            path: path?,
            action: action?,
            resource,
        })
    });
    let checks: Vec<Check> = fields.finish(|| items?.into_iter().collect())?;
    let command = CheckPermissions { checks: checks.clone() };
    let answers = app.engine.execute(key.customer(), key.call(command)).await?;
    let results: Vec<_> = checks
        .into_iter()
        .zip(answers)
        .map(|(check, answer)| BatchItemAnswer {
            admin_id: check.admin_id,
            path: check.path.as_str().to_owned(),
            action: check.action.as_str().to_owned(),
            allowed: answer.allowed,
            source: answer.source.as_str(),
        })
        .collect();
    success(serde_json::json!({"results": results}))
}

/// `GET /api/v1/permissions/resolve/:adminId`
///
/// # Errors
/// Of the key; an unknown user may do nothing.
pub(super) async fn resolve(request: HttpRequest, app: Data<App>) -> Result<HttpResponse, ApiError> {
    let key = ApiKey::admit(&request, &app, Class::Checks, CHECK).await?;
    let mut query = Fields::from_query(request.query_string())?.in_form(Form::Permissions);
    let admin_id = admin_id(&request, &mut query)?;
    let admin_id = query.finish(|| admin_id)?;
    let command = ResolvePermissions {
        admin_id: admin_id.clone(),
    };
    let resolution = app.engine.execute(key.customer(), key.call(command)).await?;
    success(ResolvedAnswer::of(key.customer(), &admin_id, &resolution))
}

fn subject_matter(fields: &mut Fields<'_>) -> (Option<Path>, Option<Action>) {
    let path = fields.required_parsed("path", Path::parse);
    (path, fields.required_parsed("action", Action::parse))
}

fn resource(text: &str) -> Result<Box<str>, String> {
    if text.chars().count() > NAME_CHARS_MAX {
        return Err(format!("must have at most {NAME_CHARS_MAX} characters"));
    }
    Ok(text.into())
}
