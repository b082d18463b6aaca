//! What every request passes: one middleware for the request id and the trace, the limit on requests in flight, the guard of
//! open mode, panics, the form of failures, what is counted, and the access log.
//!
//! One hand-written middleware rather than five from `from_fn`: each of those would box a future per request.

use std::cell::RefCell;
use std::panic::AssertUnwindSafe;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use actix_web::body::BoxBody;
use actix_web::dev::{Service, ServiceRequest, ServiceResponse, Transform, forward_ready};
use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use actix_web::{Error, HttpMessage, HttpRequest};
use call::Call;
use futures_util::FutureExt;
use futures_util::future::{LocalBoxFuture, Ready, ready};
use tracing::Instrument;
use uuid::Uuid;

use crate::config::{Config, Exposure};
use crate::error::ApiError;
use crate::extract::check_path;
use crate::guard::check_open_mode;
use crate::metrics::RouteMetrics;
use crate::serving::Serving;

mod call;

/// `tracing` target of the access log.
pub const ACCESS_TARGET: &str = "countersign::access";
/// `tracing` target of what names the request in every other line that is written while it is handled.
pub const REQUEST_TARGET: &str = "countersign::request";
/// Characters of a request id that a caller may choose: fewer than a `token_hash` has, which a caller might put there by mistake,
/// and than any token.
const REQUEST_ID_CHARS_MAX: usize = 63;
/// How long a call waits for its answer that was refused because its customer has too many in flight. Who repeats at once, against
/// `Retry-After`, would else keep a processor busy with refusals that the other customers need. It holds no permit meanwhile.
const BUSY_ANSWER_DELAY: Duration = Duration::from_millis(250);
/// Paths that answer however busy the process is: an orchestrator must not restart what is only busy, and its numbers are
/// wanted then.
const NEVER_REFUSED: [&str; 3] = ["/health", "/ready", "/metrics"];

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
    in_flight_max: usize,
    serving: Arc<Serving>,
}

/// The middleware; clones share their counters.
#[derive(Clone, Debug)]
pub struct Border {
    shared: Arc<Shared>,
}

impl Border {
    /// The border of one server.
    pub fn new(config: &Config, serving: Arc<Serving>) -> Self {
        Self {
            shared: Arc::new(Shared {
                is_open: config.exposure() == Exposure::Open,
                in_flight_max: config.server.in_flight_max,
                serving,
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
            unrouted: self.shared.serving.metrics.add_route(None),
            shared: Arc::clone(&self.shared),
        }))
    }
}

/// The border around one worker's application.
pub struct BorderService<S> {
    service: Rc<S>,
    shared: Arc<Shared>,
    /// Of requests without a route.
    unrouted: Arc<RouteMetrics>,
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
        let call = Call::begin(&request, &self.shared, &self.unrouted);
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
                    call.refused(&refusal);
                    let response = refusal.respond(call.family);
                    return Ok(call.finish(request.into_response(response)));
                }
            };
            // The call itself stands inside, so that extractors and routing are caught, and logged with the request's id, as well.
            let handled = AssertUnwindSafe(async { service.call(request).await }.instrument(call.span()))
                .catch_unwind()
                .await;
            drop(permit);
            match handled {
                Ok(Ok(response)) => {
                    let is_busy = is_tenant_busy(&response);
                    let answer = call.finish(response);
                    if is_busy {
                        actix_web::rt::time::sleep(BUSY_ANSWER_DELAY).await;
                    }
                    Ok(answer)
                }
                Ok(Err(error)) => {
                    let response = call.own_response(&error).unwrap_or_else(|| error.error_response());
                    Err(call.finish_without_request(response))
                }
                Err(_payload) => {
                    let response = call.panicked();
                    Err(call.finish_without_request(response))
                }
            }
        }
        .boxed_local()
    }
}

/// Held while a request is worked on; a request whose client went away gives it back as well.
struct Permit(Arc<Shared>);

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.serving.metrics.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

fn is_tenant_busy(response: &ServiceResponse<BoxBody>) -> bool {
    let error = response.response().error();
    error
        .and_then(Error::as_error::<ApiError>)
        .is_some_and(ApiError::is_tenant_busy)
}

fn admit(shared: &Arc<Shared>, request: &ServiceRequest) -> Result<Permit, ApiError> {
    let before = shared.serving.metrics.in_flight.fetch_add(1, Ordering::Relaxed);
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
    use actix_web::http::header;
    use actix_web::test::{self, TestRequest};
    use actix_web::web::get;
    use actix_web::{App, HttpResponse};

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

    #[test]
    fn who_has_too_much_in_flight_waits_for_the_refusal_and_others_do_not() {
        let config = Config::default();
        let serving = Arc::new(Serving::new(&config).unwrap());
        let border = Border::new(&config, Arc::clone(&serving));
        actix_web::rt::System::new().block_on(async {
            let busy = || async { Err::<HttpResponse, _>(ApiError::tenant_busy()) };
            let full = || async { Err::<HttpResponse, _>(ApiError::overloaded()) };
            let app = App::new()
                .wrap(border)
                .route("/busy", get().to(busy))
                .route("/full", get().to(full));
            let service = test::init_service(app).await;
            tokio::time::pause();
            let took = async |path: &str| {
                let began = tokio::time::Instant::now();
                let request = TestRequest::with_uri(path).insert_header((header::HOST, "127.0.0.1"));
                let answer = test::call_service(&service, request.to_request());
                let in_flight = async {
                    // The paused clock moves on when there is nothing else to do.
                    tokio::time::sleep(Duration::from_millis(1)).await;
                    serving.metrics.in_flight.load(Ordering::Relaxed)
                };
                let (answer, in_flight) = futures_util::future::join(answer, in_flight).await;
                assert_eq!(in_flight, 0, "{path}");
                (answer.status().as_u16(), began.elapsed() >= BUSY_ANSWER_DELAY)
            };
            assert_eq!(took("/busy").await, (429, true));
            assert_eq!(took("/full").await, (503, false));
        });
    }
}
