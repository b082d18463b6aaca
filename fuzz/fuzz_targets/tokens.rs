//! Tokens as they are presented.
#![no_main]

use std::sync::LazyLock;

use countersign_actors::crypto::keys::{PublicKey, SigningKey};
use countersign_actors::testing::checks;
use libfuzzer_sys::fuzz_target;

static STRANGER: LazyLock<PublicKey> = LazyLock::new(|| SigningKey::generate().expect("a key").1);

fuzz_target!(|input: &[u8]| checks::token(input, &STRANGER));
