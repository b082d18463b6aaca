//! A tenant read for a backup: one moment of it, whatever is written, folded or erased meanwhile.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::*;
use crate::limits::SIDE_CHANGES_MAX;

/// What a tenant had come to: the events that its rows tell of, and those in records behind them.
#[derive(Debug, Default, PartialEq, Eq)]
struct Seen {
    counted: u64,
    rows: usize,
    events: Vec<(u64, Vec<u8>)>,
}

fn read(export: &mut Export) -> Result<Seen, ExportError> {
    let (mut seen, mut last, folded) = (Seen::default(), export.folded(), export.folded());
    loop {
        let page = export.next_page()?;
        if page.is_empty() {
            return Ok(seen);
        }
        for piece in page {
            match piece {
                Piece::Row {
                    space: Space::Row,
                    value,
                    ..
                } => {
                    seen.rows += 1;
                    seen.counted = u64::from_be_bytes(value.try_into().unwrap());
                }
                Piece::Row { .. } => {}
                Piece::Record { value, .. } => {
                    last = read_record(&value, last, folded, |sequence, event| {
                        seen.events.push((sequence, event.to_vec()));
                        Ok(())
                    })
                    .unwrap();
                }
            }
        }
    }
}

fn counted(up_to: u64) -> Vec<SideChange> {
    vec![put(Space::Row, b"counted", &up_to.to_be_bytes())]
}

/// Appends one event after the other and folds now and then; tells how far it has come.
fn keep_writing(journal: &Journal, acknowledged: &AtomicU64, stop: &AtomicBool) {
    let (lease, _) = recover(journal, customer(1));
    let mut sequence = 1;
    while !stop.load(Ordering::Relaxed) {
        let event = sequence.to_string().into_bytes();
        assert_eq!(append(journal, &lease, sequence, &[&event]).recv().unwrap(), Ok(()));
        acknowledged.store(sequence, Ordering::SeqCst);
        if sequence % 7 == 0 {
            // A fold that asks nobody, as an owner would.
            let fold = append_side(journal, &lease, sequence + 1, counted(sequence - 2), Some(sequence - 2));
            assert_eq!(fold.recv().unwrap(), Ok(()));
        }
        sequence += 1;
    }
}

/// Stops the writer also when the test fails.
struct StopAtEnd<'a>(&'a AtomicBool);

impl Drop for StopAtEnd<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn what_is_read_while_others_write_and_fold_is_a_prefix_of_what_was_acknowledged() {
    let setup = Setup::new();
    let (acknowledged, stop) = (AtomicU64::new(0), AtomicBool::new(false));
    std::thread::scope(|scope| {
        scope.spawn(|| keep_writing(&setup.journal, &acknowledged, &stop));
        let _stopping = StopAtEnd(&stop);
        let (mut whole, mut folded) = (0, 0);
        while whole < 200 || folded < 5 {
            let before = acknowledged.load(Ordering::SeqCst);
            let Some(mut export) = setup.journal.export(customer(1)).unwrap() else {
                continue;
            };
            let (from, last) = (export.folded(), export.last());
            assert!(last >= before, "everything that was acknowledged before is there");
            match read(&mut export) {
                Ok(seen) => {
                    whole += 1;
                    assert_eq!(seen.counted, from, "rows and records fit each other");
                    assert_eq!(seen.events, numbered(from + 1..=last, |at| at.to_string().into_bytes()));
                }
                Err(ExportError::Folded) => folded += 1,
                Err(error) => panic!("{error}"),
            }
        }
    });
}

fn with_five_events(setup: &Setup) -> Lease {
    let (lease, _) = recover(&setup.journal, customer(1));
    for sequence in 1..=5 {
        let written = append(&setup.journal, &lease, sequence, &[b"e"]);
        assert_eq!(written.recv().unwrap(), Ok(()));
    }
    let fold = append_side(&setup.journal, &lease, 6, counted(1), Some(1));
    assert_eq!(fold.recv().unwrap(), Ok(()));
    lease
}

#[test]
fn events_that_come_later_are_left_out_and_a_fold_begins_it_anew() {
    let setup = Setup::new();
    let lease = with_five_events(&setup);
    let mut export = setup.journal.export(customer(1)).unwrap().unwrap();
    assert!(setup.journal.is_exporting(customer(1)));
    assert_eq!((export.folded(), export.last()), (1, 5));
    assert_eq!(append(&setup.journal, &lease, 6, &[b"later"]).recv().unwrap(), Ok(()));
    let seen = read(&mut export).unwrap();
    assert_eq!((seen.counted, seen.events), (1, numbered(2..=5, |_| b"e".to_vec())));
    drop(export);
    assert!(!setup.journal.is_exporting(customer(1)));

    let mut export = setup.journal.export(customer(1)).unwrap().unwrap();
    let rows = export.next_page().unwrap();
    assert!(matches!(rows[0], Piece::Row { .. }));
    let fold = append_side(&setup.journal, &lease, 7, counted(6), Some(6));
    assert_eq!(fold.recv().unwrap(), Ok(()));
    assert_eq!(read(&mut export), Err(ExportError::Folded));
    let seen = read(&mut setup.journal.export(customer(1)).unwrap().unwrap()).unwrap();
    assert_eq!((seen.counted, seen.events.len()), (6, 0));
}

#[test]
fn a_tenant_that_is_erased_meanwhile_is_not_kept_even_if_it_comes_back() {
    let setup = Setup::new();
    with_five_events(&setup);
    let mut export = setup.journal.export(customer(1)).unwrap().unwrap();
    export.next_page().unwrap();
    let (done, erased) = completion();
    setup.journal.erase(customer(1), b"on request".to_vec(), done);
    assert_eq!(erased.recv().unwrap(), Ok(()));
    assert!(setup.journal.export(customer(1)).unwrap().is_none());
    with_five_events(&setup);
    assert_eq!(read(&mut export), Err(ExportError::Erased));
    assert!(setup.journal.export(customer(2)).unwrap().is_none(), "nobody knows it");
}

#[test]
fn a_tenant_that_is_just_being_erased_is_not_kept_without_what_is_gone_already() {
    const ROWS: u16 = 20_000;
    let setup = Setup::new();
    let (lease, _) = recover(&setup.journal, customer(1));
    let rows: Vec<[u8; 2]> = (0..ROWS).map(u16::to_be_bytes).collect();
    for some in rows.chunks(SIDE_CHANGES_MAX) {
        let side = some.iter().map(|key| put(Space::Row, key, &[0; 8])).collect();
        let written = append_side(&setup.journal, &lease, 1, side, None);
        assert_eq!(written.recv().unwrap(), Ok(()));
    }
    let whole = setup.store.contents().len();
    let mut export = setup.journal.export(customer(1)).unwrap().unwrap();
    let (done, erased) = completion();
    setup.journal.erase(customer(1), Vec::new(), done);
    // The marker came; then the rows go, a thousand at a time.
    while setup.store.contents().len() >= whole {
        std::thread::yield_now();
    }
    assert_eq!(read(&mut export), Err(ExportError::Erased));
    assert_eq!(erased.recv().unwrap(), Ok(()));
}

#[test]
fn a_stopped_store_gives_the_same() {
    let mut setup = Setup::new();
    with_five_events(&setup);
    let running = read(&mut setup.journal.export(customer(1)).unwrap().unwrap()).unwrap();
    setup.threads.take();
    let stopped = StoppedJournal::with_store(Arc::clone(&setup.store) as Arc<dyn Store>).unwrap();
    assert_eq!(read(&mut stopped.export(customer(1)).unwrap().unwrap()), Ok(running));
}

#[test]
fn a_gap_is_an_error_and_never_a_shorter_history() {
    let mut setup = Setup::new();
    with_five_events(&setup);
    setup.threads.take();
    let stopped = StoppedJournal::with_store(Arc::clone(&setup.store) as Arc<dyn Store>).unwrap();
    let mut third = keys::record(customer(1), 3);
    third.extend_from_slice(&[0, 0]);
    setup.store.damage(&third, None);
    let told = read(&mut stopped.export(customer(1)).unwrap().unwrap()).unwrap_err();
    assert!(told.to_string().contains("3 is next"), "{told}");
}

#[test]
fn large_tenants_come_in_pages_that_join() {
    let setup = Setup::new();
    let (lease, _) = recover(&setup.journal, customer(1));
    let value = vec![7; 100_000];
    for number in 0..10_u8 {
        let written = append_side(
            &setup.journal,
            &lease,
            1,
            vec![put(Space::Row, &[number], &value)],
            None,
        );
        assert_eq!(written.recv().unwrap(), Ok(()));
    }
    let mut export = setup.journal.export(customer(1)).unwrap().unwrap();
    let (mut pages, mut found) = (0, Vec::new());
    loop {
        let page = export.next_page().unwrap();
        if page.is_empty() {
            break;
        }
        pages += 1;
        found.extend(page.into_iter().map(|piece| match piece {
            Piece::Row { key, value, .. } => (key, value.len()),
            Piece::Record { .. } => panic!("there are no events"),
        }));
    }
    let expected: Vec<_> = (0..10_u8).map(|number| (vec![number], value.len())).collect();
    assert_eq!(found, expected);
    assert_eq!(pages, 4);
}

#[test]
fn a_row_that_is_missing_ends_it_in_an_error_unless_rows_came_meanwhile() {
    for (space, what) in [
        (Space::Row, "rows"),
        (Space::Vault, "rows"),
        (Space::Audit, "audit entries"),
    ] {
        let setup = Setup::new();
        let (lease, _) = recover(&setup.journal, customer(1));
        let side = vec![put(Space::Row, b"r", &[0; 8]), put(space, b"s", &[0; 8])];
        assert_eq!(
            append_side(&setup.journal, &lease, 1, side, None).recv().unwrap(),
            Ok(())
        );
        let key = [keys::side(space, customer(1), b"s"), vec![0, 0]].concat();
        setup.store.damage(&key, None);
        let mut export = setup.journal.export(customer(1)).unwrap().unwrap();
        let refusal = format!(
            "tenant {}: {what} are missing, or are older than what was written last",
            customer(1)
        );
        assert_eq!(read(&mut export), Err(ExportError::Read(ReadError::Corrupt(refusal))));
        drop(export);
        // Those that are there and those that should be are of two moments then, and whoever writes has read them.
        let mut export = setup.journal.export(customer(1)).unwrap().unwrap();
        let count = vec![put(Space::Row, b"t", &[1; 8])];
        assert_eq!(
            append_side(&setup.journal, &lease, 1, count, None).recv().unwrap(),
            Ok(())
        );
        assert!(read(&mut export).is_ok());
    }
}
