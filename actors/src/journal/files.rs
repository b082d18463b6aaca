//! The store's files as the file system knows them: their names, and how those become durable.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use super::sled_store::OpenError;

pub(super) fn io_error(path: &Path) -> impl FnOnce(io::Error) -> OpenError {
    let path = path.to_owned();
    move |source| OpenError::Io { path, source }
}

/// Opens a file of our own beside the store's, for its owner alone, or makes it.
pub(super) fn open_or_make(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(0o600);
    options.open(path)
}

/// The paths in a directory.
pub(super) fn list(directory: &Path) -> Result<Vec<PathBuf>, OpenError> {
    let entries = std::fs::read_dir(directory).map_err(io_error(directory))?;
    entries
        .map(|entry| entry.map(|entry| entry.path()).map_err(io_error(directory)))
        .collect()
}

/// Makes the store's files and their names durable: sled leaves both to chance when it creates them.
pub(super) fn sync_tree(directory: &Path) -> Result<(), OpenError> {
    for path in list(directory)? {
        // A snapshot can be replaced by a newer one while we look: then its successor's name is synced with the directory.
        match sync_path(&path) {
            Err(OpenError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {}
            done => done?,
        }
    }
    sync_path(directory)
}

pub(super) fn sync_path(path: &Path) -> Result<(), OpenError> {
    File::open(path)
        .and_then(|file| file.sync_all())
        .map_err(io_error(path))
}
