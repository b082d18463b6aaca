//! A store that has lost its end is refused, however whole it looks.

use super::keys::GROUP;
use super::*;

fn appended(setup: &Setup, lease: &Lease, sequence: u64) {
    let answer = append(&setup.journal, lease, sequence, &[b"event"]);
    assert_eq!(answer.recv().unwrap(), Ok(()));
}

fn group_row(store: &FaultyStore) -> Vec<u8> {
    let contents = store.contents();
    let row = contents.into_iter().find(|(key, _)| key == GROUP);
    row.expect("every batch brings it").1
}

fn refusal(store: &Arc<FaultyStore>) -> String {
    let opened = Journal::with_store(Arc::clone(store) as Arc<dyn Store>, JournalOptions::default());
    let stopped = StoppedJournal::with_store(Arc::clone(store) as Arc<dyn Store>);
    match (opened, stopped) {
        (Err(OpenError::Corrupt(what)), Err(OpenError::Corrupt(again))) if what == again => what,
        (opened, stopped) => panic!("{:?}, {:?}", opened.err(), stopped.err()),
    }
}

#[test]
fn a_store_that_ends_before_what_was_durable_is_refused() {
    let setup = Setup::new();
    let (lease, _) = recover(&setup.journal, customer(1));
    appended(&setup, &lease, 1);
    let earlier = group_row(&setup.store);
    appended(&setup, &lease, 2);
    let store = setup.store.crash(|_| false);
    Setup::on(Arc::clone(&store));
    store.damage(GROUP, Some(earlier));
    assert_eq!(
        refusal(&store),
        "it ends with group 1, but group 2 was durable: its end is lost"
    );
    store.damage(GROUP, None);
    assert_eq!(
        refusal(&store),
        "it ends with group 0, but group 2 was durable: its end is lost"
    );
    store.damage(GROUP, Some(b"\x01nonsense".to_vec()));
    assert_eq!(refusal(&store), "group row: the checksum is wrong");
}

#[test]
fn a_store_may_hold_more_than_was_noted() {
    let mut setup = Setup::new();
    let (lease, _) = recover(&setup.journal, customer(1));
    appended(&setup, &lease, 1);
    // Applied and never synced, so not noted; the power cut leaves it all the same.
    setup.store.fail(Operation::Sync, 0, Fault::Error);
    let answer = append(&setup.journal, &lease, 2, &[b"event"]);
    assert_eq!(answer.recv().unwrap(), Err(AppendError::Failed));
    setup.crash(|_| true);
    assert_eq!(recover(&setup.journal, customer(1)).1.events.len(), 2);
}
