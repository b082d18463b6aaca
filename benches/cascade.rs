//! Cascades in-process: the time until one is in force and durable, the time until what it reached is listed, and what a neighbour on
//! the same shard feels meanwhile.
//!
//! `cargo bench --bench cascade` prints them beside the bare `fdatasync` of the same run.

#![expect(
    clippy::print_stdout,
    clippy::expect_used,
    reason = "a benchmark reports to whoever runs it"
)]

use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use countersign_actors::clock::{Clock as _, SystemClock, fresh_uuid};
use countersign_actors::commands::{
    BatchItem, BearerParent, Call, ListRevocations, MintAgent, MintBatch, MintBearer, MintSession, PublicKeys,
    RevokeToken, SessionParent,
};
use countersign_actors::engine::{Engine, EngineOptions, NewApp};
use countersign_actors::id::{AgentId, CustomerId, Jti, Name, SessionId};
use countersign_actors::limits::BATCH_MAX;
use countersign_actors::rbac::PolicyRequest;
use countersign_actors::token::hash::token_hash;
use countersign_actors::token::{Environment, Scope, TokenHashDigest};

/// Pause between growing a hierarchy and revoking it.
const SETTLED: Duration = Duration::from_secs(3);

fn main() {
    let directory = tempfile::tempdir_in(".").expect("a directory on a real disk");
    println!("bare fdatasync of 4 KiB    {:>9.3} ms p50", bare_sync(directory.path()));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        for descendants in [10, 1_000, 10_000, 50_000] {
            measure(directory.path(), descendants).await;
        }
    });
}

fn millis(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1e3
}

fn bare_sync(directory: &Path) -> f64 {
    let mut file = std::fs::File::create(directory.join("bare")).expect("a file");
    let once = |_| {
        file.write_all(&[7; 4_096]).expect("written");
        let started = Instant::now();
        file.sync_data().expect("synced");
        millis(started)
    };
    median((0..200).map(once).collect())
}

fn median(mut millis: Vec<f64>) -> f64 {
    millis.sort_by(f64::total_cmp);
    millis.get(millis.len() / 2).copied().unwrap_or_default()
}

async fn measure(directory: &Path, descendants: usize) {
    let data = tempfile::tempdir_in(directory).expect("a directory");
    let mut options = EngineOptions::new(data.path());
    // Everybody on one shard.
    options.shards = 1;
    let engine = Engine::start(options).expect("an engine");
    let (customer, agent) = agent(&engine).await;
    let (neighbour, _) = self::agent(&engine).await;
    grow(&engine, customer, agent, descendants).await;
    // What the store still has to do for the growing is not what is measured.
    tokio::time::sleep(SETTLED).await;
    let stop = Arc::new(AtomicBool::new(false));
    let watching = tokio::spawn(watch(engine.clone(), neighbour, Arc::clone(&stop)));
    let events = engine.journal_status().events;
    let started = Instant::now();
    let revoke = RevokeToken {
        jti: agent,
        kind: None,
        cascade: true,
        reason: None,
    };
    engine.manage(customer, revoke.clone()).await.expect("it is revoked");
    let in_force = millis(started);
    let events = engine.journal_status().events - events;
    let started = Instant::now();
    let cascaded = engine
        .cascade(customer, Call::management(revoke))
        .await
        .expect("it is listed");
    let listed = millis(started);
    stop.store(true, Ordering::Relaxed);
    let (calls, slowest) = watching.await.expect("no panic");
    assert_eq!(cascaded.revoked_count, descendants + 1);
    let told = engine
        .manage(customer, ListRevocations { after: 0 })
        .await
        .expect("the feed");
    assert_eq!(told.len(), 1);
    println!(
        "{descendants:>6} descendants: in force after {in_force:>7.3} ms ({events} event), listed after {listed:>7.3} ms more; \
         a neighbour made {calls} calls meanwhile, the slowest {slowest:.3} ms",
    );
    engine.shutdown(Duration::from_secs(60)).await;
}

/// Calls of a neighbour until told to stop: how many, and how long the slowest took.
async fn watch(engine: Engine, customer: CustomerId, stop: Arc<AtomicBool>) -> (usize, f64) {
    let (mut calls, mut slowest) = (0, 0.0_f64);
    while !stop.load(Ordering::Relaxed) {
        let started = Instant::now();
        engine
            .manage(customer, PublicKeys)
            .await
            .expect("the neighbour is served");
        slowest = slowest.max(millis(started));
        calls += 1;
    }
    (calls, slowest)
}

async fn agent(engine: &Engine) -> (CustomerId, Jti) {
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
    let bearer = MintBearer {
        jti: engine.fresh_jti(),
        parent,
        environment,
        ttl_days: None,
    };
    let bearer_jti = engine
        .mint(customer, Call::management(bearer))
        .await
        .expect("a bearer token")
        .grant
        .jti();
    let command = MintAgent {
        jti: engine.fresh_jti(),
        bearer_jti,
        agent_id: AgentId::parse("agent").expect("an id"),
        agent_name: None,
        rbac: PolicyRequest::default(),
        ttl_hours: None,
    };
    (
        customer,
        engine
            .mint(customer, Call::management(command))
            .await
            .expect("an agent token")
            .grant
            .jti(),
    )
}

async fn grow(engine: &Engine, customer: CustomerId, parent_jti: Jti, descendants: usize) {
    let session = || {
        let command = MintSession {
            jti: engine.fresh_jti(),
            parent_jti,
            parent_type: SessionParent::Agent,
            session_id: SessionId::parse("session").expect("an id"),
            max_events: None,
            ttl_minutes: None,
        };
        (BatchItem::Session(command), None)
    };
    let mut left = descendants;
    while left > 0 {
        let items: Vec<_> = (0..left.min(BATCH_MAX)).map(|_| session()).collect();
        left -= items.len();
        let minted = engine
            .manage(customer, MintBatch { items, presented: None })
            .await
            .expect("a batch");
        assert!(minted.iter().all(Result::is_ok));
    }
}
