//! Coming back: the time until a customer that is not in memory answers, by its live tokens, what others feel meanwhile, and the time
//! in which a store of many customers opens.
//!
//! `cargo bench --bench recovery`

#![expect(
    clippy::print_stdout,
    clippy::expect_used,
    reason = "a benchmark reports to whoever runs it"
)]

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use countersign_actors::commands::{Call, PublicKeys};
use countersign_actors::data_dir::DataDir;
use countersign_actors::engine::{Engine, EngineOptions};
use countersign_actors::id::CustomerId;
use countersign_actors::journal::StoppedJournal;
use countersign_benches::bare;
use countersign_benches::grown::{self, Minting};
use countersign_benches::latency::{Latencies, median};

const TOKENS: [usize; 3] = [1_000, 100_000, 1_000_000];
/// Activations of each size.
const ROUNDS: usize = 3;
const CUSTOMERS: usize = 100_000;
/// Customers that are made at one time.
const MAKERS: usize = 256;

fn main() {
    let directory = tempfile::tempdir_in(".").expect("a directory on a real disk");
    println!("bare fdatasync of 4 KiB  {}", bare::syncs(directory.path()));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.expect("a runtime").block_on(async {
        for tokens in TOKENS {
            activate(directory.path(), tokens).await;
        }
        open_many(directory.path()).await;
    });
}

fn start(data: &Path) -> (Engine, f64) {
    let started = Instant::now();
    let mut options = EngineOptions::new(data);
    // Everybody on one shard.
    options.shards = 1;
    let engine = Engine::start(options).expect("an engine");
    (engine, millis(started))
}

fn millis(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1e3
}

async fn stop(engine: Engine) {
    assert!(
        engine.shutdown(Duration::from_secs(120)).await,
        "everything was answered"
    );
}

async fn activate(directory: &Path, tokens: usize) {
    let data = tempfile::tempdir_in(directory).expect("a directory");
    let (engine, _) = start(data.path());
    let customer = grown::customer(&engine).await;
    let neighbour = grown::customer(&engine).await.id;
    grown::many(&engine, customer.id, customer.bearer, Minting::Agents, tokens).await;
    stop(engine).await;
    let (mut took, mut opened, mut felt) = (Vec::new(), Vec::new(), Latencies::default());
    for _ in 0..ROUNDS {
        let (engine, millis_open) = start(data.path());
        opened.push(millis_open);
        engine.manage(neighbour, PublicKeys).await.expect("the neighbour");
        let done = Arc::new(AtomicBool::new(false));
        let watching = tokio::spawn(watch(engine.clone(), neighbour, Arc::clone(&done)));
        let started = Instant::now();
        engine.manage(customer.id, PublicKeys).await.expect("it is read back");
        took.push(millis(started));
        done.store(true, Ordering::Relaxed);
        felt.add(&watching.await.expect("no panic"));
        stop(engine).await;
    }
    println!(
        "{tokens:>9} live tokens: answers after {:>8.1} ms (median of {ROUNDS}); a neighbour on the same shard meanwhile: {felt}, \
         slowest {:.1} ms; the engine started in {:.1} ms",
        median(took),
        felt.micros(1.0) / 1e3,
        median(opened),
    );
}

/// Calls of a neighbour until told to stop.
async fn watch(engine: Engine, customer: CustomerId, done: Arc<AtomicBool>) -> Latencies {
    let mut latencies = Latencies::default();
    while !done.load(Ordering::Relaxed) {
        let started = Instant::now();
        let served = engine.manage(customer, PublicKeys).await;
        served.expect("the neighbour is served");
        latencies.record(started.elapsed());
    }
    latencies
}

/// Each customer has a signing key and an override secret, and nothing else.
async fn open_many(directory: &Path) {
    let data = tempfile::tempdir_in(directory).expect("a directory");
    let mut options = EngineOptions::new(data.path());
    options.idle_tenant_seconds = 1;
    let engine = Engine::start(options).expect("an engine");
    let mut makers = tokio::task::JoinSet::new();
    for maker in 0..MAKERS {
        let engine = engine.clone();
        makers.spawn(async move {
            for _ in (maker..CUSTOMERS).step_by(MAKERS) {
                let made = engine
                    .create_signing_key(grown::fresh_customer(), Call::management(()))
                    .await;
                made.expect("a customer");
            }
        });
    }
    makers.join_all().await;
    stop(engine).await;
    // The store opens faster the second time, so it gets a copy of its own.
    let copy = tempfile::tempdir_in(directory).expect("a directory");
    copy_files(data.path(), copy.path());
    let started = Instant::now();
    let alone = StoppedJournal::open(DataDir::lock(copy.path()).expect("a lock"));
    let store = millis(started);
    drop(alone.expect("a store"));
    let (engine, whole) = start(data.path());
    stop(engine).await;
    println!(
        "{CUSTOMERS:>9} customers on disk: the engine starts in {whole:.0} ms; its store alone opens in {store:.0} ms"
    );
}

fn copy_files(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).expect("a directory").flatten() {
        let target = to.join(entry.file_name());
        if entry.file_type().expect("a file").is_dir() {
            std::fs::create_dir_all(&target).expect("a directory");
            copy_files(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).expect("a copy");
        }
    }
}
