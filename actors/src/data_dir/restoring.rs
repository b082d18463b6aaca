//! A data directory while a backup is read back into it: marked, so that nothing takes half of it for the whole.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::Path;

use super::{DataDir, DataDirError, GENERATED_KEY, KEY_CHECK, LOCK, STORE, io_error, unfinished};

/// Stands in the directory from before the first write of a restoration until all of it is durable.
const MARK: &str = "restoring";
/// What a restoration leaves that never came to its mark; nothing was restored by then.
const BEFORE_THE_MARK: [&str; 2] = [LOCK, "restoring.new"];
/// What the store is called until it is whole for the first time.
const UNFINISHED_STORE: &str = "store.new";

pub(super) fn is_marked(path: &Path) -> bool {
    // What cannot be looked at is not trusted either.
    path.join(MARK).try_exists().unwrap_or(true)
}

impl DataDir {
    /// Whether there is no directory, or nothing in it but what a restoration leaves that was cut off before it began to write.
    ///
    /// # Errors
    /// [`DataDirError::NotEmpty`] if there is something.
    pub(crate) fn check_empty(path: &Path) -> Result<(), DataDirError> {
        check_empty(path)
    }

    /// Creates the directory if need be, locks it, and marks it as one that nothing may open.
    ///
    /// # Errors
    /// [`DataDirError::NotEmpty`] if there is something in it; otherwise as [`DataDir::lock`].
    pub(crate) fn lock_for_restore(path: &Path) -> Result<Self, DataDirError> {
        Self::check_empty(path)?;
        let locked = Self::lock(path)?;
        // Somebody may have begun to use it in between.
        check_empty(path)?;
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
        for name in [KEY_CHECK, GENERATED_KEY] {
            remove(fs::remove_file, &path.join(name))?;
            remove(fs::remove_file, &path.join(unfinished(name)))?;
        }
        remove(fs::remove_file, &path.join(LOCK))?;
        Self::end_restore(path)
    }
}

fn remove<'p>(by: impl FnOnce(&'p Path) -> io::Result<()>, path: &'p Path) -> Result<(), DataDirError> {
    match by(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(io_error(path)(error)),
        Ok(()) | Err(_) => Ok(()),
    }
}

fn check_empty(path: &Path) -> Result<(), DataDirError> {
    let entries = match fs::read_dir(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        entries => entries.map_err(io_error(path))?,
    };
    for entry in entries {
        let name = entry.map_err(io_error(path))?.file_name();
        if !BEFORE_THE_MARK.iter().any(|expected| name == *expected) {
            return Err(DataDirError::NotEmpty(path.to_owned()));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_cut_off_before_the_mark_is_no_obstacle() {
        let dir = tempfile::tempdir().expect("a directory");
        for name in BEFORE_THE_MARK {
            fs::write(dir.path().join(name), "a rest").expect("a file");
        }
        drop(DataDir::lock_for_restore(dir.path()).expect("a lock"));
        fs::write(dir.path().join(unfinished(GENERATED_KEY)), "a rest").expect("a file");
        DataDir::clear_unfinished_restore(dir.path()).expect("removed");
        assert_eq!(fs::read_dir(dir.path()).expect("a directory").count(), 0);
    }

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
