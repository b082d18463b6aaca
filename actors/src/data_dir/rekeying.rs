//! Changing the master key, so that whenever it is cut off one of the two keys opens everything: the old one until the check value is
//! replaced, the new one from then on.
//!
//! 1. `rekeying` is written: the old key, sealed under the new one. It opens nothing without the new key.
//! 2. A generated key is written to `master.key.next`.
//! 3. `key-check` is replaced by that of the new key, in one step. From here on the new key opens what is sealed under it, and by means
//!    of `rekeying` also what is still sealed under the old one.
//! 4. `master.key`, if there is one, becomes `master.key.old`; `master.key.next` becomes `master.key`.
//! 5. All secrets are sealed anew. Then `rekeying` is removed.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use super::{DataDir, DataDirError, GENERATED_KEY, KEY_CHECK, io_error, read_if_there};
use crate::crypto::CryptoError;
use crate::crypto::seal::{MasterKey, Sealer};

const REKEYING: &str = "rekeying";
const NEXT_KEY: &str = "master.key.next";
const OLD_KEY: &str = "master.key.old";

/// What the master key is to become.
#[derive(Debug)]
pub enum NewMasterKey {
    /// This one, which the operator keeps.
    Given(MasterKey),
    /// A fresh one, kept in the directory.
    Generated,
}

/// A change of the master key, prepared: nothing has changed yet.
#[derive(Debug)]
pub struct Rekeying {
    new: MasterKey,
    is_generated: bool,
}

impl Rekeying {
    /// Seals and opens under the new key.
    pub(crate) fn sealer(&self) -> Sealer {
        Sealer::new(&self.new)
    }
}

impl DataDir {
    /// The sealer of the key in use; while secrets are being sealed anew it also opens those of the key from before.
    pub(super) fn with_previous(&self, sealer: Sealer) -> Result<Sealer, DataDirError> {
        let Some(sealed) = read_if_there(&self.path.join(REKEYING))? else {
            return Ok(sealer);
        };
        match sealer.open_previous(&sealed) {
            Ok(previous) => Ok(sealer.after(&previous)),
            // It was written for a key that never came into use.
            Err(CryptoError::SealBroken) => Ok(sealer),
            Err(error) => Err(error.into()),
        }
    }

    /// The master key in use: the one given, or the one in the directory. Checked by [`DataDir::unseal`] before.
    pub(crate) fn key_in_use(&self, given: Option<&MasterKey>) -> Result<MasterKey, DataDirError> {
        match given {
            Some(key) => Ok(key.duplicate()),
            None => {
                let content = read_if_there(&self.path.join(GENERATED_KEY))?;
                let content = content.ok_or_else(|| DataDirError::MasterKeyMissing(self.path.clone()))?;
                Ok(MasterKey::from_content(&zeroize::Zeroizing::new(content))?)
            }
        }
    }

    /// Whether this is the key in use.
    ///
    /// # Errors
    /// [`DataDirError::Io`] or [`DataDirError::Crypto`]
    pub(crate) fn is_in_use(&self, key: &MasterKey) -> Result<bool, DataDirError> {
        match read_if_there(&self.path.join(KEY_CHECK))? {
            Some(check) => Ok(Sealer::new(key).matches_check_value(&check)?),
            None => Ok(false),
        }
    }

    /// Steps 1 and 2: the old key still opens everything, and only it.
    ///
    /// # Errors
    /// [`DataDirError`]; the old key is still the one in use.
    pub(crate) fn prepare_rekeying(&self, old: &MasterKey, new: NewMasterKey) -> Result<Rekeying, DataDirError> {
        let (new, content) = match new {
            NewMasterKey::Given(key) => (key, None),
            NewMasterKey::Generated => {
                let (key, content) = MasterKey::generate()?;
                (key, Some(content))
            }
        };
        let rekeying = Rekeying {
            is_generated: content.is_some(),
            new,
        };
        self.write_durably(REKEYING, &rekeying.sealer().seal_previous(old)?)?;
        match content {
            Some(content) => self.write_durably(NEXT_KEY, content.as_bytes())?,
            // Of an earlier change that was cut off.
            None => self.remove(NEXT_KEY)?,
        }
        Ok(rekeying)
    }

    /// Step 3: from here on the new key opens everything, and only it.
    ///
    /// # Errors
    /// [`DataDirError`]
    pub(crate) fn switch_keys(&self, rekeying: &Rekeying) -> Result<(), DataDirError> {
        self.write_durably(KEY_CHECK, &rekeying.sealer().check_value()?)
    }

    /// Step 4. Returns where a generated key lies now.
    ///
    /// # Errors
    /// [`DataDirError`]
    pub(crate) fn put_away_old_key(&self, rekeying: &Rekeying) -> Result<Option<PathBuf>, DataDirError> {
        self.rename(GENERATED_KEY, OLD_KEY)?;
        if rekeying.is_generated {
            self.rename(NEXT_KEY, GENERATED_KEY)?;
        }
        self.sync()?;
        Ok(rekeying.is_generated.then(|| self.path.join(GENERATED_KEY)))
    }

    /// The end of step 5.
    ///
    /// # Errors
    /// [`DataDirError`]
    pub(crate) fn end_rekeying(&self) -> Result<(), DataDirError> {
        self.remove(REKEYING)?;
        self.remove(NEXT_KEY)?;
        self.sync()
    }

    /// Finishes step 4 for a generated key, if it was cut off.
    pub(super) fn finish_own_key(&self, check: Option<&[u8]>) -> Result<(), DataDirError> {
        let (Some(check), Some(content)) = (check, read_if_there(&self.path.join(NEXT_KEY))?) else {
            return Ok(());
        };
        let next = MasterKey::from_content(&zeroize::Zeroizing::new(content))?;
        if Sealer::new(&next).matches_check_value(check)? {
            self.rename(GENERATED_KEY, OLD_KEY)?;
            self.rename(NEXT_KEY, GENERATED_KEY)?;
            self.sync()?;
        }
        Ok(())
    }

    fn rename(&self, from: &str, to: &str) -> Result<(), DataDirError> {
        let from = self.path.join(from);
        unless_missing(fs::rename(&from, self.path.join(to)), &from)
    }

    fn remove(&self, name: &str) -> Result<(), DataDirError> {
        let path = self.path.join(name);
        unless_missing(fs::remove_file(&path), &path)
    }
}

fn unless_missing(done: io::Result<()>, path: &Path) -> Result<(), DataDirError> {
    match done {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(io_error(path)(error)),
        Ok(()) | Err(_) => Ok(()),
    }
}
