//! Liveness and readiness: open to everyone, and saying nothing about customers.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use serde_json::json;

use crate::app::App;
use crate::error::ApiError;
use crate::identity::Identity;

/// `GET /health`: the process answers.
pub async fn health() -> HttpResponse {
    HttpResponse::Ok().json(json!({"status": "healthy", "service": "countersign"}))
}

/// `GET /ready`: 200 while requests should be sent here, else 503; with reasons.
///
/// # Errors
/// 503 when the journal has failed, a shard has ended, or the service is stopping.
pub async fn ready(app: Data<App>) -> Result<HttpResponse, ApiError> {
    let health = app.engine.health();
    if health.journal_failed.is_some() {
        return Err(ApiError::unavailable("the journal has failed"));
    }
    // Its customers get no answer, and nothing but a new process serves them again.
    if health.shard_lost {
        return Err(ApiError::unavailable("a shard has ended: start the service anew"));
    }
    if health.draining {
        return Err(ApiError::unavailable("the service is shutting down"));
    }
    let reasons = [
        ("storage_low", health.storage_low),
        ("clock_jumped", health.clock_jumped),
    ];
    let reasons: Vec<_> = reasons
        .into_iter()
        .filter_map(|(reason, holds)| holds.then_some(reason))
        .collect();
    let status = if reasons.is_empty() { "ready" } else { "degraded" };
    Ok(HttpResponse::Ok().json(json!({"status": status, "reasons": reasons})))
}

/// `POST /admin/clock/confirm`: the operator vouches for a clock that has jumped far forward.
///
/// # Errors
/// 403 for any but the operator.
pub async fn confirm_clock(request: HttpRequest, app: Data<App>) -> Result<HttpResponse, ApiError> {
    Identity::of(&request, &app).await?.require_operator(&app).await?;
    app.engine.confirm_clock();
    Ok(HttpResponse::Ok().json(json!({"confirmed": true})))
}

/// `POST /admin/purge`: forgets what is kept for 90 days, in all customers, at once instead of once a day.
///
/// # Errors
/// 403 for any but the operator.
pub async fn purge(request: HttpRequest, app: Data<App>) -> Result<HttpResponse, ApiError> {
    Identity::of(&request, &app).await?.require_operator(&app).await?;
    let purged = app.engine.purge().await?;
    Ok(HttpResponse::Ok().json(json!({"purged": purged})))
}
