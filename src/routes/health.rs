//! Liveness and readiness: open to everyone, and saying nothing about customers.

use actix_web::HttpResponse;
use actix_web::web::Data;
use serde_json::json;

use crate::app::App;
use crate::error::ApiError;

/// `GET /health`: the process answers.
pub async fn health() -> HttpResponse {
    HttpResponse::Ok().json(json!({"status": "healthy", "service": "countersign"}))
}

/// `GET /ready`: 200 while requests should be sent here, else 503; with reasons.
///
/// # Errors
/// 503 when the journal has failed or the service is stopping.
pub async fn ready(app: Data<App>) -> Result<HttpResponse, ApiError> {
    let health = app.engine.health();
    if health.journal_failed.is_some() {
        return Err(ApiError::unavailable("the journal has failed"));
    }
    if health.draining {
        return Err(ApiError::unavailable("the service is shutting down"));
    }
    let (status, reasons) = if health.storage_low {
        ("degraded", vec!["storage_low"])
    } else {
        ("ready", Vec::new())
    };
    Ok(HttpResponse::Ok().json(json!({"status": status, "reasons": reasons})))
}
