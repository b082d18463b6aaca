//! Spans to an OpenTelemetry collector: one for each sampled request, over OTLP/HTTP with protobuf.
//!
//! A request only puts its span into a bounded queue, and leaves it out if that is full; a thread of its own sends them. Without the
//! feature `otlp` this is a type of which there is no value, and a configuration that names a collector is refused.

use std::time::Duration;

use super::TraceContext;

#[cfg(feature = "otlp")]
#[path = "otlp.rs"]
mod exporter;
#[cfg(not(feature = "otlp"))]
#[path = "no_otlp.rs"]
mod exporter;

pub use exporter::{AVAILABLE, Exporter};

/// Spans that may wait; further ones are left out.
#[cfg(feature = "otlp")]
const QUEUE_SPANS_MAX: usize = 4_096;
/// Spans in one call of the collector.
#[cfg(feature = "otlp")]
const BATCH_SPANS_MAX: usize = 512;
/// Time between two calls of the collector.
#[cfg(feature = "otlp")]
const BATCH_INTERVAL: Duration = Duration::from_secs(5);
/// Time for one call of the collector, and for the last ones when the service stops.
#[cfg(feature = "otlp")]
const CALL_TIMEOUT: Duration = Duration::from_secs(5);

/// Why spans cannot be exported.
#[derive(Debug, thiserror::Error)]
#[error("spans cannot be exported: {0}")]
pub struct ExportError(pub String);

/// A request that was answered. It holds nothing that a caller wrote but identifiers.
#[derive(Debug)]
pub struct RequestSpan<'r> {
    /// The trace and the span.
    pub trace: &'r TraceContext,
    /// `POST`
    pub method: &'static str,
    /// The template of the path, if the request had a route.
    pub route: Option<&'r str>,
    /// The HTTP status.
    pub status: u16,
    /// The request id.
    pub request_id: &'r str,
    /// How long it took.
    pub duration: Duration,
}
