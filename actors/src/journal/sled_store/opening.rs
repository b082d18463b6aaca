//! How sled is opened so that nothing is lost if the power fails meanwhile.
//!
//! When sled opens, it reads its log, writes a snapshot of where every page is, deletes the one before, and then overwrites and cuts off
//! what the new snapshot does not need. It makes neither of the names durable. So a power cut can leave the snapshot before, which needs
//! what was overwritten: the log then seems to end there, and all that was acknowledged behind is gone. Or it leaves none of the two, and
//! without any a log is not always whole.
//!
//! Therefore it is opened twice. The first time it fails, after the snapshot and before it overwrites what an older one needs: there is
//! a file where it looks for the directory of its large values, of which it has none. Then the snapshot's name is made durable; until it
//! is, a copy of the one before lies beside it.

use std::fs::{self, File, TryLockError};
use std::io::{self, Write as _};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::OpenError;
use crate::data_dir::create_dir;
use crate::journal::files::{io_error, list, sync_path, sync_tree};
use crate::limits::STORE_CACHE_BYTES;

/// How often, and how many times, to look whether the store's file is free: five seconds in all.
const PREDECESSOR_POLL: Duration = Duration::from_millis(10);
const PREDECESSOR_POLLS: u32 = 500;

/// Where sled keeps values larger than a quarter of a segment. The journal cuts its values in far smaller chunks.
const LARGE_VALUES: &str = "blobs";

/// What the names of sled's snapshots begin with, and those of our copies.
const SNAPSHOT: &str = "snap.";
const COPY: &str = "copy-of-snap.";

/// Opens a store that is there.
pub(super) fn open(directory: &Path, flush_every_ms: Option<u64>) -> Result<sled::Db, OpenError> {
    delete_half_written_snapshots(directory)?;
    bring_back_snapshot(directory)?;
    let copies = copy_snapshots(directory)?;
    write_snapshot(directory)?;
    for copy in copies {
        fs::remove_file(&copy).map_err(io_error(&copy))?;
    }
    open_sled(directory, flush_every_ms).map_err(refused)
}

/// The files whose names begin so, with the rest of the name.
fn named(directory: &Path, prefix: &str) -> Result<Vec<(PathBuf, String)>, OpenError> {
    let rest = |path: PathBuf| {
        let rest = path.file_name()?.to_str()?.strip_prefix(prefix)?.to_owned();
        Some((path, rest))
    };
    Ok(list(directory)?.into_iter().filter_map(rest).collect())
}

/// Ends what a power cut has interrupted: without a snapshot the copy of the last one takes its place, with one no copy is needed.
fn bring_back_snapshot(directory: &Path) -> Result<(), OpenError> {
    let has_snapshot = !named(directory, SNAPSHOT)?.is_empty();
    for (copy, number) in named(directory, COPY)? {
        let ended = if has_snapshot {
            fs::remove_file(&copy)
        } else {
            fs::rename(&copy, directory.join(format!("{SNAPSHOT}{number}")))
        };
        ended.map_err(io_error(&copy))?;
        sync_path(directory)?;
    }
    Ok(())
}

/// Copies the snapshot, durably.
fn copy_snapshots(directory: &Path) -> Result<Vec<PathBuf>, OpenError> {
    let mut copies = Vec::new();
    for (path, number) in named(directory, SNAPSHOT)? {
        let copy = directory.join(format!("{COPY}{number}"));
        let content = fs::read(&path).map_err(io_error(&path))?;
        let written = File::create(&copy).and_then(|mut file| {
            file.write_all(&content)?;
            file.sync_all()
        });
        written.map_err(io_error(&copy))?;
        copies.push(copy);
    }
    sync_path(directory)?;
    Ok(copies)
}

/// Has sled write its snapshot, and makes it durable, before anything that an older one needs is overwritten.
fn write_snapshot(directory: &Path) -> Result<(), OpenError> {
    let path = directory.join(LARGE_VALUES);
    if path.is_dir() {
        // Refused if there is anything in it, which sled would not have made durable.
        fs::remove_dir(&path).map_err(io_error(&path))?;
    }
    File::create(&path).map_err(io_error(&path))?;
    let opened = open_sled(directory, None);
    fs::remove_file(&path).map_err(io_error(&path))?;
    fs::create_dir(&path).map_err(io_error(&path))?;
    match opened {
        // There was nothing in it to make a snapshot of.
        Ok(db) => drop(db),
        Err(sled::Error::Io(error)) if error.kind() == io::ErrorKind::NotADirectory => {}
        Err(error) => return Err(refused(error)),
    }
    wait_for_predecessor(&directory.join("db"))?;
    sync_tree(directory)
}

/// Creates a store so that after a power cut it is there whole or not at all: sled does not open its own beginnings.
pub(super) fn create(directory: &Path) -> Result<(), OpenError> {
    let unfinished = directory.with_extension("new");
    if unfinished.is_dir() {
        fs::remove_dir_all(&unfinished).map_err(io_error(&unfinished))?;
    }
    create_dir(&unfinished).map_err(io_error(&unfinished))?;
    drop(open_sled(&unfinished, None).map_err(refused)?);
    wait_for_predecessor(&unfinished.join("db"))?;
    sync_tree(&unfinished)?;
    fs::rename(&unfinished, directory).map_err(io_error(directory))
}

fn open_sled(directory: &Path, flush_every_ms: Option<u64>) -> sled::Result<sled::Db> {
    let config = sled::Config::new()
        .path(directory)
        .cache_capacity(STORE_CACHE_BYTES)
        .flush_every_ms(flush_every_ms);
    unpanicking(|| config.open())
}

fn refused(error: sled::Error) -> OpenError {
    OpenError::Store(error.to_string())
}

/// Makes an error of a panic: sled finds damage by assertions, here and there.
pub(super) fn unpanicking<T>(call: impl FnOnce() -> sled::Result<T>) -> sled::Result<T> {
    catch_unwind(AssertUnwindSafe(call))
        .unwrap_or_else(|_| Err(sled::Error::Unsupported("it panicked over damaged data".to_owned())))
}

/// Waits until a store of this process that was just closed has let go of its file: sled's threads keep it, and its lock, a moment
/// longer than its handle lives.
pub(super) fn wait_for_predecessor(path: &Path) -> Result<(), OpenError> {
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

fn delete_half_written_snapshots(directory: &Path) -> Result<(), OpenError> {
    for (path, rest) in named(directory, SNAPSHOT)? {
        if rest.ends_with(".generating") {
            fs::remove_file(&path).map_err(io_error(&path))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snapshot_that_a_power_cut_has_taken_away_is_brought_back() {
        let directory = tempfile::tempdir().expect("a directory");
        let store = directory.path().join("store");
        create(&store).expect("a store");
        let snapshots = || named(&store, SNAPSHOT).expect("a directory");
        drop(open(&store, None).expect("it opens"));
        wait_for_predecessor(&store.join("db")).expect("it is closed");
        let before = snapshots();
        let [(path, _)] = before.as_slice() else {
            panic!("{before:?}")
        };
        let content = fs::read(path).expect("a snapshot");
        let copies = copy_snapshots(&store).expect("a disk");
        fs::remove_file(path).expect("a snapshot");
        bring_back_snapshot(&store).expect("a disk");
        assert_eq!(
            (snapshots(), fs::read(path).expect("a snapshot")),
            (before.clone(), content)
        );
        // A copy that a power cut has left beside its successor, torn.
        for copy in copies {
            fs::write(copy, "torn").expect("a disk");
        }
        drop(open(&store, None).expect("it opens"));
        assert_eq!(named(&store, COPY).expect("a directory"), []);
        assert_ne!(snapshots(), []);
    }
}
