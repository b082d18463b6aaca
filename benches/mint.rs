//! Durable minting in-process, beside what bounds it: the bare signature and the bare `fdatasync` of the same run.
//!
//! `cargo bench --bench mint` prints throughput, latencies and ratios. Machines differ: compare the ratios.

#![expect(
    clippy::print_stdout,
    clippy::expect_used,
    reason = "a benchmark reports to whoever runs it"
)]

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use countersign_actors::clock::Clock as _;
use countersign_actors::clock::{SystemClock, fresh_uuid};
use countersign_actors::commands::{BearerParent, Call, MintAgent, MintBearer, MintSession, SessionParent};
use countersign_actors::crypto::keys::SigningKey;
use countersign_actors::engine::{Engine, EngineOptions, NewApp};
use countersign_actors::id::{AgentId, CustomerId, Jti, Name, SessionId};
use countersign_actors::rbac::PolicyRequest;
use countersign_actors::token::hash::token_hash;
use countersign_actors::token::{Environment, Scope, TokenHashDigest};

/// How long each case is measured, after a warm-up of a quarter of it.
const MEASURED: Duration = Duration::from_secs(4);
/// Mints in flight at one time.
const IN_FLIGHT: usize = 256;

fn main() {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let directory = tempfile::tempdir_in(".").expect("a directory on a real disk");
    let signing = bare_signing();
    let sync = bare_sync(directory.path());
    println!("cores                         {cores}");
    println!("bare signature, one core      {:>9.0} /s", signing);
    println!(
        "bare fdatasync of 4 KiB       {:>9.0} µs p50, {:.0} µs p99",
        sync.at(0.5),
        sync.at(0.99)
    );
    let ceiling = signing * f64::from(u32::try_from(cores).unwrap_or(1));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(cores)
        .enable_all()
        .build();
    let runtime = runtime.expect("a runtime");
    for (name, tenants, sessions) in [
        ("agents, one hot tenant", 1, false),
        ("agents, 64 tenants", 64, false),
        ("agents, 10,000 tenants", 10_000, false),
        ("sessions, 64 tenants", 64, true),
    ] {
        let case = runtime.block_on(mint(directory.path(), tenants, sessions));
        println!(
            "{name:<29} {:>9.0} /s   p50 {:>6.0} µs  p99 {:>6.0} µs  p99.9 {:>6.0} µs   {:.2} of cores × bare signature, {:.0} events a group",
            case.per_second,
            case.latencies.at(0.5),
            case.latencies.at(0.99),
            case.latencies.at(0.999),
            case.per_second / ceiling,
            case.events_per_group,
        );
    }
}

struct Latencies(Vec<f64>);

impl Latencies {
    fn of(mut micros: Vec<f64>) -> Self {
        micros.sort_by(f64::total_cmp);
        Self(micros)
    }

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        clippy::cast_sign_loss,
        reason = "a rank among measurements"
    )]
    fn at(&self, quantile: f64) -> f64 {
        let rank = (self.0.len() as f64 * quantile) as usize;
        self.0
            .get(rank.min(self.0.len().saturating_sub(1)))
            .copied()
            .unwrap_or_default()
    }
}

fn bare_signing() -> f64 {
    let (key, _) = SigningKey::generate().expect("a key");
    let message = [b'x'; 600];
    let (mut signed, started) = (0_u32, Instant::now());
    while started.elapsed() < Duration::from_secs(1) {
        for _ in 0..100 {
            std::hint::black_box(key.sign(&message).expect("a signature"));
        }
        signed += 100;
    }
    f64::from(signed) / started.elapsed().as_secs_f64()
}

fn bare_sync(directory: &Path) -> Latencies {
    let path = directory.join("bare");
    let mut file = OpenOptions::new()
        .create(true)
        .truncate(true)
        .write(true)
        .open(path)
        .expect("a file");
    let block = [7_u8; 4_096];
    let once = |_| {
        file.write_all(&block).expect("written");
        let started = Instant::now();
        file.sync_data().expect("synced");
        started.elapsed().as_secs_f64() * 1e6
    };
    Latencies::of((0..400).map(once).collect())
}

struct Case {
    per_second: f64,
    latencies: Latencies,
    events_per_group: f64,
}

async fn mint(directory: &Path, tenants: usize, sessions: bool) -> Case {
    let data = tempfile::tempdir_in(directory).expect("a directory");
    let mut options = EngineOptions::new(data.path());
    options.in_flight_per_tenant_max = IN_FLIGHT;
    let engine = Engine::start(options).expect("an engine");
    let mut parents = Vec::with_capacity(tenants);
    for _ in 0..tenants {
        parents.push(parent(&engine, sessions).await);
    }
    let parents = Arc::new(parents);
    let stop = Arc::new(AtomicBool::new(false));
    let measuring = Arc::new(AtomicBool::new(false));
    let mut callers = tokio::task::JoinSet::new();
    for caller in 0..IN_FLIGHT {
        let (engine, parents) = (engine.clone(), Arc::clone(&parents));
        let (stop, measuring) = (Arc::clone(&stop), Arc::clone(&measuring));
        callers.spawn(async move {
            let mut micros = Vec::new();
            let mut turn = caller;
            while !stop.load(Ordering::Relaxed) {
                let (customer, parent) = *parents.get(turn % parents.len()).expect("a parent");
                turn += IN_FLIGHT;
                let started = Instant::now();
                mint_one(&engine, customer, parent, sessions).await;
                if measuring.load(Ordering::Relaxed) {
                    micros.push(started.elapsed().as_secs_f64() * 1e6);
                }
            }
            micros
        });
    }
    tokio::time::sleep(MEASURED / 4).await;
    let before = engine.journal_status();
    measuring.store(true, Ordering::Relaxed);
    let started = Instant::now();
    tokio::time::sleep(MEASURED).await;
    let elapsed = started.elapsed().as_secs_f64();
    measuring.store(false, Ordering::Relaxed);
    let after = engine.journal_status();
    stop.store(true, Ordering::Relaxed);
    let micros: Vec<f64> = callers.join_all().await.into_iter().flatten().collect();
    engine.shutdown(Duration::from_secs(30)).await;
    let events = f64::from(u32::try_from(after.events - before.events).unwrap_or(u32::MAX));
    let groups = f64::from(u32::try_from((after.groups - before.groups).max(1)).unwrap_or(u32::MAX));
    Case {
        per_second: events / elapsed,
        latencies: Latencies::of(micros),
        events_per_group: events / groups,
    }
}

/// A customer with what is needed to mint: the customer and the identifier of a bearer token, or of an agent token.
async fn parent(engine: &Engine, sessions: bool) -> (CustomerId, Jti) {
    let customer = CustomerId::new(fresh_uuid(SystemClock.now()));
    engine
        .create_signing_key(customer, Call::management(()))
        .await
        .expect("a key");
    let name = Name::parse("bench").expect("a name");
    let new = NewApp {
        name,
        scopes: [Scope::All].into_iter().collect(),
        ttl_days: None,
    };
    let app = engine
        .mint_app(customer, Call::management(new))
        .await
        .expect("an app token");
    let parent = BearerParent::Hash(TokenHashDigest::of(&token_hash(app.signed.token())));
    let environment = Environment::Production;
    let command = MintBearer {
        jti: engine.fresh_jti(),
        parent,
        environment,
        ttl_days: None,
    };
    let bearer = engine
        .mint(customer, Call::management(command))
        .await
        .expect("a bearer token")
        .grant
        .jti();
    if !sessions {
        return (customer, bearer);
    }
    let agent = engine
        .mint(customer, Call::management(agent(engine, bearer)))
        .await
        .expect("an agent token");
    (customer, agent.grant.jti())
}

fn agent(engine: &Engine, bearer_jti: Jti) -> MintAgent {
    MintAgent {
        jti: engine.fresh_jti(),
        bearer_jti,
        agent_id: AgentId::parse("code-review-agent").expect("an id"),
        agent_name: None,
        rbac: PolicyRequest::default(),
        ttl_hours: None,
    }
}

async fn mint_one(engine: &Engine, customer: CustomerId, parent_jti: Jti, sessions: bool) {
    let minted = if sessions {
        let command = MintSession {
            jti: engine.fresh_jti(),
            parent_jti,
            parent_type: SessionParent::Agent,
            session_id: SessionId::parse("session").expect("an id"),
            max_events: None,
            ttl_minutes: None,
        };
        engine.mint(customer, Call::management(command)).await
    } else {
        engine.mint(customer, Call::management(agent(engine, parent_jti))).await
    };
    std::hint::black_box(minted.expect("a token"));
}
