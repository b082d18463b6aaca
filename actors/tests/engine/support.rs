//! An engine in a directory of its own, and short forms of what tests do with it.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use countersign_actors::clock::{ManualClock, UnixMillis, fresh_uuid};
use countersign_actors::commands::{BearerParent, Call, MintAgent, MintBearer};
use countersign_actors::crypto::seal::MasterKey;
use countersign_actors::engine::{Engine, EngineOptions, Minted, NewApp};
use countersign_actors::error::Failure;
use countersign_actors::id::{AgentId, CustomerId, Jti, Name};
use countersign_actors::rbac::PolicyRequest;
use countersign_actors::token::hash::token_hash;
use countersign_actors::token::{Environment, Scope, TokenHashDigest};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use tempfile::TempDir;

/// 2026-03-01T00:00:00Z.
pub(crate) const START: UnixMillis = UnixMillis::new(1_772_323_200_000);

pub(crate) struct Fixture {
    pub(crate) dir: TempDir,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) engine: Engine,
}

impl Fixture {
    pub(crate) fn new() -> Self {
        Self::with(|_| {})
    }

    pub(crate) fn with(change: impl FnOnce(&mut EngineOptions)) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let clock = Arc::new(ManualClock::at(START));
        let engine = start(dir.path(), &clock, change);
        Self { dir, clock, engine }
    }

    /// Stops the engine and starts another on the same directory.
    pub(crate) async fn restart(self) -> Self {
        self.restart_with(|_| {}).await
    }

    pub(crate) async fn restart_with(self, change: impl FnOnce(&mut EngineOptions)) -> Self {
        let Self { dir, clock, engine } = self;
        assert!(
            engine.shutdown(Duration::from_secs(30)).await,
            "everything in flight is answered"
        );
        drop(engine);
        let engine = start(dir.path(), &clock, change);
        Self { dir, clock, engine }
    }
}

pub(crate) fn start(dir: &Path, clock: &Arc<ManualClock>, change: impl FnOnce(&mut EngineOptions)) -> Engine {
    let mut options = EngineOptions::new(dir);
    options.clock = Arc::clone(clock) as _;
    options.master_key = Some(MasterKey::from_bytes(&[7; 32]).expect("a key"));
    options.shards = 2;
    change(&mut options);
    Engine::start(options).expect("the engine starts")
}

/// A command in the operator's name.
pub(crate) fn call<C>(command: C) -> Call<C> {
    Call::management(command)
}

pub(crate) fn fresh_customer() -> CustomerId {
    CustomerId::new(fresh_uuid(START))
}

/// A customer with a key.
pub(crate) async fn customer(engine: &Engine) -> CustomerId {
    let customer = fresh_customer();
    engine.create_signing_key(customer, call(())).await.expect("a key");
    customer
}

pub(crate) async fn app(engine: &Engine, customer: CustomerId) -> Result<Minted, Failure> {
    let scopes = [Scope::All].into_iter().collect();
    let new = NewApp {
        name: Name::parse("app").expect("a name"),
        scopes,
        ttl_days: None,
    };
    engine.mint_app(customer, call(new)).await
}

pub(crate) async fn bearer(engine: &Engine, customer: CustomerId, app: &Minted) -> Result<Minted, Failure> {
    let parent = BearerParent::Hash(TokenHashDigest::of(&token_hash(app.signed.token())));
    let jti = engine.fresh_jti();
    let command = MintBearer {
        jti,
        parent,
        environment: Environment::Production,
        ttl_days: None,
    };
    engine.mint(customer, call(command)).await
}

pub(crate) fn agent_command(engine: &Engine, bearer_jti: Jti) -> MintAgent {
    MintAgent {
        jti: engine.fresh_jti(),
        bearer_jti,
        agent_id: AgentId::parse("code-review-agent").expect("an id"),
        agent_name: None,
        rbac: PolicyRequest::default(),
        ttl_hours: None,
    }
}

pub(crate) async fn agent(engine: &Engine, customer: CustomerId, bearer: Jti) -> Result<Minted, Failure> {
    engine.mint(customer, call(agent_command(engine, bearer))).await
}

/// A customer with a key, an app token and a bearer token; the customer and the bearer's identifier.
pub(crate) async fn customer_with_bearer(engine: &Engine) -> (CustomerId, Jti) {
    let customer = customer(engine).await;
    let app = app(engine, customer).await.expect("an app token");
    let bearer = bearer(engine, customer, &app).await.expect("a bearer token");
    (customer, bearer.grant.jti())
}

/// Lets `history` live through random steps, `cases` times or as often as `COUNTERSIGN_MODEL_CASES` says.
pub(crate) fn histories<S: Strategy>(
    cases: u32,
    steps: Range<usize>,
    shrinks: u32,
    step: S,
    history: impl AsyncFn(Vec<S::Value>),
) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let wanted = std::env::var("COUNTERSIGN_MODEL_CASES").ok();
    let config = Config {
        cases: wanted.and_then(|text| text.parse().ok()).unwrap_or(cases),
        failure_persistence: None,
        max_shrink_iters: shrinks,
        ..Config::default()
    };
    TestRunner::new(config)
        .run(&prop::collection::vec(step, steps), |steps| {
            runtime.block_on(history(steps));
            Ok(())
        })
        .unwrap_or_else(|error| panic!("{error}"));
}
