//! Appends: groups, order, refusals, the answers.

use super::*;
use crate::limits::{APPEND_BYTES_MAX, GROUP_EVENTS_MAX, SIDE_KEY_BYTES_MAX};

#[test]
fn an_append_is_answered_after_it_is_durable() {
    let setup = Setup::new();
    let (lease, recovered) = recover(&setup.journal, customer(1));
    assert_eq!((recovered, lease.durable()), (Recovered::default(), 0));
    let (mut first, _) = events_of(&lease, 1, &[b"a", b"b"]);
    let (done, seen) = channel();
    let (store, watched) = (Arc::clone(&setup.store), lease.clone());
    first.done = Completion::new(move |result| done.send((result, store.unsynced(), watched.durable())).unwrap());
    setup.journal.append(first);
    assert_eq!(seen.recv().unwrap(), (Ok(()), 0, 2));
}

#[test]
fn what_waits_is_written_as_one_group_with_one_record_for_each_tenant() {
    let setup = Setup::new();
    let leases: Vec<_> = (1..=3)
        .map(|number| recover(&setup.journal, customer(number)).0)
        .collect();
    let before = setup.journal.status();
    setup.store.hold();
    let mut answers = vec![append(&setup.journal, &leases[0], 1, &[b"opens"])];
    setup.store.wait_until_held();
    for sequence in 1..=20 {
        for (number, lease) in leases.iter().enumerate() {
            answers.push(append(
                &setup.journal,
                lease,
                sequence + u64::from(number == 0),
                &[b"event"],
            ));
        }
    }
    setup.store.resume();
    answers
        .iter()
        .for_each(|answer| assert_eq!(answer.recv().unwrap(), Ok(())));
    let after = setup.journal.status();
    assert_eq!((after.groups - before.groups, after.events - before.events), (2, 61));
    let records = setup.store.contents().iter().filter(|(key, _)| key[0] == b'j').count();
    assert_eq!(records, 4);
    assert_eq!(leases.iter().map(Lease::durable).collect::<Vec<_>>(), [21, 20, 20]);
}

#[test]
fn a_group_has_a_limit_of_events_and_of_bytes() {
    let setup = Setup::new();
    let (lease, _) = recover(&setup.journal, customer(1));
    setup.store.hold();
    let mut answers = vec![append(&setup.journal, &lease, 1, &[b"opens"])];
    setup.store.wait_until_held();
    let count = 2 * GROUP_EVENTS_MAX as u64 + 1;
    answers.extend((2..2 + count).map(|sequence| append(&setup.journal, &lease, sequence, &[b"event"])));
    let big = vec![7; 200 * 1024];
    answers.extend((2 + count..4 + count).map(|sequence| append(&setup.journal, &lease, sequence, &[&big])));
    setup.store.resume();
    answers
        .iter()
        .for_each(|answer| assert_eq!(answer.recv().unwrap(), Ok(())));
    // The opening one, two full ones, the rest with the first big one, the second big one.
    assert_eq!(setup.journal.status().groups, 5);
    let (_, recovered) = recover(&setup.journal, customer(1));
    assert_eq!(recovered.events.len() as u64, count + 3);
}

#[test]
fn a_wrong_sequence_is_refused_with_all_that_follows_and_nobody_else_suffers() {
    let setup = Setup::new();
    let (lease, _) = recover(&setup.journal, customer(1));
    let (other, _) = recover(&setup.journal, customer(2));
    setup.store.hold();
    let mut good = vec![append(&setup.journal, &lease, 1, &[b"good"])];
    setup.store.wait_until_held();
    let wrong = append(&setup.journal, &lease, 3, &[b"gap"]);
    good.push(append(&setup.journal, &other, 1, &[b"other"]));
    let right_but_late = append(&setup.journal, &lease, 2, &[b"late"]);
    good.push(append(&setup.journal, &other, 2, &[b"other"]));
    setup.store.resume();
    good.iter()
        .for_each(|answer| assert_eq!(answer.recv().unwrap(), Ok(())));
    assert_eq!(
        wrong.recv().unwrap(),
        Err(Refusal::WrongSequence { expected: 2, given: 3 }.into())
    );
    assert_eq!(right_but_late.recv().unwrap(), Err(Refusal::StaleLease.into()));
    assert!(lease.is_fenced() && !other.is_fenced());
    let (again, recovered) = recover(&setup.journal, customer(1));
    assert_eq!(recovered.events, [(1, b"good".to_vec())]);
    assert_eq!(append(&setup.journal, &again, 2, &[b"again"]).recv().unwrap(), Ok(()));
    assert_eq!(setup.journal.status().refused, 2);
}

#[test]
fn a_sequence_that_was_used_is_refused() {
    let setup = Setup::new();
    let (lease, _) = recover(&setup.journal, customer(1));
    assert_eq!(append(&setup.journal, &lease, 1, &[b"a"]).recv().unwrap(), Ok(()));
    let again = append(&setup.journal, &lease, 1, &[b"b"]).recv().unwrap();
    assert_eq!(again, Err(Refusal::WrongSequence { expected: 2, given: 1 }.into()));
}

#[test]
fn a_fence_is_answered_after_what_stands_before_it_and_writes_nothing() {
    let setup = Setup::new();
    let (lease, _) = recover(&setup.journal, customer(1));
    setup.store.hold();
    let first = append(&setup.journal, &lease, 1, &[b"a"]);
    setup.store.wait_until_held();
    let second = append(&setup.journal, &lease, 2, &[b"b"]);
    let fence = append(&setup.journal, &lease, 3, &[]);
    assert!(fence.try_recv().is_err());
    setup.store.resume();
    assert_eq!(fence.recv().unwrap(), Ok(()));
    assert_eq!(
        (first.try_recv().unwrap(), second.try_recv().unwrap()),
        (Ok(()), Ok(()))
    );
    let (_, applies, syncs) = setup.store.operations();
    assert_eq!(append(&setup.journal, &lease, 3, &[]).recv().unwrap(), Ok(()));
    assert_eq!(setup.store.operations(), (setup.store.operations().0, applies, syncs));
    // A fence that names another sequence has decided on something else than what is there.
    assert!(append(&setup.journal, &lease, 4, &[]).recv().unwrap().is_err());
}

#[test]
fn what_exceeds_a_limit_is_refused() {
    let setup = Setup::new();
    let (lease, _) = recover(&setup.journal, customer(1));
    let huge = vec![0; APPEND_BYTES_MAX + 1];
    assert_eq!(
        append(&setup.journal, &lease, 1, &[&huge]).recv().unwrap(),
        Err(Refusal::TooLarge.into())
    );
    let key = vec![0; SIDE_KEY_BYTES_MAX / 2 + 1];
    let (lease, _) = recover(&setup.journal, customer(1));
    let answer = append_side(&setup.journal, &lease, 1, vec![put(Space::Row, &key, b"")], None);
    assert_eq!(answer.recv().unwrap(), Err(Refusal::TooLarge.into()));
}

#[test]
fn side_rows_change_with_their_events_and_the_last_change_counts() {
    let setup = Setup::new();
    let (lease, _) = recover(&setup.journal, customer(1));
    let long = vec![3; 20_000];
    let (mut append, answer) = events_of(&lease, 1, &[b"e"]);
    append.side = vec![
        put(Space::Row, b"r", b"first"),
        put(Space::Row, b"r", b"second"),
        put(Space::Vault, b"secret", &long),
        put(Space::Audit, b"1", b"entry"),
        put(Space::Row, b"gone", b"gone"),
        delete(Space::Row, b"gone"),
    ];
    setup.journal.append(append);
    assert_eq!(answer.recv().unwrap(), Ok(()));
    let (lease, recovered) = recover(&setup.journal, customer(1));
    assert_eq!(recovered.rows, [(b"r".to_vec(), b"second".to_vec())].into());
    assert_eq!(recovered.secrets, [(b"secret".to_vec(), long)].into());
    assert_eq!(recovered.events, [(1, b"e".to_vec())]);
    let answer = append_side(
        &setup.journal,
        &lease,
        2,
        vec![put(Space::Vault, b"secret", b"short")],
        None,
    );
    assert_eq!(answer.recv().unwrap(), Ok(()));
    let chunks = |setup: &Setup| setup.store.contents().iter().filter(|(key, _)| key[0] == b'k').count();
    assert_eq!(chunks(&setup), 1, "what the longer value has left is deleted");
    let answer = append_side(&setup.journal, &lease, 2, vec![delete(Space::Vault, b"secret")], None);
    assert_eq!(answer.recv().unwrap(), Ok(()));
    assert_eq!(chunks(&setup), 0);
}

#[test]
fn a_dropped_completion_says_failed_and_a_panicking_one_hurts_nobody() {
    let (done, answer) = completion();
    drop(done);
    assert_eq!(answer.recv().unwrap(), Err(AppendError::Failed));
    let setup = Setup::new();
    let (lease, _) = recover(&setup.journal, customer(1));
    let (mut panics, _) = events_of(&lease, 1, &[b"a"]);
    panics.done = Completion::new(|_| panic!("on purpose"));
    setup.journal.append(panics);
    assert_eq!(append(&setup.journal, &lease, 2, &[b"b"]).recv().unwrap(), Ok(()));
}

#[test]
fn shutdown_makes_durable_what_was_appended_and_refuses_what_comes_later() {
    let mut setup = Setup::new();
    let (lease, _) = recover(&setup.journal, customer(1));
    let answers: Vec<_> = (1..=1_000)
        .map(|sequence| append(&setup.journal, &lease, sequence, &[b"e"]))
        .collect();
    setup.threads.take().unwrap().shutdown();
    answers
        .iter()
        .for_each(|answer| assert_eq!(answer.try_recv().unwrap(), Ok(())));
    let late = append(&setup.journal, &lease, 1_001, &[b"late"]).recv().unwrap();
    assert_eq!(late, Err(Refusal::Closed.into()));
    assert_eq!(
        begin_recovery(&setup.journal, customer(1), true)
            .recv()
            .unwrap()
            .1
            .unwrap_err(),
        RecoverError::Closed
    );
    assert_eq!(
        begin_recovery(&setup.journal, customer(1), false)
            .recv()
            .unwrap()
            .1
            .unwrap_err(),
        RecoverError::Closed
    );
    assert_eq!(setup.journal.tenants(None, 10), Err(ReadError::Closed));
    assert_eq!(
        Arc::strong_count(&setup.store),
        1,
        "left-over handles do not keep the store open"
    );
}
