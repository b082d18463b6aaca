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
const FLOODS: [usize; 2] = [64, 512];
const SETTLED: Duration = Duration::from_millis(500);
/// Calls in flight that a customer may have where its flood is refused.
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
    refused(directory.path());
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
    let outcome = paced(address, QUIET_PER_SECOND, requests, MEASURED);
    assert_eq!(outcome.refused, 0, "the quiet customer is served");
    outcome.latencies
}

fn report(name: &str, latencies: &Latencies, alone: &Latencies) {
    let factor = latencies.micros(0.99) / alone.micros(0.99);
    println!("  {name:<43} {latencies}   p99 {factor:.1} times that alone");
}

fn floods(directory: &Path) {
    let bare = Served::ceiling("", None);
    let service = Served::program(PROGRAM, directory, &settings("256"));
    let own = minting(&placed(service.address, true));
    let neighbours = [true, false].map(|same| minting(&placed(service.address, same)));
    // The first calls of a server that has just started are slow.
    let warmed = |server: &Served| {
        quiet(server.address, &own);
        quiet(server.address, &own)
    };
    let [bare_alone, alone] = [&bare, &service].map(warmed);
    report("ceiling: alone", &bare_alone, &bare_alone);
    report("service: alone", &alone, &alone);
    for connections in FLOODS {
        let flooded = |server: &Served, flood: &Requests| {
            let _flood = Flood::begin(server.address, connections, flood);
            std::thread::sleep(SETTLED);
            quiet(server.address, &own)
        };
        let [same, other] = &neighbours;
        let name = |who: &str| format!("{who}, {connections} connections flood");
        report(&name("ceiling"), &flooded(&bare, same), &bare_alone);
        report(&name("service: same shard"), &flooded(&service, same), &alone);
        report(&name("service: other shard"), &flooded(&service, other), &alone);
    }
}

/// The quiet customer needs few permits, and the flood gets no more.
fn refused(directory: &Path) {
    let service = Served::program(PROGRAM, directory, &settings(FEW_PERMITS));
    let own = minting(&placed(service.address, true));
    let flood = minting(&placed(service.address, true));
    let alone = quiet(service.address, &own);
    report(&format!("service, {FEW_PERMITS} permits: alone"), &alone, &alone);
    for connections in FLOODS {
        let flooding = Flood::begin(service.address, connections, &flood);
        std::thread::sleep(SETTLED);
        let flooded = quiet(service.address, &own);
        let outcome = flooding.measure(SETTLED);
        let refused = format!(
            "same shard, {connections} connections, {:.0}% refused",
            outcome.refused_percent()
        );
        report(&refused, &flooded, &alone);
    }
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
