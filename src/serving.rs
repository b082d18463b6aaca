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

#[cfg(test)]
mod tests {
    use super::*;

    fn well() -> Health {
        Health {
            journal_failed: None,
            storage_low: false,
            clock_jumped: false,
            draining: false,
            shard_lost: false,
            in_flight: 0,
            refused_of_tenant: 0,
            refused_of_process: 0,
        }
    }

    /// The reasons that hold, and whether they are red.
    fn holding(serving: &Serving, health: &Health) -> Vec<(&'static str, bool)> {
        let conditions = serving.conditions(health).into_iter();
        let holding = conditions.filter(|condition| condition.holds);
        holding.map(|condition| (condition.reason, condition.is_red)).collect()
    }

    #[test]
    fn each_reason_holds_for_its_own_cause_and_some_are_red() {
        let serving = Serving::new(&Config::default()).unwrap();
        assert!(holding(&serving, &well()).is_empty());
        for (reason, is_red) in [
            ("journal_failed", true),
            ("shard_lost", true),
            ("draining", true),
            ("storage_low", false),
            ("clock_jumped", false),
        ] {
            let health = Health {
                journal_failed: (reason == "journal_failed").then(|| "a fault".to_owned()),
                shard_lost: reason == "shard_lost",
                draining: reason == "draining",
                storage_low: reason == "storage_low",
                clock_jumped: reason == "clock_jumped",
                ..well()
            };
            assert_eq!(holding(&serving, &health), [(reason, is_red)]);
        }
        serving.drain();
        assert_eq!(holding(&serving, &well()), [("draining", true)], "before the engine is");
    }
}
