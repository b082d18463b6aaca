//! `/api/v1/whoami`

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};

use crate::api_key::ApiKey;
use crate::app::App;
use crate::error::ApiError;
use crate::rate_limit::Class;
use crate::wire::permissions::{WhoamiAnswer, success};

/// `GET /api/v1/whoami`: what the key is. It counts as a check.
///
/// # Errors
/// 401 without a live key.
pub(super) async fn whoami(request: HttpRequest, app: Data<App>) -> Result<HttpResponse, ApiError> {
    let key = ApiKey::admit(&request, &app, Class::Checks, None).await?;
    success(WhoamiAnswer::of(key.customer(), key.description()))
}
