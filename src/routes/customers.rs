//! `/customers`: customers as a whole. For the operator only.

use actix_web::web::{self, Data};
use actix_web::{HttpRequest, HttpResponse};
use countersign_actors::commands::{Describe, SetSuspended};
use countersign_actors::id::CustomerId;
use serde_json::json;

use crate::app::App;
use crate::error::ApiError;
use crate::extract::{Body, Fields, path_uuid};
use crate::identity::Identity;
use crate::wire::fields::{limit, reason};
use crate::wire::json as answer;
use crate::wire::look_up::CustomersAnswer;

/// `GET /customers`
///
/// # Errors
/// 403 for any but the operator.
pub async fn list(request: HttpRequest, app: Data<App>) -> Result<HttpResponse, ApiError> {
    Identity::of(&request, &app).await?.require_operator(&app).await?;
    let mut query = Fields::from_query(request.query_string())?;
    let after = query.optional_uuid("cursor", CustomerId::parse);
    let limit = limit(&mut query);
    query.finish(|| Some(()))?;
    let engine = app.engine.clone();
    let found = web::block(move || engine.read_customers(after, limit + 1)).await;
    let found = found.map_err(|_| ApiError::unavailable("the service is shutting down"))?;
    answer(&CustomersAnswer::of(
        found.map_err(|error| ApiError::of_page(&error, "cursor"))?,
        limit,
    ))
}

/// `GET /customers/{id}`
///
/// # Errors
/// 404 for an unknown customer.
pub async fn find(request: HttpRequest, app: Data<App>) -> Result<HttpResponse, ApiError> {
    let identity = Identity::of(&request, &app).await?;
    let customer = identity.customer(Some(path_uuid(&request, "id", CustomerId::parse)?))?;
    let (overview, counts) = app.engine.describe(customer, identity.call(Describe)).await?;
    let live: serde_json::Map<_, _> = counts
        .iter()
        .map(|(kind, count)| (kind.to_string(), (*count).into()))
        .collect();
    answer(&json!({
        "customer_id": customer,
        "status": if overview.suspended { "suspended" } else { "active" },
        "live_tokens": live,
        "decisions": overview.decisions,
        "last_sequence": overview.sequence,
    }))
}

/// `POST /customers/{id}/suspend`
///
/// # Errors
/// 404 for an unknown customer.
pub async fn suspend(request: HttpRequest, app: Data<App>, body: Body) -> Result<HttpResponse, ApiError> {
    set_suspended(request, app, body, true).await
}

/// `POST /customers/{id}/resume`
///
/// # Errors
/// 404 for an unknown customer.
pub async fn resume(request: HttpRequest, app: Data<App>, body: Body) -> Result<HttpResponse, ApiError> {
    set_suspended(request, app, body, false).await
}

async fn set_suspended(
    request: HttpRequest,
    app: Data<App>,
    body: Body,
    suspended: bool,
) -> Result<HttpResponse, ApiError> {
    let identity = Identity::of(&request, &app).await?;
    let customer = identity.customer(Some(path_uuid(&request, "id", CustomerId::parse)?))?;
    let content = body.json_or_empty().await?;
    let mut fields = content.fields()?;
    let reason = reason(&mut fields);
    fields.finish(|| Some(()))?;
    app.engine
        .execute(customer, identity.call(SetSuspended { suspended, reason }))
        .await?;
    answer(&json!({"customer_id": customer, "status": if suspended { "suspended" } else { "active" }}))
}

/// `DELETE /customers/{id}`
///
/// # Errors
/// 404 for an unknown customer.
pub async fn erase(request: HttpRequest, app: Data<App>) -> Result<HttpResponse, ApiError> {
    let identity = Identity::of(&request, &app).await?;
    let customer = identity.customer(Some(path_uuid(&request, "id", CustomerId::parse)?))?;
    app.engine.erase(customer, identity.call(())).await?;
    answer(&json!({"customer_id": customer, "erased": true}))
}
