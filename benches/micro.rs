//! Small steps in-process: what one signature, one verification and the reading of one token cost, and what a whole introspection or
//! authorisation costs beside them.
//!
//! `cargo bench --bench micro`

#![expect(
    clippy::expect_used,
    reason = "a benchmark that cannot measure has nothing to report"
)]

use std::cell::Cell;
use std::hint::black_box;
use std::time::Duration;

use countersign_actors::commands::Call;
use countersign_actors::crypto::CryptoError;
use countersign_actors::crypto::keys::SigningKey;
use countersign_actors::engine::{Engine, EngineOptions};
use countersign_actors::id::{CustomerId, Jti, KeyId};
use countersign_actors::limits::{BATCH_MAX, VERIFIED_TOKENS_MAX};
use countersign_actors::token::claims::{Claims, Details};
use countersign_actors::token::{Environment, jwt};
use countersign_benches::grown::{self, fresh_customer};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

/// Calls that are made at one time, so that waking threads is shared as under load.
const AT_ONCE: usize = 64;
/// More tokens than are remembered, so that in turn each is unknown again.
const UNKNOWN: usize = 3 * VERIFIED_TOKENS_MAX;

criterion_group! {
    name = steps;
    config = Criterion::default()
        .warm_up_time(Duration::from_secs(1))
        .measurement_time(Duration::from_secs(3))
        .sample_size(30);
    targets = tokens, judging
}
criterion_main!(steps);

fn tokens(criterion: &mut Criterion) {
    let (key, public) = SigningKey::generate().expect("a key");
    let public = public.verifying().expect("a key");
    let ids = fresh_customer().to_string();
    let jti = Jti::parse(&ids).expect("a UUID");
    let claims = Claims {
        jti,
        sub: CustomerId::parse(&ids).expect("a UUID"),
        iat: 1_795_351_643,
        exp: 1_795_438_043,
        details: Details::Bearer {
            parent_jti: jti,
            env: Environment::Production,
        },
    };
    let kid = KeyId::parse(&ids).expect("a UUID");
    let compose = || jwt::compose::<CryptoError>(kid, &claims, |input| key.sign(input)).expect("a token");
    let token = compose();
    let presented = jwt::parse(token.token()).expect("a token");
    let mut group = criterion.benchmark_group("token");
    group.bench_function("sign", |bencher| {
        bencher.iter(|| key.sign(black_box(presented.signing_input().as_bytes())))
    });
    group.bench_function("sign deterministically", |bencher| {
        bencher.iter(|| key.sign_deterministic(black_box(presented.signing_input().as_bytes())))
    });
    group.bench_function("verify", |bencher| {
        bencher.iter(|| black_box(&presented).verify_with(&public))
    });
    group.bench_function("write and sign", |bencher| bencher.iter(compose));
    group.bench_function("read", |bencher| {
        bencher.iter(|| jwt::parse(black_box(token.token())).is_ok())
    });
    group.finish();
}

fn judging(criterion: &mut Criterion) {
    let directory = tempfile::tempdir_in(".").expect("a directory on a real disk");
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let engine = Engine::start(EngineOptions::new(directory.path())).expect("an engine");
    let tokens = runtime.block_on(minted(&engine, UNKNOWN));
    let known = tokens.get(..AT_ONCE).expect("enough");
    let next = Cell::new(0);
    let unknown = || {
        let from = next.get();
        next.set((from + AT_ONCE) % (UNKNOWN - AT_ONCE));
        tokens.get(from..from + AT_ONCE).expect("enough").to_vec()
    };
    let mut group = criterion.benchmark_group(format!("{AT_ONCE} at once"));
    group.throughput(Throughput::Elements(AT_ONCE as u64));
    for authorize in [false, true] {
        let name = if authorize { "authorize" } else { "introspect" };
        group.bench_function(format!("{name}, signature known"), |bencher| {
            bencher.iter_batched(
                || known.to_vec(),
                |tokens| judge(&runtime, &engine, tokens, authorize),
                BatchSize::SmallInput,
            );
        });
        group.bench_function(format!("{name}, signature not known"), |bencher| {
            bencher.iter_batched(
                unknown,
                |tokens| judge(&runtime, &engine, tokens, authorize),
                BatchSize::SmallInput,
            );
        });
    }
    group.finish();
    runtime.block_on(engine.shutdown(Duration::from_secs(30)));
}

/// Agent tokens of one customer.
async fn minted(engine: &Engine, count: usize) -> Vec<String> {
    let customer = grown::customer(engine).await;
    let mut tokens = Vec::with_capacity(count);
    while tokens.len() < count {
        let mut minting = JoinSet::new();
        for _ in 0..BATCH_MAX {
            let engine = engine.clone();
            minting.spawn(async move { grown::agent(&engine, customer).await.signed.token().to_owned() });
        }
        tokens.extend(minting.join_all().await);
    }
    tokens
}

fn judge(runtime: &Runtime, engine: &Engine, tokens: Vec<String>, authorize: bool) {
    runtime.block_on(async {
        let mut asking = JoinSet::new();
        for token in tokens {
            let engine = engine.clone();
            asking.spawn(async move {
                let call = Call::management(None);
                if authorize {
                    let answer = engine
                        .authorize(&token, "data:read:diff", "repo:org/frontend", 1, call)
                        .await;
                    answer.expect("an answer").allowed
                } else {
                    engine.introspect(&token, call).await.expect("an answer").is_some()
                }
            });
        }
        assert!(
            asking.join_all().await.into_iter().all(|good| good),
            "every token is active"
        );
    });
}
