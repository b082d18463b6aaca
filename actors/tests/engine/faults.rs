//! What a failing store does to callers: nobody is told of success, and nothing is tried again.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use countersign_actors::commands::PublicKeys;
use countersign_actors::engine::EngineOptions;
use countersign_actors::error::{Failure, Overload};
use countersign_actors::journal::{Fault, FaultyStore, Operation};

use crate::support::{Fixture, agent, customer_with_bearer};

fn on_a_store_that_can_fail(change: impl FnOnce(&mut EngineOptions)) -> (Fixture, Arc<FaultyStore>) {
    let store = FaultyStore::new();
    let fixture = Fixture::with(|options| {
        options.store = Some(Arc::clone(&store) as _);
        change(options);
    });
    (fixture, store)
}

#[tokio::test]
async fn a_failed_sync_is_final_and_nobody_is_told_of_success() {
    let failures = Arc::new(AtomicUsize::new(0));
    let (told, reasons) = mpsc::channel();
    let counted = Arc::clone(&failures);
    let (fixture, store) = on_a_store_that_can_fail(|options| {
        options.on_failure = Box::new(move |reason| {
            counted.fetch_add(1, Ordering::SeqCst);
            told.send(reason).expect("the test listens");
        });
    });
    let engine = &fixture.engine;
    let (customer, bearer) = customer_with_bearer(engine).await;
    store.fail(Operation::Sync, 0, Fault::Error);
    assert_eq!(
        agent(engine, customer, bearer).await.err(),
        Some(Failure::Indeterminate)
    );
    assert!(
        reasons.recv_timeout(Duration::from_secs(30)).is_ok(),
        "the process is told to end"
    );
    assert!(engine.health().journal_failed.is_some(), "readiness is red");
    // The store would work again; the journal does not ask it.
    assert_eq!(
        agent(engine, customer, bearer).await.err(),
        Some(Failure::Indeterminate)
    );
    // What was durable before could be told, but memory has run ahead of the disk: also a read is refused.
    assert_eq!(
        engine.manage(customer, PublicKeys).await.err(),
        Some(Failure::Indeterminate)
    );
    assert_eq!(failures.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn what_was_acknowledged_before_a_failure_is_there_after_it() {
    let (fixture, store) = on_a_store_that_can_fail(|_| {});
    let (customer, bearer) = customer_with_bearer(&fixture.engine).await;
    let kept = agent(&fixture.engine, customer, bearer)
        .await
        .expect("an agent token")
        .grant
        .jti();
    store.fail(Operation::Apply, 0, Fault::Panic);
    assert!(agent(&fixture.engine, customer, bearer).await.is_err());
    let Fixture { dir, clock, engine } = fixture;
    engine.shutdown(Duration::from_secs(30)).await;
    drop(engine);
    let after = store.crash(|_| false);
    let engine = crate::support::start(dir.path(), &clock, |options| options.store = Some(after as _));
    let found = engine
        .manage(customer, countersign_actors::commands::FindToken { jti: kept })
        .await;
    assert_eq!(found.expect("it was acknowledged").jti, kept);
    assert!(agent(&engine, customer, bearer).await.is_ok());
}

#[tokio::test]
async fn a_nearly_full_disk_refuses_writes_and_serves_reads() {
    let (fixture, store) = on_a_store_that_can_fail(|options| options.disk_free_min_bytes = 1_000);
    let engine = &fixture.engine;
    let (customer, bearer) = customer_with_bearer(engine).await;
    store.set_free_bytes(Some(999));
    while !engine.health().storage_low {
        tokio::task::yield_now().await;
    }
    let refused = agent(engine, customer, bearer).await.err();
    assert_eq!(refused, Some(Failure::Overloaded(Overload::StorageLow)));
    assert!(engine.manage(customer, PublicKeys).await.is_ok());
    store.set_free_bytes(Some(1_001));
    while engine.health().storage_low {
        tokio::task::yield_now().await;
    }
    assert!(agent(engine, customer, bearer).await.is_ok());
}

/// Lets a call that was spawned post its command, and then wake its shard.
async fn until_under_way() {
    for _ in 0..2 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_read_waits_for_what_it_saw_and_a_neighbour_does_not() {
    let (fixture, store) = on_a_store_that_can_fail(|options| options.shards = 1);
    let engine = &fixture.engine;
    let (customer, bearer) = customer_with_bearer(engine).await;
    let (neighbour, _) = customer_with_bearer(engine).await;
    store.hold();
    let (minting, reading) = (engine.clone(), engine.clone());
    let mint = tokio::spawn(async move { agent(&minting, customer, bearer).await });
    until_under_way().await;
    store.wait_until_held();
    let read = tokio::spawn(async move { reading.manage(customer, PublicKeys).await });
    // The neighbour's turn comes after the read's, and has its answer first.
    until_under_way().await;
    assert!(engine.manage(neighbour, PublicKeys).await.is_ok());
    tokio::task::yield_now().await;
    let waiting = !read.is_finished() && !mint.is_finished();
    store.resume();
    assert!(waiting, "nothing leaves before what it stands on is durable");
    assert!(read.await.expect("no panic").is_ok() && mint.await.expect("no panic").is_ok());
}
