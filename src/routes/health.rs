//! Liveness, readiness and metrics: they say nothing about customers, and the first two are open to everyone.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use serde_json::json;

use crate::app::App;
use crate::error::ApiError;
use crate::extract::Credential;
use crate::identity::Identity;
use crate::metrics::page;
use crate::serving::Serving;

/// `GET /health`: the process answers.
pub async fn health() -> HttpResponse {
    HttpResponse::Ok().json(json!({"status": "healthy", "service": "countersign"}))
}

/// `GET /ready`: 200 while requests should be sent here, else 503; with every reason that holds.
///
/// # Errors
/// 503 when the journal has failed or the service is about to stop.
pub async fn ready(app: Data<App>, serving: Data<Serving>) -> Result<HttpResponse, ApiError> {
    let conditions = serving.conditions(&app.engine.health());
    let holding = conditions.iter().filter(|condition| condition.holds);
    let is_red = holding.clone().any(|condition| condition.is_red);
    let reasons: Vec<_> = holding.map(|condition| condition.reason).collect();
    if is_red {
        let detail = format!("requests should be sent elsewhere: {}", reasons.join(", "));
        return Err(ApiError::unavailable(detail).with_extra("reasons", reasons));
    }
    let status = if reasons.is_empty() { "ready" } else { "degraded" };
    Ok(HttpResponse::Ok().json(json!({"status": status, "reasons": reasons})))
}

/// `GET /metrics`: what was counted since the start, as OpenMetrics text. Names no customer, token or caller.
///
/// # Errors
/// 401 without a credential where one is needed: with an admin token or a token for metrics configured, and off loopback. 403 for a
/// live token of a customer.
pub async fn metrics(request: HttpRequest, app: Data<App>, serving: Data<Serving>) -> Result<HttpResponse, ApiError> {
    match Credential::of(&request)? {
        Credential::Bearer(text) if app.may_watch(text.expose()) => {}
        // Identity would take them for the operator.
        Credential::None if app.is_open() && (app.watching_needs_credential() || !app.is_local(&request)) => {
            return Err(ApiError::unauthenticated());
        }
        _ => Identity::of(&request, &app).await?.require_operator(&app).await?,
    }
    let text = page::render(app.engine.metrics(), &serving).map_err(|error| {
        tracing::error!(%error, "the metrics could not be written");
        ApiError::internal()
    })?;
    Ok(HttpResponse::Ok().content_type(page::MEDIA_TYPE).body(text))
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
