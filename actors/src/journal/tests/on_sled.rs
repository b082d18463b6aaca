//! The real store, in temporary directories. The test that kills a process is in `actors/tests/journal_crash.rs`.

use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::data_dir::{DataDir, DataDirError};

fn lock(path: &std::path::Path) -> DataDir {
    DataDir::lock(path).unwrap()
}

fn open(path: &std::path::Path) -> (Journal, JournalThreads) {
    Journal::open(lock(path), JournalOptions::default()).unwrap()
}

#[test]
fn what_was_appended_is_there_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let (journal, threads) = open(&data);
    let (lease, _) = recover(&journal, customer(1));
    let long = vec![5; 30_000];
    let mut answers: Vec<_> = (1..=500)
        .map(|sequence| append(&journal, &lease, sequence, &[&long[..sequence as usize]]))
        .collect();
    let side = vec![
        put(Space::Row, b"r\0\0", &long),
        put(Space::Vault, b"k", b"secret"),
        put(Space::Audit, b"a", b"entry"),
    ];
    answers.push(append_side(&journal, &lease, 501, side, Some(100)));
    answers
        .iter()
        .for_each(|answer| assert_eq!(answer.recv().unwrap(), Ok(())));
    assert!(journal.status().free_bytes.is_some());
    threads.shutdown();
    // The old handle is still there and keeps nothing locked.
    let (again, threads) = open(&data);
    let (_, recovered) = recover(&again, customer(1));
    assert_eq!(recovered.rows, [(b"r\0\0".to_vec(), long.clone())].into());
    assert_eq!(recovered.secrets, [(b"k".to_vec(), b"secret".to_vec())].into());
    assert_eq!(
        recovered.events,
        numbered(101..=500, |sequence| long[..sequence as usize].to_vec())
    );
    for direction in [Direction::Up, Direction::Down] {
        let rows = again
            .scan(customer(1), Space::Audit, vec![0]..vec![0xff], 10, direction)
            .unwrap();
        assert_eq!(rows, [(b"a".to_vec(), b"entry".to_vec())]);
    }
    let (done, erased) = completion();
    again.erase(customer(1), b"fact".to_vec(), done);
    assert_eq!(erased.recv().unwrap(), Ok(()));
    threads.shutdown();
    let (again, _threads) = open(&data);
    assert_eq!(again.tenants(None, 10).unwrap(), []);
    assert_eq!(again.erasure(customer(1)).unwrap(), Some(b"fact".to_vec()));
}

#[test]
fn a_second_journal_on_the_same_directory_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (_journal, threads) = open(dir.path());
    assert!(matches!(DataDir::lock(dir.path()), Err(DataDirError::Locked(_))));
    threads.shutdown();
    open(dir.path());
}

#[test]
fn a_store_that_was_just_closed_opens_again_at_once() {
    let dir = tempfile::tempdir().unwrap();
    for sequence in 1..=20 {
        let (journal, threads) = open(dir.path());
        let (lease, recovered) = recover(&journal, customer(1));
        assert_eq!(recovered.events.len() as u64, sequence - 1);
        assert_eq!(
            append(&journal, &lease, sequence, &[&[1; 3_000]]).recv().unwrap(),
            Ok(())
        );
        threads.shutdown();
    }
}

#[test]
fn a_half_written_snapshot_does_not_keep_the_store_from_opening() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, threads) = open(dir.path());
    let (lease, _) = recover(&journal, customer(1));
    assert_eq!(append(&journal, &lease, 1, &[b"e"]).recv().unwrap(), Ok(()));
    threads.shutdown();
    let left_over = dir.path().join("store/snap.FFFFFFFFFFFFFFFF.generating");
    std::fs::write(&left_over, b"half").unwrap();
    let (journal, _threads) = open(dir.path());
    assert!(!left_over.exists());
    assert_eq!(recover(&journal, customer(1)).1.events.len(), 1);
}

#[test]
fn directories_and_the_lock_belong_to_their_owner_alone() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("deep/data");
    let (_journal, _threads) = open(&data);
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(
        (mode(&data), mode(&data.join("store")), mode(&data.join("lock"))),
        (0o700, 0o700, 0o600)
    );
}

#[test]
fn a_store_written_by_another_format_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let store = SledStore::open(lock(dir.path())).unwrap();
    let mut batch = WriteBatch::default();
    record::put_sealed(&mut batch, keys::FORMAT, &9_u32.to_be_bytes());
    store.apply(&batch).unwrap();
    store.sync().unwrap();
    drop(store);
    let opened = Journal::open(lock(dir.path()), JournalOptions::default());
    assert!(matches!(opened, Err(OpenError::Format { found: 9, expected: 2 })));
}

/// A store with something in it, closed.
fn closed(dir: &std::path::Path) {
    let (journal, threads) = open(dir);
    let (lease, recovered) = recover(&journal, customer(1));
    let next = recovered.events.len() as u64 + 1;
    assert_eq!(append(&journal, &lease, next, &[b"e"]).recv().unwrap(), Ok(()));
    threads.shutdown();
}

fn refusal(dir: &std::path::Path) -> String {
    match Journal::open(lock(dir), JournalOptions::default()) {
        Err(OpenError::Corrupt(what)) => what,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_closed_store_is_sealed_and_an_open_one_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let seal = dir.path().join("store/seal");
    for _ in 0..3 {
        closed(dir.path());
        assert!(seal.exists());
    }
    let (_journal, threads) = open(dir.path());
    assert!(!seal.exists());
    threads.shutdown();
    let looked_into = StoppedJournal::open(lock(dir.path())).unwrap();
    assert!(!seal.exists());
    drop(looked_into);
    assert!(seal.exists());
}

#[test]
fn a_sealed_store_whose_files_have_changed_is_refused_and_left_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    closed(dir.path());
    let store = dir.path().join("store");
    let snapshot = list(&store).into_iter().find(|name| name.starts_with("snap.")).unwrap();
    for (name, told) in [
        ("db", "`db` is not as it was when the store was closed"),
        ("conf", "`conf` is not as it was"),
        (&snapshot, "snap."),
        ("seal", "the seal itself is damaged"),
    ] {
        let path = store.join(name);
        let whole = std::fs::read(&path).unwrap();
        std::fs::write(&path, &whole[..whole.len() - 2]).unwrap();
        for _ in 0..2 {
            let said = refusal(dir.path());
            assert!(said.contains(told) && said.contains("store/seal"), "{said}");
        }
        std::fs::remove_file(&path).unwrap();
        if name != "seal" {
            assert!(refusal(dir.path()).contains("cannot be read"), "{name}");
        }
        std::fs::write(&path, whole).unwrap();
    }
    closed(dir.path());
}

fn list(directory: &std::path::Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory).unwrap();
    entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}

#[test]
fn a_damaged_mark_is_refused_and_an_empty_one_is_none() {
    let dir = tempfile::tempdir().unwrap();
    closed(dir.path());
    let mark = dir.path().join("store/mark");
    let whole = std::fs::read(&mark).unwrap();
    let mut damaged = whole.clone();
    damaged[0] ^= 1;
    std::fs::write(&mark, damaged).unwrap();
    assert!(refusal(dir.path()).contains("the mark is damaged"));
    // What a power cut can leave of a file that was never synced.
    for nothing in [Vec::new(), vec![0; whole.len()]] {
        std::fs::write(&mark, nothing).unwrap();
        closed(dir.path());
    }
}

#[test]
fn a_store_that_failed_is_not_sealed() {
    let dir = tempfile::tempdir().unwrap();
    closed(dir.path());
    let store = SledStore::open(lock(dir.path())).unwrap();
    let mut batch = WriteBatch::default();
    record::put_sealed(&mut batch, b"z", b"never synced");
    store.apply(&batch).unwrap();
    drop(store);
    assert!(!dir.path().join("store/seal").exists());
    closed(dir.path());
}

#[test]
fn a_store_that_lost_its_end_while_it_was_open_is_not_sealed() {
    let dir = tempfile::tempdir().unwrap();
    closed(dir.path());
    let store = SledStore::open(lock(dir.path())).unwrap();
    // Groups that were durable, and of which it knows nothing any more.
    store.note(99, &mut std::iter::empty());
    drop(store);
    assert!(!dir.path().join("store/seal").exists());
    let told = refusal(dir.path());
    assert!(told.contains("99"), "{told}");
}

#[test]
fn a_store_whose_making_was_cut_short_is_made_anew() {
    let dir = tempfile::tempdir().unwrap();
    let unfinished = dir.path().join("store.new");
    std::fs::create_dir(&unfinished).unwrap();
    // sled takes this for a store of another program.
    std::fs::write(unfinished.join("conf"), [0; 30]).unwrap();
    closed(dir.path());
    assert!(!unfinished.exists());
}
