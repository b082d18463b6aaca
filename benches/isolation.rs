//! What a quiet customer feels of its neighbours, over HTTP: alone, and while a neighbour on the same shard, and one on another, floods
//! with mints, cascades over 50,000 tokens, or is read back from a large log; and where the flood is refused for want of permits.
//! The same flood on the bare ceiling says what the machine alone does to it.
//!
//! `cargo bench --bench isolation`

#![expect(
    clippy::print_stdout,
    clippy::expect_used,
    reason = "a benchmark reports to whoever runs it"
)]

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use countersign_actors::id::CustomerId;
use countersign_actors::placement::shard_of;
use countersign_benches::grown::fresh_customer;
use countersign_benches::latency::Latencies;
use countersign_benches::load::{Connection, Flood, Requests, in_turn, paced};
use countersign_benches::process::Served;
use countersign_benches::remote::{self, Tenant, agent_requests, call, tenant};
use countersign_benches::{bare, ceiling};
use serde_json::json;

const PROGRAM: &str = env!("CARGO_BIN_EXE_countersign");
const SHARDS: usize = 2;
/// What the quiet customer mints.
const QUIET_PER_SECOND: u32 = 400;
const MEASURED: Duration = Duration::from_secs(4);
/// How often each flood is measured, and for how long.
const ROUNDS: usize = 7;
const ROUND: Duration = Duration::from_millis(800);
const FLOODS: [usize; 2] = [64, 512];
const SETTLED: Duration = Duration::from_millis(300);
/// Calls in flight that a customer may have where its flood is refused: as many as the quiet one has connections.
const FEW_PERMITS: &str = "32";
const CASCADES: usize = 5;
const CASCADED: usize = 50_000;

fn main() {
    ceiling::serve_if_told();
    let directory = tempfile::tempdir_in(".").expect("a directory on a real disk");
    println!(
        "bare fdatasync of 4 KiB                       {}",
        bare::syncs(directory.path())
    );
    println!("a quiet customer, {QUIET_PER_SECOND} mints a second on schedule");
    floods(directory.path());
    for same_shard in [true, false] {
        cascades_and_recovery(directory.path(), same_shard);
    }
}

fn settings(permits: &str) -> Vec<(&'static str, &str)> {
    vec![
        ("AUTH_ENGINE_SHARDS", "2"),
        ("AUTH_TOKENS_IN_FLIGHT_PER_TENANT_MAX", permits),
    ]
}

/// A customer on the first shard, or on another.
fn placed(address: SocketAddr, on_first: bool) -> Tenant {
    let fits = |id: &CustomerId| (shard_of(*id, SHARDS) == 0) == on_first;
    let id = std::iter::repeat_with(fresh_customer).find(fits);
    tenant(address, id.expect("there are enough"))
}

fn minting(tenant: &Tenant) -> Requests {
    in_turn(agent_requests(std::slice::from_ref(tenant)))
}

fn quiet(address: SocketAddr, requests: &Requests) -> Latencies {
    quiet_for(MEASURED, address, requests)
}

fn quiet_for(measured: Duration, address: SocketAddr, requests: &Requests) -> Latencies {
    let outcome = paced(address, QUIET_PER_SECOND, requests, measured);
    assert_eq!(outcome.refused, 0, "the quiet customer is served");
    outcome.latencies
}

fn report(name: &str, latencies: &Latencies, alone: &Latencies) {
    let factor = latencies.micros(0.99) / alone.micros(0.99);
    println!("  {name:<43} {latencies}   p99 {factor:.1} times that alone");
}

/// What a quiet customer's calls are measured beside.
struct Case<'a> {
    name: String,
    server: &'a Served,
    own: &'a Requests,
    /// How many connections flood, and with what.
    flood: Option<(usize, &'a Requests)>,
}

/// Measures the cases in turn, several times, and prints the medians of the rounds: one stall of the disk would else decide which of two
/// has the worse tail. The first cases are those alone; each other one is compared with that of its server.
fn in_rounds(cases: &[Case]) {
    let mut rounds: Vec<Vec<[f64; 2]>> = cases.iter().map(|_| Vec::new()).collect();
    // The first calls of a server that has just started are slow.
    for case in cases.iter().filter(|case| case.flood.is_none()) {
        quiet_for(ROUND, case.server.address, case.own);
    }
    for _ in 0..ROUNDS {
        for (case, rounds) in cases.iter().zip(&mut rounds) {
            let flood = case.flood.map(|(connections, flood)| {
                let flood = Flood::begin(case.server.address, connections, flood);
                std::thread::sleep(SETTLED);
                flood
            });
            let latencies = quiet_for(ROUND, case.server.address, case.own);
            drop(flood);
            rounds.push([0.5, 0.99].map(|part| latencies.micros(part)));
        }
    }
    let medians: Vec<[f64; 2]> = rounds.iter().map(|rounds| medians(rounds)).collect();
    for (case, [p50, p99]) in cases.iter().zip(&medians) {
        let alone = cases
            .iter()
            .zip(&medians)
            .find(|(alone, _)| alone.server.address == case.server.address);
        let [p50_alone, p99_alone] = alone.map_or([*p50, *p99], |(_, alone)| *alone);
        println!(
            "  {:<43} p50 {p50:>7.0} µs  p99 {p99:>7.0} µs   {:>4.1} and {:>4.1} times that alone",
            case.name,
            p50 / p50_alone,
            p99 / p99_alone,
        );
    }
}

fn medians(rounds: &[[f64; 2]]) -> [f64; 2] {
    [0, 1].map(|part| {
        let mut values: Vec<f64> = rounds.iter().filter_map(|round| round.get(part).copied()).collect();
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
    })
}

fn floods(directory: &Path) {
    let bare = Served::ceiling("", None);
    let service = Served::program(PROGRAM, directory, &settings("256"));
    let few = Served::program(PROGRAM, directory, &settings(FEW_PERMITS));
    let own = minting(&placed(service.address, true));
    let [same, other] = [true, false].map(|same| minting(&placed(service.address, same)));
    let [few_own, few_flood] = [true, true].map(|same| minting(&placed(few.address, same)));
    let case = |name: &str, server, own, flood: Option<(usize, _)>| Case {
        name: match flood {
            None => format!("{name}: alone"),
            Some((connections, _)) => format!("{name}, {connections} connections flood"),
        },
        server,
        own,
        flood,
    };
    let refused = format!("service, {FEW_PERMITS} permits");
    let mut cases = vec![
        case("ceiling", &bare, &own, None),
        case("service", &service, &own, None),
        case(&refused, &few, &few_own, None),
    ];
    for connections in FLOODS {
        cases.extend([
            case("ceiling", &bare, &own, Some((connections, &same))),
            case("service: same shard", &service, &own, Some((connections, &same))),
            case("service: other shard", &service, &own, Some((connections, &other))),
            case(&refused, &few, &few_own, Some((connections, &few_flood))),
        ]);
    }
    in_rounds(&cases);
}

fn cascades_and_recovery(directory: &Path, same_shard: bool) {
    let service = Served::program(PROGRAM, directory, &settings("256"));
    let own = minting(&placed(service.address, true));
    let neighbour = placed(service.address, same_shard);
    let roots: Vec<_> = (0..CASCADES)
        .map(|_| remote::agent_with_sessions(service.address, &neighbour, CASCADED))
        .collect();
    let place = if same_shard { "same shard" } else { "other shard" };
    std::thread::sleep(4 * SETTLED);
    let alone = quiet(service.address, &own);
    report(
        &format!("{place}, {} tokens: alone", CASCADES * CASCADED),
        &alone,
        &alone,
    );
    let (address, customer) = (service.address, neighbour.id.to_string());
    let pause = MEASURED / (u32::try_from(CASCADES).unwrap_or(1) + 1);
    let cascading = std::thread::spawn(move || {
        let mut connection = Connection::open(address);
        for root in roots {
            std::thread::sleep(pause);
            call(
                &mut connection,
                &format!("/revocation/cascade/{root}"),
                &json!({"customer_id": customer}),
            );
        }
    });
    let cascaded = quiet(service.address, &own);
    cascading.join().expect("it cascaded");
    report(
        &format!("{place}: {CASCADES} cascades over {CASCADED}"),
        &cascaded,
        &alone,
    );
    let service = service.again(PROGRAM, &settings("256"));
    let (address, customer) = (service.address, neighbour.id);
    let recovering = std::thread::spawn(move || {
        std::thread::sleep(SETTLED);
        let started = std::time::Instant::now();
        remote::look(&mut Connection::open(address), &format!("/customers/{customer}"));
        started.elapsed()
    });
    let recovered = quiet(service.address, &own);
    let took = recovering.join().expect("it was read back").as_secs_f64() * 1e3;
    report(&format!("{place}: read back in {took:.0} ms"), &recovered, &alone);
}
