//! Recoveries: fences, leases, unknown tenants, damage.

use super::*;
use crate::limits::RECOVERIES_MAX;

#[test]
fn an_unknown_tenant_costs_five_reads_and_nothing_of_the_writer() {
    let setup = Setup::new();
    let (lease, _) = recover(&setup.journal, customer(1));
    setup.store.hold();
    let held = append(&setup.journal, &lease, 1, &[b"a"]);
    setup.store.wait_until_held();
    let (reads, ..) = setup.store.operations();
    // The writer stands still, and still the answer comes.
    let (recovered, outcome) = begin_recovery(&setup.journal, customer(2), false).recv().unwrap();
    assert_eq!(
        (recovered, outcome.unwrap().map(|lease| lease.tenant())),
        (Recovered::default(), None)
    );
    assert_eq!(setup.store.operations().0 - reads, 5);
    setup.store.resume();
    assert_eq!(held.recv().unwrap(), Ok(()));
    assert_eq!(setup.journal.tenants(None, 10).unwrap(), [customer(1)]);
}

#[test]
fn a_recovery_sees_what_was_appended_before_it() {
    let setup = Setup::new();
    let (lease, _) = recover(&setup.journal, customer(1));
    setup.store.hold();
    let mut answers = vec![append(&setup.journal, &lease, 1, &[b"1"])];
    setup.store.wait_until_held();
    answers
        .extend((2..=100).map(|sequence| append(&setup.journal, &lease, sequence, &[sequence.to_string().as_bytes()])));
    let outcome = begin_recovery(&setup.journal, customer(1), true);
    let late = append(&setup.journal, &lease, 101, &[b"late"]);
    assert!(outcome.try_recv().is_err());
    setup.store.resume();
    let (recovered, next) = outcome.recv().unwrap();
    assert_eq!(
        recovered.events,
        numbered(1..=100, |sequence| sequence.to_string().into_bytes())
    );
    assert_eq!(next.unwrap().unwrap().durable(), 100);
    assert_eq!(late.recv().unwrap(), Err(Refusal::StaleLease.into()));
    answers
        .iter()
        .for_each(|answer| assert_eq!(answer.recv().unwrap(), Ok(())));
}

#[test]
fn a_tenant_whose_first_append_is_still_queued_is_not_unknown() {
    let setup = Setup::new();
    let (lease, _) = recover(&setup.journal, customer(1));
    let (other, _) = recover(&setup.journal, customer(2));
    setup.store.hold();
    let _held = append(&setup.journal, &other, 1, &[b"holds"]);
    setup.store.wait_until_held();
    let _first = append(&setup.journal, &lease, 1, &[b"first"]);
    setup.journal.release(lease);
    let outcome = begin_recovery(&setup.journal, customer(1), false);
    setup.store.resume();
    let (recovered, lease) = outcome.recv().unwrap();
    assert_eq!(recovered.events, [(1, b"first".to_vec())]);
    assert!(lease.unwrap().is_some());
}

#[test]
fn a_lease_without_a_write_leaves_no_tenant() {
    let setup = Setup::new();
    let (lease, _) = recover(&setup.journal, customer(1));
    setup.journal.release(lease);
    let (_, outcome) = begin_recovery(&setup.journal, customer(1), false).recv().unwrap();
    assert!(outcome.unwrap().is_none());
    assert_eq!(setup.journal.tenants(None, 10).unwrap(), []);
}

#[test]
fn a_recovery_without_create_does_not_take_over_a_tenant_that_is_being_created() {
    let setup = Setup::new();
    let (lease, _) = recover(&setup.journal, customer(1));
    assert!(
        begin_recovery(&setup.journal, customer(1), false)
            .recv()
            .unwrap()
            .1
            .unwrap()
            .is_none()
    );
    assert_eq!(append(&setup.journal, &lease, 1, &[b"created"]).recv().unwrap(), Ok(()));
}

#[test]
fn a_second_recovery_ends_the_first_lease() {
    let setup = Setup::new();
    let (first, _) = recover(&setup.journal, customer(1));
    assert_eq!(append(&setup.journal, &first, 1, &[b"a"]).recv().unwrap(), Ok(()));
    let (second, recovered) = recover(&setup.journal, customer(1));
    assert_eq!(recovered.events.len(), 1);
    assert!(first.is_fenced() && !second.is_fenced());
    assert_eq!(
        append(&setup.journal, &first, 2, &[b"b"]).recv().unwrap(),
        Err(Refusal::StaleLease.into())
    );
    assert_eq!(append(&setup.journal, &second, 2, &[b"c"]).recv().unwrap(), Ok(()));
    // The end of the old lease must not end the new one.
    setup.journal.release(first);
    assert_eq!(append(&setup.journal, &second, 3, &[b"d"]).recv().unwrap(), Ok(()));
}

#[test]
fn appends_in_the_group_of_their_release_are_kept_and_later_ones_refused() {
    let setup = Setup::new();
    let (lease, _) = recover(&setup.journal, customer(1));
    let (other, _) = recover(&setup.journal, customer(2));
    setup.store.hold();
    let _held = append(&setup.journal, &other, 1, &[b"holds"]);
    setup.store.wait_until_held();
    let before = append(&setup.journal, &lease, 1, &[b"before"]);
    setup.journal.release(lease.clone());
    let after = append(&setup.journal, &lease, 2, &[b"after"]);
    let outcome = begin_recovery(&setup.journal, customer(1), true);
    setup.store.resume();
    assert_eq!(before.recv().unwrap(), Ok(()));
    assert_eq!(after.recv().unwrap(), Err(Refusal::StaleLease.into()));
    let (recovered, next) = outcome.recv().unwrap();
    assert_eq!(recovered.events, [(1, b"before".to_vec())]);
    assert_eq!(
        append(&setup.journal, &next.unwrap().unwrap(), 2, &[b"next"])
            .recv()
            .unwrap(),
        Ok(())
    );
}

#[test]
fn too_many_recoveries_are_turned_away_and_the_others_are_served() {
    let setup = Setup::new();
    let (lease, _) = recover(&setup.journal, customer(1));
    setup.store.hold();
    let _held = append(&setup.journal, &lease, 1, &[b"a"]);
    setup.store.wait_until_held();
    let waiting: Vec<_> = (0..RECOVERIES_MAX)
        .map(|_| begin_recovery(&setup.journal, customer(1), true))
        .collect();
    let (_, outcome) = begin_recovery(&setup.journal, customer(1), true).recv().unwrap();
    assert_eq!(outcome.unwrap_err(), RecoverError::Overloaded);
    setup.store.resume();
    let outcomes: Vec<_> = waiting.iter().map(|outcome| outcome.recv().unwrap().1).collect();
    assert!(outcomes.last().unwrap().is_ok());
    for outcome in outcomes {
        assert!(matches!(outcome, Ok(Some(_)) | Err(RecoverError::Superseded(_))));
    }
    assert_eq!(setup.journal.status().recoveries, 0);
}

/// Rejects, or panics at, the first event.
struct Refuses {
    panics: bool,
    done: Sender<Result<Option<Lease>, RecoverError>>,
}

impl Recovery for Refuses {
    fn row(&mut self, _: &[u8], _: &[u8]) -> Result<(), String> {
        Ok(())
    }

    fn secret(&mut self, _: &[u8], _: &[u8]) -> Result<(), String> {
        Ok(())
    }

    fn event(&mut self, _: u64, _: &[u8]) -> Result<(), String> {
        if self.panics {
            panic!("on purpose");
        }
        Err("no such event".to_owned())
    }

    fn finish(self: Box<Self>, outcome: Result<Option<Lease>, RecoverError>) {
        self.done.send(outcome).unwrap();
        if self.panics {
            panic!("on purpose, again");
        }
    }
}

#[test]
fn a_recovery_that_panics_or_rejects_is_an_error_and_the_threads_go_on() {
    let setup = Setup::new();
    let (lease, _) = recover(&setup.journal, customer(1));
    assert_eq!(append(&setup.journal, &lease, 1, &[b"a"]).recv().unwrap(), Ok(()));
    for panics in [true, false, true, true] {
        let (done, outcome) = channel();
        setup
            .journal
            .recover(customer(1), false, Box::new(Refuses { panics, done }));
        let expected = if panics {
            RecoverError::Panicked(customer(1))
        } else {
            RecoverError::Rejected {
                tenant: customer(1),
                reason: "event 1: no such event".to_owned(),
            }
        };
        assert_eq!(outcome.recv().unwrap().unwrap_err(), expected);
    }
    let (lease, recovered) = recover(&setup.journal, customer(1));
    assert_eq!(recovered.events.len(), 1);
    assert_eq!(append(&setup.journal, &lease, 2, &[b"b"]).recv().unwrap(), Ok(()));
}

#[test]
fn a_huge_tenant_is_read_in_slices_and_comes_back_whole() {
    let setup = Setup::new();
    let (lease, _) = recover(&setup.journal, customer(1));
    let mut answers = Vec::new();
    for part in 0..5_u16 {
        let rows = (0..500).map(|row| put(Space::Row, &(part * 500 + row).to_be_bytes(), &[1; 100]));
        answers.push(append_side(&setup.journal, &lease, 1, rows.collect(), None));
        let secrets = (0..500).map(|row| put(Space::Vault, &(part * 500 + row).to_be_bytes(), &[2; 100]));
        answers.push(append_side(&setup.journal, &lease, 1, secrets.collect(), None));
    }
    for first in (1..=3_000).step_by(100) {
        answers.push(append(&setup.journal, &lease, first, &[b"event".as_slice(); 100]));
    }
    answers
        .iter()
        .for_each(|answer| assert_eq!(answer.recv().unwrap(), Ok(())));
    let (_, recovered) = recover(&setup.journal, customer(1));
    assert_eq!((recovered.rows.len(), recovered.secrets.len()), (2_500, 2_500));
    assert_eq!(recovered.events, numbered(1..=3_000, |_| b"event".to_vec()));
}

/// In the midst of its own recovery, waits until another one is answered.
struct Waits {
    begin: Receiver<()>,
    other: Receiver<()>,
    done: Sender<bool>,
}

impl Recovery for Waits {
    fn row(&mut self, _: &[u8], _: &[u8]) -> Result<(), String> {
        Ok(())
    }

    fn secret(&mut self, _: &[u8], _: &[u8]) -> Result<(), String> {
        Ok(())
    }

    fn event(&mut self, sequence: u64, _: &[u8]) -> Result<(), String> {
        let patience = std::time::Duration::from_secs(20);
        match sequence {
            1 => {
                self.done.send(true).unwrap();
                self.begin.recv_timeout(patience).map_err(|error| error.to_string())
            }
            2_500 => self.other.recv_timeout(patience).map_err(|error| error.to_string()),
            _ => Ok(()),
        }
    }

    fn finish(self: Box<Self>, outcome: Result<Option<Lease>, RecoverError>) {
        self.done.send(outcome.is_ok()).unwrap();
    }
}

#[test]
fn huge_tenants_on_all_recovery_threads_do_not_keep_a_small_one_waiting() {
    let setup = Setup::new();
    let (mut begins, mut others, mut outcomes) = (Vec::new(), Vec::new(), Vec::new());
    for number in (1..).take(crate::limits::RECOVERY_THREADS) {
        let (lease, _) = recover(&setup.journal, customer(number));
        for first in (1..=3_000).step_by(100) {
            let _ = append(&setup.journal, &lease, first, &[b"event".as_slice(); 100]);
        }
        let (begin, begin_end) = channel();
        let (other, other_end) = channel();
        let (done, outcome) = channel();
        let waits = Waits {
            begin: begin_end,
            other: other_end,
            done,
        };
        setup.journal.recover(customer(number), true, Box::new(waits));
        begins.push(begin);
        others.push(other);
        outcomes.push(outcome);
    }
    // Each has begun, so both threads are taken.
    outcomes.iter().for_each(|started| assert!(started.recv().unwrap()));
    let small = begin_recovery(&setup.journal, customer(99), false);
    begins.iter().for_each(|begin| begin.send(()).unwrap());
    assert!(small.recv().unwrap().1.unwrap().is_none());
    others.iter().for_each(|other| other.send(()).unwrap());
    outcomes.iter().for_each(|outcome| assert!(outcome.recv().unwrap()));
}

/// A tenant with five records of two chunks, a row and a secret; all on disk.
fn stored_tenant() -> Setup {
    let mut setup = Setup::new();
    let (lease, _) = recover(&setup.journal, customer(1));
    for sequence in 1..=5 {
        assert_eq!(
            append(&setup.journal, &lease, sequence, &[&[9; 5_000]]).recv().unwrap(),
            Ok(())
        );
    }
    let side = vec![put(Space::Row, b"r", &[1; 5_000]), put(Space::Vault, b"k", b"secret")];
    assert_eq!(
        append_side(&setup.journal, &lease, 6, side, None).recv().unwrap(),
        Ok(())
    );
    // Opened anew, the journal remembers nothing that could hide the damage.
    setup.crash(|_| false);
    setup
}

fn corruption(setup: &Setup) -> String {
    match begin_recovery(&setup.journal, customer(1), false).recv().unwrap().1 {
        Err(RecoverError::Corrupt(what)) => what,
        other => panic!("not noticed: {other:?}"),
    }
}

#[test]
fn any_lost_or_damaged_key_but_a_whole_tail_is_noticed() {
    let clean = stored_tenant().store.contents();
    for (key, value) in &clean {
        // The rows of no tenant are looked at when the journal opens.
        if matches!(key.first(), Some(b'f' | b'g')) {
            continue;
        }
        let setup = stored_tenant();
        let mut damaged = value.clone();
        *damaged.last_mut().unwrap() ^= 1;
        setup.store.damage(key, Some(damaged));
        let text = corruption(&setup);
        assert!(text.contains(&customer(1).to_string()), "{text}");
        let setup = stored_tenant();
        setup.store.damage(key, None);
        corruption(&setup);
    }
}

#[test]
fn a_row_that_is_older_than_what_was_written_last_is_noticed() {
    for (space, row) in [(Space::Row, b"r"), (Space::Vault, b"k")] {
        let mut setup = stored_tenant();
        let older = setup.store.contents();
        let (lease, _) = recover(&setup.journal, customer(1));
        // As many chunks as before.
        let newer = vec![2; if space == Space::Row { 5_000 } else { 6 }];
        let answer = append_side(&setup.journal, &lease, 6, vec![put(space, row, &newer)], None);
        assert_eq!(answer.recv().unwrap(), Ok(()));
        setup.crash(|_| false);
        recover(&setup.journal, customer(1));
        setup.crash(|_| false);
        for (key, value) in older.into_iter().filter(|(key, _)| key.first() == Some(&space.tag())) {
            setup.store.damage(&key, Some(value));
        }
        let text = corruption(&setup);
        assert!(
            text.ends_with("rows are missing, or are older than what was written last"),
            "{text}"
        );
    }
}

#[test]
fn a_gap_names_tenant_and_sequence() {
    let setup = stored_tenant();
    for chunk in 0..2_u16 {
        let mut key = keys::record(customer(1), 3);
        key.extend_from_slice(&chunk.to_be_bytes());
        setup.store.damage(&key, None);
    }
    let text = corruption(&setup);
    assert_eq!(
        text,
        format!(
            "tenant {}, record that ends at sequence 4: it begins at 4, but 3 is next",
            customer(1)
        )
    );
}

#[test]
fn records_without_a_meta_row_are_not_an_unknown_tenant() {
    let setup = stored_tenant();
    setup.store.damage(&keys::prefix(keys::META, customer(1)), None);
    assert!(corruption(&setup).ends_with("the meta row is missing"));
    let (_, outcome) = begin_recovery(&setup.journal, customer(1), true).recv().unwrap();
    assert!(matches!(outcome, Err(RecoverError::Corrupt(_))), "nor a new one");
}

#[test]
fn a_read_error_ends_the_recovery_and_not_the_journal() {
    let setup = stored_tenant();
    for operation in [Operation::Get, Operation::Scan] {
        for passing in 0..6 {
            for fault in [Fault::Error, Fault::Panic] {
                // A panic of the store on the journal's own thread is a failure of the journal.
                if fault == Fault::Panic {
                    continue;
                }
                setup.store.fail(operation, passing, fault);
                let (_, outcome) = begin_recovery(&setup.journal, customer(1), false).recv().unwrap();
                assert!(
                    matches!(outcome, Ok(Some(_)) | Err(RecoverError::Read(_))),
                    "{outcome:?}"
                );
            }
        }
    }
    assert_eq!(setup.journal.status().failed, None);
}
