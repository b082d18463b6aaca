//! `/metrics`: each number moves when its thing happens, and only then.

use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;
use std::process::Command;
use std::thread;

use countersign::config::Secret;
use serde_json::json;

use crate::chain::{AGENT, Chain, ENDPOINTS};
use crate::metrics_page::Page;
use crate::support::{ADMIN, HOUR, MINUTE, Service, rfc3339, with};

const WATCHER: &str = "a-token-that-reads-metrics-and-nothing-else";

/// The page, as the operator reads it.
#[track_caller]
fn page(service: &Service) -> Page {
    let answer = service.get_as_operator("/metrics");
    assert_eq!(answer.status, 200, "{}", answer.text());
    let media_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    assert_eq!(answer.header("content-type"), Some(media_type));
    Page::parse(std::str::from_utf8(&answer.body).unwrap())
}

/// The page as soon as it shows something: sums over customers follow a turn's answer a moment later.
#[track_caller]
fn page_once(service: &Service, shows: impl Fn(&Page) -> bool) -> Page {
    for _ in 0..10_000 {
        let page = page(service);
        if shows(&page) {
            return page;
        }
        thread::yield_now();
    }
    panic!("it never shows that: {:?}", page(service));
}

fn answered(method: &str, route: &str, status: &str) -> [(String, f64); 2] {
    let labels = format!("route=\"{route}\",method=\"{method}\"");
    [
        (
            format!("countersign_http_requests_total{{{labels},status=\"{status}\"}}"),
            1.0,
        ),
        (
            format!("countersign_http_request_duration_seconds_count{{{labels}}}"),
            1.0,
        ),
    ]
}

/// Asserts that just these became more since `before`, besides what belongs to these answers.
#[track_caller]
fn assert_moved(before: &Page, after: &Page, answers: &[[(String, f64); 2]], moved: &[(&str, f64)]) {
    let mut expected: BTreeMap<&str, f64> = BTreeMap::new();
    let own = answers.iter().flatten().map(|(series, by)| (series.as_str(), *by));
    for (series, by) in own.chain(moved.iter().copied()) {
        *expected.entry(series).or_default() += by;
    }
    assert_eq!(after.since(before), expected);
}

const JOURNAL: [(&str, f64); 3] = [
    ("countersign_journal_group_events_count", 1.0),
    ("countersign_journal_commit_duration_seconds_count", 1.0),
    ("countersign_journal_sync_duration_seconds_count", 1.0),
];

#[test]
fn every_mint_is_counted_with_what_it_writes() {
    let service = Service::start();
    let chain = Chain::new(&service);
    for endpoint in ENDPOINTS {
        let before = page(&service);
        service.posted(endpoint.path, &(endpoint.request)(&chain));
        let tokens = format!("countersign_tokens_in_memory{{type=\"{}\"}}", endpoint.kind);
        let mints = format!(
            "countersign_mints_total{{type=\"{}\",outcome=\"granted\"}}",
            endpoint.kind
        );
        let after = page_once(&service, |page| page.value(&tokens) > before.value(&tokens));
        let moved = [&JOURNAL[..], &[(tokens.as_str(), 1.0), (mints.as_str(), 1.0)]].concat();
        assert_moved(&before, &after, &[answered("POST", endpoint.path, "2xx")], &moved);
        let events = "countersign_journal_group_events_sum";
        assert_eq!(after.value(events) - before.value(events), 1.0);
    }
    let page = page(&service);
    assert!(page.value("countersign_storage_used_bytes") > 0.0 && page.value("countersign_storage_free_bytes") > 0.0);
    assert!(page.value("countersign_journal_written_bytes_total") > 0.0);
    assert_eq!(page.value("countersign_customers_in_memory"), 1.0);
    assert_eq!(page.value("countersign_activation_duration_seconds_count"), 1.0);
}

#[test]
fn a_refusal_is_counted_by_its_code_and_writes_nothing() {
    let service = Service::start();
    let chain = Chain::new(&service);
    let before = page(&service);
    let wider = json!({
        "customer_id": chain.customer, "parent_agent_jti": chain.jti("agent"), "agent_id": "x",
        "rbac": {"max_sensitivity_level": 9},
    });
    service
        .post("/tokens/subagent", &wider)
        .refused(422, "invalid_request", &["rbac.max_sensitivity_level"]);
    let unknown = with(&(AGENT.request)(&chain), "bearer_jti", crate::support::uuid());
    service
        .post("/tokens/agent", &unknown)
        .refused(404, "parent_not_found", &["bearer_jti"]);
    service.request("BREW /tokens/agent", &[], "");
    service.get("/nothing-here");
    let answers = [
        answered("POST", "/tokens/subagent", "4xx"),
        answered("POST", "/tokens/agent", "4xx"),
        answered("other", "/tokens/agent", "4xx"),
        answered("GET", "none", "4xx"),
    ];
    let moved = [
        ("countersign_http_refusals_total{code=\"invalid_request\"}", 1.0),
        ("countersign_http_refusals_total{code=\"parent_not_found\"}", 1.0),
        ("countersign_http_refusals_total{code=\"method_not_allowed\"}", 1.0),
        ("countersign_http_refusals_total{code=\"route_not_found\"}", 1.0),
        ("countersign_mints_total{type=\"agent\",outcome=\"rejected\"}", 1.0),
    ];
    assert_moved(&before, &page(&service), &answers, &moved);
}

#[test]
fn the_items_of_a_batch_count_each_for_itself() {
    let service = Service::start();
    let chain = Chain::new(&service);
    let before = page(&service);
    let item = |bearer: &str| json!({"type": "agent", "bearer_jti": bearer, "agent_id": "x"});
    let unknown = crate::support::uuid();
    let requests = [item(chain.jti("bearer")), item(&unknown), json!({"type": "agent"})];
    service.posted(
        "/tokens/batch",
        &json!({"customer_id": chain.customer, "requests": requests}),
    );
    let tokens = "countersign_tokens_in_memory{type=\"agent\"}";
    let after = page_once(&service, |page| page.value(tokens) == 2.0);
    let own = [
        (tokens, 1.0),
        ("countersign_mints_total{type=\"agent\",outcome=\"granted\"}", 1.0),
        ("countersign_mints_total{type=\"agent\",outcome=\"rejected\"}", 1.0),
        ("countersign_http_refusals_total{code=\"parent_not_found\"}", 1.0),
        ("countersign_http_refusals_total{code=\"invalid_request\"}", 1.0),
    ];
    let moved = [&JOURNAL[..], &own].concat();
    assert_moved(&before, &after, &[answered("POST", "/tokens/batch", "2xx")], &moved);
}

#[test]
fn revocations_count_once_by_what_they_are_about() {
    let service = Service::start();
    let chain = Chain::new(&service);
    let customer = json!({"customer_id": chain.customer});
    let revoked = |target: &str| format!("countersign_revocations_total{{target=\"{target}\"}}");
    let bulk = |field: &str, value: &str| with(&customer, field, value);
    let calls = [
        (
            "token",
            "DELETE",
            format!("/tokens/{}", chain.jti("session")),
            customer.clone(),
        ),
        (
            "cascade",
            "POST",
            format!("/revocation/cascade/{}", chain.jti("subagent")),
            customer.clone(),
        ),
        (
            "agent",
            "POST",
            "/revocation/bulk".to_owned(),
            bulk("agent_id", "reviewer"),
        ),
        (
            "issued_before",
            "POST",
            "/revocation/bulk".to_owned(),
            bulk("issued_before", &rfc3339(service.now())),
        ),
        (
            "key",
            "POST",
            format!("/keys/{}/revoke", chain.key_id()),
            customer.clone(),
        ),
    ];
    for (at, (target, method, path, body)) in calls.iter().enumerate() {
        let call = || match *method {
            "DELETE" => service.delete(path, body).success(),
            _ => service.posted(path, body),
        };
        call();
        let page = page(&service);
        assert_eq!(page.value(&revoked(target)), 1.0, "{target}");
        let later = calls.iter().skip(at + 1);
        assert!(
            later.into_iter().all(|(later, ..)| page.value(&revoked(later)) == 0.0),
            "{target}"
        );
        if at < 2 {
            call();
            assert_eq!(
                self::page(&service).value(&revoked(target)),
                1.0,
                "a second time changes nothing"
            );
        }
    }
}

#[test]
fn tokens_leave_the_sums_when_they_are_forgotten_and_when_their_customer_leaves_memory() {
    let service = Service::with(|config| config.engine.idle_tenant_seconds = 1);
    let chain = Chain::new(&service);
    let tokens = |page: &Page| {
        ENDPOINTS
            .map(|endpoint| page.value(&format!("countersign_tokens_in_memory{{type=\"{}\"}}", endpoint.kind)) as u64)
    };
    let look = || service.get(&format!("/customers/{}", chain.customer)).success();
    page_once(&service, |page| tokens(page) == [1; 6]);
    service.advance(HOUR + 5 * MINUTE);
    look();
    let page = page_once(&service, |page| tokens(page) == [1, 1, 1, 1, 1, 0]);
    assert_eq!(page.value("countersign_customers_in_memory"), 1.0);

    let gone = page_once(&service, |page| {
        service.sweep();
        page.value("countersign_customers_in_memory") == 0.0
    });
    assert_eq!(tokens(&gone), [0; 6]);
    assert_eq!(gone.value("countersign_activation_duration_seconds_count"), 1.0);
    look();
    let back = page_once(&service, |page| tokens(page) == [1, 1, 1, 1, 1, 0]);
    assert_eq!(back.value("countersign_customers_in_memory"), 1.0);
    assert_eq!(back.value("countersign_activation_duration_seconds_count"), 2.0);
}

#[test]
fn the_first_look_at_a_signature_is_a_miss_and_the_next_a_hit() {
    let service = Service::credentialed();
    let chain = Chain::by(|path, body| service.post_as_operator(path, body));
    let lookups =
        |result: &str| page(&service).value(&format!("countersign_signature_lookups_total{{result=\"{result}\"}}"));
    assert_eq!((lookups("hit"), lookups("miss")), (0.0, 0.0));
    for hits in [0.0, 1.0, 2.0] {
        let answer = service.get_as(chain.token("app"), "/tokens");
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!((lookups("hit"), lookups("miss")), (hits, 1.0));
    }
}

#[test]
fn permits_that_are_refused_are_as_many_as_the_answers_say() {
    let service = Service::with(|config| config.tokens.in_flight_per_tenant_max = 1);
    let chain = Chain::new(&service);
    let body = (AGENT.request)(&chain);
    let mut busy = 0;
    while busy == 0 {
        let calls = || {
            (0..20)
                .map(|_| service.post("/tokens/agent", &body).status)
                .filter(|status| *status == 429)
                .count()
        };
        busy = thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(calls)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum::<usize>()
        });
    }
    let page = page(&service);
    assert_eq!(
        page.value("countersign_permits_refused_total{limit=\"customer\"}"),
        busy as f64
    );
    assert_eq!(page.value("countersign_permits_refused_total{limit=\"process\"}"), 0.0);
    assert_eq!(
        page.value("countersign_mints_total{type=\"agent\",outcome=\"overloaded\"}"),
        busy as f64
    );
    assert_eq!(
        page.value("countersign_http_refusals_total{code=\"tenant_busy\"}"),
        busy as f64
    );
}

#[test]
fn conditions_are_those_of_readiness() {
    let condition = |page: &Page, reason: &str| page.value(&format!("countersign_condition{{reason=\"{reason}\"}}"));
    let service = Service::with(|config| config.storage.disk_free_min_mib = 1_048_576);
    let low = page(&service);
    assert_eq!(condition(&low, "storage_low"), 1.0);
    assert_eq!(low.value("countersign_storage_free_min_bytes"), 1_099_511_627_776.0);
    let others = ["journal_failed", "shard_lost", "draining", "clock_jumped"];
    assert!(others.iter().all(|reason| condition(&low, reason) == 0.0));
    service.jump(2 * HOUR);
    assert_eq!(condition(&page(&service), "clock_jumped"), 1.0);
}

#[test]
fn who_may_not_read_the_numbers_is_refused_as_anywhere() {
    let open = Service::start();
    assert_eq!(open.get("/metrics").status, 200, "any local process, as for everything");
    open.get_as("a-wrong-credential", "/metrics")
        .refused(401, "unauthenticated", &[]);
    open.request("GET /metrics", &["X-Forwarded-For: 192.0.2.1"], "")
        .refused(403, "open_mode_refused", &[]);

    let admin = Service::credentialed();
    let chain = Chain::by(|path, body| admin.post_as_operator(path, body));
    admin.get("/metrics").refused(401, "unauthenticated", &[]);
    admin.get_as(WATCHER, "/metrics").refused(401, "unauthenticated", &[]);
    admin
        .get_as(chain.token("app"), "/metrics")
        .refused(403, "forbidden", &[]);
    assert_eq!(admin.get_as(ADMIN, "/metrics").status, 200);

    let watched = Service::with(|config| {
        config.secrets.admin_token = Some(Secret::new(ADMIN.into()));
        config.secrets.metrics_token = Some(Secret::new(WATCHER.into()));
    });
    assert_eq!(watched.get_as(WATCHER, "/metrics").status, 200);
    assert_eq!(watched.get_as(ADMIN, "/metrics").status, 200);
    watched.get("/metrics").refused(401, "unauthenticated", &[]);
    for path in ["/customers", "/audit", "/tokens"] {
        watched.get_as(WATCHER, path).refused(401, "unauthenticated", &[]);
    }
    let body = json!({"customer_id": chain.customer});
    watched
        .post_as(WATCHER, "/keys/signing", &body)
        .refused(401, "unauthenticated", &[]);
    watched
        .post_as(WATCHER, "/admin/purge", &json!({}))
        .refused(401, "unauthenticated", &[]);

    let open = Service::with(|config| config.secrets.metrics_token = Some(Secret::new(WATCHER.into())));
    open.get("/metrics").refused(401, "unauthenticated", &[]);
    assert_eq!(open.get_as(WATCHER, "/metrics").status, 200);

    let network = Service::with(|config| {
        config.server.host = "0.0.0.0".to_owned();
        config.server.allow_unauthenticated_network = true;
    });
    network.get("/metrics").refused(401, "unauthenticated", &[]);
}

/// A page on which every family has a sample, and the customer whose calls it counted.
fn full_page() -> (String, Chain) {
    let service = Service::start();
    let chain = Chain::new(&service);
    service.get(&format!(
        "/tokens/{}?customer_id={}",
        chain.jti("agent"),
        chain.customer
    ));
    service.get(&format!("/nothing/{}", chain.jti("agent")));
    service.request(&format!("BREW /tokens/{}", chain.jti("agent")), &[], "");
    (String::from_utf8(service.get("/metrics").body).unwrap(), chain)
}

#[test]
fn no_label_holds_what_a_caller_wrote() {
    let (text, chain) = full_page();
    let identifiers = ENDPOINTS.map(|endpoint| chain.jti(endpoint.kind).to_owned());
    let written = [
        "BREW",
        "/nothing",
        "reviewer",
        "session-1",
        "evt-1",
        "pipeline",
        chain.customer.as_str(),
    ];
    for word in identifiers.iter().map(String::as_str).chain(written) {
        assert!(!text.contains(word), "{word}");
    }
    for series in Page::parse(&text).series() {
        let labels = series
            .split_once('{')
            .map_or("", |(_, labels)| labels.trim_end_matches('}'));
        for label in labels.split_terminator(',') {
            let (name, value) = label.split_once('=').unwrap();
            let value = value.trim_matches('"');
            let allowed = match name {
                "route" => value == "none" || value.starts_with('/'),
                "method" => ["GET", "POST", "other"].contains(&value),
                "status" => ["2xx", "4xx"].contains(&value),
                "type" => ENDPOINTS.iter().any(|endpoint| endpoint.kind == value),
                "le" | "version" => true,
                "code" | "outcome" | "target" | "result" | "limit" | "reason" => {
                    value.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
                }
                _ => false,
            };
            assert!(allowed, "{series}");
        }
    }
}

impl Page {
    /// Every series.
    fn series(&self) -> impl Iterator<Item = &str> {
        self.samples.keys().map(String::as_str)
    }

    /// The names of all samples, as an expression names them.
    fn names(&self) -> BTreeSet<&str> {
        self.series().map(|series| series.split('{').next().unwrap()).collect()
    }

    /// The names of all families.
    fn families(&self) -> impl Iterator<Item = &str> {
        self.types.keys().map(String::as_str)
    }
}

/// Every name of a metric in a text.
fn named(text: &str) -> Vec<&str> {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    words
        .filter(|word| word.starts_with("countersign_") || word.starts_with("process_"))
        .collect()
}

#[test]
fn alerts_dashboard_and_handbook_name_only_what_is_there_and_the_handbook_names_all() {
    let (text, _) = full_page();
    let page = Page::parse(&text);
    let names = page.names();
    let alerts = include_str!("../../deploy/prometheus/alerts.yml");
    let dashboard: serde_json::Value =
        serde_json::from_str(include_str!("../../deploy/grafana/dashboard.json")).unwrap();
    let handbook = include_str!("../../docs/operations.md");
    let mut expressions = Vec::new();
    let panels = dashboard["panels"].as_array().unwrap();
    for target in panels
        .iter()
        .flat_map(|panel| panel["targets"].as_array().into_iter().flatten())
    {
        expressions.push(target["expr"].as_str().unwrap());
    }
    let rules = alerts.lines().filter(|line| !line.trim_start().starts_with('#'));
    expressions.extend(rules);
    let used: Vec<&str> = expressions.iter().flat_map(|text| named(text)).collect();
    assert!(used.len() > 30);
    for name in used {
        assert!(names.contains(name), "`{name}` is not on the page");
    }
    let told = named(handbook);
    for name in &told {
        assert!(
            names.contains(name) || page.families().any(|family| family == *name),
            "`{name}` is not on the page"
        );
    }
    for family in page.families() {
        let is_told = told.iter().any(|name| name.trim_end_matches("_total") == family);
        assert!(is_told, "the handbook does not tell of `{family}`");
    }
    for alert in alerts.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")) {
        assert!(
            handbook.contains(&format!("### {alert}\n")),
            "the handbook does not say what to do about {alert}"
        );
    }
}

#[test]
fn the_alerts_do_what_their_own_tests_say() {
    let rules = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/prometheus/alerts_test.yml");
    match Command::new("promtool").args(["test", "rules", rules]).output() {
        Ok(output) => assert!(output.status.success(), "{output:?}"),
        // Not every machine has Prometheus.
        Err(error) => assert_eq!(error.kind(), ErrorKind::NotFound),
    }
}
