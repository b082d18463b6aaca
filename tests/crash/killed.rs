//! SIGKILL at any moment, again and again on the same data.

use std::fs::{self, File};
use std::path::Path;
use std::thread;
use std::time::Duration;

use crate::load::{Load, check, customers, works};
use crate::program::{Program, countersign};

const ROUNDS: u64 = 20;
const CUSTOMERS: usize = 6;

pub(crate) fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap())
}

/// Marsaglia's xorshift64: enough to choose moments that can be chosen again.
pub(crate) fn next(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

pub(crate) fn start(data: &Path, log: &Path) -> Program {
    let mut command = countersign(data);
    command.stderr(File::options().append(true).create(true).open(log).unwrap());
    Program::start(command)
}

#[test]
fn what_was_acknowledged_survives_a_kill_at_any_moment() {
    let rounds = setting("COUNTERSIGN_CRASH_ROUNDS").unwrap_or(ROUNDS);
    let seed = setting("COUNTERSIGN_CRASH_SEED").unwrap_or_else(|| uuid::Uuid::new_v4().as_u64_pair().0 | 1);
    println!("COUNTERSIGN_CRASH_SEED={seed} COUNTERSIGN_CRASH_ROUNDS={rounds}");
    let directory = tempfile::tempdir().unwrap();
    let (data, log) = (directory.path().join("data"), directory.path().join("log"));
    let mut random = seed;
    let mut known = customers(CUSTOMERS);
    for round in 1..=rounds {
        let mut program = start(&data, &log);
        let load = Load::start(program.address, known.clone());
        // From before the first answer to some hundreds of them.
        let delay = Duration::from_micros(next(&mut random) % 250_000);
        thread::sleep(delay);
        program.child.kill().unwrap();
        assert!(!program.wait().success());
        let after = load.join();

        let mut program = start(&data, &log);
        let tokens: usize = after.iter().map(|customer| customer.tokens()).sum();
        println!("round {round}: killed after {delay:?}, {tokens} tokens acknowledged");
        check(program.address, &after, &known);
        works(program.address);
        // Half of the rounds begin where the last one was killed right after recovery.
        if next(&mut random).is_multiple_of(2) {
            program.child.kill().unwrap();
        } else {
            program.terminate();
            assert!(program.wait().success());
        }
        known = after;
    }
    assert!(
        known.iter().any(|customer| customer.keys.len() > 1),
        "keys were rotated under way"
    );
    let program = start(&data, &log);
    check(program.address, &known, &customers(CUSTOMERS));
    let logged = fs::read_to_string(&log).unwrap();
    let alarming: Vec<&str> = logged
        .lines()
        .filter(|line| line.contains("ERROR") || line.contains("panicked"))
        .collect();
    assert!(alarming.is_empty(), "{alarming:#?}");
}
