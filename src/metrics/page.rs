//! All metrics as text: OpenMetrics, which Prometheus reads. The only file that knows what a metric is called.

use std::fmt;

use countersign_actors::Health;
use countersign_actors::journal::Status;
use countersign_actors::metrics::{HistogramSnapshot, Metrics};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{DescriptorEncoder, EncodeCounterValue, EncodeGaugeValue, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;

use super::process::ProcessUse;
use super::{CLASSES, HttpMetrics};
use crate::serving::{Condition, Serving};

/// The media type of the text.
pub const MEDIA_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

const MICROS_PER_SECOND: f64 = 1_000_000.0;

/// What is shown, read at one moment.
#[derive(Debug)]
struct Page {
    engine: Metrics,
    disk_free_min_bytes: u64,
    process: ProcessUse,
    http: Http,
    since: i64,
    conditions: [Condition; 5],
}

/// What was counted of requests until then.
#[derive(Debug)]
struct Http {
    answers: Vec<([(&'static str, String); 3], u64)>,
    durations: Vec<([(&'static str, String); 2], HistogramSnapshot)>,
    refusals: Vec<([(&'static str, &'static str); 1], u64)>,
    in_flight: u64,
    panics: u64,
}

impl Http {
    fn of(metrics: &HttpMetrics) -> Self {
        let (mut answers, mut durations) = (Vec::new(), Vec::new());
        for ((route, method), answered) in metrics.by_route() {
            let labels = [("route", route), ("method", method.to_owned())];
            for (class, count) in CLASSES.iter().zip(answered.classes).filter(|(_, count)| *count > 0) {
                let [route, method] = labels.clone();
                answers.push(([route, method, ("status", (*class).to_owned())], count));
            }
            durations.push((labels, answered.micros));
        }
        let refusals = metrics.refusals().into_iter();
        Self {
            answers,
            durations,
            refusals: refusals.map(|(code, count)| ([("code", code)], count)).collect(),
            in_flight: metrics.in_flight.load(std::sync::atomic::Ordering::Relaxed) as u64,
            panics: metrics.panics.load(std::sync::atomic::Ordering::Relaxed),
        }
    }
}

/// Everything that is counted, as text.
///
/// # Errors
/// None that a text in memory could give.
pub fn render(engine: Metrics, serving: &Serving) -> Result<String, fmt::Error> {
    let page = Page {
        conditions: serving.conditions(&engine.health),
        engine,
        disk_free_min_bytes: serving.disk_free_min_bytes,
        process: ProcessUse::now(),
        http: Http::of(&serving.metrics),
        since: serving.since.get(),
    };
    let mut registry = Registry::default();
    registry.register_collector(Box::new(page));
    let mut text = String::new();
    encode(&mut text, &registry)?;
    Ok(text)
}

impl Collector for Page {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut writer = Writer(encoder);
        self.http(&mut writer)?;
        self.tokens(&mut writer)?;
        self.engine(&mut writer)?;
        self.journal(&mut writer)?;
        self.conditions(&mut writer)?;
        self.process(&mut writer)
    }
}

impl Page {
    fn http(&self, to: &mut Writer<'_>) -> fmt::Result {
        let http = &self.http;
        to.counters(
            "countersign_http_requests",
            "Requests answered, by template of the path, method and class of the status",
            &http.answers,
        )?;
        to.seconds_by(
            "countersign_http_request_duration_seconds",
            "Time from a request's head to its answer",
            &http.durations,
        )?;
        to.counters(
            "countersign_http_refusals",
            "Requests, and items of batches, that were refused or failed, by code",
            &http.refusals,
        )?;
        to.gauge(
            "countersign_http_requests_in_flight",
            "Requests being worked on",
            http.in_flight,
        )?;
        to.counter("countersign_http_panics", "Handlers that panicked", http.panics)
    }

    fn tokens(&self, to: &mut Writer<'_>) -> fmt::Result {
        let engine = &self.engine;
        let mints = engine.mints.iter().map(|(kind, outcome, count)| {
            let labels = [("type", kind.as_str()), ("outcome", outcome.as_str())];
            (labels, *count)
        });
        to.counters(
            "countersign_mints",
            "Answers to calls that mint, by type of token and outcome",
            &mints.collect::<Vec<_>>(),
        )?;
        let tokens = engine.tokens_in_memory.iter();
        let tokens = tokens.map(|(kind, count)| ([("type", kind.as_str())], *count));
        to.gauges(
            "countersign_tokens_in_memory",
            "Tokens of the customers in memory, by type; revoked ones, and those that expired within the last hour, among them",
            &tokens.collect::<Vec<_>>(),
        )?;
        let revocations = engine.revocations.iter();
        let revocations = revocations.map(|(kind, count)| ([("target", kind.as_str())], *count));
        to.counters(
            "countersign_revocations",
            "Durable revocations, by what they are about",
            &revocations.collect::<Vec<_>>(),
        )?;
        to.counters(
            "countersign_signature_lookups",
            "Presented tokens, by whether their signature was remembered as verified (hit) or had to be verified (miss)",
            &[
                ([("result", "hit")], engine.signatures_remembered),
                ([("result", "miss")], engine.signatures_verified),
            ],
        )
    }

    fn engine(&self, to: &mut Writer<'_>) -> fmt::Result {
        let Health {
            in_flight,
            refused_of_tenant,
            refused_of_process,
            ..
        } = &self.engine.health;
        to.gauge(
            "countersign_commands_in_flight",
            "Commands in flight",
            *in_flight as u64,
        )?;
        to.counters(
            "countersign_permits_refused",
            "Commands refused because their customer, or the process, had as many in flight as it may",
            &[
                ([("limit", "customer")], *refused_of_tenant as u64),
                ([("limit", "process")], *refused_of_process as u64),
            ],
        )?;
        to.gauge(
            "countersign_customers_in_memory",
            "Customers in memory",
            self.engine.customers_in_memory,
        )?;
        to.seconds(
            "countersign_activation_duration_seconds",
            "Time that bringing a customer into memory took, waiting included",
            &self.engine.activation_micros,
        )?;
        to.counter(
            "countersign_customer_faults",
            "Times that a customer's memory was dropped because of a defect, and read back from disk",
            self.engine.faults,
        )
    }

    fn journal(&self, to: &mut Writer<'_>) -> fmt::Result {
        let Status {
            free_bytes,
            stored_bytes,
            queued,
            recoveries,
            bytes,
            refused,
            group_events,
            commit_micros,
            sync_micros,
            ..
        } = &self.engine.journal;
        to.histogram(
            "countersign_journal_group_events",
            "Events made durable together",
            group_events,
            1.0,
        )?;
        to.seconds(
            "countersign_journal_commit_duration_seconds",
            "Time that writing a group and making it durable took",
            commit_micros,
        )?;
        to.seconds(
            "countersign_journal_sync_duration_seconds",
            "Time that fdatasync took, which is a part of that",
            sync_micros,
        )?;
        to.counter(
            "countersign_journal_written_bytes",
            "Bytes of keys and values written",
            *bytes,
        )?;
        to.counter(
            "countersign_journal_refused_appends",
            "Appends that the journal refused",
            *refused,
        )?;
        to.gauge(
            "countersign_journal_queue_entries",
            "Entries that wait for the journal's thread",
            *queued as u64,
        )?;
        to.gauge(
            "countersign_recoveries_in_progress",
            "Customers that are being read back, or wait for it",
            *recoveries as u64,
        )?;
        to.optional_gauge(
            "countersign_storage_used_bytes",
            "Bytes that the store takes on disk",
            *stored_bytes,
        )?;
        to.optional_gauge(
            "countersign_storage_free_bytes",
            "Bytes that are free on the store's disk",
            *free_bytes,
        )?;
        to.gauge(
            "countersign_storage_free_min_bytes",
            "Free bytes below which writes are refused",
            self.disk_free_min_bytes,
        )
    }

    fn conditions(&self, to: &mut Writer<'_>) -> fmt::Result {
        let rows = self
            .conditions
            .map(|condition| ([("reason", condition.reason)], u64::from(condition.holds)));
        to.gauges(
            "countersign_condition",
            "1 while this reason holds not to be ready, or to be ready and degraded",
            &rows,
        )?;
        let version = [([("version", env!("CARGO_PKG_VERSION"))], 1)];
        to.gauges("countersign_build_info", "The version that runs; always 1", &version)
    }

    fn process(&self, to: &mut Writer<'_>) -> fmt::Result {
        let process = &self.process;
        if let Some(seconds) = process.cpu_seconds {
            let labels: &[([(&str, &str); 0], f64)] = &[([], seconds)];
            to.counters("process_cpu_seconds", "Processor time of all threads", labels)?;
        }
        to.optional_gauge(
            "process_resident_memory_bytes",
            "Memory that is in place",
            process.resident_bytes,
        )?;
        to.optional_gauge("process_threads", "Threads", process.threads)?;
        to.optional_gauge("process_open_fds", "Files and sockets that are open", process.open_fds)?;
        to.optional_gauge("process_max_fds", "Files and sockets that may be open", process.max_fds)?;
        to.gauge(
            "process_start_time_seconds",
            "When the server was started, in Unix time",
            self.since.unsigned_abs(),
        )
    }
}

/// Writes one metric after the other.
struct Writer<'e>(DescriptorEncoder<'e>);

/// A label and its value.
type Label<V> = (&'static str, V);

impl Writer<'_> {
    /// A counter's name ends in `_total` in the text.
    fn counters<V, C, const N: usize>(&mut self, name: &str, help: &str, rows: &[([Label<V>; N], C)]) -> fmt::Result
    where
        V: AsRef<str>,
        C: EncodeCounterValue,
    {
        let mut metric = self.0.encode_descriptor(name, help, None, MetricType::Counter)?;
        for (labels, count) in rows {
            let labels = labels.each_ref().map(|(name, value)| (*name, value.as_ref()));
            if N == 0 {
                metric.encode_counter::<NoLabelSet, _, f64>(count, None)?;
            } else {
                metric
                    .encode_family(&labels)?
                    .encode_counter::<NoLabelSet, _, f64>(count, None)?;
            }
        }
        Ok(())
    }

    fn counter(&mut self, name: &str, help: &str, count: u64) -> fmt::Result {
        let row: ([Label<&str>; 0], u64) = ([], count);
        self.counters(name, help, &[row])
    }

    fn gauges<G, const N: usize>(&mut self, name: &str, help: &str, rows: &[([Label<&str>; N], G)]) -> fmt::Result
    where
        G: EncodeGaugeValue,
    {
        let mut metric = self.0.encode_descriptor(name, help, None, MetricType::Gauge)?;
        for (labels, value) in rows {
            if N == 0 {
                metric.encode_gauge(value)?;
            } else {
                metric.encode_family(labels)?.encode_gauge(value)?;
            }
        }
        Ok(())
    }

    fn gauge(&mut self, name: &str, help: &str, value: u64) -> fmt::Result {
        let row: ([Label<&str>; 0], u64) = ([], value);
        self.gauges(name, help, &[row])
    }

    fn optional_gauge(&mut self, name: &str, help: &str, value: Option<u64>) -> fmt::Result {
        value.map_or(Ok(()), |value| self.gauge(name, help, value))
    }

    fn seconds(&mut self, name: &str, help: &str, micros: &HistogramSnapshot) -> fmt::Result {
        self.histogram(name, help, micros, MICROS_PER_SECOND)
    }

    fn histogram(&mut self, name: &str, help: &str, counted: &HistogramSnapshot, per_unit: f64) -> fmt::Result {
        let mut metric = self.0.encode_descriptor(name, help, None, MetricType::Histogram)?;
        let (sum, buckets) = in_units(counted, per_unit);
        metric.encode_histogram::<NoLabelSet>(sum, counted.count(), &buckets, None)
    }

    fn seconds_by<V: AsRef<str>, const N: usize>(
        &mut self,
        name: &str,
        help: &str,
        rows: &[([Label<V>; N], HistogramSnapshot)],
    ) -> fmt::Result {
        let mut metric = self.0.encode_descriptor(name, help, None, MetricType::Histogram)?;
        for (labels, micros) in rows {
            let labels = labels.each_ref().map(|(name, value)| (*name, value.as_ref()));
            let (sum, buckets) = in_units(micros, MICROS_PER_SECOND);
            metric
                .encode_family(&labels)?
                .encode_histogram::<NoLabelSet>(sum, micros.count(), &buckets, None)?;
        }
        Ok(())
    }
}

/// The sum, and each upper bound with what lies between it and the one before.
fn in_units(counted: &HistogramSnapshot, per_unit: f64) -> (f64, Vec<(f64, u64)>) {
    let bounds = counted.bounds.iter().map(|bound| *bound as f64 / per_unit);
    let bounds = bounds.chain([f64::INFINITY]);
    (
        counted.sum as f64 / per_unit,
        bounds.zip(counted.counts.iter().copied()).collect(),
    )
}
