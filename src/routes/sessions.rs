//! `/sessions`: counting a session's events.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use countersign_actors::commands::CountEvents;
use countersign_actors::id::Jti;
use countersign_actors::limits::SESSION_EVENTS_MAX;
use serde_json::json;

use crate::app::App;
use crate::error::ApiError;
use crate::extract::{Body, path_uuid};
use crate::idempotency::Keyed;
use crate::identity::Identity;
use crate::wire::json as answer;

/// `POST /sessions/{session_jti}/events`
///
/// # Errors
/// 404 for an unknown session, 409 if it is not active, 429 if it may not count as many; then it counts none.
pub async fn count(request: HttpRequest, app: Data<App>, body: Body) -> Result<HttpResponse, ApiError> {
    let identity = Identity::of(&request, &app).await?;
    let session_jti = path_uuid(&request, "session_jti", Jti::parse)?;
    let content = body.json_or_empty().await?;
    let mut fields = content.fields()?;
    let named = identity.take_customer(&mut fields);
    let count = fields.optional_integer("count", 1..=SESSION_EVENTS_MAX).unwrap_or(1);
    fields.finish(|| Some(()))?;
    let customer = identity.customer(named)?;
    let call = identity.keyed_call(&request, &content, CountEvents { session_jti, count })?;
    let counted = app.engine.execute(customer, call).await?;
    answer(&json!({"events_used": counted.used, "events_remaining": counted.remaining}))
}
