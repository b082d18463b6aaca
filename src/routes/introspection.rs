//! `POST /tokens/introspect` (RFC 7662) and `POST /tokens/authorize`.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use countersign_actors::limits::{AUTHORIZED_CHARS_MAX, SENSITIVITY_LEVEL_MAX};
use serde_json::json;

use crate::app::App;
use crate::error::ApiError;
use crate::extract::Body;
use crate::identity::Identity;
use crate::wire::introspection::{AuthorizationAnswer, active};
use crate::wire::json as answer;

/// `POST /tokens/introspect`
///
/// # Errors
/// 422 without a token; never about the token.
pub async fn introspect(request: HttpRequest, app: Data<App>, body: Body) -> Result<HttpResponse, ApiError> {
    let identity = Identity::of(&request, &app).await?;
    let content = body.json_or_form().await?;
    let mut fields = content.fields()?;
    let token = fields.required_text("token");
    // RFC 7662 section 2.1: a hint, which the prefix makes needless.
    fields.optional_text("token_type_hint");
    let token = fields.finish(|| token)?;
    match app
        .engine
        .introspect(&token, identity.call(identity.own_customer()))
        .await?
    {
        None => answer(&json!({"active": false})),
        Some(found) => active(&found),
    }
}

/// `POST /tokens/authorize`
///
/// # Errors
/// 422 for a field at fault; never about the token.
pub async fn authorize(request: HttpRequest, app: Data<App>, body: Body) -> Result<HttpResponse, ApiError> {
    let identity = Identity::of(&request, &app).await?;
    let content = body.json().await?;
    let mut fields = content.fields()?;
    let token = fields.required_text("token");
    let action = fields.required_parsed("action", bounded);
    let resource = fields.optional_parsed("resource", bounded);
    let level = fields
        .optional_integer("sensitivity_level", 0..=SENSITIVITY_LEVEL_MAX)
        .unwrap_or(0);
    let (token, action) = fields.finish(|| token.zip(action))?;
    let resource = resource.unwrap_or_default();
    let call = identity.call(identity.own_customer());
    let authorization = app.engine.authorize(&token, &action, &resource, level, call).await?;
    answer(&AuthorizationAnswer::of(&authorization))
}

fn bounded(text: &str) -> Result<String, String> {
    if text.chars().count() > AUTHORIZED_CHARS_MAX {
        return Err(format!("must have at most {AUTHORIZED_CHARS_MAX} characters"));
    }
    Ok(text.to_owned())
}
