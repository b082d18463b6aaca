//! One request, from its head to its answer: what is said and counted of it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_web::body::BoxBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::error::InternalError;
use actix_web::http::header::{self, HeaderMap, HeaderValue};
use actix_web::http::{ConnectionType, Method, StatusCode};
use actix_web::{Error, HttpResponse};

use super::{ACCESS_TARGET, AnswerHeaders, REQUEST_TARGET, RequestId, Shared, X_REQUEST_ID};
use crate::error::{ApiError, Family};
use crate::metrics::{RouteMetrics, RouteSlot, method_word};
use crate::traces::export::RequestSpan;
use crate::traces::{TRACERESPONSE, TraceContext};

/// That browsers speak TLS only to this name, for a year (RFC 6797 section 6.1).
const STRICT_TRANSPORT_SECURITY: &str = "max-age=31536000";

/// What is known of a request before it is routed, and where to say what became of it.
pub(super) struct Call {
    pub(super) id: RequestId,
    pub(super) family: Family,
    /// Only the permission family has any.
    pub(super) headers: Option<AnswerHeaders>,
    method: Method,
    is_tls: bool,
    trace: TraceContext,
    began: Instant,
    shared: Arc<Shared>,
    unrouted: Arc<RouteMetrics>,
}

impl Call {
    pub(super) fn begin(request: &ServiceRequest, shared: &Arc<Shared>, unrouted: &Arc<RouteMetrics>) -> Self {
        let family = Family::of_path(request.path());
        Self {
            id: RequestId::for_headers(request.headers()),
            family,
            headers: (family == Family::Permissions).then(AnswerHeaders::default),
            method: request.method().clone(),
            is_tls: request.app_config().secure(),
            trace: TraceContext::of(request.headers(), shared.serving.sampling),
            began: Instant::now(),
            shared: Arc::clone(shared),
            unrouted: Arc::clone(unrouted),
        }
    }

    /// What every line says that is written while the request is handled.
    pub(super) fn span(&self) -> tracing::Span {
        tracing::error_span!(
            target: REQUEST_TARGET,
            "request",
            request_id = self.id.as_str(),
            trace_id = self.trace.trace_id(),
            span_id = self.trace.span_id(),
        )
    }

    pub(super) fn finish(self, mut response: ServiceResponse<BoxBody>) -> ServiceResponse<BoxBody> {
        let own = response.response().error().and_then(|error| self.own_response(error));
        if let Some(own) = own {
            response = response.into_response(own);
        }
        self.complete_headers(response.headers_mut());
        if self.shared.serving.is_draining() {
            response
                .response_mut()
                .head_mut()
                .set_connection_type(ConnectionType::Close);
        }
        let (request, status) = (response.request(), response.status());
        let pattern = || request.match_pattern();
        let slot = request.app_data::<RouteSlot>();
        let route = slot.map_or(&*self.unrouted, |slot| {
            slot.metrics(&self.shared.serving.metrics, pattern)
        });
        self.tell(route, pattern, status);
        response
    }

    /// After a panic the request is gone, so the answer travels as an error. It goes out the same way, and the
    /// connection stays usable.
    pub(super) fn finish_without_request(self, mut response: HttpResponse) -> Error {
        self.complete_headers(response.headers_mut());
        self.tell(&self.unrouted, || None, response.status());
        InternalError::from_response("answered at the border", response).into()
    }

    /// A failure in the form of the family, unless it has it already.
    pub(super) fn own_response(&self, error: &Error) -> Option<HttpResponse> {
        match error.as_error::<ApiError>() {
            Some(own) => {
                self.refused(own);
                (self.family != Family::Tokens).then(|| own.respond(self.family))
            }
            // From the HTTP library: its texts are not ours to show.
            None => {
                let own = ApiError::from_status(error.as_response_error().status_code());
                self.refused(&own);
                Some(own.respond(self.family))
            }
        }
    }

    /// Counts a refusal.
    pub(super) fn refused(&self, refusal: &ApiError) {
        self.shared.serving.metrics.refused(refusal.code);
    }

    /// The answer to a request whose handler panicked.
    pub(super) fn panicked(&self) -> HttpResponse {
        tracing::error!(
            request_id = self.id.as_str(),
            trace_id = self.trace.trace_id(),
            method = method_word(&self.method),
            "a handler panicked"
        );
        self.shared.serving.metrics.panicked();
        let failure = ApiError::internal();
        self.refused(&failure);
        failure.respond(self.family)
    }

    fn complete_headers(&self, headers: &mut HeaderMap) {
        headers.insert(X_REQUEST_ID.clone(), self.id.0.clone());
        if let Some(answer) = self.trace.answer() {
            headers.insert(TRACERESPONSE.clone(), answer);
        }
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

    /// Counts, exports and logs. The template of the path is only asked for where it is shown.
    fn tell(&self, route: &RouteMetrics, pattern: impl Fn() -> Option<String>, status: StatusCode) {
        let duration = self.began.elapsed();
        route.answered(&self.method, status, duration);
        if self.trace.is_sampled()
            && let Some(exporter) = &self.shared.serving.exporter
        {
            exporter.export(&RequestSpan {
                trace: &self.trace,
                method: method_word(&self.method),
                route: pattern().as_deref(),
                status: status.as_u16(),
                request_id: self.id.as_str(),
                duration,
            });
        }
        if tracing::enabled!(target: ACCESS_TARGET, tracing::Level::INFO) {
            self.log(pattern().as_deref(), status, duration);
        }
    }

    /// Never the path or the query: a client might have put a token there.
    fn log(&self, route: Option<&str>, status: StatusCode, duration: Duration) {
        tracing::info!(
            target: ACCESS_TARGET,
            method = method_word(&self.method),
            route = route.unwrap_or("-"),
            status = status.as_u16(),
            micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX),
            request_id = self.id.as_str(),
            trace_id = self.trace.trace_id(),
            span_id = self.trace.span_id(),
            "answered"
        );
    }
}
