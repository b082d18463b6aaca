//! Durable minting over HTTP, beside a bare ceiling: actix-web parsing the same request, building and signing the same claims with a
//! kept key, without state and without a disk. Service, ceiling and load share the machine; the two servers are asked in alternation.
//!
//! `cargo bench --bench http`

#![expect(
    clippy::print_stdout,
    clippy::expect_used,
    reason = "a benchmark reports to whoever runs it"
)]

use std::time::Duration;

use countersign_benches::latency::Latencies;
use countersign_benches::load::{Outcome, Requests, in_turn, paced};
use countersign_benches::process::Served;
use countersign_benches::{bare, ceiling, remote};

const PROGRAM: &str = env!("CARGO_BIN_EXE_countersign");
const TENANTS: usize = 64;
const CONNECTIONS: [usize; 2] = [64, 256];
/// Times that each case is measured, ceiling and service in turn.
const ROUNDS: usize = 3;
const WARM_UP: Duration = Duration::from_millis(700);
const MEASURED: Duration = Duration::from_secs(3);
const PACED_PER_SECOND: u32 = 200;
const PACED: Duration = Duration::from_secs(4);

fn main() {
    ceiling::serve_if_told();
    let directory = tempfile::tempdir_in(".").expect("a directory on a real disk");
    let syncs = bare::syncs(directory.path());
    println!("bare fdatasync of 4 KiB          {syncs}");
    let ceiling = Served::ceiling("", None);
    for connections in CONNECTIONS {
        // A fresh store each time: what was minted before would be in it.
        let service = Served::program(PROGRAM, directory.path(), &[]);
        let [many, hot] = requests(&service);
        let [mut bare, mut spread, mut one] = [Outcome::default(), Outcome::default(), Outcome::default()];
        let busy = |server: &Served, requests| server.busy(connections, requests, WARM_UP, MEASURED);
        for _ in 0..ROUNDS {
            bare.add(&busy(&ceiling, &many));
            spread.add(&busy(&service, &many));
            one.add(&busy(&service, &hot));
        }
        println!("{connections} connections");
        report("  ceiling", &bare, &bare);
        report(&format!("  durable, {TENANTS} customers"), &spread, &bare);
        report("  durable, one customer", &one, &bare);
    }
    let service = Served::program(PROGRAM, directory.path(), &[]);
    let [many, _] = requests(&service);
    schedule(&ceiling, &service, &many, &syncs);
}

/// Requests of many customers in turn, and of one of them.
fn requests(service: &Served) -> [Requests; 2] {
    let requests = remote::agent_requests(&remote::tenants(service.address, TENANTS));
    let first = requests.first().expect("a request").clone();
    [in_turn(requests), in_turn(vec![first])]
}

fn report(name: &str, outcome: &Outcome, ceiling: &Outcome) {
    println!(
        "{name:<32} {:>7.0} /s  {}  {:>3.0} µs of processor each, {:.2} of the ceiling{}",
        outcome.per_second(),
        outcome.latencies,
        outcome.processor_micros(),
        outcome.per_second() / ceiling.per_second(),
        match outcome.refused {
            0 => String::new(),
            refused => format!(", {refused} refused"),
        },
    );
}

/// A schedule that both servers keep easily: what is measured is how long one call takes.
fn schedule(ceiling: &Served, service: &Served, requests: &Requests, syncs: &Latencies) {
    let [mut bare, mut durable] = [Outcome::default(), Outcome::default()];
    for _ in 0..ROUNDS {
        bare.add(&paced(ceiling.address, PACED_PER_SECOND, requests, PACED));
        durable.add(&paced(service.address, PACED_PER_SECOND, requests, PACED));
    }
    println!("{PACED_PER_SECOND} requests a second, on schedule");
    println!("  {:<30} {}", "ceiling", bare.latencies);
    println!("  {:<30} {}", "durable", durable.latencies);
    let more = durable.latencies.micros(0.5) - bare.latencies.micros(0.5);
    println!(
        "  the median takes {more:.0} µs more: {:.1} fdatasyncs",
        more / syncs.micros(0.5)
    );
}
