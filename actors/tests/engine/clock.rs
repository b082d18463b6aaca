//! What a clock that was set far forward must not destroy.

use countersign_actors::commands::FindToken;

use crate::support::{Fixture, agent, call, customer_with_bearer};

const DAY: i64 = 24 * 3_600;

#[tokio::test]
async fn a_clock_that_jumps_forward_forgets_nothing_until_it_is_vouched_for() {
    let fixture = Fixture::with(|options| options.idle_tenant_seconds = 0);
    let engine = &fixture.engine;
    let (customer, bearer) = customer_with_bearer(engine).await;
    let token = agent(engine, customer, bearer)
        .await
        .expect("an agent token")
        .grant
        .jti();
    let find = || engine.execute(customer, call(FindToken { jti: token }));
    fixture.clock.jump_seconds(2 * DAY);
    assert!(engine.health().clock_jumped);
    assert!(
        find().await.is_ok(),
        "it has expired long ago by that clock, and is remembered all the same"
    );
    // Leaving memory and coming back is no way to forget either.
    while engine.sweep().await > 0 {
        tokio::task::yield_now().await;
    }
    assert!(find().await.is_ok());
    engine.confirm_clock();
    assert!(!engine.health().clock_jumped);
    // One turn forgets, the next finds it gone.
    let _ = find().await;
    assert!(find().await.is_err());
}
