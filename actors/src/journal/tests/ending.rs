//! A tenant that has lost its end is refused, though the store has not.

use std::path::Path;

use super::keys::{META, RECORDS};
use super::*;
use crate::data_dir::DataDir;
use crate::journal::record;
use crate::journal::sled_store::SledStore;
use crate::journal::store::{End, WriteBatch};

fn open(path: &Path) -> (Journal, JournalThreads) {
    Journal::open(DataDir::lock(path).unwrap(), JournalOptions::default()).unwrap()
}

fn append_all(journal: &Journal, lease: &Lease, sequences: std::ops::RangeInclusive<u64>) {
    for sequence in sequences {
        assert_eq!(append(journal, lease, sequence, &[b"event"]).recv().unwrap(), Ok(()));
    }
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// What a process leaves that is killed after it has given each of two tenants three events.
fn killed(directory: &Path) -> std::path::PathBuf {
    let (journal, _threads) = open(&directory.join("running"));
    for tenant in [customer(1), customer(2)] {
        let (lease, _) = recover(&journal, tenant);
        append_all(&journal, &lease, 1..=3);
    }
    let left = directory.join("left");
    copy(&directory.join("running"), &left);
    left
}

/// Takes keys out of a store.
fn lose(path: &Path, lost: &[Vec<u8>]) {
    let store = SledStore::open(DataDir::lock(path).unwrap()).unwrap();
    let mut batch = WriteBatch::default();
    for key in lost {
        assert!(store.get(key).unwrap().is_some());
        batch.delete(key);
    }
    store.apply(&batch).unwrap();
    store.sync().unwrap();
}

fn record_key(sequence: u64) -> Vec<u8> {
    let mut key = Vec::new();
    record::chunk_key(&mut key, &keys::record(customer(1), sequence), 0);
    assert_eq!(key.first(), Some(&RECORDS));
    key
}

fn refusal(journal: &Journal, create: bool) -> String {
    match begin_recovery(journal, customer(1), create).recv().unwrap() {
        (_, Err(RecoverError::Corrupt(what))) => what,
        (_, outcome) => panic!("{outcome:?}"),
    }
}

fn told(path: &Path) -> Vec<String> {
    let stopped = StoppedJournal::open(DataDir::lock(path).unwrap()).unwrap();
    let mut told = Vec::new();
    for tenant in stopped.all_tenants().unwrap() {
        let mut note = |item: Result<Item<'_>, Damaged>| told.extend(item.err().map(|damaged| damaged.what));
        stopped.look_at(tenant, &mut note).unwrap();
    }
    told
}

#[test]
fn a_tenant_that_ends_before_what_was_durable_is_refused_and_the_others_are_not() {
    let directory = tempfile::tempdir().unwrap();
    let left = killed(directory.path());
    lose(&left, &[record_key(3)]);
    let end = "the events end at sequence 2, but 3 was durable: their end is lost";
    // It stays so, for whoever looks, until someone has mended it.
    for _ in 0..2 {
        assert!(!left.join("store/seal").exists());
        let (journal, threads) = open(&left);
        assert_eq!(recover(&journal, customer(2)).1.events.len(), 3);
        assert_eq!(refusal(&journal, false), format!("tenant {}: {end}", customer(1)));
        threads.shutdown();
    }
    assert_eq!(told(&left), [format!("tenant {}: {end}", customer(1))]);
}

#[test]
fn a_tenant_of_whom_nothing_is_left_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let left = killed(directory.path());
    let meta = keys::prefix(META, customer(1)).to_vec();
    lose(&left, &[meta, record_key(1), record_key(2), record_key(3)]);
    let (journal, threads) = open(&left);
    for create in [false, true] {
        let what = refusal(&journal, create);
        assert!(
            what.ends_with("the events end at sequence 0, but 3 was durable: their end is lost"),
            "{what}"
        );
    }
    threads.shutdown();
    assert_eq!(told(&left).len(), 2);
}

#[test]
fn a_tenant_of_whom_nothing_is_left_is_not_missing_in_a_list_or_a_backup() {
    let directory = tempfile::tempdir().unwrap();
    let left = killed(directory.path());
    let meta = keys::prefix(META, customer(1)).to_vec();
    lose(&left, &[meta, record_key(1), record_key(2), record_key(3)]);
    let (journal, threads) = open(&left);
    assert_eq!(journal.tenants(None, 9).unwrap(), [customer(1), customer(2)]);
    assert_eq!(journal.tenants(None, 1).unwrap(), [customer(1)]);
    assert_eq!(journal.tenants(Some(customer(1)), 1).unwrap(), [customer(2)]);
    assert!(matches!(journal.export(customer(1)), Err(ReadError::Corrupt(_))));
    threads.shutdown();
    let stopped = StoppedJournal::open(DataDir::lock(&left).unwrap()).unwrap();
    assert_eq!(stopped.tenants(None, 9).unwrap(), [customer(1), customer(2)]);
    assert!(matches!(stopped.export(customer(1)), Err(ReadError::Corrupt(_))));
}

/// What a process leaves that is killed after it has written rows and no events.
fn killed_after_rows(directory: &Path, rows: Vec<SideChange>) -> std::path::PathBuf {
    let (journal, _threads) = open(&directory.join("running"));
    let (lease, _) = recover(&journal, customer(1));
    append_all(&journal, &lease, 1..=1);
    for row in rows {
        assert_eq!(
            append_side(&journal, &lease, 2, vec![row], None).recv().unwrap(),
            Ok(())
        );
    }
    let left = directory.join("left");
    copy(&directory.join("running"), &left);
    left
}

#[test]
fn a_tenant_whose_last_rows_are_lost_with_all_that_counts_them_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let count = |used: u8| put(Space::Row, b"used", &[used]);
    let left = killed_after_rows(directory.path(), vec![count(1), count(2)]);
    // As it was after the first of them.
    let earlier = tempfile::tempdir().unwrap();
    let earlier = killed_after_rows(earlier.path(), vec![count(1)]);
    let keys = [
        keys::prefix(META, customer(1)).to_vec(),
        [keys::side(Space::Row, customer(1), b"used"), vec![0, 0]].concat(),
    ];
    let earlier = SledStore::open(DataDir::lock(&earlier).unwrap()).unwrap();
    let store = SledStore::open(DataDir::lock(&left).unwrap()).unwrap();
    let mut batch = WriteBatch::default();
    for key in &keys {
        batch.put(key, &[&earlier.get(key).unwrap().unwrap()]);
    }
    store.apply(&batch).unwrap();
    store.sync().unwrap();
    drop(store);
    let (journal, _threads) = open(&left);
    let end = "the rows end with change 2, but 3 was durable: their end is lost";
    assert_eq!(refusal(&journal, false), format!("tenant {}: {end}", customer(1)));
}

#[test]
fn a_tenant_that_has_lost_an_audit_entry_in_a_crash_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let entry = |key: u8| put(Space::Audit, &[key], b"entry");
    let left = killed_after_rows(directory.path(), vec![entry(1), entry(2), entry(3)]);
    lose(
        &left,
        &[[keys::side(Space::Audit, customer(1), &[2]), vec![0, 0]].concat()],
    );
    let what = "audit entries are missing, or are older than what was written last";
    for _ in 0..2 {
        let (journal, threads) = open(&left);
        assert_eq!(refusal(&journal, false), format!("tenant {}: {what}", customer(1)));
        threads.shutdown();
    }
    assert_eq!(told(&left), [format!("tenant {}: {what}", customer(1))]);
}

#[test]
fn a_store_that_was_damaged_while_it_was_open_is_not_sealed() {
    let directory = tempfile::tempdir().unwrap();
    let left = killed(directory.path());
    open(&left).1.shutdown();
    assert!(left.join("store/seal").exists());
    let store = SledStore::open(DataDir::lock(&left).unwrap()).unwrap();
    // It was durable, and is not there any more.
    let lost = End { last: 4, version: 1 };
    store.note(6, &mut [(customer(1), lost)].into_iter());
    drop(store);
    for _ in 0..2 {
        assert!(!left.join("store/seal").exists());
        let (journal, threads) = open(&left);
        assert_eq!(recover(&journal, customer(2)).1.events.len(), 3);
        assert!(refusal(&journal, false).ends_with("3, but 4 was durable: their end is lost"));
        threads.shutdown();
    }
}

#[test]
fn a_tenant_that_was_erased_and_begins_again_is_not() {
    let directory = tempfile::tempdir().unwrap();
    let left = killed(directory.path());
    let (journal, threads) = open(&left);
    let (done, erased) = completion();
    journal.erase(customer(1), b"fact".to_vec(), done);
    assert_eq!(erased.recv().unwrap(), Ok(()));
    let (lease, recovered) = recover(&journal, customer(1));
    assert_eq!(recovered, Recovered::default());
    append_all(&journal, &lease, 1..=1);
    let again = directory.path().join("again");
    copy(&left, &again);
    threads.shutdown();
    for path in [&again, &left] {
        let (journal, _threads) = open(path);
        assert_eq!(recover(&journal, customer(1)).1.events.len(), 1);
    }
    assert_eq!(told(&again), [""; 0]);
}

#[test]
fn a_store_that_was_killed_and_is_whole_is_sealed_when_it_is_closed() {
    let directory = tempfile::tempdir().unwrap();
    let left = killed(directory.path());
    assert!(!left.join("store/seal").exists());
    open(&left).1.shutdown();
    assert!(left.join("store/seal").exists());
}

#[test]
fn a_store_that_is_too_large_to_be_looked_at_is_not_sealed_and_loses_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let left = killed_after_rows(directory.path(), vec![put(Space::Audit, b"1", b"entry")]);
    let mut store = SledStore::open(DataDir::lock(&left).unwrap()).unwrap();
    store.has_no_time();
    drop(store);
    assert!(!left.join("store/seal").exists());
    let (journal, threads) = open(&left);
    assert_eq!(recover(&journal, customer(1)).1.events.len(), 1);
    threads.shutdown();
    assert!(left.join("store/seal").exists());
}
