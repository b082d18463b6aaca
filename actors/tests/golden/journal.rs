//! A whole store as the journal lays it out: the version of the layout, meta, records, rows, erasures.

use std::sync::mpsc;

use countersign_actors::id::CustomerId;
use countersign_actors::journal::{
    Append, Completion, Direction, Events, FaultyStore, Journal, JournalOptions, JournalThreads, Lease, RecoverError,
    Recovery, SideChange, Space,
};
use countersign_actors::testing::{record_chunks, record_of_chunks};

use crate::{customer, golden, kept, lines, pairs, uuid};

const NAME: &str = "store/journal.txt";

/// What a recovery was given.
#[derive(Debug, Default, PartialEq)]
struct Given {
    rows: Vec<(Vec<u8>, Vec<u8>)>,
    secrets: Vec<(Vec<u8>, Vec<u8>)>,
    events: Vec<(u64, Vec<u8>)>,
}

struct Reading {
    given: Given,
    done: mpsc::Sender<(Given, Option<Lease>)>,
}

impl Recovery for Reading {
    fn row(&mut self, key: &[u8], value: &[u8]) -> Result<(), String> {
        self.given.rows.push((key.to_vec(), value.to_vec()));
        Ok(())
    }

    fn secret(&mut self, key: &[u8], value: &[u8]) -> Result<(), String> {
        self.given.secrets.push((key.to_vec(), value.to_vec()));
        Ok(())
    }

    fn event(&mut self, sequence: u64, bytes: &[u8]) -> Result<(), String> {
        self.given.events.push((sequence, bytes.to_vec()));
        Ok(())
    }

    fn finish(self: Box<Self>, outcome: Result<Option<Lease>, RecoverError>) {
        let Self { given, done } = *self;
        done.send((given, outcome.expect("it is read")))
            .expect("somebody waits");
    }
}

fn open(store: &std::sync::Arc<FaultyStore>) -> (Journal, JournalThreads) {
    Journal::with_store(std::sync::Arc::clone(store) as _, JournalOptions::default()).expect("a journal")
}

fn recover(journal: &Journal, tenant: CustomerId) -> (Given, Option<Lease>) {
    let (done, given) = mpsc::channel();
    let given_so_far = Given::default();
    journal.recover(
        tenant,
        true,
        Box::new(Reading {
            given: given_so_far,
            done,
        }),
    );
    given.recv().expect("an answer")
}

fn change(space: Space, key: &[u8], value: &[u8]) -> SideChange {
    SideChange {
        space,
        key: key.to_vec(),
        value: Some(value.to_vec()),
    }
}

fn append(
    journal: &Journal,
    lease: &Lease,
    first_sequence: u64,
    events: &[&[u8]],
    side: Vec<SideChange>,
    fold: Option<u64>,
) {
    let mut encoded = Events::new();
    events.iter().for_each(|event| encoded.push(event));
    let (done, outcome) = mpsc::channel();
    journal.append(Append {
        lease: lease.clone(),
        first_sequence,
        events: encoded,
        side,
        fold_up_to: fold,
        done: Completion::new(move |outcome| done.send(outcome).expect("somebody waits")),
    });
    assert_eq!(outcome.recv().expect("an answer"), Ok(()));
}

/// A value that takes three chunks.
fn long() -> Vec<u8> {
    (0..9_000_u32)
        .map(|at| u8::try_from(at % 251).unwrap_or_default())
        .collect()
}

fn expected() -> Given {
    Given {
        rows: vec![(b"a".to_vec(), b"row".to_vec()), (vec![0, 1, 0], b"zeros".to_vec())],
        secrets: vec![(vec![1], b"sealed".to_vec())],
        events: vec![(3, b"three".to_vec()), (4, long())],
    }
}

fn written() -> String {
    let store = FaultyStore::new();
    let (journal, threads) = open(&store);
    let (_, lease) = recover(&journal, customer());
    let lease = lease.expect("a lease");
    append(
        &journal,
        &lease,
        1,
        &[b"one"],
        vec![change(Space::Audit, b"audit", b"entry")],
        None,
    );
    let side = vec![
        change(Space::Row, b"a", b"row"),
        change(Space::Row, &[0, 1, 0], b"zeros"),
        change(Space::Vault, &[1], b"sealed"),
    ];
    append(&journal, &lease, 2, &[b"two", b"three"], side, Some(2));
    append(&journal, &lease, 4, &[&long()], Vec::new(), None);
    let erased = CustomerId::new(uuid(5));
    let (_, lease) = recover(&journal, erased);
    append(&journal, &lease.expect("a lease"), 1, &[b"gone"], Vec::new(), None);
    let (done, outcome) = mpsc::channel();
    let done = Completion::new(move |outcome| done.send(outcome).expect("somebody waits"));
    journal.erase(erased, b"erased at some time".to_vec(), done);
    assert_eq!(outcome.recv().expect("an answer"), Ok(()));
    drop(journal);
    threads.shutdown();
    lines(
        store
            .contents()
            .iter()
            // How many groups there were depends on how fast the journal was.
            .filter(|(key, _)| key != b"group")
            .map(|(key, value)| (key.as_slice(), value.as_slice())),
    )
}

#[test]
fn a_store_is_written_and_read_as_ever() {
    let store = of(&golden(NAME, &written()));
    let before = store.contents();
    reads(&store);
    assert_eq!(store.contents(), before);
}

#[test]
fn a_store_of_the_first_format_becomes_one_of_this() {
    let store = of(&kept("store/journal.1.txt"));
    reads(&store);
    let without_versions = |store: &FaultyStore| {
        let contents = store.contents().into_iter();
        // How often a meta row was written is known to nobody.
        let rows = contents.map(|(key, value)| match key.first() {
            Some(b'm') => (key, [&value[5..13], &value[21..]].concat()),
            _ => (key, value),
        });
        rows.collect::<Vec<_>>()
    };
    let now = of(&kept(NAME));
    assert_eq!(without_versions(&store), without_versions(&now));
    reads(&store);
}

fn of(lines: &str) -> std::sync::Arc<FaultyStore> {
    let store = FaultyStore::new();
    for (key, value) in pairs(lines) {
        store.damage(&key, Some(value));
    }
    store
}

/// That it opens, and holds what was written.
fn reads(store: &std::sync::Arc<FaultyStore>) {
    let (journal, threads) = open(store);
    let mut rows = expected();
    rows.rows.sort();
    assert_eq!(recover(&journal, customer()).0, rows);
    let audit = journal.scan(customer(), Space::Audit, vec![0]..vec![0xff], 10, Direction::Up);
    assert_eq!(audit, Ok(vec![(b"audit".to_vec(), b"entry".to_vec())]));
    let erased = CustomerId::new(uuid(5));
    assert_eq!(journal.erasure(erased), Ok(Some(b"erased at some time".to_vec())));
    assert_eq!(recover(&journal, erased).0, Given::default());
    assert_eq!(journal.tenants(None, 10), Ok(vec![customer()]));
    drop(journal);
    threads.shutdown();
}

#[test]
fn a_record_is_written_and_read_as_ever() {
    let mut events = Events::new();
    events.push(b"{}");
    events.push(&long());
    let chunks = record_chunks(customer(), 41, &events);
    let kept = golden(
        "store/record.txt",
        &lines(chunks.iter().map(|(key, value)| (key.as_slice(), value.as_slice()))),
    );
    assert_eq!(
        record_of_chunks(&pairs(&kept)),
        Ok(vec![(41, b"{}".to_vec()), (42, long())])
    );
}
