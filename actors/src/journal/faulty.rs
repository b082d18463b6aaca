//! A store in memory that tells synced from unsynced, can be crashed, damaged and held, and fails on demand.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use super::store::{Direction, End, Reads, Store, StoreError, Visit, WriteBatch};
use crate::id::CustomerId;

/// Where a fault strikes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Reads of one key.
    Get,
    /// Reads of a range.
    Scan,
    /// Batches, before they are applied.
    Apply,
    /// Batches, after half of their keys became visible. A crash leaves nothing of them.
    HalfApplied,
    /// Batches, after they were applied: the error lies.
    Applied,
    /// Syncs, before anything became durable.
    Sync,
}

/// What a fault does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The operation returns an error.
    Error,
    /// The operation panics.
    Panic,
}

type Map = BTreeMap<Vec<u8>, Vec<u8>>;
type Batch = Vec<(Vec<u8>, Option<Vec<u8>>)>;

/// The store. Shared by reference; made anew by [`crash`](Self::crash).
#[derive(Debug, Default)]
pub struct FaultyStore {
    inner: Mutex<Inner>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Inner {
    synced: Map,
    unsynced: Vec<Batch>,
    visible: Map,
    faults: VecDeque<(Operation, usize, Fault)>,
    held: bool,
    waiting: bool,
    free_bytes: Option<u64>,
    noted: Option<u64>,
    reads: usize,
    applies: usize,
    syncs: usize,
}

impl FaultyStore {
    /// An empty store.
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Faults may panic on purpose, and never between two changes.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a power cut leaves: everything synced, and of the batches after it those for which `keep` says so by their number from 0.
    /// A store that keeps its promise loses only a tail; other choices show what the journal notices.
    pub fn crash(&self, keep: impl Fn(usize) -> bool) -> Arc<Self> {
        let inner = self.lock();
        let mut map = inner.synced.clone();
        let kept = inner.unsynced.iter().enumerate().filter(|(number, _)| keep(*number));
        kept.for_each(|(_, batch)| apply(&mut map, batch));
        let next = Inner {
            synced: map.clone(),
            visible: map,
            noted: inner.noted,
            ..Inner::default()
        };
        Arc::new(Self {
            inner: Mutex::new(next),
            changed: Condvar::new(),
        })
    }

    /// How many batches no sync has covered.
    pub fn unsynced(&self) -> usize {
        self.lock().unsynced.len()
    }

    /// Lets an operation of this kind fail after `passing` more of its kind went well. Faults strike in the order in which they were set.
    pub fn fail(&self, operation: Operation, passing: usize, fault: Fault) {
        self.lock().faults.push_back((operation, passing, fault));
    }

    /// Lets batches wait before they are applied, until [`resume`](Self::resume).
    pub fn hold(&self) {
        self.lock().held = true;
    }

    /// Waits until a batch waits because of [`hold`](Self::hold).
    pub fn wait_until_held(&self) {
        let mut inner = self.lock();
        while !inner.waiting {
            inner = self.changed.wait(inner).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Whether a batch waits because of [`hold`](Self::hold).
    pub fn is_waiting(&self) -> bool {
        self.lock().waiting
    }

    /// Ends a [`hold`](Self::hold).
    pub fn resume(&self) {
        self.lock().held = false;
        self.changed.notify_all();
    }

    /// Sets what [`Store::free_bytes`] says.
    pub fn set_free_bytes(&self, bytes: Option<u64>) {
        self.lock().free_bytes = bytes;
    }

    /// Puts, changes or (with `None`) deletes a key behind the journal's back.
    pub fn damage(&self, key: &[u8], value: Option<Vec<u8>>) {
        let mut inner = self.lock();
        let batch = vec![(key.to_vec(), value)];
        apply(&mut inner.synced, &batch);
        apply(&mut inner.visible, &batch);
    }

    /// All keys with their values, as readers see them.
    pub fn contents(&self) -> Vec<(Vec<u8>, Vec<u8>)> {
        self.lock()
            .visible
            .iter()
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect()
    }

    /// How many reads, batches and syncs there were.
    pub fn operations(&self) -> (usize, usize, usize) {
        let inner = self.lock();
        (inner.reads, inner.applies, inner.syncs)
    }

    /// Lets the next fault strike if this is its operation and its time.
    #[expect(clippy::panic, reason = "panicking on demand is what it is for")]
    fn strike(&self, operation: Operation) -> Result<(), StoreError> {
        let mut inner = self.lock();
        let fault = match inner.faults.front_mut() {
            Some((at, 0, fault)) if *at == operation => *fault,
            Some((at, passing, _)) => {
                *passing -= usize::from(*at == operation);
                return Ok(());
            }
            None => return Ok(()),
        };
        inner.faults.pop_front();
        drop(inner);
        match fault {
            Fault::Error => Err(StoreError(format!("injected fault in {operation:?}"))),
            Fault::Panic => panic!("injected panic in {operation:?}"),
        }
    }
}

fn apply(map: &mut Map, batch: &Batch) {
    for (key, value) in batch {
        match value {
            Some(value) => map.insert(key.clone(), value.clone()),
            None => map.remove(key),
        };
    }
}

impl Reads for FaultyStore {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.strike(Operation::Get)?;
        let mut inner = self.lock();
        inner.reads += 1;
        Ok(inner.visible.get(key).cloned())
    }

    fn scan(
        &self,
        from: &[u8],
        to: &[u8],
        direction: Direction,
        visit: &mut dyn FnMut(&[u8], &[u8]) -> Visit,
    ) -> Result<(), StoreError> {
        self.strike(Operation::Scan)?;
        if from >= to {
            return Ok(());
        }
        let (mut from, mut to) = (from.to_vec(), to.to_vec());
        self.lock().reads += 1;
        loop {
            // One key at a time and without the lock during the visit, as in the real one, so that batches come in between.
            let next = {
                let inner = self.lock();
                let mut range = inner.visible.range(from.clone()..to.clone());
                let next = match direction {
                    Direction::Up => range.next(),
                    Direction::Down => range.next_back(),
                };
                next.map(|(key, value)| (key.clone(), value.clone()))
            };
            let Some((key, value)) = next else { return Ok(()) };
            if visit(&key, &value) == Visit::Stop {
                return Ok(());
            }
            match direction {
                Direction::Up => {
                    from = key;
                    from.push(0);
                }
                Direction::Down => to = key,
            }
        }
    }
}

impl Store for FaultyStore {
    fn apply(&self, batch: &WriteBatch) -> Result<(), StoreError> {
        {
            let mut inner = self.lock();
            while inner.held {
                inner.waiting = true;
                self.changed.notify_all();
                inner = self.changed.wait(inner).unwrap_or_else(PoisonError::into_inner);
            }
            inner.waiting = false;
        }
        self.strike(Operation::Apply)?;
        let mut batch: Batch = batch
            .changes()
            .map(|(key, value)| (key.to_vec(), value.map(<[u8]>::to_vec)))
            .collect();
        let half = self.strike(Operation::HalfApplied);
        {
            let mut inner = self.lock();
            if half.is_err() {
                batch.truncate(batch.len() / 2);
                apply(&mut inner.visible, &batch);
                return half;
            }
            apply(&mut inner.visible, &batch);
            inner.unsynced.push(batch);
            inner.applies += 1;
        }
        self.strike(Operation::Applied)
    }

    fn sync(&self) -> Result<(), StoreError> {
        self.strike(Operation::Sync)?;
        let mut inner = self.lock();
        for batch in std::mem::take(&mut inner.unsynced) {
            apply(&mut inner.synced, &batch);
        }
        inner.syncs += 1;
        Ok(())
    }

    fn note(&self, group: u64, _: &mut dyn Iterator<Item = (CustomerId, End)>) {
        self.lock().noted = Some(group);
    }

    fn strike_end(&self, _: CustomerId) -> Result<(), StoreError> {
        Ok(())
    }

    fn due_end(&self, _: CustomerId) -> Option<End> {
        None
    }

    fn due_tenants(&self, _: Option<CustomerId>, _: usize) -> Vec<CustomerId> {
        Vec::new()
    }

    fn noted(&self) -> Result<Option<u64>, StoreError> {
        Ok(self.lock().noted)
    }

    fn free_bytes(&self) -> Option<u64> {
        self.lock().free_bytes
    }

    fn stored_bytes(&self) -> Option<u64> {
        None
    }
}
