//! Cascades in-process: the time until one is in force and durable, the time until what it reached is listed, and what a neighbour on
//! the same shard feels meanwhile.
//!
//! `cargo bench --bench cascade` prints them beside the bare `fdatasync` of the same run.

#![expect(
    clippy::print_stdout,
    clippy::expect_used,
    reason = "a benchmark reports to whoever runs it"
)]

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use countersign_actors::commands::{Call, ListRevocations, PublicKeys, RevokeToken};
use countersign_actors::engine::{Engine, EngineOptions};
use countersign_actors::id::CustomerId;
use countersign_benches::bare;
use countersign_benches::grown::{self, Minting};
use countersign_benches::latency::median;

/// Pause between growing a hierarchy and revoking it.
const SETTLED: Duration = Duration::from_secs(2);
/// Hierarchies of each size that are revoked.
const ROUNDS: usize = 3;

fn main() {
    let directory = tempfile::tempdir_in(".").expect("a directory on a real disk");
    println!("bare fdatasync of 4 KiB  {}", bare::syncs(directory.path()));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.expect("a runtime").block_on(async {
        for descendants in [10, 1_000, 10_000, 50_000] {
            measure(directory.path(), descendants).await;
        }
    });
}

fn millis(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1e3
}

async fn measure(directory: &Path, descendants: usize) {
    let data = tempfile::tempdir_in(directory).expect("a directory");
    let mut options = EngineOptions::new(data.path());
    // Everybody on one shard.
    options.shards = 1;
    let engine = Engine::start(options).expect("an engine");
    let neighbour = grown::customer(&engine).await.id;
    let (mut in_force, mut listed, mut slowest) = (Vec::new(), Vec::new(), 0.0_f64);
    for _ in 0..ROUNDS {
        let times = revoke_one(&engine, neighbour, descendants).await;
        in_force.push(times.in_force);
        listed.push(times.listed);
        slowest = slowest.max(times.slowest);
    }
    println!(
        "{descendants:>6} descendants: in force after {:>7.3} ms by 1 event, listed after {:>7.3} ms more (medians of {ROUNDS}); \
         slowest call of a neighbour meanwhile {slowest:.3} ms",
        median(in_force),
        median(listed),
    );
    engine.shutdown(Duration::from_secs(60)).await;
}

/// Milliseconds.
struct Times {
    in_force: f64,
    listed: f64,
    slowest: f64,
}

async fn revoke_one(engine: &Engine, neighbour: CustomerId, descendants: usize) -> Times {
    let customer = grown::customer(engine).await;
    let agent = grown::agent(engine, customer).await.grant.jti();
    grown::many(engine, customer.id, agent, Minting::Sessions, descendants).await;
    // What the store still has to do for the growing is not what is measured.
    tokio::time::sleep(SETTLED).await;
    let stop = Arc::new(AtomicBool::new(false));
    let watching = tokio::spawn(watch(engine.clone(), neighbour, Arc::clone(&stop)));
    let revoke = RevokeToken {
        jti: agent,
        kind: None,
        cascade: true,
        reason: None,
    };
    let started = Instant::now();
    engine.manage(customer.id, revoke.clone()).await.expect("it is revoked");
    let in_force = millis(started);
    let started = Instant::now();
    let cascaded = engine.cascade(customer.id, Call::management(revoke)).await;
    let listed = millis(started);
    stop.store(true, Ordering::Relaxed);
    let slowest = watching.await.expect("no panic");
    assert_eq!(cascaded.expect("it is listed").revoked_count, descendants + 1);
    let told = engine.manage(customer.id, ListRevocations { after: 0 }).await;
    assert_eq!(told.expect("the feed").len(), 1, "one event, however many it reached");
    Times {
        in_force,
        listed,
        slowest,
    }
}

/// Calls of a neighbour until told to stop: milliseconds that the slowest took.
async fn watch(engine: Engine, customer: CustomerId, stop: Arc<AtomicBool>) -> f64 {
    let mut slowest = 0.0_f64;
    while !stop.load(Ordering::Relaxed) {
        let started = Instant::now();
        let served = engine.manage(customer, PublicKeys).await;
        served.expect("the neighbour is served");
        slowest = slowest.max(millis(started));
    }
    slowest
}
