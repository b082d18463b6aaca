//! The real store, damaged while the engine is stopped, beside an independent record of what it acknowledged: it says the same as
//! before, or that it cannot tell.

use std::fs;
use std::path::{Path, PathBuf};

use countersign_actors::commands::{FindToken, RevokeToken, Status};
use countersign_actors::crypto::seal::MasterKey;
use countersign_actors::engine::{Engine, EngineOptions};
use countersign_actors::error::Failure;
use countersign_actors::id::{CustomerId, Jti};

use crate::support::{Fixture, agent, call, customer_with_bearer};

const ROUNDS: u64 = 80;
const CUSTOMERS: usize = 12;
const TOKENS: usize = 150;

/// What was acknowledged of a token.
struct Known {
    customer: CustomerId,
    jti: Jti,
    status: Status,
}

/// Mints, and revokes every third one.
async fn acknowledged(engine: &Engine) -> Vec<Known> {
    let mut known = Vec::new();
    for _ in 0..CUSTOMERS {
        let (customer, bearer) = customer_with_bearer(engine).await;
        for at in 0..TOKENS {
            let jti = agent(engine, customer, bearer).await.expect("a token").grant.jti();
            let revoked = at % 3 == 0;
            if revoked {
                let command = RevokeToken {
                    jti,
                    kind: None,
                    cascade: at % 2 == 0,
                    reason: None,
                };
                engine.execute(customer, call(command)).await.expect("revoked");
            }
            let status = if revoked { Status::Revoked } else { Status::Active };
            known.push(Known { customer, jti, status });
        }
    }
    known
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a directory");
    for entry in fs::read_dir(from).expect("a directory") {
        let path = entry.expect("an entry").path();
        let target = to.join(path.file_name().expect("a name"));
        if path.is_dir() {
            copy(&path, &target);
        } else {
            fs::copy(path, target).expect("a copy");
        }
    }
}

/// Flips some bits of the data file, or cuts it; mostly where something is written.
fn damage(data: &Path, round: u64) -> String {
    let path: PathBuf = data.join("store/db");
    let mut content = fs::read(&path).expect("the store");
    let used = content.iter().rposition(|byte| *byte != 0).expect("something");
    // Knuth's multiplier spreads the places.
    let at = usize::try_from(round.wrapping_mul(11_400_714_819_323_198_485) >> 20).expect("64 bits") % used;
    let told = if round % 4 == 3 {
        content.truncate(at);
        format!("cut at {at} of {used}")
    } else {
        let bits = 1 << (round % 4);
        content[at..used.min(at + bits)]
            .iter_mut()
            .for_each(|byte| *byte ^= 0x10);
        format!("{bits} bytes flipped at {at} of {used}")
    };
    fs::write(path, content).expect("written");
    told
}

#[tokio::test]
async fn a_damaged_store_tells_the_truth_or_that_it_cannot() {
    let fixture = Fixture::new();
    let known = acknowledged(&fixture.engine).await;
    let Fixture { dir, clock, engine } = fixture;
    assert!(engine.shutdown(std::time::Duration::from_secs(30)).await);
    drop(engine);
    let (mut refused, mut unreadable, mut right) = (0, 0, 0);
    for round in 0..ROUNDS {
        let damaged = tempfile::tempdir().expect("a directory");
        copy(dir.path(), damaged.path());
        let what = damage(damaged.path(), round);
        let mut options = EngineOptions::new(damaged.path());
        options.clock = std::sync::Arc::clone(&clock) as _;
        options.master_key = Some(MasterKey::from_bytes(&[7; 32]).expect("a key"));
        options.shards = 1;
        let Ok(engine) = Engine::start(options) else {
            refused += 1;
            continue;
        };
        for known in &known {
            match engine.manage(known.customer, FindToken { jti: known.jti }).await {
                Ok(found) => {
                    assert_eq!(found.status, known.status, "{what}: {}", known.jti);
                    right += 1;
                }
                Err(Failure::Unreadable | Failure::Interrupted | Failure::Indeterminate) => unreadable += 1,
                Err(failure) => panic!("{what}: {}: {failure:?}", known.jti),
            }
        }
        engine.shutdown(std::time::Duration::from_secs(30)).await;
    }
    println!(
        "of {ROUNDS} damaged stores {refused} were refused; {right} answers were right, {unreadable} told of damage"
    );
    assert!(refused > 0 && right > 0 && unreadable > 0);
}
