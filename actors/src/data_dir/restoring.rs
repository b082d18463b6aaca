//! A data directory while a backup is read back into it: marked, so that nothing takes half of it for the whole.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::Path;

use super::{DataDir, DataDirError, GENERATED_KEY, KEY_CHECK, LOCK, STORE, io_error};

/// Stands in the directory from before the first write of a restoration until all of it is durable.
const MARK: &str = "restoring";
/// What the store is called until it is whole for the first time.
const UNFINISHED_STORE: &str = "store.new";

pub(super) fn is_marked(path: &Path) -> bool {
    // What cannot be looked at is not trusted either.
    path.join(MARK).try_exists().unwrap_or(true)
}

impl DataDir {
    /// Whether there is nothing in the directory, or no directory.
    ///
    /// # Errors
    /// [`DataDirError::NotEmpty`] if there is something.
    pub(crate) fn check_empty(path: &Path) -> Result<(), DataDirError> {
        holds_only(path, &[])
    }

    /// Creates the directory if need be, locks it, and marks it as one that nothing may open.
    ///
    /// # Errors
    /// [`DataDirError::NotEmpty`] if there is something in it; otherwise as [`DataDir::lock`].
    pub(crate) fn lock_for_restore(path: &Path) -> Result<Self, DataDirError> {
        Self::check_empty(path)?;
        let locked = Self::lock(path)?;
        // Somebody may have begun to use it in between.
        holds_only(path, &[LOCK])?;
        locked.write_durably(MARK, b"a restoration has begun here and has not ended\n")?;
        Ok(locked)
    }

    /// Takes the mark away: all of the restoration is durable.
    ///
    /// # Errors
    /// [`DataDirError::Io`]
    pub(crate) fn end_restore(path: &Path) -> Result<(), DataDirError> {
        remove(fs::remove_file, &path.join(MARK))?;
        fs::File::open(path)
            .and_then(|directory| directory.sync_all())
            .map_err(io_error(path))
    }

    /// Removes what a restoration that failed has written; the mark goes last.
    ///
    /// # Errors
    /// [`DataDirError::Io`]
    pub(crate) fn clear_unfinished_restore(path: &Path) -> Result<(), DataDirError> {
        if !is_marked(path) {
            return Ok(());
        }
        for name in [STORE, UNFINISHED_STORE] {
            remove(fs::remove_dir_all, &path.join(name))?;
        }
        for name in [KEY_CHECK, GENERATED_KEY, LOCK] {
            remove(fs::remove_file, &path.join(name))?;
        }
        Self::end_restore(path)
    }
}

fn remove<'p>(by: impl FnOnce(&'p Path) -> io::Result<()>, path: &'p Path) -> Result<(), DataDirError> {
    match by(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(io_error(path)(error)),
        Ok(()) | Err(_) => Ok(()),
    }
}

fn holds_only(path: &Path, names: &[&str]) -> Result<(), DataDirError> {
    let entries = match fs::read_dir(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        entries => entries.map_err(io_error(path))?,
    };
    for entry in entries {
        let name = entry.map_err(io_error(path))?.file_name();
        if !names.iter().any(|expected| name == *expected) {
            return Err(DataDirError::NotEmpty(path.to_owned()));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_empty_directory_is_taken_and_nothing_opens_it_meanwhile() {
        let dir = tempfile::tempdir().expect("a directory");
        fs::write(dir.path().join("notes"), "x").expect("a file");
        assert!(matches!(
            DataDir::lock_for_restore(dir.path()),
            Err(DataDirError::NotEmpty(_))
        ));
        fs::remove_file(dir.path().join("notes")).expect("gone");
        drop(DataDir::lock_for_restore(dir.path()).expect("a lock"));
        assert!(matches!(
            DataDir::lock(dir.path()),
            Err(DataDirError::UnfinishedRestore(_))
        ));
        assert!(matches!(
            DataDir::lock_for_restore(dir.path()),
            Err(DataDirError::NotEmpty(_))
        ));
        DataDir::clear_unfinished_restore(dir.path()).expect("removed");
        DataDir::check_empty(dir.path()).expect("nothing is left");
        drop(DataDir::lock_for_restore(dir.path()).expect("a lock"));
        DataDir::end_restore(dir.path()).expect("ended");
        assert!(DataDir::lock(dir.path()).is_ok());
    }
}
