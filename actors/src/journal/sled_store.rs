//! The embedded store: sled 0.34.7, and what it takes to trust it. With `opening` the only one that names sled.
//!
//! - Its lock is taken late, after it has touched files that a running process may own: the data directory's lock comes first.
//! - On Linux it does not fsync what it writes, and takes it for durable: it then overwrites what was replaced, and notes in the log how
//!   far the log is whole. So its data file gets the attribute by which each write reaches the disk before it returns.
//! - A snapshot that was being written when the process died makes it refuse to open, and one that was written is not durable when it
//!   counts on it: see `opening`.
//! - What it cannot read of its log's end it drops silently when it opens, and it reads all of the log since it last opened. So it is
//!   opened once more when it is closed, which leaves nothing to read, and sealed; and a mark beside it tells how far it has come.
//! - Its batches are atomic across a crash because one log message covers them; values stay far below the size of its blob files,
//!   which it never syncs.

mod opening;

use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use self::opening::unpanicking;
use super::files::{io_error, sync_path, sync_tree};
use super::heads::{self, Heads, Looked};
use super::seal::Mark;
use super::store::{Direction, End, Reads, Store, StoreError, Visit, WriteBatch};
use super::syncing::{Syncing, write_through};
use super::watch::{self, Watch};
use super::{mark, seal};
use crate::data_dir::DataDir;
use crate::id::CustomerId;
use crate::limits::{STORE_CALL_SECONDS_MAX, STORE_CLOSE_SECONDS_MAX, STORE_LOOK_SECONDS_MAX};

/// Why the store did not open.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The store of this process that was closed last has not let go of its file.
    #[error("`{}` is still locked by its last user", .0.display())]
    Locked(PathBuf),
    /// The file system refused.
    #[error("cannot use `{}`: {source}", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The store itself refused.
    #[error("the store does not open: {0}")]
    Store(String),
    /// Another version of this program wrote the store.
    #[error("the store has format {found}, this program reads format {expected}")]
    Format {
        /// The version found.
        found: u32,
        /// The version that this program reads.
        expected: u32,
    },
    /// The store holds something else than a journal, or a damaged one.
    #[error("the store is damaged: {0}")]
    Corrupt(String),
}

/// sled in a data directory, which it keeps locked.
pub(super) struct SledStore {
    // Fields drop in this order: sled must have written its last page before it is sealed, and be sealed before the lock goes.
    db: OpenDb,
    data_file: File,
    syncing: Syncing,
    mark: Mark,
    heads: Heads,
    closing: Closing,
    _data_dir: DataDir,
}

impl SledStore {
    /// Opens or creates the store of a data directory.
    pub(super) fn open(data_dir: DataDir) -> Result<Self, OpenError> {
        Self::open_as(data_dir, write_through)
    }

    /// The same, where nothing makes a batch durable.
    #[cfg(any(test, feature = "testing"))]
    pub(super) fn open_without_sync(data_dir: DataDir) -> Result<Self, OpenError> {
        Self::open_as(data_dir, |_| Ok(Syncing::Never))
    }

    /// There is no time to look at it when it is closed.
    #[cfg(test)]
    pub(super) const fn has_no_time(&mut self) {
        self.closing.look_for = Duration::ZERO;
    }

    fn open_as(data_dir: DataDir, prepare: fn(&Path) -> Result<Syncing, OpenError>) -> Result<Self, OpenError> {
        let directory = data_dir.store_path();
        if !directory.is_dir() {
            opening::create(&directory)?;
            sync_path(data_dir.path())?;
        }
        let path = directory.join("db");
        opening::wait_for_predecessor(&path)?;
        let was_closed = seal::break_open(&directory)?;
        let syncing = prepare(&path)?;
        let limit = Duration::from_secs(STORE_CALL_SECONDS_MAX);
        let watch = Arc::new(Watch::start(limit, watch::end_the_process).map_err(io_error(&path))?);
        // The flush every 500 ms is not for durability: it drives sled's garbage collection.
        let db = OpenDb::new(opening::open(&directory, Some(500))?, &watch);
        let flushed = db.db().and_then(|db| db.flush().map_err(store_error));
        flushed.map_err(|error| OpenError::Store(error.0))?;
        let data_file = OpenOptions::new()
            .read(true)
            .write(true)
            .open(&path)
            .map_err(io_error(&path))?;
        let heads = Heads::open(&directory, was_closed)?;
        let mark = Mark::open(&directory)?;
        let noted = mark.read().map_err(|error| OpenError::Corrupt(error.0))?;
        sync_tree(&directory)?;
        Ok(Self {
            db,
            data_file,
            syncing,
            mark,
            heads,
            closing: Closing {
                directory,
                watch,
                look_for: Duration::from_secs(STORE_LOOK_SECONDS_MAX),
                writing: AtomicBool::new(false),
                noted: AtomicU64::new(noted.unwrap_or(0)),
            },
            _data_dir: data_dir,
        })
    }
}

/// sled, closed when this is dropped, or given up: where its background thread has died of a damaged page, sled waits for it for ever.
/// Given up, the store is as after a kill: everything acknowledged is on disk, and nothing is sealed.
struct OpenDb {
    db: Option<sled::Db>,
    watch: Arc<Watch>,
}

impl OpenDb {
    fn new(db: sled::Db, watch: &Arc<Watch>) -> Self {
        Self {
            db: Some(db),
            watch: Arc::clone(watch),
        }
    }

    fn db(&self) -> Result<&sled::Db, StoreError> {
        self.db
            .as_ref()
            .ok_or_else(|| StoreError("the store is closed".to_owned()))
    }
}

impl Drop for OpenDb {
    fn drop(&mut self) {
        let (closed, closing) = mpsc::channel::<()>();
        let db = self.db.take();
        let close = move || {
            drop(db);
            drop(closed);
        };
        // Without a thread it is closed here after all: the closure is dropped with the error.
        drop(std::thread::Builder::new().name("close".to_owned()).spawn(close));
        let limit = Duration::from_secs(STORE_CLOSE_SECONDS_MAX);
        if closing.recv_timeout(limit) == Err(mpsc::RecvTimeoutError::Timeout) {
            tracing::error!("the store cannot be closed, as happens with a damaged one, and is given up");
        }
    }
}

/// Seals the store when its last handle is gone.
struct Closing {
    directory: PathBuf,
    watch: Arc<Watch>,
    /// How long it may take to look at the store before it is sealed.
    look_for: Duration,
    /// A batch was begun and is not durable: after a failure the disk need not hold what the kernel shows.
    writing: AtomicBool,
    noted: AtomicU64,
}

impl Closing {
    fn seal(&self) -> Result<(), OpenError> {
        let path = self.directory.join("db");
        opening::wait_for_predecessor(&path)?;
        // Without its periodic flush it changes nothing.
        let db = OpenDb::new(opening::open(&self.directory, None)?, &self.watch);
        // A sealed store is taken for whole, and it may have been damaged while it was open.
        mark::refuse_loss(mark::stored(&db)?, self.noted.load(Ordering::Relaxed))?;
        let begun = Instant::now();
        let is_late = || begun.elapsed() >= self.look_for;
        let looked = heads::check(&db, &self.directory, is_late)?;
        drop(db);
        if looked == Looked::AtPart {
            tracing::warn!(
                "the store was closed, but it would take too long to look at all that was written, so it is not sealed: the next start \
                 looks at what it reads, as after a crash"
            );
            return Ok(());
        }
        opening::wait_for_predecessor(&path)?;
        sync_tree(&self.directory)?;
        seal::write(&self.directory)
    }
}

impl Drop for Closing {
    fn drop(&mut self) {
        if self.writing.load(Ordering::Relaxed) {
            return;
        }
        if let Err(error) = self.seal() {
            tracing::error!(%error, "the store was closed, but cannot be sealed");
        }
    }
}

impl Reads for OpenDb {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        let db = self.db()?;
        let value = self.watch.over(|| unpanicking(|| db.get(key)));
        let value = value.map_err(store_error)?;
        Ok(value.map(|value| value.to_vec()))
    }

    fn scan(
        &self,
        from: &[u8],
        to: &[u8],
        direction: Direction,
        visit: &mut dyn FnMut(&[u8], &[u8]) -> Visit,
    ) -> Result<(), StoreError> {
        // sled panics on an inverted range in some versions and ignores it in others.
        if from >= to {
            return Ok(());
        }
        let mut range = self.db()?.range(from..to);
        loop {
            let next = self.watch.over(|| {
                unpanicking(|| match direction {
                    Direction::Up => range.next().transpose(),
                    Direction::Down => range.next_back().transpose(),
                })
            });
            let Some((key, value)) = next.map_err(store_error)? else {
                return Ok(());
            };
            if visit(&key, &value) == Visit::Stop {
                return Ok(());
            }
        }
    }
}

impl Reads for SledStore {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.db.get(key)
    }

    fn scan(
        &self,
        from: &[u8],
        to: &[u8],
        direction: Direction,
        visit: &mut dyn FnMut(&[u8], &[u8]) -> Visit,
    ) -> Result<(), StoreError> {
        self.db.scan(from, to, direction, visit)
    }
}

impl Store for SledStore {
    fn apply(&self, batch: &WriteBatch) -> Result<(), StoreError> {
        self.closing.writing.store(true, Ordering::Relaxed);
        let mut changes = sled::Batch::default();
        for (key, value) in batch.changes() {
            match value {
                Some(value) => changes.insert(key, value),
                None => changes.remove(key),
            }
        }
        let db = self.db.db()?;
        self.db.watch.over(|| db.apply_batch(changes)).map_err(store_error)
    }

    fn sync(&self) -> Result<(), StoreError> {
        self.db.db()?.flush().map_err(store_error)?;
        if self.syncing == Syncing::Behind {
            // An own handle also sees write-back errors that sled's background thread has read away and only logged: the kernel
            // reports them once for every open file.
            self.data_file
                .sync_data()
                .map_err(|error| StoreError(format!("fdatasync failed: {error}")))?;
        }
        self.closing.writing.store(false, Ordering::Relaxed);
        Ok(())
    }

    fn note(&self, group: u64, ends: &mut dyn Iterator<Item = (CustomerId, End)>) {
        self.closing.noted.store(group, Ordering::Relaxed);
        self.mark.write(group);
        self.heads.note(ends);
    }

    fn strike_end(&self, tenant: CustomerId) -> Result<(), StoreError> {
        self.heads.strike(tenant)
    }

    fn due_end(&self, tenant: CustomerId) -> Option<End> {
        self.heads.due(tenant)
    }

    fn due_tenants(&self, after: Option<CustomerId>, limit: usize) -> Vec<CustomerId> {
        self.heads.due_tenants(after, limit)
    }

    fn noted(&self) -> Result<Option<u64>, StoreError> {
        self.mark.read()
    }

    fn free_bytes(&self) -> Option<u64> {
        let stat = rustix::fs::statvfs(&self.closing.directory).ok()?;
        Some(stat.f_bavail.saturating_mul(stat.f_frsize))
    }

    fn stored_bytes(&self) -> Option<u64> {
        self.db.db().ok()?.size_on_disk().ok()
    }
}

fn store_error(error: sled::Error) -> StoreError {
    StoreError(error.to_string())
}
