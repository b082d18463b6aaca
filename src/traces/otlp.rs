//! OTLP/HTTP over the OpenTelemetry libraries. The only file that names them.

use std::time::SystemTime;

use async_trait::async_trait;
use opentelemetry::trace::{SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState};
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, SpanData, SpanEvents, SpanExporter as _, SpanLinks, SpanProcessor,
};
use ureq::Agent;

use super::{BATCH_INTERVAL, BATCH_SPANS_MAX, CALL_TIMEOUT, ExportError, QUEUE_SPANS_MAX, RequestSpan};

/// Whether this build can export spans.
pub const AVAILABLE: bool = true;

/// Bytes of a collector's answer that are read.
const ANSWER_BYTES_MAX: u64 = 64 * 1024;

/// Sends spans to a collector, from a thread of its own.
#[derive(Debug)]
pub struct Exporter {
    processor: BatchSpanProcessor,
    scope: InstrumentationScope,
}

impl Exporter {
    /// Starts the thread. `endpoint` is the whole address, `http://127.0.0.1:4318/v1/traces`.
    ///
    /// # Errors
    /// [`ExportError`] if the address is none.
    pub fn start(endpoint: &str) -> Result<Self, ExportError> {
        let agent = Agent::config_builder()
            .proxy(None)
            .max_redirects(0)
            .http_status_as_error(false)
            .timeout_global(Some(CALL_TIMEOUT))
            .build()
            .into();
        let mut exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(Client(agent))
            .with_protocol(Protocol::HttpBinary)
            .with_endpoint(endpoint)
            .with_timeout(CALL_TIMEOUT)
            .build()
            .map_err(|error| ExportError(error.to_string()))?;
        let resource = Resource::builder_empty()
            .with_service_name("countersign")
            .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
            .build();
        exporter.set_resource(&resource);
        let config = BatchConfigBuilder::default()
            .with_max_queue_size(QUEUE_SPANS_MAX)
            .with_max_export_batch_size(BATCH_SPANS_MAX)
            .with_scheduled_delay(BATCH_INTERVAL)
            .build();
        Ok(Self {
            processor: BatchSpanProcessor::new(exporter, config),
            scope: InstrumentationScope::builder("countersign").build(),
        })
    }

    /// Puts a span into the queue, unless that is full. Never waits.
    pub fn export(&self, span: &RequestSpan<'_>) {
        let trace = span.trace;
        let (Ok(trace_id), Ok(span_id)) = (TraceId::from_hex(trace.trace_id()), SpanId::from_hex(trace.span_id()))
        else {
            return;
        };
        let parent = trace.parent_id().and_then(|parent| SpanId::from_hex(parent).ok());
        let end_time = SystemTime::now();
        let route = span.route.unwrap_or_default();
        let mut attributes = vec![
            KeyValue::new("http.request.method", span.method),
            KeyValue::new("http.response.status_code", i64::from(span.status)),
            KeyValue::new("countersign.request_id", span.request_id.to_owned()),
        ];
        if !route.is_empty() {
            attributes.push(KeyValue::new("http.route", route.to_owned()));
        }
        self.processor.on_end(SpanData {
            span_context: SpanContext::new(trace_id, span_id, TraceFlags::SAMPLED, false, TraceState::NONE),
            parent_span_id: parent.unwrap_or(SpanId::INVALID),
            parent_span_is_remote: parent.is_some(),
            span_kind: SpanKind::Server,
            name: format!("{} {route}", span.method).trim_end().to_owned().into(),
            start_time: end_time.checked_sub(span.duration).unwrap_or(end_time),
            end_time,
            attributes,
            dropped_attributes_count: 0,
            events: SpanEvents::default(),
            links: SpanLinks::default(),
            // As the conventions for servers say: only what is the server's own fault is an error.
            status: if span.status >= 500 {
                Status::error("")
            } else {
                Status::Unset
            },
            instrumentation_scope: self.scope.clone(),
        });
    }

    /// Sends what waits, for a limited time, and ends the thread.
    pub fn shutdown(&self) {
        if let Err(error) = self.processor.shutdown_with_timeout(CALL_TIMEOUT) {
            tracing::warn!(%error, "the last spans could not be exported");
        }
    }
}

/// The service's own client, without TLS: a collector is beside it or in its private network.
#[derive(Debug)]
struct Client(Agent);

#[async_trait]
impl HttpClient for Client {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        // It blocks, on the thread that does nothing else.
        let answer = self.0.run(request.map(Vec::from))?;
        let (head, mut body) = answer.into_parts();
        let body = body.with_config().limit(ANSWER_BYTES_MAX).read_to_vec()?;
        Ok(Response::from_parts(head, body.into()))
    }
}
