//! What holds a day, a season or a rotation later, in memory and after it was read back from the journal.

use countersign_actors::commands::{
    BatchItem, Call, CountEvents, DecideEvent, MintBatch, MintOverride, MintSession, PublicKeys, RevokeMany, Selector,
    SessionParent,
};
use countersign_actors::crypto::digest::sha256;
use countersign_actors::engine::Engine;
use countersign_actors::id::{CustomerId, EventId, Jti, SessionId};
use countersign_actors::tenant::Rejection;
use countersign_actors::tenant::idempotency::{Digest, Idempotency};
use countersign_actors::token::{Decision, DecisionSet};
use countersign_actors::{Failure, Minted};

use crate::support::{Fixture, agent, app, call, customer, customer_with_bearer};

const DAY_SECONDS: i64 = 24 * 3_600;

fn override_command(engine: &Engine, event: &str) -> MintOverride {
    MintOverride {
        jti: engine.fresh_jti(),
        parent: None,
        event_id: EventId::parse(event).expect("an id"),
        allowed_decisions: DecisionSet::parse(&["approve", "reject"]).expect("decisions"),
        reason: None,
        ttl_minutes: None,
    }
}

async fn decided(engine: &Engine, customer: CustomerId, event: &str, decision: Decision) -> Result<(), Failure> {
    let minted: Minted = engine.mint(customer, call(override_command(engine, event))).await?;
    let command = DecideEvent {
        event_id: EventId::parse(event).expect("an id"),
        override_jti: minted.grant.jti(),
        decision,
        decided_by: None,
        reason: None,
    };
    engine.decide_event(customer, call(command)).await.map(|_| ())
}

#[tokio::test]
async fn an_event_that_is_decided_anew_after_its_decision_was_forgotten_can_be_read_back() {
    let fixture = Fixture::new();
    let customer = customer(&fixture.engine).await;
    decided(&fixture.engine, customer, "evt-1", Decision::Approve)
        .await
        .expect("a decision");
    fixture.clock.advance_seconds(90 * DAY_SECONDS);
    decided(&fixture.engine, customer, "evt-1", Decision::Reject)
        .await
        .expect("a decision on an event that is forgotten");

    let fixture = fixture.restart().await;
    let again = decided(&fixture.engine, customer, "evt-1", Decision::Approve).await;
    assert!(
        matches!(&again, Err(Failure::Rejected(Rejection::EventDecided(standing))) if standing.decision == Decision::Reject),
        "{again:?}"
    );
}

async fn session(engine: &Engine, customer: CustomerId, parent: Jti) -> Jti {
    let command = MintSession {
        jti: engine.fresh_jti(),
        parent_jti: parent,
        parent_type: SessionParent::Agent,
        session_id: SessionId::parse("session").expect("an id"),
        max_events: Some(10),
        ttl_minutes: Some(1_440),
    };
    let minted = engine.mint(customer, call(command)).await.expect("a session token");
    minted.grant.jti()
}

#[tokio::test]
async fn an_idempotency_key_that_is_used_anew_a_day_later_is_known_after_a_restart() {
    let fixture = Fixture::new();
    let (customer, bearer) = customer_with_bearer(&fixture.engine).await;
    let key = Idempotency {
        scope: Digest::of_sha256(sha256(b"scope")),
        request: Digest::of_sha256(sha256(b"request")),
    };
    let keyed = |session_jti| Call {
        idempotency: Some(key),
        ..call(CountEvents { session_jti, count: 3 })
    };
    for _ in 0..2 {
        let agent = agent(&fixture.engine, customer, bearer).await.expect("an agent token");
        let session = session(&fixture.engine, customer, agent.grant.jti()).await;
        let counted = fixture.engine.execute(customer, keyed(session)).await.expect("a count");
        assert_eq!(counted.used, 3, "a fresh session's first count");
        fixture.clock.advance_seconds(DAY_SECONDS);
    }
    // The first use is two days ago, the second only half a day.
    fixture.clock.advance_seconds(-DAY_SECONDS / 2);
    let agent = agent(&fixture.engine, customer, bearer).await.expect("an agent token");
    let session = session(&fixture.engine, customer, agent.grant.jti()).await;
    let repeated = fixture
        .engine
        .execute(customer, keyed(session))
        .await
        .expect("a repetition");
    assert_eq!(repeated.used, 3);

    let fixture = fixture.restart().await;
    fixture
        .engine
        .execute(customer, keyed(session))
        .await
        .expect("a repetition");
    let counted = fixture
        .engine
        .execute(
            customer,
            call(CountEvents {
                session_jti: session,
                count: 1,
            }),
        )
        .await
        .expect("a count");
    assert_eq!(counted.used, 1, "no repetition has counted");
}

#[tokio::test]
async fn the_active_key_goes_on_signing_when_the_one_that_was_to_follow_is_revoked() {
    let fixture = Fixture::new();
    let engine = &fixture.engine;
    let customer = customer(engine).await;
    let active = engine.manage(customer, PublicKeys).await.expect("keys").keys[0].kid;
    let next = engine
        .rotate_signing_key(customer, call(()), active, false)
        .await
        .expect("a rotation");
    let revoke = RevokeMany {
        selector: Selector::Key(next.kid),
        reason: None,
    };
    engine.revoke_many(customer, call(revoke)).await.expect("a revocation");
    fixture.clock.advance_seconds(DAY_SECONDS);

    app(engine, customer).await.expect("there is a key that signs");
    let published = engine.manage(customer, PublicKeys).await.expect("keys");
    assert_eq!(published.keys.iter().map(|key| key.kid).collect::<Vec<_>>(), [active]);
}

#[tokio::test]
async fn batches_leave_room_for_themselves_once_their_tokens_have_expired() {
    let fixture = Fixture::with(|options| options.rules.tokens_per_tenant_max = 350);
    let engine = &fixture.engine;
    let customer = customer(engine).await;
    for batch in 0..6 {
        let items = (0..100).map(|item| {
            let command = override_command(engine, &format!("evt-{batch}-{item}"));
            (BatchItem::Override(command), None)
        });
        let items = items.collect();
        let minted = engine
            .manage(customer, MintBatch { items, presented: None })
            .await
            .expect("a batch");
        assert!(minted.iter().all(Result::is_ok), "batch {batch}: {:?}", minted.last());
        fixture.clock.advance_seconds(DAY_SECONDS);
    }
}
