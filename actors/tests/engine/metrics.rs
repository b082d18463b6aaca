//! What the engine counts of itself, where it takes a slow or a failing store, or a broken rule, to see it move.

use std::sync::Arc;
use std::time::Duration;

use countersign_actors::commands::{BatchItem, MintBatch, PublicKeys, RevokeToken};
use countersign_actors::engine::Engine;
use countersign_actors::error::{Failure, Overload};
use countersign_actors::journal::{Fault, FaultyStore, Operation};
use countersign_actors::metrics::{HistogramSnapshot, Metrics, MintOutcome};
use countersign_actors::token::TokenKind;

use crate::Explode;
use crate::support::{Fixture, agent, agent_command, call, customer_with_bearer};

/// Waits until the numbers are those.
async fn until(engine: &Engine, what: &str, shown: impl Fn(&Metrics) -> bool) {
    for _ in 0..10_000 {
        if shown(&engine.metrics()) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    panic!("{what}: {:?}", engine.metrics());
}

fn in_flight_queued_recovering(metrics: &Metrics) -> (usize, usize, usize) {
    (
        metrics.health.in_flight,
        metrics.journal.queued,
        metrics.journal.recoveries,
    )
}

/// How much more there is: values, and their sum.
fn added(before: &HistogramSnapshot, after: &HistogramSnapshot) -> (u64, u64) {
    (after.count() - before.count(), after.sum - before.sum)
}

#[tokio::test]
async fn what_waits_for_the_disk_is_counted_while_it_waits_and_how_long_it_took() {
    let store = FaultyStore::new();
    let fixture = Fixture::with(|options| options.store = Some(Arc::clone(&store) as _));
    let (asleep, _) = customer_with_bearer(&fixture.engine).await;
    let Fixture { dir, clock, engine } = fixture;
    assert!(!engine.health().draining);
    assert!(engine.shutdown(Duration::from_secs(30)).await);
    assert!(engine.health().draining);
    drop(engine);
    let store = store.crash(|_| true);
    let engine = crate::support::start(dir.path(), &clock, |options| {
        options.store = Some(Arc::clone(&store) as _)
    });
    let (customer, bearer) = customer_with_bearer(&engine).await;
    until(&engine, "nothing waits", |now| {
        in_flight_queued_recovering(now) == (0, 0, 0)
    })
    .await;
    let before = engine.metrics();

    store.hold();
    let mint = || {
        let engine = engine.clone();
        tokio::spawn(async move { agent(&engine, customer, bearer).await })
    };
    let mut mints = vec![mint()];
    while !store.is_waiting() {
        tokio::task::yield_now().await;
    }
    mints.extend([mint(), mint()]);
    let waking = engine.clone();
    let woken = tokio::spawn(async move { waking.manage(asleep, PublicKeys).await });
    // One mint is being written; two, and a customer that is not in memory, stand behind it.
    until(&engine, "they wait", |now| {
        in_flight_queued_recovering(now) == (4, 3, 1)
    })
    .await;
    // By the engine's clock, which no time passes on otherwise; and by the journal's own, which no test moves.
    clock.advance_seconds(2);
    tokio::time::sleep(Duration::from_millis(20)).await;
    store.resume();
    for mint in mints {
        mint.await.expect("no panic").expect("an agent token");
    }
    woken.await.expect("no panic").expect("keys");

    until(&engine, "nothing waits", |now| {
        in_flight_queued_recovering(now) == (0, 0, 0)
    })
    .await;
    let after = engine.metrics();
    assert_eq!(
        added(&before.activation_micros, &after.activation_micros),
        (1, 2_000_000)
    );
    let (before, after) = (before.journal, after.journal);
    let (groups, events) = added(&before.group_events, &after.group_events);
    assert_eq!((groups, events), (after.groups - before.groups, 3));
    assert_eq!(after.events - before.events, 3);
    assert!(after.keys > before.keys && after.bytes > before.bytes);
    let (commits, committing) = added(&before.commit_micros, &after.commit_micros);
    let (syncs, syncing) = added(&before.sync_micros, &after.sync_micros);
    assert_eq!((commits, syncs), (groups, groups));
    assert!(
        committing >= syncing + 20_000,
        "the store held a batch up before its sync: {committing}, {syncing}"
    );
}

#[tokio::test]
async fn a_customer_whose_memory_was_dropped_is_counted() {
    let fixture = Fixture::new();
    let engine = &fixture.engine;
    let (customer, _) = customer_with_bearer(engine).await;
    assert_eq!(engine.metrics().faults, 0);
    for faults in 1..=2 {
        let exploded = engine.execute(customer, call(Explode)).await;
        assert_eq!(exploded, Err(Failure::Interrupted));
        until(engine, "a fault", |now| now.faults == faults).await;
    }
}

#[tokio::test]
async fn mints_of_which_nobody_knows_are_counted_as_such_also_in_a_batch() {
    let store = FaultyStore::new();
    let fixture = Fixture::with(|options| options.store = Some(Arc::clone(&store) as _));
    let engine = &fixture.engine;
    let (customer, bearer) = customer_with_bearer(engine).await;
    let count = |outcome| {
        let mints = engine.metrics().mints;
        let known = mints
            .iter()
            .find(|(kind, of, _)| (*kind, *of) == (TokenKind::Agent, outcome));
        known.expect("every kind with every outcome").2
    };
    let batch = || MintBatch {
        items: vec![
            (BatchItem::Agent(agent_command(engine, bearer)), None),
            (BatchItem::Agent(agent_command(engine, bearer)), None),
        ],
        presented: None,
    };
    assert!(engine.mint_batch(customer, call(batch())).await.is_ok());
    assert_eq!((count(MintOutcome::Granted), count(MintOutcome::Indeterminate)), (2, 0));
    store.fail(Operation::Sync, 0, Fault::Error);
    let failed = agent(engine, customer, bearer).await;
    assert_eq!(failed.err(), Some(Failure::Indeterminate));
    assert_eq!((count(MintOutcome::Granted), count(MintOutcome::Indeterminate)), (2, 1));
    let failed = engine.mint_batch(customer, call(batch())).await;
    assert_eq!(failed.err(), Some(Failure::Indeterminate));
    assert_eq!((count(MintOutcome::Granted), count(MintOutcome::Indeterminate)), (2, 3));
}

#[tokio::test]
async fn a_revocation_of_which_nobody_knows_is_not_counted() {
    let store = FaultyStore::new();
    let fixture = Fixture::with(|options| options.store = Some(Arc::clone(&store) as _));
    let engine = &fixture.engine;
    let (customer, bearer) = customer_with_bearer(engine).await;
    let agent = agent(engine, customer, bearer).await.expect("an agent token");
    let revoke = |jti| {
        let command = RevokeToken {
            jti,
            kind: None,
            cascade: true,
            reason: None,
        };
        engine.execute(customer, call(command))
    };
    let revoked = || engine.metrics().revocations.iter().map(|(_, count)| count).sum::<u64>();
    assert!(revoke(agent.grant.jti()).await.is_ok());
    assert_eq!(revoked(), 1);
    store.fail(Operation::Sync, 0, Fault::Error);
    assert_eq!(revoke(bearer).await.err(), Some(Failure::Indeterminate));
    assert_eq!(revoked(), 1);
}

#[tokio::test]
async fn a_process_without_room_is_counted_for_customers_and_for_strangers() {
    let store = FaultyStore::new();
    let fixture = Fixture::with(|options| {
        options.store = Some(Arc::clone(&store) as _);
        options.in_flight_max = 1;
    });
    let engine = &fixture.engine;
    let (customer, bearer) = customer_with_bearer(engine).await;
    let refused = || {
        let health = engine.health();
        (health.refused_of_tenant, health.refused_of_process)
    };
    let full = Some(Failure::Overloaded(Overload::Process));
    store.hold();
    let minting = engine.clone();
    let mint = tokio::spawn(async move { agent(&minting, customer, bearer).await });
    while !store.is_waiting() {
        tokio::task::yield_now().await;
    }
    assert_eq!(agent(engine, customer, bearer).await.err(), full);
    assert_eq!(refused(), (0, 1));
    // One stranger has a place of its own, and waits for what the mint has changed.
    let asking = engine.clone();
    let asked = tokio::spawn(async move { asking.ask(customer, PublicKeys).await });
    until(engine, "both wait", |now| now.health.in_flight == 2).await;
    assert_eq!(engine.ask(customer, PublicKeys).await.err(), full);
    assert_eq!(refused(), (0, 2));
    store.resume();
    assert!(mint.await.expect("no panic").is_ok() && asked.await.expect("no panic").is_ok());
}
