//! What every request passes: one middleware for the request id, the limit on requests in flight, the guard of open
//! mode, panics, the form of failures, and the access log.
//!
//! One hand-written middleware rather than five from `from_fn`: each of those would box a future per request.

use std::cell::RefCell;
use std::panic::AssertUnwindSafe;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use actix_web::body::BoxBody;
use actix_web::dev::{Service, ServiceRequest, ServiceResponse, Transform, forward_ready};
use actix_web::error::InternalError;
use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use actix_web::http::{Method, StatusCode};
use actix_web::{Error, HttpMessage, HttpRequest, HttpResponse};
use futures_util::FutureExt;
use futures_util::future::{LocalBoxFuture, Ready, ready};
use uuid::Uuid;

use crate::config::{Config, Exposure};
use crate::error::{ApiError, Family};
use crate::extract::check_path;
use crate::guard::check_open_mode;

/// `tracing` target of the access log.
pub const ACCESS_TARGET: &str = "countersign::access";
/// Characters of a request id that a caller may choose: fewer than a `token_hash` has, which a caller might put there by mistake,
/// and than any token.
const REQUEST_ID_CHARS_MAX: usize = 63;
/// Paths that answer however busy the process is: an orchestrator must not restart what is only busy.
const NEVER_REFUSED: [&str; 2] = ["/health", "/ready"];

/// That browsers speak TLS only to this name, for a year (RFC 6797 section 6.1).
const STRICT_TRANSPORT_SECURITY: &str = "max-age=31536000";

static X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Names one request in the answer, the log and the audit.
#[derive(Clone, Debug)]
pub struct RequestId(HeaderValue);

impl RequestId {
    /// The id of the request that a handler works on.
    pub fn of(request: &HttpRequest) -> Self {
        // Only a test that leaves the border out finds none.
        request.extensions().get::<Self>().cloned().unwrap_or_else(Self::fresh)
    }

    /// The text, which is visible ASCII.
    pub fn as_str(&self) -> &str {
        self.0.to_str().unwrap_or_default()
    }

    /// The caller's own id where it is harmless in a log, else a fresh one.
    fn for_headers(headers: &HeaderMap) -> Self {
        let harmless = |byte: &u8| byte.is_ascii_alphanumeric() || b"._-".contains(byte);
        let is_sane = |value: &HeaderValue| {
            (1..=REQUEST_ID_CHARS_MAX).contains(&value.len()) && value.as_bytes().iter().all(harmless)
        };
        headers
            .get(&X_REQUEST_ID)
            .filter(|value| is_sane(value))
            .cloned()
            .map_or_else(Self::fresh, Self)
    }

    fn fresh() -> Self {
        let mut buffer = Uuid::encode_buffer();
        let text: &str = Uuid::new_v4().hyphenated().encode_lower(&mut buffer);
        Self(HeaderValue::from_str(text).unwrap_or_else(|_| HeaderValue::from_static("-")))
    }
}

/// Headers that go out with the answer, whatever comes of the call: a failure, and a panic, have them too.
#[derive(Clone, Debug, Default)]
pub struct AnswerHeaders(Rc<RefCell<Vec<(HeaderName, HeaderValue)>>>);

impl AnswerHeaders {
    /// Those of the request that a handler works on.
    pub fn of(request: &HttpRequest) -> Self {
        // Only a test that leaves the border out finds none.
        request.extensions().get::<Self>().cloned().unwrap_or_default()
    }

    /// Sets a header.
    pub fn set(&self, name: HeaderName, value: HeaderValue) {
        self.0.borrow_mut().push((name, value));
    }
}

/// What all workers share.
#[derive(Debug)]
struct Shared {
    is_open: bool,
    in_flight: AtomicUsize,
    in_flight_max: usize,
}

/// The middleware; clones share their counters.
#[derive(Clone, Debug)]
pub struct Border {
    shared: Arc<Shared>,
}

impl Border {
    /// The border of one server.
    pub fn new(config: &Config) -> Self {
        Self {
            shared: Arc::new(Shared {
                is_open: config.exposure() == Exposure::Open,
                in_flight: AtomicUsize::new(0),
                in_flight_max: config.server.in_flight_max,
            }),
        }
    }
}

impl<S> Transform<S, ServiceRequest> for Border
where
    S: Service<ServiceRequest, Response = ServiceResponse<BoxBody>, Error = Error> + 'static,
{
    type Response = ServiceResponse<BoxBody>;
    type Error = Error;
    type Transform = BorderService<S>;
    type InitError = ();
    type Future = Ready<Result<Self::Transform, ()>>;

    fn new_transform(&self, service: S) -> Self::Future {
        ready(Ok(BorderService {
            service: Rc::new(service),
            shared: Arc::clone(&self.shared),
        }))
    }
}

/// The border around one worker's application.
pub struct BorderService<S> {
    service: Rc<S>,
    shared: Arc<Shared>,
}

impl<S> Service<ServiceRequest> for BorderService<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<BoxBody>, Error = Error> + 'static,
{
    type Response = ServiceResponse<BoxBody>;
    type Error = Error;
    type Future = LocalBoxFuture<'static, Result<Self::Response, Error>>;

    forward_ready!(service);

    fn call(&self, request: ServiceRequest) -> Self::Future {
        let call = Call::begin(&request);
        request.extensions_mut().insert(call.id.clone());
        if let Some(headers) = &call.headers {
            request.extensions_mut().insert(headers.clone());
        }
        let admitted = admit(&self.shared, &request);
        let service = Rc::clone(&self.service);
        async move {
            let permit = match admitted {
                Ok(permit) => permit,
                Err(refusal) => {
                    let response = refusal.respond(call.family);
                    return Ok(call.finish(request.into_response(response)));
                }
            };
            // The call itself stands inside, so that extractors and routing are caught as well.
            let handled = AssertUnwindSafe(async { service.call(request).await })
                .catch_unwind()
                .await;
            drop(permit);
            match handled {
                Ok(Ok(response)) => Ok(call.finish(response)),
                Ok(Err(error)) => {
                    let response = call.own_response(&error).unwrap_or_else(|| error.error_response());
                    Err(call.finish_without_request(response))
                }
                Err(_payload) => {
                    tracing::error!(
                        request_id = call.id.as_str(),
                        method = call.method_word(),
                        "a handler panicked"
                    );
                    let response = ApiError::internal().respond(call.family);
                    Err(call.finish_without_request(response))
                }
            }
        }
        .boxed_local()
    }
}

/// What is known of a request before it is routed.
struct Call {
    id: RequestId,
    family: Family,
    method: Method,
    is_tls: bool,
    /// Only the permission family has any.
    headers: Option<AnswerHeaders>,
    /// Only while somebody reads the access log.
    began: Option<Instant>,
}

impl Call {
    fn begin(request: &ServiceRequest) -> Self {
        let family = Family::of_path(request.path());
        Self {
            id: RequestId::for_headers(request.headers()),
            family,
            method: request.method().clone(),
            is_tls: request.app_config().secure(),
            headers: (family == Family::Permissions).then(AnswerHeaders::default),
            began: tracing::enabled!(target: ACCESS_TARGET, tracing::Level::INFO).then(Instant::now),
        }
    }

    fn finish(self, mut response: ServiceResponse<BoxBody>) -> ServiceResponse<BoxBody> {
        let own = response.response().error().and_then(|error| self.own_response(error));
        if let Some(own) = own {
            response = response.into_response(own);
        }
        self.complete_headers(response.headers_mut());
        if let Some(began) = self.began {
            let pattern = response.request().match_pattern();
            self.log(began, pattern.as_deref(), response.status());
        }
        response
    }

    /// After a panic the request is gone, so the answer travels as an error. It goes out the same way, and the
    /// connection stays usable.
    fn finish_without_request(self, mut response: HttpResponse) -> Error {
        self.complete_headers(response.headers_mut());
        if let Some(began) = self.began {
            self.log(began, None, response.status());
        }
        InternalError::from_response("answered at the border", response).into()
    }

    /// A failure in the form of the family, unless it has it already.
    fn own_response(&self, error: &Error) -> Option<HttpResponse> {
        match error.as_error::<ApiError>() {
            Some(_) if self.family == Family::Tokens => None,
            Some(own) => Some(own.respond(self.family)),
            // From the HTTP library: its texts are not ours to show.
            None => Some(ApiError::from_status(error.as_response_error().status_code()).respond(self.family)),
        }
    }

    fn complete_headers(&self, headers: &mut HeaderMap) {
        headers.insert(X_REQUEST_ID.clone(), self.id.0.clone());
        for (name, value) in self.headers.iter().flat_map(|own| own.0.take()) {
            headers.insert(name, value);
        }
        if self.is_tls {
            headers.insert(
                header::STRICT_TRANSPORT_SECURITY,
                HeaderValue::from_static(STRICT_TRANSPORT_SECURITY),
            );
        }
        // Answers hold tokens and decisions (RFC 6749 section 5.1); what may be cached says so itself.
        if !headers.contains_key(header::CACHE_CONTROL) {
            headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        }
    }

    /// Never the path or the query: a client might have put a token there.
    fn log(&self, began: Instant, route: Option<&str>, status: StatusCode) {
        tracing::info!(
            target: ACCESS_TARGET,
            method = self.method_word(),
            route = route.unwrap_or("-"),
            status = status.as_u16(),
            micros = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX),
            request_id = self.id.as_str(),
            "answered"
        );
    }

    /// A method of the caller's own invention is any text, so it does not reach the log.
    fn method_word(&self) -> &str {
        match self.method {
            Method::GET
            | Method::HEAD
            | Method::POST
            | Method::PUT
            | Method::PATCH
            | Method::DELETE
            | Method::OPTIONS => self.method.as_str(),
            _ => "other",
        }
    }
}

/// Held while a request is worked on; a request whose client went away gives it back as well.
struct Permit(Arc<Shared>);

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

fn admit(shared: &Arc<Shared>, request: &ServiceRequest) -> Result<Permit, ApiError> {
    let before = shared.in_flight.fetch_add(1, Ordering::Relaxed);
    let permit = Permit(Arc::clone(shared));
    if before >= shared.in_flight_max && !NEVER_REFUSED.contains(&request.path()) {
        return Err(ApiError::overloaded());
    }
    if shared.is_open {
        check_open_mode(request.head())?;
    }
    check_path(request.head().uri.path())?;
    Ok(permit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_harmless_request_id_is_kept() {
        let kept = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(X_REQUEST_ID.clone(), HeaderValue::from_str(text).unwrap());
            RequestId::for_headers(&headers).as_str() == text
        };
        assert!(kept("a") && kept("Trace-1.2_3") && kept(&"x".repeat(63)));
        assert!(!kept("") && !kept(&"x".repeat(64)) && !kept("a b") && !kept("a/b") && !kept("a;b"));
        let fresh = RequestId::for_headers(&HeaderMap::new());
        assert!(Uuid::try_parse(fresh.as_str()).is_ok());
    }
}
