//! RBAC patterns, one a line, and policies made of them.
#![no_main]

use countersign_actors::testing::checks;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| checks::patterns(input));
