//! What is counted of requests, and how all that is counted is shown to Prometheus.
//!
//! Every label's values come from a closed set: route templates, methods, status classes, codes of failures. Nothing that a caller
//! wrote is a label, and no customer is.
//!
//! - [`HttpMetrics`]: the counters; each worker has its own per route, so that workers do not meet
//! - [`page`]: all metrics as text; the only file that knows their names
//! - [`process`]: what the operating system says of the process

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use actix_web::http::{Method, StatusCode};
use countersign_actors::metrics::{Histogram, HistogramSnapshot, MICROS_BOUNDS};

pub mod page;
pub mod process;

/// The label of requests that met no route, or whose handler panicked.
const NO_ROUTE: &str = "none";

/// The methods that are told apart; any other is any text.
const METHODS: [(&str, Option<Method>); 8] = [
    ("GET", Some(Method::GET)),
    ("HEAD", Some(Method::HEAD)),
    ("POST", Some(Method::POST)),
    ("PUT", Some(Method::PUT)),
    ("PATCH", Some(Method::PATCH)),
    ("DELETE", Some(Method::DELETE)),
    ("OPTIONS", Some(Method::OPTIONS)),
    ("other", None),
];

/// The classes of a status.
const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

/// A method as one of a few words: one of a caller's own invention does not reach a log or a label.
pub fn method_word(method: &Method) -> &'static str {
    let known = METHODS.iter().find(|(_, known)| known.as_ref() == Some(method));
    known.map_or("other", |(word, _)| word)
}

/// What is counted of one route by one worker.
#[derive(Debug)]
pub struct RouteMetrics {
    route: String,
    methods: [MethodMetrics; METHODS.len()],
}

#[derive(Debug)]
struct MethodMetrics {
    classes: [AtomicU64; CLASSES.len()],
    micros: Histogram,
}

impl Default for MethodMetrics {
    fn default() -> Self {
        Self {
            classes: Default::default(),
            micros: Histogram::new(MICROS_BOUNDS),
        }
    }
}

impl RouteMetrics {
    fn new(route: String) -> Self {
        Self {
            route,
            methods: Default::default(),
        }
    }

    /// A request was answered.
    pub fn answered(&self, method: &Method, status: StatusCode, duration: Duration) {
        let word = method_word(method);
        let place = METHODS.iter().position(|(known, _)| *known == word);
        let Some(counted) = place.and_then(|place| self.methods.get(place)) else {
            return;
        };
        let class = usize::from(status.as_u16() / 100).saturating_sub(1);
        if let Some(count) = counted.classes.get(class) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        counted.micros.record(micros);
    }
}

/// What an endpoint carries along: the counters that its requests add to, found once per worker and not with every request.
#[derive(Debug, Default)]
pub struct RouteSlot(OnceCell<Arc<RouteMetrics>>);

impl RouteSlot {
    /// The counters of this endpoint, whose template of a path is asked for once.
    pub fn metrics(&self, of: &HttpMetrics, route: impl FnOnce() -> Option<String>) -> &RouteMetrics {
        self.0.get_or_init(|| of.add_route(route()))
    }
}

/// What is counted of requests.
#[derive(Debug, Default)]
pub struct HttpMetrics {
    /// Requests that are being worked on.
    pub in_flight: AtomicUsize,
    panics: AtomicU64,
    routes: Mutex<Vec<Arc<RouteMetrics>>>,
    /// A refusal is told by its code, of which the program has so many and no more.
    refusals: Mutex<BTreeMap<&'static str, u64>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // None of the critical sections here can leave its data half changed.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl HttpMetrics {
    /// Counters of a route that one worker is going to add to; without a route, those of requests that have none.
    pub fn add_route(&self, route: Option<String>) -> Arc<RouteMetrics> {
        let added = Arc::new(RouteMetrics::new(route.unwrap_or_else(|| NO_ROUTE.to_owned())));
        lock(&self.routes).push(Arc::clone(&added));
        added
    }

    /// A request, or one item of a batch, was refused or failed.
    pub fn refused(&self, code: &'static str) {
        *lock(&self.refusals).entry(code).or_default() += 1;
    }

    /// A handler panicked.
    pub fn panicked(&self) {
        self.panics.fetch_add(1, Ordering::Relaxed);
    }

    fn refusals(&self) -> BTreeMap<&'static str, u64> {
        lock(&self.refusals).clone()
    }

    /// What all workers counted, by route and method; only what was asked for at least once.
    fn by_route(&self) -> BTreeMap<(String, &'static str), Answered> {
        let mut sums: BTreeMap<_, Answered> = BTreeMap::new();
        for route in lock(&self.routes).iter() {
            for (counted, (method, _)) in route.methods.iter().zip(&METHODS) {
                let micros = counted.micros.snapshot();
                if micros.count() == 0 {
                    continue;
                }
                let sum = sums.entry((route.route.clone(), *method)).or_insert_with(|| Answered {
                    classes: [0; CLASSES.len()],
                    micros: Histogram::new(MICROS_BOUNDS).snapshot(),
                });
                for (total, count) in sum.classes.iter_mut().zip(&counted.classes) {
                    *total += count.load(Ordering::Relaxed);
                }
                sum.micros.merge(&micros);
            }
        }
        sums
    }
}

/// The answers of one route to one method.
#[derive(Debug)]
struct Answered {
    classes: [u64; CLASSES.len()],
    micros: HistogramSnapshot,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_are_summed_and_inventions_of_a_caller_are_one_word() {
        let metrics = HttpMetrics::default();
        let workers = [0, 1].map(|_| metrics.add_route(Some("/a/{id}".to_owned())));
        let invented = Method::from_bytes(b"BREW-0123").unwrap();
        for worker in &workers {
            worker.answered(&Method::GET, StatusCode::OK, Duration::from_millis(1));
            worker.answered(&invented, StatusCode::METHOD_NOT_ALLOWED, Duration::ZERO);
        }
        metrics.add_route(None);
        let sums = metrics.by_route();
        let keys: Vec<_> = sums.keys().cloned().collect();
        assert_eq!(keys, [("/a/{id}".to_owned(), "GET"), ("/a/{id}".to_owned(), "other")]);
        assert_eq!(sums[&keys[0]].classes, [0, 2, 0, 0, 0]);
        assert_eq!(sums[&keys[0]].micros.sum, 2_000);
        assert_eq!(sums[&keys[1]].classes, [0, 0, 0, 2, 0]);
    }

    #[test]
    fn refusals_are_counted_by_their_code() {
        let metrics = HttpMetrics::default();
        metrics.refused("unknown_customer");
        metrics.refused("unknown_customer");
        metrics.refused("forbidden");
        assert_eq!(
            metrics.refusals().into_iter().collect::<Vec<_>>(),
            [("forbidden", 1), ("unknown_customer", 2)]
        );
    }
}
