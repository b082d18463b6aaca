//! Durable minting in-process, beside what bounds it: the bare signature and the bare `fdatasync` of the same run.
//!
//! `cargo bench --bench mint` prints throughput, latencies, processor time and ratios; a word behind `--` picks the cases whose names
//! have it. Machines differ: compare the ratios.

#![expect(
    clippy::print_stdout,
    clippy::expect_used,
    reason = "a benchmark reports to whoever runs it"
)]

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use countersign_actors::engine::{Engine, EngineOptions};
use countersign_actors::id::{CustomerId, Jti};
use countersign_benches::bare;
use countersign_benches::grown::{self, Minting};
use countersign_benches::latency::Latencies;
use countersign_benches::usage::Process;

/// How long each case is measured, after a warm-up of a quarter of it.
const MEASURED: Duration = Duration::from_secs(4);
/// Mints in flight at one time.
const IN_FLIGHT: usize = 256;
/// The cases: what is minted, and by how many customers.
const CASES: [(Minting, usize); 6] = [
    (Minting::Agents, 1),
    (Minting::Agents, 64),
    (Minting::Agents, 10_000),
    (Minting::Sessions, 1),
    (Minting::Sessions, 64),
    (Minting::Sessions, 10_000),
];

fn main() {
    let wanted = std::env::args().skip(1).find(|word| !word.starts_with('-'));
    let cores = bare::cores();
    let directory = tempfile::tempdir_in(".").expect("a directory on a real disk");
    let signing = bare::signatures_per_second();
    println!("cores                     {cores}");
    println!("bare signature, one core  {signing:>8.0} /s");
    println!("bare fdatasync of 4 KiB   {}", bare::syncs(directory.path()));
    let ceiling = signing * f64::from(u32::try_from(cores).unwrap_or(1));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(cores)
        .enable_all()
        .build();
    let runtime = runtime.expect("a runtime");
    for (minting, customers) in CASES {
        let name = format!("{minting:?}, {customers} customers").to_lowercase();
        if wanted.as_ref().is_some_and(|word| !name.contains(word)) {
            continue;
        }
        let case = runtime.block_on(mint(directory.path(), customers, minting));
        println!(
            "{name:<25} {:>8.0} /s  {}  {:>3.0} µs of processor each, {:.2} of cores × bare signature, {:.0} events a group",
            case.per_second,
            case.latencies,
            case.processor_micros,
            case.per_second / ceiling,
            case.events_per_group,
        );
    }
}

struct Case {
    per_second: f64,
    latencies: Latencies,
    processor_micros: f64,
    events_per_group: f64,
}

async fn mint(directory: &Path, customers: usize, minting: Minting) -> Case {
    let data = tempfile::tempdir_in(directory).expect("a directory");
    let mut options = EngineOptions::new(data.path());
    options.in_flight_per_tenant_max = IN_FLIGHT;
    let engine = Engine::start(options).expect("an engine");
    let mut parents = Vec::with_capacity(customers);
    for _ in 0..customers {
        parents.push(parent(&engine, minting).await);
    }
    let parents: Arc<[_]> = parents.into();
    let (measuring, stop) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let mut callers = tokio::task::JoinSet::new();
    for caller in 0..IN_FLIGHT {
        let flags = (Arc::clone(&measuring), Arc::clone(&stop));
        callers.spawn(call(engine.clone(), Arc::clone(&parents), caller, minting, flags));
    }
    tokio::time::sleep(MEASURED / 4).await;
    let (before, used) = (engine.journal_status(), Process::Own.processor_time());
    measuring.store(true, Ordering::Relaxed);
    let started = Instant::now();
    tokio::time::sleep(MEASURED).await;
    let elapsed = started.elapsed().as_secs_f64();
    measuring.store(false, Ordering::Relaxed);
    let (after, used) = (
        engine.journal_status(),
        Process::Own.processor_time().saturating_sub(used),
    );
    stop.store(true, Ordering::Relaxed);
    let mut latencies = Latencies::default();
    callers.join_all().await.iter().for_each(|part| latencies.add(part));
    engine.shutdown(Duration::from_secs(30)).await;
    let events = f64::from(u32::try_from(after.events - before.events).unwrap_or(u32::MAX));
    let groups = f64::from(u32::try_from((after.groups - before.groups).max(1)).unwrap_or(u32::MAX));
    Case {
        per_second: events / elapsed,
        latencies,
        processor_micros: used.as_secs_f64() * 1e6 / events,
        events_per_group: events / groups,
    }
}

/// Mints for one customer after the other until told to stop.
async fn call(
    engine: Engine,
    parents: Arc<[(CustomerId, Jti)]>,
    first: usize,
    minting: Minting,
    (measuring, stop): (Arc<AtomicBool>, Arc<AtomicBool>),
) -> Latencies {
    let (mut latencies, mut turn) = (Latencies::default(), first);
    while !stop.load(Ordering::Relaxed) {
        let (customer, parent) = *parents.get(turn % parents.len()).expect("a parent");
        turn += IN_FLIGHT;
        let started = Instant::now();
        std::hint::black_box(grown::mint_one(&engine, customer, parent, minting).await);
        if measuring.load(Ordering::Relaxed) {
            latencies.record(started.elapsed());
        }
    }
    latencies
}

/// A customer, and its token below which is minted.
async fn parent(engine: &Engine, minting: Minting) -> (CustomerId, Jti) {
    let customer = grown::customer(engine).await;
    let parent = match minting {
        Minting::Agents => customer.bearer,
        Minting::Sessions => grown::agent(engine, customer).await.grant.jti(),
    };
    (customer.id, parent)
}
