//! The data directory: one process at a time, one master key for good.
//!
//! Everything here happens before the store is opened, so that a second process or a wrong key touches nothing.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

mod rekeying;
mod restoring;

pub use rekeying::{NewMasterKey, Rekeying};

use crate::crypto::CryptoError;
use crate::crypto::seal::{MasterKey, Sealer};

const LOCK: &str = "lock";
const STORE: &str = "store";
const KEY_CHECK: &str = "key-check";
const GENERATED_KEY: &str = "master.key";

/// Why a data directory cannot be used. Nothing in it was changed.
#[derive(Debug, thiserror::Error)]
pub enum DataDirError {
    /// Another process works on it.
    #[error("`{}` is in use by another process", .0.display())]
    Locked(PathBuf),
    /// Nothing was ever kept there.
    #[error("`{}` holds no data", .0.display())]
    NoData(PathBuf),
    /// A backup is restored into an empty directory only.
    #[error("`{}` is not empty: a backup is restored into an empty directory only", .0.display())]
    NotEmpty(PathBuf),
    /// A restoration into it was cut off, so what is there is not whole.
    #[error("`{}` holds a restoration that was cut off: empty it and restore again", .0.display())]
    UnfinishedRestore(PathBuf),
    /// The file system refused.
    #[error("cannot use `{}`: {source}", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// There is data, and the key that its secrets are sealed under is missing.
    #[error(
        "`{}` holds data, but its master key is missing: give the key it was made with (a new one could open none of its secrets)",
        .0.display()
    )]
    MasterKeyMissing(PathBuf),
    /// There is data, and its secrets are sealed under another key.
    #[error("the master key is not the one that the data in `{}` was made with", .0.display())]
    MasterKeyWrong(PathBuf),
    /// The key cannot be used.
    #[error("the master key cannot be used: {0}")]
    Crypto(#[from] CryptoError),
}

/// A data directory that belongs to this process until this and its clones are dropped.
#[derive(Clone, Debug)]
pub struct DataDir {
    path: PathBuf,
    _lock: Arc<File>,
}

/// The key that secrets are sealed under, and whether it was made just now.
#[derive(Debug)]
pub struct Unsealing {
    /// Seals and opens secrets.
    pub sealer: Sealer,
    /// Where a fresh key was written.
    pub generated: Option<PathBuf>,
}

impl DataDir {
    /// Creates the directory if need be and locks it.
    ///
    /// # Errors
    /// [`DataDirError::Locked`] if another process has it, [`DataDirError::Io`] if the file system refuses.
    pub fn lock(path: &Path) -> Result<Self, DataDirError> {
        create_dir(path).map_err(io_error(path))?;
        let lock_path = path.join(LOCK);
        let lock = options()
            .create(true)
            .truncate(false)
            .open(&lock_path)
            .map_err(io_error(&lock_path))?;
        match lock.try_lock() {
            Ok(()) if restoring::is_marked(path) => Err(DataDirError::UnfinishedRestore(path.to_owned())),
            Ok(()) => Ok(Self {
                path: path.to_owned(),
                _lock: Arc::new(lock),
            }),
            Err(TryLockError::WouldBlock) => Err(DataDirError::Locked(path.to_owned())),
            Err(TryLockError::Error(error)) => Err(io_error(&lock_path)(error)),
        }
    }

    /// Locks a directory that holds data; creates nothing where there is none.
    ///
    /// # Errors
    /// [`DataDirError::NoData`] if nothing was ever kept there; otherwise as [`DataDir::lock`].
    pub fn lock_existing(path: &Path) -> Result<Self, DataDirError> {
        if path.join(STORE).exists() {
            Self::lock(path)
        } else {
            Err(DataDirError::NoData(path.to_owned()))
        }
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where the store lies.
    pub fn store_path(&self) -> PathBuf {
        self.path.join(STORE)
    }

    /// Whether anything was ever kept here.
    pub fn has_data(&self) -> bool {
        self.store_path().exists()
    }

    /// Checks the operator's master key against the data, or finds or makes the one in the directory if the operator gives none.
    ///
    /// # Errors
    /// [`DataDirError::MasterKeyMissing`] or [`DataDirError::MasterKeyWrong`] beside existing data; nothing was written then.
    pub fn unseal(&self, given: Option<MasterKey>) -> Result<Unsealing, DataDirError> {
        let check_path = self.path.join(KEY_CHECK);
        let check = read_if_there(&check_path)?;
        if self.has_data() && check.is_none() {
            return Err(DataDirError::MasterKeyMissing(self.path.clone()));
        }
        let (key, generated) = match given {
            Some(key) => (key, None),
            None => self.own_key(check.as_deref())?,
        };
        let sealer = Sealer::new(&key);
        let sealer = match check {
            Some(check) if sealer.matches_check_value(&check)? => self.with_previous(sealer)?,
            Some(_) => return Err(DataDirError::MasterKeyWrong(self.path.clone())),
            None => {
                self.write_durably(KEY_CHECK, &sealer.check_value()?)?;
                sealer
            }
        };
        Ok(Unsealing { sealer, generated })
    }

    /// The key in the directory; a fresh one if there is neither a key nor anything sealed.
    fn own_key(&self, check: Option<&[u8]>) -> Result<(MasterKey, Option<PathBuf>), DataDirError> {
        self.finish_own_key(check)?;
        let path = self.path.join(GENERATED_KEY);
        match read_if_there(&path)? {
            Some(content) => Ok((MasterKey::from_content(&zeroize::Zeroizing::new(content))?, None)),
            None if check.is_some() => Err(DataDirError::MasterKeyMissing(self.path.clone())),
            None => {
                let (key, content) = MasterKey::generate()?;
                self.write_durably(GENERATED_KEY, content.as_bytes())?;
                Ok((key, Some(path)))
            }
        }
    }

    /// Writes a new file so that after a power cut it is there whole or not at all.
    fn write_durably(&self, name: &str, content: &[u8]) -> Result<(), DataDirError> {
        let path = self.path.join(name);
        let unfinished = self.path.join(unfinished(name));
        let mut file = options()
            .create(true)
            .truncate(true)
            .open(&unfinished)
            .map_err(io_error(&unfinished))?;
        file.write_all(content)
            .and_then(|()| file.sync_all())
            .map_err(io_error(&unfinished))?;
        fs::rename(&unfinished, &path).map_err(io_error(&path))?;
        self.sync()
    }

    /// Makes names that were made, changed or removed in the directory durable.
    fn sync(&self) -> Result<(), DataDirError> {
        File::open(&self.path)
            .and_then(|directory| directory.sync_all())
            .map_err(io_error(&self.path))
    }
}

/// What a file is called until it is whole.
fn unfinished(name: &str) -> String {
    format!("{name}.new")
}

/// Creates a directory that only its owner may enter, with its parents, each durable in its own.
pub(crate) fn create_dir(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    // A relative path of one part has the working directory as parent.
    let parent = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    create_dir(parent)?;
    match DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        Ok(()) | Err(_) => File::open(parent)?.sync_all(),
    }
}

fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true).mode(0o600);
    options
}

fn read_if_there(path: &Path) -> Result<Option<Vec<u8>>, DataDirError> {
    match fs::read(path) {
        Ok(content) => Ok(Some(content)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(io_error(path)(error)),
    }
}

fn io_error(path: &Path) -> impl FnOnce(io::Error) -> DataDirError {
    let path = path.to_owned();
    |source| DataDirError::Io { path, source }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn given(byte: u8) -> Option<MasterKey> {
        Some(MasterKey::from_bytes(&[byte; 32]).expect("a key"))
    }

    #[test]
    fn a_second_process_is_refused_while_the_first_lives() {
        let dir = tempfile::tempdir().expect("a directory");
        let first = DataDir::lock(dir.path()).expect("a lock");
        assert!(matches!(DataDir::lock(dir.path()), Err(DataDirError::Locked(_))));
        drop(first);
        assert!(DataDir::lock(dir.path()).is_ok());
    }

    #[test]
    fn a_directory_without_data_is_left_as_it_is() {
        let dir = tempfile::tempdir().expect("a directory");
        for path in [dir.path().to_owned(), dir.path().join("missing")] {
            assert!(matches!(DataDir::lock_existing(&path), Err(DataDirError::NoData(_))));
        }
        assert_eq!(fs::read_dir(dir.path()).expect("a directory").count(), 0);
    }

    #[test]
    fn a_first_start_without_a_key_makes_one_that_only_its_owner_reads() {
        let dir = tempfile::tempdir().expect("a directory");
        let locked = DataDir::lock(dir.path()).expect("a lock");
        let first = locked.unseal(None).expect("a fresh key");
        let path = first.generated.expect("it says where");
        assert_eq!(fs::metadata(&path).expect("a file").permissions().mode() & 0o777, 0o600);
        let second = locked.unseal(None).expect("the same key");
        assert!(second.generated.is_none());
        let check = first.sealer.check_value().expect("a check value");
        assert!(second.sealer.matches_check_value(&check).expect("a comparison"));
    }

    #[test]
    fn another_key_than_the_first_is_refused_and_changes_nothing() {
        let dir = tempfile::tempdir().expect("a directory");
        let locked = DataDir::lock(dir.path()).expect("a lock");
        locked.unseal(given(1)).expect("the first key");
        let before = fs::read(dir.path().join(KEY_CHECK)).expect("a check value");
        assert!(matches!(locked.unseal(given(2)), Err(DataDirError::MasterKeyWrong(_))));
        assert!(matches!(locked.unseal(None), Err(DataDirError::MasterKeyMissing(_))));
        assert_eq!(fs::read(dir.path().join(KEY_CHECK)).expect("a check value"), before);
        assert!(!dir.path().join(GENERATED_KEY).exists());
        assert!(locked.unseal(given(1)).is_ok());
    }

    #[test]
    fn data_without_its_key_check_is_refused() {
        let dir = tempfile::tempdir().expect("a directory");
        let locked = DataDir::lock(dir.path()).expect("a lock");
        create_dir(&locked.store_path()).expect("a store");
        assert!(matches!(
            locked.unseal(given(1)),
            Err(DataDirError::MasterKeyMissing(_))
        ));
        assert!(matches!(locked.unseal(None), Err(DataDirError::MasterKeyMissing(_))));
        assert!(!dir.path().join(GENERATED_KEY).exists());
    }
}
