//! Kills a process that appends, again and again, and looks at what the store has kept.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Sender, channel};

use countersign_actors::data_dir::DataDir;
use countersign_actors::id::CustomerId;
use countersign_actors::journal::{
    Append, Completion, Events, Journal, JournalOptions, Lease, RecoverError, Recovery, SideChange, Space,
};

const DIRECTORY: &str = "COUNTERSIGN_CRASH_TEST_DIRECTORY";
const TENANTS: u8 = 5;
const ROUNDS: u64 = 10;

fn customer(number: u8) -> CustomerId {
    CustomerId::from_bytes([number; 16])
}

/// Long enough that some groups take several chunks, and different for every event.
fn event(tenant: u8, sequence: u64) -> Vec<u8> {
    format!("{tenant}:{sequence};")
        .repeat(1 + usize::try_from(sequence % 200).unwrap())
        .into_bytes()
}

/// Checks what it is given: the events above the fold without a gap, and the row that stands for those below.
struct Check {
    tenant: u8,
    folded: u64,
    last: u64,
    done: Sender<(u64, Result<Option<Lease>, RecoverError>)>,
}

impl Recovery for Check {
    fn row(&mut self, key: &[u8], value: &[u8]) -> Result<(), String> {
        assert_eq!(key, b"folded");
        self.folded = u64::from_be_bytes(value.try_into().unwrap());
        self.last = self.folded;
        Ok(())
    }

    fn secret(&mut self, _: &[u8], _: &[u8]) -> Result<(), String> {
        Err("nobody wrote one".to_owned())
    }

    fn event(&mut self, sequence: u64, bytes: &[u8]) -> Result<(), String> {
        if sequence != self.last + 1 || bytes != event(self.tenant, sequence) {
            return Err(format!("event {sequence} is wrong after {}", self.last));
        }
        self.last = sequence;
        Ok(())
    }

    fn finish(self: Box<Self>, outcome: Result<Option<Lease>, RecoverError>) {
        self.done.send((self.last, outcome)).unwrap();
    }
}

fn recover(journal: &Journal, tenant: u8) -> (u64, Lease) {
    let (done, outcome) = channel();
    journal.recover(
        customer(tenant),
        true,
        Box::new(Check {
            tenant,
            folded: 0,
            last: 0,
            done,
        }),
    );
    let (last, outcome) = outcome.recv().unwrap();
    let lease = outcome.unwrap().unwrap();
    assert_eq!(lease.durable(), last);
    (last, lease)
}

/// Not a test of its own: what the child process runs until it is killed. Without its variable there is nothing to do.
#[test]
fn child_appends_until_it_is_killed() {
    let Some(directory) = std::env::var_os(DIRECTORY) else {
        return;
    };
    let (journal, _threads) =
        Journal::open(DataDir::lock(directory.as_ref()).unwrap(), JournalOptions::default()).unwrap();
    let mut heads: Vec<_> = (0..TENANTS).map(|tenant| recover(&journal, tenant)).collect();
    // A bounded number is on its way, as in the engine.
    let (finished, finishes) = channel();
    let mut on_its_way = 0;
    loop {
        for (tenant, (last, lease)) in (0..TENANTS).zip(&mut heads) {
            *last += 1;
            let (sequence, finished) = (*last, finished.clone());
            let fold_up_to = (sequence % 50 == 0).then(|| sequence - 20);
            let side = fold_up_to.map(|sequence| SideChange {
                space: Space::Row,
                key: b"folded".to_vec(),
                value: Some(sequence.to_be_bytes().to_vec()),
            });
            journal.append(Append {
                lease: lease.clone(),
                first_sequence: sequence,
                events: Events::one(&event(tenant, sequence)),
                side: side.into_iter().collect(),
                fold_up_to,
                done: Completion::new(move |result| {
                    result.unwrap();
                    // One write call for the line: the pipe keeps what was written before the kill.
                    println!("durable {tenant} {sequence}");
                    finished.send(()).unwrap();
                }),
            });
            on_its_way += 1;
        }
        while on_its_way > 64 {
            finishes.recv().unwrap();
            on_its_way -= 1;
        }
    }
}

fn spawn_child(directory: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args([
            "child_appends_until_it_is_killed",
            "--exact",
            "--nocapture",
            "--test-threads=1",
        ])
        .env(DIRECTORY, directory)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Notes an acknowledgement that the child has printed whole.
fn note(line: &str, acknowledged: &mut [u64]) -> bool {
    let mut words = line.split(' ').skip_while(|word| !word.ends_with("durable")).skip(1);
    let (Some(tenant), Some(sequence)) = (words.next(), words.next()) else {
        return false;
    };
    let place = acknowledged.get_mut(tenant.parse::<usize>().unwrap()).unwrap();
    let sequence = sequence.trim_end().parse().unwrap();
    assert!(sequence > *place, "acknowledged in order");
    *place = sequence;
    true
}

#[test]
fn what_was_acknowledged_survives_a_kill_at_any_moment() {
    let directory = tempfile::tempdir().unwrap();
    let mut acknowledged = [0_u64; TENANTS as usize];
    for round in 0..ROUNDS {
        let mut child = spawn_child(directory.path());
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        // The moment is random by the race between two processes; the number only spreads it.
        let mut left = 1 + (round * 7_919) % 3_000;
        let mut line = String::new();
        while left > 0 {
            line.clear();
            assert!(lines.read_line(&mut line).unwrap() > 0, "the child ended by itself");
            left -= u64::from(note(&line, &mut acknowledged));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        line.clear();
        while lines.read_line(&mut line).unwrap() > 0 {
            if line.ends_with('\n') {
                note(&line, &mut acknowledged);
            }
            line.clear();
        }
        let (journal, threads) =
            Journal::open(DataDir::lock(directory.path()).unwrap(), JournalOptions::default()).unwrap();
        for (tenant, acknowledged) in (0..TENANTS).zip(&mut acknowledged) {
            let (last, _) = recover(&journal, tenant);
            assert!(
                last >= *acknowledged,
                "round {round}: tenant {tenant} lost {last}..{acknowledged}"
            );
            *acknowledged = last;
        }
        threads.shutdown();
    }
    assert!(acknowledged.iter().all(|last| *last > 0));
}
