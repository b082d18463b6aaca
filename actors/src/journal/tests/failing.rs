//! Failures: final, told to everyone, and nothing acknowledged is lost.

use super::*;

const STRIKES: [(Operation, Fault); 6] = [
    (Operation::Apply, Fault::Error),
    (Operation::Apply, Fault::Panic),
    (Operation::Applied, Fault::Error),
    (Operation::Applied, Fault::Panic),
    (Operation::Sync, Fault::Error),
    (Operation::Sync, Fault::Panic),
];

#[test]
fn a_failed_write_or_sync_is_final_and_everyone_learns_it() {
    for (operation, fault) in STRIKES {
        let mut setup = Setup::new();
        let (lease, _) = recover(&setup.journal, customer(1));
        assert_eq!(append(&setup.journal, &lease, 1, &[b"good"]).recv().unwrap(), Ok(()));
        let (other, _) = recover(&setup.journal, customer(2));
        setup.store.fail(operation, 0, fault);
        setup.store.hold();
        let mut failed = vec![append(&setup.journal, &lease, 2, &[b"bad"])];
        setup.store.wait_until_held();
        failed.push(append(&setup.journal, &lease, 3, &[b"bad"]));
        failed.push(append(&setup.journal, &other, 1, &[b"bad"]));
        let (done, erased) = completion();
        setup.journal.erase(customer(2), Vec::new(), done);
        failed.push(erased);
        let recovery = begin_recovery(&setup.journal, customer(1), true);
        setup.store.resume();
        for answer in failed {
            assert_eq!(
                answer.recv().unwrap(),
                Err(AppendError::Failed),
                "{operation:?} {fault:?}"
            );
        }
        assert!(matches!(recovery.recv().unwrap().1, Err(RecoverError::Failed(_))));
        let reason = setup.failures.recv().unwrap();
        assert!(reason.contains(&format!("{operation:?}")), "{reason}");
        assert_eq!(setup.journal.status().failed, Some(reason));
        let applies = setup.store.operations().1;
        assert_eq!(
            append(&setup.journal, &lease, 2, &[b"later"]).recv().unwrap(),
            Err(AppendError::Failed)
        );
        let (_, outcome) = begin_recovery(&setup.journal, customer(1), false).recv().unwrap();
        assert!(matches!(outcome, Err(RecoverError::Failed(_))));
        assert_eq!(setup.store.operations().1, applies, "nothing is tried again");
        assert_eq!(lease.durable(), 1);
        setup.threads.take().unwrap().shutdown();
        assert_eq!(
            append(&setup.journal, &lease, 2, &[b"later"]).recv().unwrap(),
            Err(AppendError::Failed)
        );
        assert!(setup.failures.recv().is_err(), "the handler was called once");
    }
}

#[test]
fn a_refused_append_in_a_failed_group_still_knows_that_it_was_not_written() {
    let setup = Setup::new();
    let (lease, _) = recover(&setup.journal, customer(1));
    let (other, _) = recover(&setup.journal, customer(2));
    setup.store.hold();
    let _held = append(&setup.journal, &other, 1, &[b"holds"]);
    setup.store.wait_until_held();
    let written = append(&setup.journal, &other, 2, &[b"written?"]);
    let refused = append(&setup.journal, &lease, 7, &[b"gap"]);
    setup.store.fail(Operation::Sync, 1, Fault::Error);
    setup.store.resume();
    assert_eq!(written.recv().unwrap(), Err(AppendError::Failed));
    assert_eq!(
        refused.recv().unwrap(),
        Err(Refusal::WrongSequence { expected: 1, given: 7 }.into())
    );
}

#[test]
fn after_a_failure_the_disk_tells_what_happened() {
    for (operation, fault) in STRIKES {
        for kept in [true, false] {
            let mut setup = Setup::new();
            let (lease, _) = recover(&setup.journal, customer(1));
            assert_eq!(append(&setup.journal, &lease, 1, &[b"good"]).recv().unwrap(), Ok(()));
            setup.store.fail(operation, 0, fault);
            assert_eq!(
                append(&setup.journal, &lease, 2, &[b"perhaps"]).recv().unwrap(),
                Err(AppendError::Failed)
            );
            let happened = kept && operation != Operation::Apply;
            setup.crash(|_| kept);
            let (next, recovered) = recover(&setup.journal, customer(1));
            assert_eq!(recovered.events.len(), if happened { 2 } else { 1 });
            assert_eq!(
                append(&setup.journal, &lease, 2, &[b"old lease"]).recv().unwrap(),
                Err(Refusal::StaleLease.into())
            );
            let sequence = next.durable() + 1;
            assert_eq!(
                append(&setup.journal, &next, sequence, &[b"on"]).recv().unwrap(),
                Ok(())
            );
        }
    }
}

#[test]
fn what_is_not_durable_is_not_read() {
    let setup = Setup::new();
    let (lease, _) = recover(&setup.journal, customer(1));
    setup.store.fail(Operation::Sync, 0, Fault::Error);
    let answer = append_side(&setup.journal, &lease, 1, vec![put(Space::Audit, b"1", b"entry")], None);
    assert_eq!(answer.recv().unwrap(), Err(AppendError::Failed));
    let everything = || vec![0]..vec![0xff];
    let scanned = setup
        .journal
        .scan(customer(1), Space::Audit, everything(), 10, Direction::Up);
    assert!(matches!(scanned, Err(ReadError::Failed(_))), "{scanned:?}");
    assert!(matches!(setup.journal.tenants(None, 10), Err(ReadError::Failed(_))));
}

#[test]
fn a_panicking_failure_handler_does_not_leave_anyone_waiting() {
    let store = FaultyStore::new();
    let options = JournalOptions {
        on_failure: Box::new(|_| panic!("on purpose")),
        ..JournalOptions::default()
    };
    let (journal, _threads) = Journal::with_store(Arc::clone(&store) as Arc<dyn Store>, options).unwrap();
    let (lease, _) = recover(&journal, customer(1));
    store.fail(Operation::Sync, 0, Fault::Error);
    for sequence in 1..=3 {
        assert_eq!(
            append(&journal, &lease, sequence, &[b"e"]).recv().unwrap(),
            Err(AppendError::Failed)
        );
    }
}

#[test]
fn low_storage_is_told_and_appends_go_on() {
    let store = FaultyStore::new();
    store.set_free_bytes(Some(99));
    let options = JournalOptions {
        disk_free_min_bytes: 100,
        storage_check_every: Duration::ZERO,
        ..JournalOptions::default()
    };
    let (journal, _threads) = Journal::with_store(Arc::clone(&store) as Arc<dyn Store>, options).unwrap();
    let (lease, _) = recover(&journal, customer(1));
    assert_eq!(append(&journal, &lease, 1, &[b"e"]).recv().unwrap(), Ok(()));
    assert!(journal.is_storage_low());
    assert_eq!(journal.status().free_bytes, Some(99));
    store.set_free_bytes(Some(100));
    // Two rounds: the first may have looked before the change.
    for sequence in 2..=3 {
        assert_eq!(append(&journal, &lease, sequence, &[b"e"]).recv().unwrap(), Ok(()));
    }
    assert!(!journal.is_storage_low());
}
