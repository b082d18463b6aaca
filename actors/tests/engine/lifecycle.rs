//! What becomes of tokens when many ask at once, and while tenants come and go.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use countersign_actors::commands::{
    BatchItem, DecideEvent, Describe, FindEvent, MintBatch, MintOverride, MintSubagent, PublicKeys, RevokeToken,
};
use countersign_actors::engine::{Cosigned, Engine};
use countersign_actors::error::Failure;
use countersign_actors::id::{AgentId, CustomerId, EventId, Jti};
use countersign_actors::rbac::PolicyRequest;
use countersign_actors::tenant::Rejection;
use countersign_actors::token::{Decision, DecisionSet};
use tokio::task::JoinSet;

use crate::support::{Fixture, agent, agent_command, call, customer, customer_with_bearer};

fn event(name: &str) -> EventId {
    EventId::parse(name).expect("an id")
}

async fn flagged(engine: &Engine, customer: CustomerId, event_id: &EventId) -> Jti {
    let command = MintOverride {
        jti: engine.fresh_jti(),
        parent: None,
        event_id: event_id.clone(),
        allowed_decisions: DecisionSet::default(),
        reason: None,
        ttl_minutes: None,
    };
    let minted = engine.mint(customer, call(command)).await.expect("an override token");
    minted.grant.jti()
}

fn decide(event_id: &EventId, override_jti: Jti, at: usize) -> DecideEvent {
    DecideEvent {
        event_id: event_id.clone(),
        override_jti,
        decision: if at.is_multiple_of(2) {
            Decision::Approve
        } else {
            Decision::Reject
        },
        decided_by: Some(format!("decider-{at}").into()),
        reason: None,
    }
}

/// Lets 64 decide one event with two tokens, and asserts that one did.
async fn contested(engine: &Engine, customer: CustomerId, event_id: &EventId, sweeping: bool) -> Cosigned {
    let tokens = [
        flagged(engine, customer, event_id).await,
        flagged(engine, customer, event_id).await,
    ];
    let mut deciders = JoinSet::new();
    for at in 0..64 {
        let (engine, command) = (engine.clone(), decide(event_id, tokens[at / 2 % 2], at));
        deciders.spawn(async move {
            if sweeping && at % 8 == 0 {
                engine.sweep().await;
            }
            engine.decide_event(customer, call(command)).await
        });
    }
    let (mut taken, mut standing) = (Vec::new(), Vec::new());
    for answer in deciders.join_all().await {
        match answer {
            Ok(cosigned) => taken.push(cosigned),
            Err(Failure::Rejected(Rejection::EventDecided(decision))) => standing.push(decision),
            Err(other) => panic!("{other:?}"),
        }
    }
    assert_eq!((taken.len(), standing.len()), (1, 63), "one of them");
    let winner = taken.remove(0);
    let record = &winner.taken.record;
    for decision in standing {
        assert_eq!(decision.event_id, *event_id);
        assert_eq!(
            (
                decision.override_jti,
                decision.decision,
                decision.decided_by,
                decision.decided_at
            ),
            (
                record.override_jti,
                record.decision,
                record.decided_by.clone(),
                record.decided_at
            ),
            "what a loser is told is what was decided"
        );
    }
    winner
}

async fn found(engine: &Engine, customer: CustomerId, event_id: &EventId) -> Cosigned {
    let command = FindEvent {
        event_id: event_id.clone(),
    };
    let (_, cosigned) = engine.find_event(customer, call(command)).await.expect("the event");
    cosigned.expect("it is decided")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_64_deciders_with_two_tokens_one_decides() {
    let fixture = Fixture::new();
    let customer = customer(&fixture.engine).await;
    let mut decided = Vec::new();
    for round in 0..100 {
        let event_id = event(&format!("evt-{round}"));
        let winner = contested(&fixture.engine, customer, &event_id, false).await;
        decided.push((event_id, winner));
    }
    let fixture = fixture.restart().await;
    for (event_id, winner) in decided {
        let found = found(&fixture.engine, customer, &event_id).await;
        assert_eq!(found.taken.record, winner.taken.record);
        assert_eq!(found.cosignature, winner.cosignature);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_tenant_that_leaves_memory_between_decisions_still_decides_once() {
    let fixture = Fixture::with(|options| options.idle_tenant_seconds = 0);
    let engine = fixture.engine.clone();
    let customer = customer(&engine).await;
    let stop = Arc::new(AtomicBool::new(false));
    let sweeping = tokio::spawn({
        let (engine, stop) = (engine.clone(), Arc::clone(&stop));
        async move {
            while !stop.load(Ordering::Relaxed) {
                engine.sweep().await;
                tokio::task::yield_now().await;
            }
        }
    });
    for round in 0..40 {
        let event_id = event(&format!("evt-{round}"));
        let winner = contested(&engine, customer, &event_id, true).await;
        let found = found(&engine, customer, &event_id).await;
        assert_eq!(found.taken.record, winner.taken.record);
        assert_eq!(found.cosignature, winner.cosignature);
    }
    stop.store(true, Ordering::Relaxed);
    sweeping.await.expect("no panic");
}

/// Mints agents under a bearer and, under every fifth, four subagents: `count` tokens in all.
async fn mint_many(engine: &Engine, customer: CustomerId, bearer: Jti, count: usize) {
    let subagent = |parent_agent_jti| {
        BatchItem::Subagent(MintSubagent {
            jti: engine.fresh_jti(),
            parent_agent_jti,
            agent_id: AgentId::parse("below").expect("an id"),
            agent_name: None,
            rbac: PolicyRequest::default(),
            ttl_hours: None,
        })
    };
    let mint = async |items: Vec<BatchItem>| {
        let items = items.into_iter().map(|item| (item, None)).collect();
        let command = MintBatch { items, presented: None };
        for minted in engine.manage(customer, command).await.expect("a batch") {
            minted.expect("a token");
        }
    };
    for _ in 0..count / 180 {
        let agents: Vec<_> = (0..100).map(|_| agent_command(engine, bearer)).collect();
        let parents: Vec<Jti> = agents.iter().step_by(5).map(|agent| agent.jti).collect();
        mint(agents.into_iter().map(BatchItem::Agent).collect()).await;
        let below = parents
            .into_iter()
            .flat_map(|parent| [(); 4].map(|()| subagent(parent)));
        mint(below.collect()).await;
    }
    let rest = (0..count % 180).map(|_| BatchItem::Agent(agent_command(engine, bearer)));
    let rest: Vec<_> = rest.collect();
    for part in rest.chunks(100) {
        mint(part.to_vec()).await;
    }
}

#[tokio::test]
async fn a_cascade_over_fifty_thousand_is_one_event_and_its_neighbours_are_served_meanwhile() {
    const DESCENDANTS: usize = 50_000;
    let fixture = Fixture::with(|options| options.shards = 1);
    let engine = &fixture.engine;
    let (customer, bearer) = customer_with_bearer(engine).await;
    let (neighbour, _) = customer_with_bearer(engine).await;
    mint_many(engine, customer, bearer, DESCENDANTS).await;
    let events = engine.journal_status().events;
    let command = RevokeToken {
        jti: bearer,
        kind: None,
        cascade: true,
        reason: None,
    };
    let done = AtomicBool::new(false);
    let cascade = async {
        let answer = engine.cascade(customer, call(command.clone())).await;
        done.store(true, Ordering::Relaxed);
        answer
    };
    let beside = async {
        let mut served = 0;
        while !done.load(Ordering::Relaxed) {
            engine
                .manage(neighbour, PublicKeys)
                .await
                .expect("the neighbour is served");
            served += 1;
        }
        served
    };
    let (cascaded, served) = tokio::join!(cascade, beside);
    let cascaded = cascaded.expect("a cascade");
    assert_eq!(engine.journal_status().events, events + 1);
    assert_eq!(cascaded.revoked_count, DESCENDANTS + 1);
    assert_eq!(cascaded.revoked.first(), Some(&bearer));
    assert!(!cascaded.truncated());
    let mut listed = cascaded.revoked.clone();
    listed.sort_unstable();
    listed.dedup();
    assert_eq!(listed.len(), DESCENDANTS + 1, "each once");
    assert!(
        served > 10,
        "there are fifty slices, and something came between them: {served}"
    );
    let again = engine.cascade(customer, call(command)).await.expect("again");
    assert_eq!(again, cascaded);
    assert_eq!(engine.journal_status().events, events + 1);
    let (_, counts) = engine.describe(customer, call(Describe)).await.expect("an overview");
    let live: Vec<usize> = counts.iter().map(|(_, count)| *count).collect();
    assert_eq!(live, [1, 0, 0, 0, 0, 0]);
}

#[tokio::test]
async fn a_cascade_lists_a_hundred_thousand_and_counts_the_rest() {
    const DESCENDANTS: usize = 100_020;
    let fixture = Fixture::with(|options| options.shards = 1);
    let (customer, bearer) = customer_with_bearer(&fixture.engine).await;
    mint_many(&fixture.engine, customer, bearer, DESCENDANTS).await;
    let command = RevokeToken {
        jti: bearer,
        kind: None,
        cascade: true,
        reason: None,
    };
    let cascaded = fixture
        .engine
        .cascade(customer, call(command))
        .await
        .expect("a cascade");
    assert_eq!(
        (cascaded.revoked_count, cascaded.revoked.len()),
        (DESCENDANTS + 1, 100_000)
    );
    assert!(cascaded.truncated());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_erasure_ends_what_is_in_flight_and_nothing_of_it_comes_back() {
    let fixture = Fixture::new();
    let engine = &fixture.engine;
    for round in 0..30 {
        let (customer, bearer) = customer_with_bearer(engine).await;
        let mut mints = JoinSet::new();
        for at in 0..100 {
            let engine = engine.clone();
            mints.spawn(async move {
                if at % 10 == round % 10 {
                    engine.sweep().await;
                }
                agent(&engine, customer, bearer).await
            });
        }
        let erased = loop {
            match engine.erase(customer, call(())).await {
                // It was just being brought into memory.
                Err(Failure::Interrupted) => tokio::task::yield_now().await,
                other => break other,
            }
        };
        erased.expect("an erasure");
        let unknown = Some(Failure::Rejected(Rejection::UnknownCustomer));
        assert_eq!(engine.manage(customer, PublicKeys).await.err(), unknown);
        let mut tokens = Vec::new();
        for minted in mints.join_all().await {
            match minted {
                Ok(minted) => tokens.push(minted),
                Err(Failure::Rejected(Rejection::UnknownCustomer) | Failure::Interrupted) => {}
                Err(other) => panic!("{other:?}"),
            }
        }
        assert_eq!(agent(engine, customer, bearer).await.err(), unknown);
        assert_eq!(engine.erase(customer, call(())).await.err(), unknown);
        // Made again, it knows nothing of before.
        engine.create_signing_key(customer, call(())).await.expect("a key");
        for token in tokens {
            let introspected = engine.introspect(token.signed.token(), call(None)).await;
            assert_eq!(introspected, Ok(None));
        }
        let refused = agent(engine, customer, bearer).await.err();
        assert!(matches!(
            refused,
            Some(Failure::Rejected(Rejection::ParentNotFound { .. }))
        ));
        let (overview, counts) = engine.describe(customer, call(Describe)).await.expect("an overview");
        assert_eq!(overview.sequence, 1);
        assert!(counts.iter().all(|(_, count)| *count == 0));
    }
}
