//! What the tests of the journal have in common; the tests themselves, by what they are about.

mod contents;
mod ending;
mod erasing;
mod exporting;
mod failing;
mod folding;
mod inspecting;
mod marking;
mod on_sled;
mod recovering;
mod writing;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

use super::*;

/// A customer by number.
pub(super) fn customer(number: u8) -> CustomerId {
    CustomerId::from_bytes([number; 16])
}

/// A journal on a store in memory.
pub(super) struct Setup {
    pub(super) store: Arc<FaultyStore>,
    pub(super) journal: Journal,
    pub(super) threads: Option<JournalThreads>,
    pub(super) failures: Receiver<String>,
}

impl Setup {
    pub(super) fn new() -> Self {
        Self::on(FaultyStore::new())
    }

    pub(super) fn on(store: Arc<FaultyStore>) -> Self {
        let (failed, failures) = channel();
        let options = JournalOptions {
            on_failure: Box::new(move |reason| failed.send(reason).unwrap()),
            ..JournalOptions::default()
        };
        let (journal, threads) = Journal::with_store(Arc::clone(&store) as Arc<dyn Store>, options).unwrap();
        Self {
            store,
            journal,
            threads: Some(threads),
            failures,
        }
    }

    /// Stops the journal and opens what a power cut would have left of its store.
    pub(super) fn crash(&mut self, keep: impl Fn(usize) -> bool) {
        let store = self.store.crash(keep);
        self.store.resume();
        self.threads.take();
        *self = Self::on(store);
    }
}

/// Everything that a recovery gave out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Recovered {
    pub(super) rows: BTreeMap<Vec<u8>, Vec<u8>>,
    pub(super) secrets: BTreeMap<Vec<u8>, Vec<u8>>,
    pub(super) events: Vec<(u64, Vec<u8>)>,
}

pub(super) type Outcome = (Recovered, Result<Option<Lease>, RecoverError>);

/// Collects what it is given and sends it in the end.
pub(super) struct Collect {
    pub(super) recovered: Recovered,
    pub(super) done: Sender<Outcome>,
}

impl Recovery for Collect {
    fn row(&mut self, key: &[u8], value: &[u8]) -> Result<(), String> {
        assert_eq!(self.recovered.rows.insert(key.to_vec(), value.to_vec()), None);
        Ok(())
    }

    fn secret(&mut self, key: &[u8], value: &[u8]) -> Result<(), String> {
        assert_eq!(self.recovered.secrets.insert(key.to_vec(), value.to_vec()), None);
        Ok(())
    }

    fn event(&mut self, sequence: u64, bytes: &[u8]) -> Result<(), String> {
        self.recovered.events.push((sequence, bytes.to_vec()));
        Ok(())
    }

    fn finish(self: Box<Self>, outcome: Result<Option<Lease>, RecoverError>) {
        // Whoever does not wait for it has dropped the other end.
        let _ = self.done.send((self.recovered, outcome));
    }
}

pub(super) fn begin_recovery(journal: &Journal, tenant: CustomerId, create: bool) -> Receiver<Outcome> {
    let (done, outcome) = channel();
    journal.recover(
        tenant,
        create,
        Box::new(Collect {
            recovered: Recovered::default(),
            done,
        }),
    );
    outcome
}

/// A recovery that has to succeed.
pub(super) fn recover(journal: &Journal, tenant: CustomerId) -> (Lease, Recovered) {
    let (recovered, outcome) = begin_recovery(journal, tenant, true).recv().unwrap();
    (outcome.unwrap().unwrap(), recovered)
}

pub(super) type Answer = Receiver<Result<(), AppendError>>;

pub(super) fn completion() -> (Completion, Answer) {
    let (done, answer) = channel();
    let done = Completion::new(move |result| {
        // Not every test waits for every answer.
        let _ = done.send(result);
    });
    (done, answer)
}

/// An append of these events and nothing else.
pub(super) fn events_of(lease: &Lease, first_sequence: u64, events: &[&[u8]]) -> (Append, Answer) {
    let (done, answer) = completion();
    let mut list = Events::new();
    events.iter().for_each(|event| list.push(event));
    let append = Append {
        lease: lease.clone(),
        first_sequence,
        events: list,
        side: Vec::new(),
        fold_up_to: None,
        done,
    };
    (append, answer)
}

pub(super) fn append(journal: &Journal, lease: &Lease, first_sequence: u64, events: &[&[u8]]) -> Answer {
    let (append, answer) = events_of(lease, first_sequence, events);
    journal.append(append);
    answer
}

pub(super) fn put(space: Space, key: &[u8], value: &[u8]) -> SideChange {
    SideChange {
        space,
        key: key.to_vec(),
        value: Some(value.to_vec()),
    }
}

pub(super) fn delete(space: Space, key: &[u8]) -> SideChange {
    SideChange {
        space,
        key: key.to_vec(),
        value: None,
    }
}

/// An append of side changes and perhaps a fold.
pub(super) fn append_side(
    journal: &Journal,
    lease: &Lease,
    next_sequence: u64,
    side: Vec<SideChange>,
    fold_up_to: Option<u64>,
) -> Answer {
    let (mut append, answer) = events_of(lease, next_sequence, &[]);
    append.side = side;
    append.fold_up_to = fold_up_to;
    journal.append(append);
    answer
}

/// Numbered events as a recovery gives them.
pub(super) fn numbered(range: std::ops::RangeInclusive<u64>, event: impl Fn(u64) -> Vec<u8>) -> Vec<(u64, Vec<u8>)> {
    range.map(|sequence| (sequence, event(sequence))).collect()
}
