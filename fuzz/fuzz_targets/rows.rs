//! Rows as they are stored: facts, sealed secrets, entries of the audit.
#![no_main]

use countersign_actors::testing::checks;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| checks::stored_row(input));
