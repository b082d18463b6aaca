//! The write-ahead journal: bytes of many tenants in, in order, durable before anyone is told.
//!
//! It knows customers, sequence numbers and rows, not what events mean.
//!
//! - `lease`: the right to write, what is appended, and what comes of it
//! - `writer`: the one thread that writes; `admission`: what it lets in; `group`: what it writes together; `chores`: what it deletes between groups
//! - `recovery`: reading a tenant back, behind a fence in the writer's own queue; `reading`: reads beside the queue
//! - `keys`, `record`: where a value lives and how it is framed; `store`: what a store has to offer
//! - `sled_store`: the embedded one; `syncing`: that its writes reach the disk
//! - `mark`: whether the store's end is lost; `seal`: the files beside the store that tell of it
//! - `export`: a tenant as a backup takes it, at one moment while others write
//! - `inspection`: a stopped store, opened only to be read; `verification`: all of it, looked at; `offline`: writing to it
//! - `format`: the version of a whole store; `status`: how the journal is
//! - `shared`: what the threads see of each other; `faulty`: a store in memory that fails on demand; `testing`: records without a store
//!
//! **Invariants.** *Durable first*: a completion is called after the batch was applied and synced.
//! *One writer*: an append is written only under the tenant's newest lease and only as the next sequence number. *Failure is final*:
//! after a failed write or sync nothing is tried again, and everyone learns `Failed`. *Never half*: what is read back is checked for
//! damage and gaps, and is an error that names tenant and sequence, or right. *No memory for the idle*: a released tenant leaves nothing.

mod admission;
mod chores;
mod export;
#[cfg(any(test, feature = "testing"))]
mod faulty;
mod files;
mod format;
mod group;
mod heads;
mod inspection;
mod keys;
mod lease;
mod mark;
mod meta;
mod offline;
mod reading;
mod record;
mod recovery;
mod seal;
mod shared;
mod sled_store;
mod status;
mod store;
mod syncing;
#[cfg(any(test, feature = "testing"))]
pub(crate) mod testing;
mod verification;
mod watch;
mod writer;

use std::fmt;
use std::ops::Range;
use std::sync::atomic::Ordering;
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

pub use export::{Export, ExportError, Piece};
#[cfg(any(test, feature = "testing"))]
pub use faulty::{Fault, FaultyStore, Operation};
pub use inspection::StoppedJournal;
pub use keys::Space;
pub use lease::{Append, AppendError, Completion, Lease, Refusal, SideChange};
pub use offline::OfflineWriter;
pub use record::{Events, read_record};
pub use recovery::{RecoverError, Recovery};
pub use sled_store::OpenError;
pub use status::Status;
pub use store::{Direction, End, Reads, Store, StoreError, Visit, WriteBatch};
pub use verification::{Damaged, Item, Place};

use crate::data_dir::DataDir;
use crate::id::CustomerId;
use crate::limits::{ERASURE_FACT_BYTES_MAX, RECOVERY_THREADS, SCAN_ROWS_MAX};
use chores::Chores;
use recovery::{RecoverJob, Task};
use shared::Shared;
use sled_store::SledStore;
use writer::{Entry, OnFailure, StorageCheck, Writer};

/// How a journal is to work.
pub struct JournalOptions {
    /// Below this, [`Status::storage_low`] is set. The journal itself goes on writing.
    pub disk_free_min_bytes: u64,
    /// How often free space is asked for.
    pub storage_check_every: Duration,
    /// Called once on the journal's thread, after everyone who waits was told, when the journal fails.
    pub on_failure: Box<dyn FnOnce(String) + Send>,
}

impl Default for JournalOptions {
    /// 256 MiB as the least free space, asked for every second, and nothing done on a failure.
    fn default() -> Self {
        Self {
            disk_free_min_bytes: 256 * 1024 * 1024,
            storage_check_every: Duration::from_secs(1),
            on_failure: Box::new(drop),
        }
    }
}

impl fmt::Debug for JournalOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JournalOptions")
            .field("disk_free_min_bytes", &self.disk_free_min_bytes)
            .field("storage_check_every", &self.storage_check_every)
            .finish_non_exhaustive()
    }
}

/// The key that its caller gave a row, and the row's value.
pub type SideRow = (Vec<u8>, Vec<u8>);

/// Why a read beside the queue failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// What is stored is damaged or incomplete.
    #[error("{0}")]
    Corrupt(String),
    /// The store could not be read.
    #[error("the store could not be read: {0}")]
    Store(String),
    /// The journal has failed, and what was read may not be durable.
    #[error("the journal has failed: {0}")]
    Failed(String),
    /// The journal was shut down.
    #[error("the journal is closed")]
    Closed,
}

/// A handle of the journal. Clones are cheap, and none of its calls but the reads ever waits.
#[derive(Clone)]
pub struct Journal {
    shared: Arc<Shared>,
}

impl Journal {
    /// Opens the journal of a data directory, or creates it, and completes what a crash has left undone. The directory stays locked
    /// until the journal's last thread has ended.
    ///
    /// # Errors
    /// [`OpenError`] if the store is damaged, of another version, or the file system refuses.
    pub fn open(data_dir: DataDir, options: JournalOptions) -> Result<(Self, JournalThreads), OpenError> {
        let store = SledStore::open(data_dir)?;
        Self::with_store(Arc::new(store), options)
    }

    /// [`open`](Self::open), on a store that leaves its batches where the kernel pleases: what a test of durability has to find out.
    ///
    /// # Errors
    /// As for [`open`](Self::open).
    #[cfg(any(test, feature = "testing"))]
    pub fn open_without_sync(data_dir: DataDir, options: JournalOptions) -> Result<(Self, JournalThreads), OpenError> {
        let store = SledStore::open_without_sync(data_dir)?;
        Self::with_store(Arc::new(store), options)
    }

    /// A journal on another store.
    ///
    /// # Errors
    /// As for [`open`](Self::open), if the store is no journal's or its threads cannot be started.
    pub fn with_store(store: Arc<dyn Store>, options: JournalOptions) -> Result<(Self, JournalThreads), OpenError> {
        format::check(store.as_ref())?;
        let written = mark::check(store.as_ref())?;
        let chores = Chores::load(store.as_ref()).map_err(open_error)?;
        let (entries, entry_queue) = channel();
        let (tasks, task_queue) = channel();
        let shared = Arc::new(Shared::new(Arc::clone(&store), entries, tasks));
        chores.erasing().for_each(|tenant| shared.begin_erasing(tenant));
        // From here on a failure stops the threads that run already, by their drop.
        let mut threads = JournalThreads {
            shared: Arc::clone(&shared),
            writer: None,
            recoveries: Vec::new(),
        };
        let task_queue = Arc::new(Mutex::new(task_queue));
        for number in 1..=RECOVERY_THREADS {
            let (shared, store, tasks) = (Arc::clone(&shared), Arc::clone(&store), Arc::clone(&task_queue));
            let body = move || recovery::serve(&shared, store.as_ref(), &tasks);
            threads.recoveries.push(spawn(format!("recovery-{number}"), body)?);
        }
        let storage = StorageCheck {
            free_min_bytes: options.disk_free_min_bytes,
            every: options.storage_check_every,
            checked: None,
        };
        let on_failure: OnFailure = options.on_failure;
        let writer = Writer::new(
            Arc::clone(&shared),
            store,
            entry_queue,
            (chores, written),
            storage,
            on_failure,
        );
        threads.writer = Some(spawn("journal".to_owned(), move || writer.run())?);
        Ok((Self { shared }, threads))
    }

    /// Appends; the completion tells what came of it. Never waits and never fails here: after a shutdown the completion is called at once.
    pub fn append(&self, append: Append) {
        if let Err(entry) = self.shared.send(Entry::Append(append))
            && let Entry::Append(append) = *entry
        {
            append.done.complete(Err(self.gone()));
        }
    }

    /// Reads a tenant back, behind everything that was appended before this call, and makes a new lease for it. With `create`, a tenant
    /// that nobody has written to gets a lease too; without, it is answered with `None` and costs the journal's thread nothing.
    pub fn recover(&self, tenant: CustomerId, create: bool, recovery: Box<dyn Recovery>) {
        let Some(job) = RecoverJob::admit(&self.shared, tenant, create, recovery) else {
            return;
        };
        // In both cases a job that cannot be sent tells its owner when it is dropped.
        if create {
            self.shared.begin_creating(tenant);
            drop(self.shared.send(Entry::Recover(job)));
        } else {
            drop(self.shared.tasks.send(Task::Lookup(job)));
        }
    }

    /// Gives a lease back, behind its appends: the journal forgets the tenant. Appends of this lease that follow are refused.
    pub fn release(&self, lease: Lease) {
        drop(self.shared.send(Entry::Release(lease)));
    }

    /// Deletes everything of a tenant, behind what was appended before, in steps that let others through, also across a crash. Its
    /// leases end at once, recoveries wait for the end. `fact` (at most [`ERASURE_FACT_BYTES_MAX`] bytes) is kept for
    /// [`erasure`](Self::erasure). The store's file may hold the deleted bytes until their place is used again.
    pub fn erase(&self, tenant: CustomerId, fact: Vec<u8>, done: Completion) {
        if fact.len() > ERASURE_FACT_BYTES_MAX {
            return done.complete(Err(Refusal::TooLarge.into()));
        }
        if let Err(entry) = self.shared.send(Entry::Erase { tenant, fact, done })
            && let Entry::Erase { done, .. } = *entry
        {
            done.complete(Err(self.gone()));
        }
    }

    /// The fact that the last finished erasure of this tenant left behind. Waits for the disk.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn erasure(&self, tenant: CustomerId) -> Result<Option<Vec<u8>>, ReadError> {
        self.shared.read(|store| reading::erasure(store, tenant))
    }

    /// At most `limit` (and [`SCAN_ROWS_MAX`]) rows of a tenant whose keys are in the range, in the order of the keys or against it.
    /// Gives only what is durable, and so may wait for the disk: not for threads that must not.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn scan(
        &self,
        tenant: CustomerId,
        space: Space,
        range: Range<Vec<u8>>,
        limit: usize,
        direction: Direction,
    ) -> Result<Vec<SideRow>, ReadError> {
        self.shared.read(|store| {
            if self.shared.is_erasing(tenant) {
                return Ok(Vec::new());
            }
            reading::scan(store, tenant, space, &range, limit.min(SCAN_ROWS_MAX), direction)
        })
    }

    /// At most `limit` (and [`SCAN_ROWS_MAX`]) tenants behind this one, in the order of their ids. Waits for the disk.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn tenants(&self, after: Option<CustomerId>, limit: usize) -> Result<Vec<CustomerId>, ReadError> {
        self.shared.read(|store| {
            let limit = limit.min(SCAN_ROWS_MAX);
            Ok(reading::tenants(store, after, limit, |tenant| {
                self.shared.is_erasing(tenant)
            })?)
        })
    }

    /// Whether free space is below the least; cheap enough to ask for every command.
    pub fn is_storage_low(&self) -> bool {
        self.shared.storage_low.load(Ordering::Relaxed)
    }

    /// Whether the journal has failed; cheap enough to ask for every command.
    pub fn has_failed(&self) -> bool {
        self.shared.failed.get().is_some()
    }

    /// How the journal is.
    pub fn status(&self) -> Status {
        Status::of(&self.shared)
    }

    /// What an entry comes to that the journal's thread never got.
    fn gone(&self) -> AppendError {
        // An own thread that died without a word has not set `closed`.
        if self.has_failed() || !self.shared.closed.load(Ordering::Acquire) {
            AppendError::Failed
        } else {
            AppendError::Refused(Refusal::Closed)
        }
    }
}

impl fmt::Debug for Journal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Journal")
            .field("status", &self.status())
            .finish_non_exhaustive()
    }
}

/// The journal's threads. Dropping this stops them as [`shutdown`](Self::shutdown) does.
pub struct JournalThreads {
    shared: Arc<Shared>,
    writer: Option<JoinHandle<()>>,
    recoveries: Vec<JoinHandle<()>>,
}

impl JournalThreads {
    /// Makes everything durable that was appended before, answers it, stops the threads and closes the store. Handles that are left
    /// over refuse from then on.
    pub fn shutdown(self) {
        drop(self);
    }
}

impl Drop for JournalThreads {
    fn drop(&mut self) {
        drop(self.shared.send(Entry::Stop));
        if let Some(writer) = self.writer.take() {
            // Its panics are caught and reported where they happen.
            let _ = writer.join();
        }
        for _ in &self.recoveries {
            let _ = self.shared.tasks.send(Task::Stop);
        }
        for recovery in self.recoveries.drain(..) {
            let _ = recovery.join();
        }
        self.shared.close_store();
    }
}

impl fmt::Debug for JournalThreads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JournalThreads")
            .field("recoveries", &self.recoveries.len())
            .finish_non_exhaustive()
    }
}

fn spawn(name: String, body: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, OpenError> {
    std::thread::Builder::new()
        .name(name)
        .spawn(body)
        .map_err(|error| OpenError::Store(format!("cannot start a thread: {error}")))
}

fn open_error(error: ReadError) -> OpenError {
    match error {
        ReadError::Corrupt(what) => OpenError::Corrupt(what),
        ReadError::Store(_) | ReadError::Failed(_) | ReadError::Closed => OpenError::Store(error.to_string()),
    }
}

#[cfg(test)]
mod tests;
