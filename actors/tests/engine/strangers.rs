//! Callers of whom nothing is known: they have a share of their own, and cannot take a customer's.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use countersign_actors::clock::{Clock, SystemClock, UnixMillis};
use countersign_actors::commands::PublicKeys;
use countersign_actors::error::{Failure, Overload};
use countersign_actors::journal::FaultyStore;
use countersign_actors::tenant::Rejection;
use countersign_actors::token::jwt;

use crate::support::{Fixture, agent, call, customer, customer_with_bearer, fresh_customer};
use crate::{agent_command, futures};

/// The token with another signature.
fn forged(token: &str) -> String {
    let at = token.len() - 10;
    let other = if token[at..].starts_with('A') { "B" } else { "A" };
    format!("{}{other}{}", &token[..at], &token[at + 1..])
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_who_wait_take_none_of_the_customers_places() {
    let store = FaultyStore::new();
    let fixture = Fixture::with(|options| {
        options.in_flight_per_tenant_max = 8;
        options.store = Some(Arc::clone(&store) as _);
    });
    let engine = &fixture.engine;
    let (customer, bearer) = customer_with_bearer(engine).await;
    let minted = agent(engine, customer, bearer).await.expect("an agent token");
    let token = minted.signed.token();
    engine.verify(token, None).await.expect("it verifies");

    // From here on nothing becomes durable, so whatever is admitted waits.
    store.hold();
    let own: Vec<_> = (0..8)
        .map(|_| {
            let engine = engine.clone();
            tokio::spawn(async move { engine.execute(customer, call(agent_command(&engine, bearer))).await })
        })
        .collect();
    store.wait_until_held();
    while engine.health().in_flight < 8 {
        tokio::task::yield_now().await;
    }
    let strangers: Vec<_> = (0..20)
        .map(|_| {
            let engine = engine.clone();
            tokio::spawn(async move { engine.ask(customer, PublicKeys).await })
        })
        .collect();
    // A forged token costs no place at all, once a key is known.
    for _ in 0..100 {
        let forged = forged(token);
        assert!(jwt::parse(&forged).is_ok(), "well-formed");
        let refused = engine.verify(&forged, None).await;
        assert_eq!(refused.err(), Some(Failure::Rejected(Rejection::InvalidCredential)));
    }
    while engine.health().refused_of_tenant + engine.health().refused_of_process < 18 {
        tokio::task::yield_now().await;
    }
    let in_flight = engine.health().in_flight;
    store.resume();
    assert_eq!(in_flight, 8 + 2, "two places for strangers beside eight");
    for own in own {
        assert!(
            own.await.expect("no panic").is_ok(),
            "none of the customer's own calls was refused"
        );
    }
    let mut refused = 0;
    for stranger in strangers {
        match stranger.await.expect("no panic") {
            Err(failure) => refused += usize::from(failure == Failure::Overloaded(Overload::Tenant)),
            Ok(keys) => assert_eq!(keys.keys.len(), 1),
        }
    }
    assert_eq!(refused, 18);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_unknown_customers_refuses_nobody_who_is_known() {
    let fixture = Fixture::with(|options| {
        options.in_flight_max = 64;
        options.idle_tenant_seconds = 0;
    });
    let engine = &fixture.engine;
    let known = customer(engine).await;
    let recorded = engine.journal_status().events;
    let mut refused = 0;
    for _ in 0..20 {
        let flood = (0..200).map(|_| engine.ask(fresh_customer(), PublicKeys));
        let (flooded, own, _) = tokio::join!(futures(flood), engine.manage(known, PublicKeys), engine.sweep());
        assert!(own.is_ok(), "{own:?}");
        for answer in flooded {
            match answer.expect_err("nobody is there") {
                Failure::Overloaded(Overload::Process) => refused += 1,
                failure => assert_eq!(failure, Failure::Rejected(Rejection::UnknownCustomer)),
            }
        }
    }
    assert!(refused > 0, "the flood meets its limit");
    assert_eq!(
        engine.journal_status().events,
        recorded,
        "nothing is recorded about them"
    );
    assert!(engine.sweep().await <= 1, "and none of them is in memory");
}

/// A clock that panics on demand: where it is asked, a supervisor does its own work.
#[derive(Debug, Default)]
struct Breaking(AtomicBool);

impl Clock for Breaking {
    fn now(&self) -> UnixMillis {
        assert!(!self.0.load(Ordering::SeqCst), "the clock is broken");
        SystemClock.now()
    }

    fn monotonic(&self) -> Duration {
        SystemClock.monotonic()
    }
}

#[tokio::test]
async fn a_shard_that_has_ended_is_told() {
    let clock = Arc::new(Breaking::default());
    let fixture = Fixture::with(|options| {
        options.clock = Arc::clone(&clock) as _;
        options.shards = 1;
    });
    let engine = &fixture.engine;
    customer(engine).await;
    assert!(!engine.health().shard_lost);
    clock.0.store(true, Ordering::SeqCst);
    let unanswered = engine.manage(fresh_customer(), PublicKeys).await;
    clock.0.store(false, Ordering::SeqCst);
    assert_eq!(unanswered.err(), Some(Failure::Interrupted));
    // The call is answered while the shard falls; it is told a moment later.
    for _ in 0..1_000 {
        if engine.health().shard_lost {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(engine.health().shard_lost);
    assert_eq!(
        engine.manage(fresh_customer(), PublicKeys).await.err(),
        Some(Failure::Interrupted)
    );
}
