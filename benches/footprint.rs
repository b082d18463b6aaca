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
use std::process::Command;
use std::time::Duration;

use countersign_actors::engine::{Engine, EngineOptions};
use countersign_benches::grown::{self, Minting};
use countersign_benches::usage::Process;

/// What a process of this benchmark is told to measure.
const OF_TOKENS: &str = "tokens";
const OF_CUSTOMERS: &str = "customers";
const TOKENS: usize = 500_000;
const CUSTOMERS: usize = 2_000;
/// Time in which idle customers leave.
const SETTLED: Duration = Duration::from_secs(3);

fn main() {
    let part = std::env::args().find(|word| [OF_TOKENS, OF_CUSTOMERS].contains(&word.as_str()));
    let Some(part) = part else {
        // What one part has freed and the allocator still holds would be taken for what the other did not need.
        for part in [OF_TOKENS, OF_CUSTOMERS] {
            let measured = Command::new(std::env::current_exe().expect("a path"))
                .arg(part)
                .status();
            assert!(measured.expect("a process").success(), "{part} were measured");
        }
        return;
    };
    let directory = tempfile::tempdir_in(".").expect("a directory on a real disk");
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.expect("a runtime").block_on(async {
        match part.as_str() {
            OF_TOKENS => tokens(directory.path()).await,
            _ => customers(directory.path()).await,
        }
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

async fn tokens(directory: &Path) {
    let data = tempfile::tempdir_in(directory).expect("a directory");
    let engine = Engine::start(EngineOptions::new(data.path())).expect("an engine");
    let customer = grown::customer(&engine).await;
    let mint = async |count| grown::many(&engine, customer.id, customer.bearer, Minting::Agents, count).await;
    // Fills caches and pools that are there once, whatever is kept.
    mint(TOKENS / 10).await;
    let (memory, disk) = (resident(), stored(data.path()));
    mint(TOKENS).await;
    let (kept, written) = (resident() - memory, stored(data.path()) - disk);
    engine.shutdown(Duration::from_secs(60)).await;
    let each = TOKENS as f64;
    println!("agent tokens that inherit their policy, {TOKENS} of one customer");
    println!(
        "  in memory, with what the store caches {:>16.0} bytes each",
        kept / each
    );
    println!("  on disk {:>46.0} bytes each", written / each);
}

async fn customers(directory: &Path) {
    let data = tempfile::tempdir_in(directory).expect("a directory");
    let mut options = EngineOptions::new(data.path());
    options.idle_tenant_seconds = 2;
    let engine = Engine::start(options).expect("an engine");
    for _ in 0..CUSTOMERS / 10 {
        grown::customer(&engine).await;
    }
    let (memory, disk) = (resident(), stored(data.path()));
    for _ in 0..CUSTOMERS {
        grown::customer(&engine).await;
    }
    let active = resident() - memory;
    let written = stored(data.path()) - disk;
    while engine.sweep().await > 0 {
        tokio::time::sleep(SETTLED / 10).await;
    }
    // The allocator gives little back to the system; what idle customers do not need any more, others do not need anew.
    let left = resident();
    for _ in 0..CUSTOMERS {
        grown::customer(&engine).await;
    }
    let others = resident() - left;
    engine.shutdown(Duration::from_secs(60)).await;
    let each = CUSTOMERS as f64;
    println!("customers with a key, an app token and a bearer token, {CUSTOMERS} of them");
    println!("  in memory {:>44.0} bytes each", active / each);
    println!(
        "  in memory, as many others after they have left {:>7.0} bytes each",
        others / each
    );
    println!("  on disk {:>46.0} bytes each", written / each);
}
