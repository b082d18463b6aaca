//! Erasures: everything goes, in steps, also across a crash, and nothing is served meanwhile.

use super::*;

/// A tenant with more keys than one step deletes.
fn big_tenant(setup: &Setup) -> Lease {
    let (lease, _) = recover(&setup.journal, customer(1));
    for number in 0..5_u32 {
        let side = (0..600_u32)
            .map(|row| put(Space::Audit, &(number * 600 + row).to_be_bytes(), b"entry"))
            .collect();
        assert_eq!(
            append_side(&setup.journal, &lease, 1, side, None).recv().unwrap(),
            Ok(())
        );
    }
    let side = vec![put(Space::Vault, b"k", b"secret"), put(Space::Row, b"r", b"row")];
    assert_eq!(
        append_side(&setup.journal, &lease, 1, side, None).recv().unwrap(),
        Ok(())
    );
    assert_eq!(append(&setup.journal, &lease, 1, &[b"event"]).recv().unwrap(), Ok(()));
    lease
}

fn keys_of(store: &FaultyStore, tenant: CustomerId) -> Vec<u8> {
    let contents = store.contents();
    let keys = contents
        .iter()
        .filter(|(key, _)| keys::tenant_of(key) == Some(tenant) && key != keys::FORMAT);
    keys.map(|(key, _)| key[0]).collect()
}

#[test]
fn an_erased_tenant_leaves_only_the_fact() {
    let setup = Setup::new();
    let lease = big_tenant(&setup);
    let (other, _) = recover(&setup.journal, customer(2));
    assert_eq!(append(&setup.journal, &other, 1, &[b"stays"]).recv().unwrap(), Ok(()));
    let (done, erased) = completion();
    setup.journal.erase(customer(1), b"on request".to_vec(), done);
    let late = append(&setup.journal, &lease, 2, &[b"late"]);
    let waiting = begin_recovery(&setup.journal, customer(1), true);
    assert_eq!(late.recv().unwrap(), Err(Refusal::StaleLease.into()));
    assert_eq!(erased.recv().unwrap(), Ok(()));
    assert_eq!(keys_of(&setup.store, customer(1)), *b"e");
    assert_eq!(setup.store.unsynced(), 0);
    assert_eq!(
        setup.journal.erasure(customer(1)).unwrap(),
        Some(b"on request".to_vec())
    );
    assert_eq!(setup.journal.erasure(customer(2)).unwrap(), None);
    assert_eq!(setup.journal.tenants(None, 10).unwrap(), [customer(2)]);
    // The recovery that came behind the erasure begins anew.
    let (recovered, lease) = waiting.recv().unwrap();
    assert_eq!(recovered, Recovered::default());
    assert_eq!(
        append(&setup.journal, &lease.unwrap().unwrap(), 1, &[b"new"])
            .recv()
            .unwrap(),
        Ok(())
    );
    assert_eq!(recover(&setup.journal, customer(2)).1.events.len(), 1);
}

#[test]
fn an_erasure_takes_bounded_steps_between_which_others_are_served() {
    let setup = Setup::new();
    big_tenant(&setup);
    let (other, _) = recover(&setup.journal, customer(2));
    setup.store.hold();
    let (done, erased) = completion();
    setup.journal.erase(customer(1), Vec::new(), done);
    setup.store.wait_until_held();
    let answer = append(&setup.journal, &other, 1, &[b"between"]);
    setup.store.resume();
    assert_eq!(answer.recv().unwrap(), Ok(()));
    assert!(erased.try_recv().is_err(), "3,000 keys are not deleted in one step");
    assert_eq!(
        setup.journal.tenants(None, 10).unwrap(),
        [customer(2)],
        "the half erased is not listed"
    );
    let everything = vec![0]..vec![0xff; 5];
    assert_eq!(
        setup
            .journal
            .scan(customer(1), Space::Audit, everything, 10, Direction::Up)
            .unwrap(),
        []
    );
    assert_eq!(erased.recv().unwrap(), Ok(()));
}

#[test]
fn an_erasure_that_a_crash_interrupts_is_finished_before_anything_is_served() {
    // One batch is the marker; each of the next deletes a part; after the last nothing is left to interrupt.
    for batches in 1..=5 {
        let mut setup = Setup::new();
        big_tenant(&setup);
        setup.store.fail(Operation::Apply, batches, Fault::Error);
        let (done, erased) = completion();
        setup.journal.erase(customer(1), b"fact".to_vec(), done);
        let answer = erased.recv().unwrap();
        assert_eq!(answer.is_ok(), batches >= 5, "{batches}");
        setup.crash(|_| false);
        // Random ids stay cheap, but this one is not random: it has to wait for the end.
        let (recovered, outcome) = begin_recovery(&setup.journal, customer(1), false).recv().unwrap();
        assert_eq!((recovered, outcome.unwrap().is_none()), (Recovered::default(), true));
        assert_eq!(keys_of(&setup.store, customer(1)), *b"e", "{batches}");
        assert_eq!(setup.journal.erasure(customer(1)).unwrap(), Some(b"fact".to_vec()));
        assert_eq!(setup.journal.tenants(None, 10).unwrap(), []);
    }
}

#[test]
fn a_damaged_marker_is_noticed_at_the_opening() {
    let setup = Setup::new();
    setup
        .store
        .damage(&keys::prefix(keys::ERASING, customer(1)), Some(b"nonsense".to_vec()));
    let opened = Journal::with_store(setup.store.crash(|_| true), JournalOptions::default());
    assert!(matches!(opened, Err(OpenError::Corrupt(_))));
}

#[test]
fn an_erasure_ends_a_recovery_that_is_running_and_two_erasures_are_one() {
    let setup = Setup::new();
    big_tenant(&setup);
    let recovery = begin_recovery(&setup.journal, customer(1), false);
    let (first, second) = (completion(), completion());
    setup.journal.erase(customer(1), b"first".to_vec(), first.0);
    setup.journal.erase(customer(1), b"second".to_vec(), second.0);
    match recovery.recv().unwrap() {
        (recovered, Ok(Some(_))) => assert_eq!(recovered.events.len(), 1),
        (recovered, Ok(None)) => assert_eq!(recovered, Recovered::default()),
        (_, outcome) => assert_eq!(outcome.unwrap_err(), RecoverError::Superseded(customer(1))),
    }
    assert_eq!((first.1.recv().unwrap(), second.1.recv().unwrap()), (Ok(()), Ok(())));
    assert_eq!(setup.journal.erasure(customer(1)).unwrap(), Some(b"second".to_vec()));
}
