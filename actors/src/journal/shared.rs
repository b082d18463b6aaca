//! What the handles, the writer and the recovery threads see of each other.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError, RwLock, RwLockReadGuard};

use super::ReadError;
use super::recovery::Task;
use super::store::Store;
use super::writer::Entry;
use crate::id::CustomerId;
use crate::metrics::{GROUP_BOUNDS, Histogram, MICROS_BOUNDS};

/// Shared by all of one journal.
pub(super) struct Shared {
    pub(super) entries: Sender<Entry>,
    pub(super) tasks: Sender<Task>,
    /// `None` after shutdown, so that forgotten handles do not keep the store open and locked.
    store: RwLock<Option<Arc<dyn Store>>>,
    pub(super) failed: OnceLock<String>,
    pub(super) closed: AtomicBool,
    pub(super) storage_low: AtomicBool,
    pub(super) free_bytes: AtomicU64,
    pub(super) stored_bytes: AtomicU64,
    pub(super) queued: AtomicUsize,
    pub(super) recoveries: AtomicUsize,
    pub(super) counters: Counters,
    unsettled: Mutex<Unsettled>,
    /// Tenants that backups are reading, each so many times.
    exporting: Mutex<HashMap<CustomerId, usize>>,
    /// Counts erasures that began, so that a read can tell that one passed by.
    erasures_begun: AtomicU64,
    progress: Mutex<Progress>,
    progressed: Condvar,
}

/// Sums that only ever grow; the journal thread alone writes them.
pub(super) struct Counters {
    pub(super) groups: AtomicU64,
    pub(super) events: AtomicU64,
    pub(super) bytes: AtomicU64,
    pub(super) keys: AtomicU64,
    pub(super) refused: AtomicU64,
    pub(super) group_events: Histogram,
    pub(super) commit_micros: Histogram,
    pub(super) sync_micros: Histogram,
}

impl Default for Counters {
    fn default() -> Self {
        Self {
            groups: AtomicU64::default(),
            events: AtomicU64::default(),
            bytes: AtomicU64::default(),
            keys: AtomicU64::default(),
            refused: AtomicU64::default(),
            group_events: Histogram::new(GROUP_BOUNDS),
            commit_micros: Histogram::new(MICROS_BOUNDS),
            sync_micros: Histogram::new(MICROS_BOUNDS),
        }
    }
}

/// Tenants about whom the store's keys do not tell the truth.
#[derive(Default)]
struct Unsettled {
    /// May have a first append in the queue.
    creating: HashSet<CustomerId>,
    /// May have keys that are being deleted.
    erasing: HashSet<CustomerId>,
}

/// Groups that were begun (so that reads may see them) and groups that are durable.
#[derive(Default)]
struct Progress {
    applying: u64,
    durable: u64,
    waiting: usize,
}

/// Locks, also after a panic elsewhere.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // None of the critical sections under these locks can leave its data half changed.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    pub(super) fn new(store: Arc<dyn Store>, entries: Sender<Entry>, tasks: Sender<Task>) -> Self {
        Self {
            entries,
            tasks,
            store: RwLock::new(Some(store)),
            failed: OnceLock::new(),
            closed: AtomicBool::new(false),
            storage_low: AtomicBool::new(false),
            free_bytes: AtomicU64::new(u64::MAX),
            stored_bytes: AtomicU64::new(u64::MAX),
            queued: AtomicUsize::new(0),
            recoveries: AtomicUsize::new(0),
            counters: Counters::default(),
            unsettled: Mutex::default(),
            exporting: Mutex::default(),
            erasures_begun: AtomicU64::new(0),
            progress: Mutex::default(),
            progressed: Condvar::new(),
        }
    }

    /// Sends an entry to the journal thread; gives it back when that is gone.
    pub(super) fn send(&self, entry: Entry) -> Result<(), Box<Entry>> {
        self.queued.fetch_add(1, Ordering::Relaxed);
        self.entries.send(entry).map_err(|refused| {
            self.queued.fetch_sub(1, Ordering::Relaxed);
            Box::new(refused.0)
        })
    }

    /// The store, for as long as the guard lives: shutdown waits for it.
    fn store(&self) -> RwLockReadGuard<'_, Option<Arc<dyn Store>>> {
        self.store.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Closes the store for all handles.
    pub(super) fn close_store(&self) {
        *self.store.write().unwrap_or_else(PoisonError::into_inner) = None;
    }

    pub(super) fn begin_creating(&self, tenant: CustomerId) {
        lock(&self.unsettled).creating.insert(tenant);
    }

    pub(super) fn end_creating(&self, tenant: CustomerId) {
        lock(&self.unsettled).creating.remove(&tenant);
    }

    pub(super) fn begin_erasing(&self, tenant: CustomerId) {
        lock(&self.unsettled).erasing.insert(tenant);
        self.erasures_begun.fetch_add(1, Ordering::SeqCst);
    }

    pub(super) fn end_erasing(&self, tenant: CustomerId) {
        lock(&self.unsettled).erasing.remove(&tenant);
    }

    pub(super) fn is_erasing(&self, tenant: CustomerId) -> bool {
        lock(&self.unsettled).erasing.contains(&tenant)
    }

    /// Whether only the journal's queue can tell if this tenant exists.
    pub(super) fn is_unsettled(&self, tenant: CustomerId) -> bool {
        let unsettled = lock(&self.unsettled);
        unsettled.creating.contains(&tenant) || unsettled.erasing.contains(&tenant)
    }

    pub(super) fn begin_exporting(&self, tenant: CustomerId) {
        *lock(&self.exporting).entry(tenant).or_default() += 1;
    }

    pub(super) fn end_exporting(&self, tenant: CustomerId) {
        let mut exporting = lock(&self.exporting);
        if let Some(count) = exporting.get_mut(&tenant) {
            *count -= 1;
            if *count == 0 {
                exporting.remove(&tenant);
            }
        }
    }

    pub(super) fn is_exporting(&self, tenant: CustomerId) -> bool {
        lock(&self.exporting).contains_key(&tenant)
    }

    /// From now on reads may see this group.
    pub(super) fn applying(&self, group: u64) {
        lock(&self.progress).applying = group;
    }

    /// This group and those before it are durable.
    pub(super) fn durable(&self, group: u64) {
        let mut progress = lock(&self.progress);
        progress.durable = group;
        if progress.waiting > 0 {
            self.progressed.notify_all();
        }
    }

    /// Nothing more will become durable.
    pub(super) fn stopped(&self) {
        let _progress = lock(&self.progress);
        self.progressed.notify_all();
    }

    /// Reads outside the queue, and gives the result only when everything it can have seen is durable. `read` runs again when an erasure
    /// began meanwhile, for it may have met half a row.
    pub(super) fn read<T>(&self, read: impl Fn(&dyn Store) -> Result<T, ReadError>) -> Result<T, ReadError> {
        let result = {
            let store = self.store();
            let store = store.as_deref().ok_or(ReadError::Closed)?;
            let mut attempts = 3;
            loop {
                let begun = self.erasures_begun.load(Ordering::SeqCst);
                let result = read(store);
                attempts -= 1;
                let torn = matches!(result, Err(ReadError::Corrupt(_)));
                if attempts == 0 || !(torn || begun != self.erasures_begun.load(Ordering::SeqCst)) {
                    break result?;
                }
            }
        };
        self.wait_until_durable()?;
        Ok(result)
    }

    fn wait_until_durable(&self) -> Result<(), ReadError> {
        let mut progress = lock(&self.progress);
        let seen = progress.applying;
        while progress.durable < seen {
            if let Some(reason) = self.failed.get() {
                return Err(ReadError::Failed(reason.clone()));
            }
            progress.waiting += 1;
            progress = self.progressed.wait(progress).unwrap_or_else(PoisonError::into_inner);
            progress.waiting -= 1;
        }
        Ok(())
    }
}
