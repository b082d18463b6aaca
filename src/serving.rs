//! What a running server knows of itself: what it counts, and whether it is about to stop.

use std::sync::atomic::{AtomicBool, Ordering};

use countersign_actors::Health;
use countersign_actors::clock::{Clock, SystemClock, UnixSeconds};

use crate::config::Config;
use crate::metrics::HttpMetrics;
use crate::traces::Sampling;
use crate::traces::export::{ExportError, Exporter};

/// A reason not to be ready, or to be ready and degraded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Condition {
    /// In one word.
    pub reason: &'static str,
    /// Whether requests should go elsewhere while it holds.
    pub is_red: bool,
    /// Whether it holds.
    pub holds: bool,
}

/// Shared by all workers of one server.
#[derive(Debug)]
pub struct Serving {
    /// What is counted of requests.
    pub metrics: HttpMetrics,
    /// Where spans of requests go, if anywhere.
    pub exporter: Option<Exporter>,
    /// Which traces that begin here are exported.
    pub sampling: Sampling,
    /// Bytes of free disk below which writes are refused.
    pub disk_free_min_bytes: u64,
    /// When the server was made.
    pub since: UnixSeconds,
    draining: AtomicBool,
}

impl Serving {
    /// As a configuration says.
    ///
    /// # Errors
    /// [`ExportError`] if spans are to be exported and cannot be.
    pub fn new(config: &Config) -> Result<Self, ExportError> {
        let endpoint = config.traces.otlp_endpoint.as_str();
        let exporter = (!endpoint.is_empty()).then(|| Exporter::start(endpoint)).transpose()?;
        let sampling = match exporter {
            Some(_) => Sampling::percent(config.traces.sample_percent),
            None => Sampling::OFF,
        };
        Ok(Self {
            metrics: HttpMetrics::default(),
            exporter,
            sampling,
            disk_free_min_bytes: config.storage.disk_free_min_bytes(),
            since: SystemClock.now().seconds(),
            draining: AtomicBool::new(false),
        })
    }

    /// Sends the spans that wait, for a limited time.
    pub fn shutdown(&self) {
        if let Some(exporter) = &self.exporter {
            exporter.shutdown();
        }
    }

    /// From now on readiness says no, while requests are still served.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    /// Every reason that there can be, with whether it holds.
    pub fn conditions(&self, health: &Health) -> [Condition; 5] {
        let condition = |reason, is_red, holds| Condition { reason, is_red, holds };
        [
            condition("journal_failed", true, health.journal_failed.is_some()),
            condition("shard_lost", true, health.shard_lost),
            condition("draining", true, health.draining || self.is_draining()),
            condition("storage_low", false, health.storage_low),
            condition("clock_jumped", false, health.clock_jumped),
        ]
    }

    /// Whether the server is about to stop.
    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }
}
