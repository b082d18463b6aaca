//! What is kept of a token and of a customer, in memory and on disk.
//!
//! `cargo bench --bench footprint` prints bytes per live agent token that has the default policy, and per customer that is in memory, or
//! idle and out of it. Memory is what Linux says is resident, so it holds the allocator's slack.

#![expect(
    clippy::print_stdout,
    clippy::expect_used,
    clippy::cast_precision_loss,
    reason = "a benchmark reports to whoever runs it"
)]

use std::path::Path;
use std::time::Duration;

use countersign_actors::engine::{Engine, EngineOptions};
use countersign_benches::grown::{self, Minting};
use countersign_benches::usage::Process;

const TOKENS: usize = 500_000;
const CUSTOMERS: usize = 2_000;
/// Time in which the store's own buffers come to rest, and idle customers leave.
const SETTLED: Duration = Duration::from_secs(3);

fn main() {
    let directory = tempfile::tempdir_in(".").expect("a directory on a real disk");
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.expect("a runtime").block_on(async {
        // Fills caches and pools that are there once, whatever is kept.
        tokens(directory.path(), TOKENS / 10, false).await;
        tokens(directory.path(), TOKENS, true).await;
        customers(directory.path()).await;
    });
}

fn resident() -> f64 {
    Process::Own.resident_bytes() as f64
}

/// Bytes of all files below a directory.
fn stored(directory: &Path) -> f64 {
    let entries = std::fs::read_dir(directory).expect("a directory").flatten();
    let bytes = entries.map(|entry| {
        let kind = entry.metadata().expect("a file");
        if kind.is_dir() {
            stored(&entry.path())
        } else {
            kind.len() as f64
        }
    });
    bytes.sum()
}

async fn tokens(directory: &Path, count: usize, tell: bool) {
    let data = tempfile::tempdir_in(directory).expect("a directory");
    let mut options = EngineOptions::new(data.path());
    options.idle_tenant_seconds = 1;
    let engine = Engine::start(options).expect("an engine");
    let customer = grown::customer(&engine).await;
    let (memory, disk) = (resident(), stored(data.path()));
    grown::many(&engine, customer.id, customer.bearer, Minting::Agents, count).await;
    let with_store = resident() - memory;
    let written = stored(data.path()) - disk;
    tokio::time::sleep(SETTLED).await;
    let left = resident() - memory;
    engine.shutdown(Duration::from_secs(60)).await;
    if tell {
        let each = count as f64;
        println!("agent tokens that inherit their policy, {count} of one customer");
        println!(
            "  in memory, with what the store caches meanwhile {:>6.0} bytes each",
            with_store / each
        );
        println!(
            "  in memory, without (freed when the customer left) {:>4.0} bytes each",
            (with_store - left) / each
        );
        println!("  on disk {:>46.0} bytes each", written / each);
    }
}

async fn customers(directory: &Path) {
    let data = tempfile::tempdir_in(directory).expect("a directory");
    let mut options = EngineOptions::new(data.path());
    options.idle_tenant_seconds = 2;
    let engine = Engine::start(options).expect("an engine");
    grown::customer(&engine).await;
    let (memory, disk) = (resident(), stored(data.path()));
    for _ in 0..CUSTOMERS {
        grown::customer(&engine).await;
    }
    let active = resident() - memory;
    let written = stored(data.path()) - disk;
    while engine.sweep().await > 0 {
        tokio::time::sleep(SETTLED / 10).await;
    }
    let idle = resident() - memory;
    engine.shutdown(Duration::from_secs(60)).await;
    let each = CUSTOMERS as f64;
    println!("customers with a key, an app token and a bearer token, {CUSTOMERS} of them");
    println!("  in memory {:>44.0} bytes each", active / each);
    println!(
        "  out of it, with what the store has cached {:>12.0} bytes each",
        idle / each
    );
    println!("  on disk {:>46.0} bytes each", written / each);
}
