//! `/openapi.json` and `/docs`: the API document, and Swagger UI from within the program to read it with.

use std::sync::{Arc, LazyLock};

use actix_web::http::header::{self, HeaderName, HeaderValue};
use actix_web::web::{Bytes, Data};
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder};
use utoipa_swagger_ui::{Config, SwaggerFile};

use crate::app::App;
use crate::error::ApiError;
use crate::identity::Identity;
use crate::openapi;

const PAGE: &str = include_str!("docs/page.html");
/// What the page is made of.
const FILES: [&str; 6] = [
    "swagger-ui.css",
    "swagger-ui-bundle.js",
    "swagger-ui-standalone-preset.js",
    "swagger-initializer.js",
    "favicon-16x16.png",
    "favicon-32x32.png",
];
/// Nothing from elsewhere, nothing inline, in nobody's frame. Swagger UI has its icons as `data:`.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
                                       connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
static HEADERS: [(HeaderName, HeaderValue); 4] = [
    (
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(CONTENT_SECURITY_POLICY),
    ),
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    // For browsers that do not know `frame-ancestors`.
    (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
];

/// `GET /openapi.json`
///
/// # Errors
/// 401 without a credential, off loopback.
pub async fn document(request: HttpRequest, app: Data<App>) -> Result<HttpResponse, ApiError> {
    Identity::of_reader(&request, &app).await?;
    static OPEN: LazyLock<Option<Bytes>> = LazyLock::new(|| written(true));
    static CREDENTIALED: LazyLock<Option<Bytes>> = LazyLock::new(|| written(false));
    let document = if app.is_open() { &OPEN } else { &CREDENTIALED };
    let document = LazyLock::force(document).clone().ok_or_else(ApiError::internal)?;
    Ok(guarded(HttpResponse::Ok().content_type("application/json")).body(document))
}

fn written(is_open: bool) -> Option<Bytes> {
    let text = openapi::document(is_open).to_json();
    text.inspect_err(|error| tracing::error!(%error, "the API document cannot be written"))
        .ok()
        .map(Bytes::from)
}

/// `GET /docs`: Swagger UI on that document.
///
/// # Errors
/// 401 without a credential, off loopback.
pub async fn page(request: HttpRequest, app: Data<App>) -> Result<HttpResponse, ApiError> {
    Identity::of_reader(&request, &app).await?;
    Ok(guarded(HttpResponse::Ok().content_type("text/html; charset=utf-8")).body(PAGE))
}

/// `GET /docs/{file}`
///
/// # Errors
/// 404 for what the page is not made of; 401 without a credential, off loopback.
pub async fn file(request: HttpRequest, app: Data<App>) -> Result<HttpResponse, ApiError> {
    Identity::of_reader(&request, &app).await?;
    static CONFIG: LazyLock<Arc<Config<'static>>> = LazyLock::new(|| {
        // Relative, so that the page also works under a prefix.
        let config = Config::new(["openapi.json"]).use_base_layout().filter(true);
        // No badge from a validator that stands elsewhere.
        Arc::new(config.default_models_expand_depth(0).validator_url("none"))
    });
    let missing = || ApiError::not_found("the page has no file of this name");
    let name = request.match_info().get("file").filter(|name| FILES.contains(name));
    let found = utoipa_swagger_ui::serve(name.ok_or_else(missing)?, Arc::clone(&CONFIG));
    let found: Option<SwaggerFile<'static>> = found.map_err(|error| {
        tracing::error!(%error, "a file of Swagger UI cannot be served");
        ApiError::internal()
    })?;
    let SwaggerFile {
        bytes,
        content_type,
        gzpipped,
        ..
    } = found.ok_or_else(missing)?;
    let mut response = HttpResponse::Ok();
    response.content_type(content_type);
    if gzpipped {
        response.insert_header((header::CONTENT_ENCODING, "gzip"));
    }
    Ok(guarded(&mut response).body(bytes.into_owned()))
}

fn guarded(response: &mut HttpResponseBuilder) -> &mut HttpResponseBuilder {
    for (name, value) in &HEADERS {
        response.insert_header((name, value));
    }
    response
}
