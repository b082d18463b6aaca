//! Folds: what recovery gives afterwards, and what is deleted when.

use super::*;

fn record_keys(setup: &Setup) -> usize {
    setup.store.contents().iter().filter(|(key, _)| key[0] == b'j').count()
}

/// Waits until the chores have deleted all but so many keys of records. Fences make the journal's thread go round.
fn wait_for_record_keys(setup: &Setup, lease: &Lease, next_sequence: u64, count: usize) {
    for _ in 0..1_000 {
        if record_keys(setup) == count {
            return;
        }
        assert_eq!(
            append(&setup.journal, lease, next_sequence, &[]).recv().unwrap(),
            Ok(())
        );
    }
    panic!(
        "{} keys of records are still there instead of {count}",
        record_keys(setup)
    );
}

#[test]
fn a_fold_replaces_events_by_rows_and_straddles_a_record() {
    let setup = Setup::new();
    let (lease, _) = recover(&setup.journal, customer(1));
    assert_eq!(
        append(&setup.journal, &lease, 1, &[b"1", b"2", b"3"]).recv().unwrap(),
        Ok(())
    );
    assert_eq!(
        append(&setup.journal, &lease, 4, &[b"4", b"5", b"6"]).recv().unwrap(),
        Ok(())
    );
    let answer = append_side(
        &setup.journal,
        &lease,
        7,
        vec![put(Space::Row, b"sum", b"1-4")],
        Some(4),
    );
    assert_eq!(answer.recv().unwrap(), Ok(()));
    wait_for_record_keys(&setup, &lease, 7, 1);
    let (lease, recovered) = recover(&setup.journal, customer(1));
    assert_eq!(recovered.rows, [(b"sum".to_vec(), b"1-4".to_vec())].into());
    assert_eq!(recovered.events, [(5, b"5".to_vec()), (6, b"6".to_vec())]);
    assert_eq!(append(&setup.journal, &lease, 7, &[b"7"]).recv().unwrap(), Ok(()));
    let answer = append_side(
        &setup.journal,
        &lease,
        8,
        vec![put(Space::Row, b"sum", b"1-7")],
        Some(7),
    );
    assert_eq!(answer.recv().unwrap(), Ok(()));
    wait_for_record_keys(&setup, &lease, 8, 0);
    setup.journal.release(lease);
    let (lease, recovered) = recover(&setup.journal, customer(1));
    assert_eq!((recovered.events, lease.durable()), (Vec::new(), 7));
    assert_eq!(append(&setup.journal, &lease, 8, &[b"8"]).recv().unwrap(), Ok(()));
    assert_eq!(recover(&setup.journal, customer(1)).1.events, [(8, b"8".to_vec())]);
}

#[test]
fn a_fold_may_cover_its_own_events_and_nothing_beyond() {
    let setup = Setup::new();
    let (lease, _) = recover(&setup.journal, customer(1));
    let (mut own, answer) = events_of(&lease, 1, &[b"1", b"2"]);
    own.fold_up_to = Some(2);
    own.side = vec![put(Space::Row, b"sum", b"1-2")];
    setup.journal.append(own);
    assert_eq!(answer.recv().unwrap(), Ok(()));
    let (lease, recovered) = recover(&setup.journal, customer(1));
    assert_eq!((recovered.events.len(), recovered.rows.len()), (0, 1));
    let beyond = append_side(&setup.journal, &lease, 3, Vec::new(), Some(3))
        .recv()
        .unwrap();
    assert_eq!(
        beyond,
        Err(Refusal::WrongFold {
            up_to: 3,
            folded: 2,
            last: 2
        }
        .into())
    );
    let (lease, _) = recover(&setup.journal, customer(1));
    let back = append_side(&setup.journal, &lease, 3, Vec::new(), Some(1))
        .recv()
        .unwrap();
    assert_eq!(
        back,
        Err(Refusal::WrongFold {
            up_to: 1,
            folded: 2,
            last: 2
        }
        .into())
    );
}

#[test]
fn a_crash_before_the_records_are_deleted_gives_the_same_and_deletes_them_later() {
    let mut setup = Setup::new();
    let (lease, _) = recover(&setup.journal, customer(1));
    for sequence in 1..=2_500 {
        let _ = append(&setup.journal, &lease, sequence, &[b"event"]);
        if sequence % 5 == 0 {
            assert_eq!(
                append(&setup.journal, &lease, sequence + 1, &[]).recv().unwrap(),
                Ok(())
            );
        }
    }
    let before = record_keys(&setup);
    assert!(before >= 500);
    let (mut fold, _) = events_of(&lease, 2_501, &[]);
    fold.fold_up_to = Some(2_499);
    let (crashed, store) = channel();
    let old = Arc::clone(&setup.store);
    fold.done = Completion::new(move |_| crashed.send(old.crash(|_| false)).unwrap());
    setup.journal.append(fold);
    setup = Setup::on(store.recv().unwrap());
    assert_eq!(
        record_keys(&setup),
        before,
        "the fold itself deletes nothing, so that it costs the same however much it folds"
    );
    let (lease, recovered) = recover(&setup.journal, customer(1));
    assert_eq!(recovered.events, [(2_500, b"event".to_vec())]);
    wait_for_record_keys(&setup, &lease, 2_501, 1);
    assert_eq!(
        recover(&setup.journal, customer(1)).1.events,
        [(2_500, b"event".to_vec())]
    );
}
