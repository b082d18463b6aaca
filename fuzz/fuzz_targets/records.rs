//! Records of the journal.
#![no_main]

use countersign_actors::testing::checks;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| checks::record(input));
