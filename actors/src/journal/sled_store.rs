//! The embedded store: sled 0.34.7, and what it takes to trust it. The only file that names sled.
//!
//! - Its lock is taken late, after it has touched files that a running process may own: the data directory's lock comes first.
//! - Its `flush` hands pages to the operating system and does not fsync on Linux: an own handle of the data file does.
//! - A snapshot that was being written when the process died makes it refuse to open: such left-overs are deleted.
//! - Its batches are atomic across a crash because one log message covers them; values stay far below the size of its blob files,
//!   which it never syncs.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::store::{Direction, Store, StoreError, Visit, WriteBatch};
use crate::data_dir::{DataDir, create_dir};
use crate::limits::STORE_CACHE_BYTES;

/// How often, and how many times, to look whether the store's file is free: five seconds in all.
const PREDECESSOR_POLL: Duration = Duration::from_millis(10);
const PREDECESSOR_POLLS: u32 = 500;

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
    // Fields drop in this order: sled must have written its last page before the lock goes.
    db: sled::Db,
    data_file: File,
    directory: PathBuf,
    _data_dir: DataDir,
}

impl SledStore {
    /// Opens or creates the store of a data directory.
    pub(super) fn open(data_dir: DataDir) -> Result<Self, OpenError> {
        let directory = data_dir.store_path();
        create_dir(&directory).map_err(io_error(&directory))?;
        let path = directory.join("db");
        wait_for_predecessor(&path)?;
        delete_half_written_snapshots(&directory)?;
        // The flush every 500 ms is not for durability: it drives sled's garbage collection.
        let db = sled::Config::new()
            .path(&directory)
            .cache_capacity(STORE_CACHE_BYTES)
            .flush_every_ms(Some(500))
            .open()
            .map_err(|error| OpenError::Store(error.to_string()))?;
        db.flush().map_err(|error| OpenError::Store(error.to_string()))?;
        let data_file = OpenOptions::new()
            .read(true)
            .write(true)
            .open(&path)
            .map_err(io_error(&path))?;
        sync_tree(&directory)?;
        sync_path(data_dir.path())?;
        Ok(Self {
            db,
            data_file,
            directory,
            _data_dir: data_dir,
        })
    }
}

impl Store for SledStore {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.db.get(key).map_err(store_error)?.map(|value| value.to_vec()))
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
        let mut range = self.db.range(from..to);
        loop {
            let next = match direction {
                Direction::Up => range.next(),
                Direction::Down => range.next_back(),
            };
            let Some(item) = next else { return Ok(()) };
            let (key, value) = item.map_err(store_error)?;
            if visit(&key, &value) == Visit::Stop {
                return Ok(());
            }
        }
    }

    fn apply(&self, batch: &WriteBatch) -> Result<(), StoreError> {
        let mut changes = sled::Batch::default();
        for (key, value) in batch.changes() {
            match value {
                Some(value) => changes.insert(key, value),
                None => changes.remove(key),
            }
        }
        self.db.apply_batch(changes).map_err(store_error)?;
        self.db.flush().map_err(store_error)?;
        Ok(())
    }

    fn sync(&self) -> Result<(), StoreError> {
        // An own handle also sees write-back errors that sled's background thread has read away and only logged: the kernel
        // reports them once for every open file.
        self.data_file
            .sync_data()
            .map_err(|error| StoreError(format!("fdatasync failed: {error}")))
    }

    fn free_bytes(&self) -> Option<u64> {
        let stat = rustix::fs::statvfs(&self.directory).ok()?;
        Some(stat.f_bavail.saturating_mul(stat.f_frsize))
    }

    fn stored_bytes(&self) -> Option<u64> {
        self.db.size_on_disk().ok()
    }
}

fn store_error(error: sled::Error) -> StoreError {
    StoreError(error.to_string())
}

fn io_error(path: &Path) -> impl FnOnce(io::Error) -> OpenError {
    let path = path.to_owned();
    move |source| OpenError::Io { path, source }
}

/// Waits until a store of this process that was just closed has let go of its file: sled's threads keep it, and its lock, a moment
/// longer than its handle lives.
fn wait_for_predecessor(path: &Path) -> Result<(), OpenError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(io_error(path)(error)),
    };
    for _ in 0..PREDECESSOR_POLLS {
        match file.try_lock() {
            // Dropping the file gives the lock back, for sled to take.
            Ok(()) => return Ok(()),
            Err(TryLockError::WouldBlock) => std::thread::sleep(PREDECESSOR_POLL),
            Err(TryLockError::Error(source)) => {
                return Err(OpenError::Io {
                    path: path.to_owned(),
                    source,
                });
            }
        }
    }
    Err(OpenError::Locked(path.to_owned()))
}

/// The paths in a directory.
fn list(directory: &Path) -> Result<Vec<PathBuf>, OpenError> {
    let entries = std::fs::read_dir(directory).map_err(io_error(directory))?;
    entries
        .map(|entry| entry.map(|entry| entry.path()).map_err(io_error(directory)))
        .collect()
}

fn delete_half_written_snapshots(directory: &Path) -> Result<(), OpenError> {
    for path in list(directory)? {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with("snap.") && name.ends_with(".generating") {
            std::fs::remove_file(&path).map_err(io_error(&path))?;
        }
    }
    Ok(())
}

/// Makes the store's files and their names durable: sled leaves both to chance when it creates them.
fn sync_tree(directory: &Path) -> Result<(), OpenError> {
    for path in list(directory)? {
        // A snapshot can be replaced by a newer one while we look: then its successor's name is synced with the directory.
        match sync_path(&path) {
            Err(OpenError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {}
            done => done?,
        }
    }
    sync_path(directory)
}

fn sync_path(path: &Path) -> Result<(), OpenError> {
    File::open(path)
        .and_then(|file| file.sync_all())
        .map_err(io_error(path))
}
