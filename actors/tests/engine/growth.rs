//! A customer takes as much space as it has entities, not as much as has happened to it.

use std::path::Path;
use std::sync::Arc;

use countersign_actors::commands::{MintSession, SessionParent};
use countersign_actors::engine::Engine;
use countersign_actors::id::{CustomerId, Jti, SessionId};
use countersign_actors::journal::FaultyStore;
use tokio::task::JoinSet;

use crate::support::{Fixture, agent, call, customer_with_bearer};

const HOUR: i64 = 3_600;
const DAYS: i64 = 30;

/// Sessions of an hour, so many at once.
async fn sessions(engine: &Engine, customer: CustomerId, parent: Jti, count: usize) {
    let mut minting = JoinSet::new();
    for _ in 0..count {
        let command = MintSession {
            jti: engine.fresh_jti(),
            parent_jti: parent,
            parent_type: SessionParent::Agent,
            session_id: SessionId::parse("session").expect("an id"),
            max_events: None,
            ttl_minutes: Some(60),
        };
        let engine = engine.clone();
        minting.spawn(async move { engine.mint(customer, call(command)).await });
    }
    for minted in minting.join_all().await {
        minted.expect("a session");
    }
}

async fn agent_of_the_day(engine: &Engine, customer: CustomerId, bearer: Jti) -> Jti {
    agent(engine, customer, bearer).await.expect("an agent").grant.jti()
}

/// Keys of the store by their first byte: records, rows, audit, ….
fn keys(store: &FaultyStore) -> [usize; 3] {
    let contents = store.contents();
    [b'j', b's', b'a'].map(|space| contents.iter().filter(|(key, _)| key.first() == Some(&space)).count())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_month_of_sessions_leaves_no_more_than_a_few_days_do() {
    let store = FaultyStore::new();
    let with_store = |options: &mut countersign_actors::engine::EngineOptions| {
        options.store = Some(Arc::clone(&store) as _);
        options.idle_tenant_seconds = 3_600;
    };
    let fixture = Fixture::with(with_store);
    let engine = fixture.engine.clone();
    let (busy, busy_bearer) = customer_with_bearer(&engine).await;
    let (idle, idle_bearer) = customer_with_bearer(&engine).await;
    let short = agent_of_the_day(&engine, idle, idle_bearer).await;
    sessions(&engine, idle, short, 400).await;
    let mut most = Vec::new();
    for number in 1..=DAYS {
        let agent = agent_of_the_day(&engine, busy, busy_bearer).await;
        let mut day = [0; 3];
        for _ in 0..24 {
            sessions(&engine, busy, agent, 40).await;
            fixture.clock.advance_seconds(HOUR);
            fixture.engine.confirm_clock();
            let now = keys(&store);
            day = std::array::from_fn(|at| day[at].max(now[at]));
        }
        // The busy one folds by itself; the idle one is only reached by this.
        if number % 10 == 0 {
            engine.purge().await.expect("purged");
        }
        most.push(day);
    }
    // 28,000 events are written in all. Records wait for their fold, and then for their deletion between the groups.
    let bounded = |day: &[usize; 3]| day[0] <= 1_024 && day[1] <= 64;
    assert!(
        most.iter().all(bounded),
        "records, rows and audit entries, day by day: {most:?}"
    );
    // Of the idle customer nothing is left but what lives for months, and nobody asked for it.
    let prefix = |space: u8| [&[space], idle.as_bytes().as_slice()].concat();
    let left = store.contents();
    let of_idle = |space| {
        left.iter()
            .filter(|(key, _)| key.starts_with(&prefix(space)))
            .map(|(_, value)| value.len())
            .sum::<usize>()
    };
    assert!(
        of_idle(b's') < 4_096 && of_idle(b'j') == 0,
        "{} {}",
        of_idle(b's'),
        of_idle(b'j')
    );
    assert!(engine.journal_status().events > 28_000, "all of that was written");
    let fixture = fixture.restart_with(with_store).await;
    let agent = agent_of_the_day(&fixture.engine, busy, busy_bearer).await;
    sessions(&fixture.engine, busy, agent, 1).await;
}

fn disk_bytes(dir: &Path) -> u64 {
    let entries = std::fs::read_dir(dir).expect("a directory");
    let bytes = |entry: std::io::Result<std::fs::DirEntry>| {
        let entry = entry.expect("an entry");
        let metadata = entry.metadata().expect("metadata");
        if metadata.is_dir() {
            disk_bytes(&entry.path())
        } else {
            metadata.len()
        }
    };
    entries.map(bytes).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_disk_does_not_grow_with_what_has_happened() {
    let fixture = Fixture::with(|_| {});
    let engine = fixture.engine.clone();
    let (customer, bearer) = customer_with_bearer(&engine).await;
    let mut sizes = Vec::new();
    for _ in 0..DAYS {
        let agent = agent_of_the_day(&engine, customer, bearer).await;
        for _ in 0..6 {
            sessions(&engine, customer, agent, 300).await;
            fixture.clock.advance_seconds(4 * HOUR);
            fixture.engine.confirm_clock();
        }
        sizes.push(disk_bytes(fixture.dir.path()));
    }
    let (first, last) = sizes.split_at(5);
    let most = first.iter().max().copied().unwrap_or_default();
    assert!(last.iter().all(|size| *size <= 2 * most), "bytes day by day: {sizes:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_audit_is_kept_for_90_days_and_no_longer() {
    let store = FaultyStore::new();
    let fixture = Fixture::with(|options| options.store = Some(Arc::clone(&store) as _));
    let engine = fixture.engine.clone();
    let (customer, _) = customer_with_bearer(&engine).await;
    let mut counts = Vec::new();
    for _ in 0..120 {
        crate::support::app(&engine, customer).await.expect("an app token");
        fixture.clock.advance_seconds(24 * HOUR);
        engine.confirm_clock();
        engine.purge().await.expect("purged");
        counts.push(keys(&store)[2]);
    }
    let page = engine.read_audit(customer, None, 200).expect("a page");
    assert_eq!(page.entries.len(), 90);
    assert_eq!(counts[119], counts[100], "what is told no more is stored no more");
    assert!(counts[80] > counts[40]);
}
