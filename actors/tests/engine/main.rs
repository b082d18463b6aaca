//! The engine from outside: what is answered is durable, tenants come and go, and one tenant's fault is its own.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod backup;
mod clock;
mod damage;
mod faults;
mod faulty_model;
mod growth;
mod later;
mod lifecycle;
mod metrics;
mod model;
mod narrowing;
mod secrets;
mod strangers;
mod support;

use std::time::Duration;

use countersign_actors::commands::{Access, Command, Decided, Moment, PublicKeys};
use countersign_actors::error::{Failure, Overload};
use countersign_actors::tenant::{Rejection, State};
use countersign_actors::token::offline::verify_offline;
use support::{Fixture, agent, agent_command, app, bearer, call, customer, customer_with_bearer, fresh_customer};
use tokio::task::JoinSet;

/// A rule that is broken.
#[derive(Debug)]
struct Explode;

impl Command for Explode {
    type Reply = ();

    fn access(&self) -> Access {
        Access::Public
    }

    fn decide(self, _: &State, _: &Moment<'_>) -> Result<Decided<()>, Rejection> {
        panic!("a broken rule");
    }
}

#[tokio::test]
async fn a_hierarchy_is_minted_and_verifies_and_outlives_a_restart() {
    let fixture = Fixture::new();
    let engine = &fixture.engine;
    let customer = customer(engine).await;
    let app_token = app(engine, customer).await.expect("an app token");
    let bearer_token = bearer(engine, customer, &app_token).await.expect("a bearer token");
    let agent_token = agent(engine, customer, bearer_token.grant.jti())
        .await
        .expect("an agent token");

    let published = engine.manage(customer, PublicKeys).await.expect("keys");
    let keys: Vec<_> = published.keys.iter().map(|key| (key.kid, key.public)).collect();
    let now = u64::try_from(support::START.seconds().get()).expect("after 1970");
    for minted in [&app_token, &bearer_token, &agent_token] {
        let verified = verify_offline(minted.signed.token(), &keys, now).expect("it verifies");
        assert_eq!((verified.jti, verified.customer), (minted.grant.jti(), customer));
    }

    let fixture = fixture.restart().await;
    let again = agent(&fixture.engine, customer, bearer_token.grant.jti())
        .await
        .expect("the parent is still there");
    let published = fixture.engine.manage(customer, PublicKeys).await.expect("keys");
    let keys: Vec<_> = published.keys.iter().map(|key| (key.kid, key.public)).collect();
    assert!(verify_offline(again.signed.token(), &keys, now).is_ok());
}

#[tokio::test]
async fn a_thousand_mints_under_one_bearer_at_once() {
    let fixture = Fixture::new();
    let (customer, bearer) = customer_with_bearer(&fixture.engine).await;
    let mut mints = JoinSet::new();
    for _ in 0..1_000 {
        let engine = fixture.engine.clone();
        mints.spawn(async move {
            agent(&engine, customer, bearer)
                .await
                .expect("an agent token")
                .grant
                .jti()
        });
    }
    let mut minted = mints.join_all().await;
    minted.sort();
    minted.dedup();
    assert_eq!(minted.len(), 1_000);
}

#[tokio::test]
async fn a_thousand_customers_at_once_and_again_after_a_restart() {
    let fixture = Fixture::new();
    let mut tasks = JoinSet::new();
    for _ in 0..1_000 {
        let engine = fixture.engine.clone();
        tasks.spawn(async move { customer_with_bearer(&engine).await });
    }
    let customers = tasks.join_all().await;
    let fixture = fixture.restart().await;
    let mut tasks = JoinSet::new();
    for (customer, bearer) in customers {
        let engine = fixture.engine.clone();
        tasks.spawn(async move {
            agent(&engine, customer, bearer)
                .await
                .expect("the bearer token is there")
        });
    }
    assert_eq!(tasks.join_all().await.len(), 1_000);
}

#[tokio::test]
async fn a_panic_is_its_own_tenants_and_costs_it_nothing_that_was_answered() {
    let fixture = Fixture::with(|options| options.shards = 1);
    let engine = &fixture.engine;
    let (broken, broken_bearer) = customer_with_bearer(engine).await;
    let (neighbour, neighbours_bearer) = customer_with_bearer(engine).await;
    for _ in 0..5 {
        let (exploded, queued, beside) = tokio::join!(
            engine.execute(broken, call(Explode)),
            agent(engine, broken, broken_bearer),
            agent(engine, neighbour, neighbours_bearer),
        );
        assert_eq!(exploded, Err(Failure::Interrupted));
        assert!(
            queued.is_ok(),
            "what was behind the panic is delivered again: {queued:?}"
        );
        assert!(beside.is_ok());
        assert!(agent(engine, broken, broken_bearer).await.is_ok());
    }
}

#[tokio::test]
async fn an_idle_tenant_leaves_memory_and_comes_back_without_losing_a_command() {
    let fixture = Fixture::with(|options| options.idle_tenant_seconds = 0);
    let engine = &fixture.engine;
    let (customer, bearer) = customer_with_bearer(engine).await;
    for _ in 0..50 {
        let mints = (0..20).map(|_| {
            let engine = engine.clone();
            tokio::spawn(async move { agent(&engine, customer, bearer).await })
        });
        let mints: Vec<_> = mints.collect();
        // The sweep falls in the middle of the commands, and asks the tenant to leave while they arrive.
        engine.sweep().await;
        for mint in mints {
            mint.await.expect("no panic").expect("an agent token");
        }
    }
    let mut slots = engine.sweep().await;
    while slots > 0 {
        tokio::task::yield_now().await;
        slots = engine.sweep().await;
    }
    assert!(agent(engine, customer, bearer).await.is_ok());
}

#[tokio::test]
async fn unknown_customers_are_refused_and_take_no_slot() {
    let fixture = Fixture::new();
    for _ in 0..200 {
        let refused = fixture.engine.manage(fresh_customer(), PublicKeys).await;
        assert_eq!(refused.err(), Some(Failure::Rejected(Rejection::UnknownCustomer)));
    }
    assert_eq!(fixture.engine.sweep().await, 0);
}

#[tokio::test]
async fn a_tenant_with_too_much_in_flight_is_refused_and_its_neighbour_is_not() {
    let fixture = Fixture::with(|options| options.in_flight_per_tenant_max = 4);
    let engine = &fixture.engine;
    let (flooding, floods_bearer) = customer_with_bearer(engine).await;
    let (quiet, quiet_bearer) = customer_with_bearer(engine).await;
    let flood = (0..64).map(|_| engine.execute(flooding, call(agent_command(engine, floods_bearer))));
    let (answers, beside) = tokio::join!(futures(flood), agent(engine, quiet, quiet_bearer));
    let refused = answers
        .iter()
        .filter(|answer| matches!(answer, Err(Failure::Overloaded(Overload::Tenant))))
        .count();
    // Four are in at a time; how many are done while the others come is chance.
    assert!((1..=60).contains(&refused), "{refused}");
    assert!(beside.is_ok());
    assert!(
        agent(engine, flooding, floods_bearer).await.is_ok(),
        "the permits are given back"
    );
}

#[tokio::test]
async fn a_shut_down_engine_refuses_and_says_so() {
    let fixture = Fixture::new();
    let (customer, bearer) = customer_with_bearer(&fixture.engine).await;
    assert!(fixture.engine.shutdown(Duration::from_secs(10)).await);
    let refused = agent(&fixture.engine, customer, bearer).await.err();
    assert_eq!(refused, Some(Failure::Overloaded(Overload::Draining)));
}

/// Polls all of them before waiting for any.
async fn futures<F: Future>(futures: impl Iterator<Item = F>) -> Vec<F::Output> {
    let mut all: Vec<_> = futures.map(Box::pin).collect();
    let mut answers = Vec::with_capacity(all.len());
    let first = std::future::poll_fn(|context| {
        let polled: Vec<_> = all.iter_mut().map(|future| future.as_mut().poll(context)).collect();
        std::task::Poll::Ready(polled)
    });
    let polled = first.await;
    for (future, poll) in all.into_iter().zip(polled) {
        answers.push(match poll {
            std::task::Poll::Ready(answer) => answer,
            std::task::Poll::Pending => future.await,
        });
    }
    answers
}
