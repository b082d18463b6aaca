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
            "Time that the wait for the disk took, which is a part of that",
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use actix_web::http::{Method, StatusCode};
    use countersign_actors::clock::UnixSeconds;
    use countersign_actors::metrics::{GROUP_BOUNDS, Histogram, MICROS_BOUNDS, MintOutcome, RevocationKind};
    use countersign_actors::token::TokenKind;

    use super::*;
    use crate::config::Config;

    fn one(bounds: &'static [u64], value: u64) -> HistogramSnapshot {
        let histogram = Histogram::new(bounds);
        histogram.record(value);
        histogram.snapshot()
    }

    /// An engine's numbers, each another one.
    fn numbers() -> Metrics {
        Metrics {
            mints: vec![(TokenKind::Agent, MintOutcome::Unsigned, 2)],
            tokens_in_memory: vec![(TokenKind::Bearer, 3)],
            customers_in_memory: 5,
            revocations: vec![(RevocationKind::Key, 7)],
            faults: 11,
            activation_micros: one(MICROS_BOUNDS, 300),
            signatures_remembered: 13,
            signatures_verified: 17,
            health: Health {
                journal_failed: None,
                storage_low: false,
                clock_jumped: true,
                draining: false,
                shard_lost: true,
                in_flight: 19,
                refused_of_tenant: 23,
                refused_of_process: 29,
            },
            journal: Status {
                free_bytes: Some(31),
                stored_bytes: Some(37),
                queued: 41,
                recoveries: 43,
                bytes: 47,
                refused: 53,
                group_events: one(GROUP_BOUNDS, 6),
                commit_micros: one(MICROS_BOUNDS, 700),
                sync_micros: one(MICROS_BOUNDS, 600_000),
                ..Status::default()
            },
        }
    }

    const EXPECTED: [&str; 41] = [
        "countersign_http_requests_total{route=\"/a/{id}\",method=\"GET\",status=\"4xx\"} 1",
        "countersign_http_request_duration_seconds_sum{route=\"/a/{id}\",method=\"GET\"} 0.02",
        "countersign_http_request_duration_seconds_bucket{le=\"0.01\",route=\"/a/{id}\",method=\"GET\"} 0",
        "countersign_http_request_duration_seconds_bucket{le=\"0.025\",route=\"/a/{id}\",method=\"GET\"} 1",
        "countersign_http_refusals_total{code=\"forbidden\"} 1",
        "countersign_http_requests_in_flight 59",
        "countersign_http_panics_total 1",
        "countersign_mints_total{type=\"agent\",outcome=\"unsigned\"} 2",
        "countersign_tokens_in_memory{type=\"bearer\"} 3",
        "countersign_customers_in_memory 5",
        "countersign_revocations_total{target=\"key\"} 7",
        "countersign_customer_faults_total 11",
        "countersign_activation_duration_seconds_sum 0.0003",
        "countersign_activation_duration_seconds_bucket{le=\"0.00025\"} 0",
        "countersign_activation_duration_seconds_bucket{le=\"0.0005\"} 1",
        "countersign_signature_lookups_total{result=\"hit\"} 13",
        "countersign_signature_lookups_total{result=\"miss\"} 17",
        "countersign_commands_in_flight 19",
        "countersign_permits_refused_total{limit=\"customer\"} 23",
        "countersign_permits_refused_total{limit=\"process\"} 29",
        "countersign_storage_free_bytes 31",
        "countersign_storage_used_bytes 37",
        "countersign_journal_queue_entries 41",
        "countersign_recoveries_in_progress 43",
        "countersign_journal_written_bytes_total 47",
        "countersign_journal_refused_appends_total 53",
        "countersign_journal_group_events_sum 6.0",
        "countersign_journal_group_events_bucket{le=\"4.0\"} 0",
        "countersign_journal_group_events_bucket{le=\"8.0\"} 1",
        "countersign_journal_commit_duration_seconds_sum 0.0007",
        "countersign_journal_commit_duration_seconds_bucket{le=\"0.0005\"} 0",
        "countersign_journal_commit_duration_seconds_bucket{le=\"0.001\"} 1",
        "countersign_journal_sync_duration_seconds_sum 0.6",
        "countersign_journal_sync_duration_seconds_bucket{le=\"0.5\"} 0",
        "countersign_journal_sync_duration_seconds_bucket{le=\"1.0\"} 1",
        "countersign_storage_free_min_bytes 1048576",
        "countersign_condition{reason=\"journal_failed\"} 0",
        "countersign_condition{reason=\"shard_lost\"} 1",
        "countersign_condition{reason=\"clock_jumped\"} 1",
        concat!("countersign_build_info{version=\"", env!("CARGO_PKG_VERSION"), "\"} 1"),
        "process_start_time_seconds 61",
    ];

    #[test]
    fn each_number_stands_under_its_own_name_and_in_its_own_unit() {
        let mut config = Config::default();
        config.storage.disk_free_min_mib = 1;
        let mut serving = Serving::new(&config).unwrap();
        serving.since = UnixSeconds::new(61);
        let http = &serving.metrics;
        http.in_flight.store(59, std::sync::atomic::Ordering::Relaxed);
        http.refused("forbidden");
        http.panicked();
        let route = http.add_route(Some("/a/{id}".to_owned()));
        route.answered(&Method::GET, StatusCode::NOT_FOUND, Duration::from_millis(20));
        let text = render(numbers(), &serving).unwrap();
        for line in EXPECTED {
            assert!(text.lines().any(|shown| shown == line), "{line}\n{text}");
        }
        let shown = [
            "process_cpu_seconds_total",
            "process_resident_memory_bytes",
            "process_threads",
        ];
        for name in shown.iter().chain(&["process_open_fds", "process_max_fds"]) {
            let value = text
                .lines()
                .find_map(|line| line.strip_prefix(name))
                .unwrap_or_default();
            assert!(value.trim().parse::<f64>().is_ok(), "{name}\n{text}");
        }
    }

    #[test]
    fn what_the_store_cannot_tell_is_left_out_rather_than_shown_as_nothing() {
        let serving = Serving::new(&Config::default()).unwrap();
        let mut engine = numbers();
        (engine.journal.free_bytes, engine.journal.stored_bytes) = (None, None);
        let text = render(engine, &serving).unwrap();
        assert!(!text.contains("countersign_storage_used_bytes") && !text.contains("countersign_storage_free_bytes"));
    }
}
