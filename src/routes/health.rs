//! Liveness and readiness: open to everyone, and saying nothing about customers.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use serde_json::{Map, Value, json};

use crate::error::ApiError;

/// What the process can say about itself.
#[derive(Clone, Debug)]
pub struct ReadinessReport {
    /// Whether requests should be sent here.
    pub ready: bool,
    /// Facts for the operator, such as a clock jump that waits to be confirmed.
    pub facts: Map<String, Value>,
}

/// Asked on every `GET /ready`, so it must be cheap and must not wait.
pub trait Readiness: Send + Sync {
    /// The state of this moment.
    fn report(&self) -> ReadinessReport;
}

impl<F: Fn() -> ReadinessReport + Send + Sync> Readiness for F {
    fn report(&self) -> ReadinessReport {
        self()
    }
}

/// `GET /health`: the process answers.
pub async fn health() -> HttpResponse {
    HttpResponse::Ok().json(json!({"status": "healthy", "service": "countersign"}))
}

/// `GET /ready`: 200 while requests should be sent here, else 503. Without a [`Readiness`] in the application's data
/// there is nothing that could fail.
pub async fn ready(request: HttpRequest) -> Result<HttpResponse, ApiError> {
    let report = match request.app_data::<Data<dyn Readiness>>() {
        Some(readiness) => readiness.report(),
        None => ReadinessReport {
            ready: true,
            facts: Map::new(),
        },
    };
    if !report.ready {
        let refused = ApiError::unavailable("the service is not ready");
        return Err(report
            .facts
            .into_iter()
            .fold(refused, |refused, (name, fact)| refused.with_extra(&name, fact)));
    }
    let mut body = report.facts;
    body.insert("status".to_owned(), "ready".into());
    Ok(HttpResponse::Ok().json(body))
}
