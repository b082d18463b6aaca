//! Sealing every secret of a stopped store under another master key.
//!
//! Whenever it is cut off, one of the two keys opens everything: the old one until the switch, the new one from then on, also while
//! some secrets are still sealed under the old one. `data_dir::rekeying` tells how. Doing it again finishes what was cut off.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use crate::crypto::CryptoError;
use crate::crypto::digest::hex;
use crate::crypto::seal::{MasterKey, Sealer};
use crate::data_dir::{DataDir, DataDirError, NewMasterKey, Unsealing};
use crate::id::CustomerId;
use crate::journal::{OpenError, ReadError, Space, StoppedJournal, StoreError};
use crate::limits::SCAN_ROWS_MAX;
use crate::tenant::vault::VaultChange;

/// Why the master key was not changed, or not wholly.
#[derive(Debug, thiserror::Error)]
pub enum RekeyError {
    /// The data directory cannot be used.
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    /// The store cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The store is damaged, or cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The store does not take what is written.
    #[error("the store cannot be written: {0}")]
    Store(#[from] StoreError),
    /// A secret does not open under the master key in use, or cannot be sealed.
    #[error("customer {customer}, row {row} of the vault: {reason}")]
    Secret {
        /// Whose it is.
        customer: CustomerId,
        /// The key of its row, in hexadecimal.
        row: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A key cannot be used.
    #[error(transparent)]
    Crypto(#[from] CryptoError),
    /// The new key is the one in use.
    #[error("the new master key is the one in use")]
    SameKey,
    /// Whoever watches wanted it to end.
    #[error("it was stopped")]
    Stopped,
}

/// What a change of the master key has come to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rekeyed {
    /// Secrets that were sealed anew.
    pub secrets: u64,
    /// Where the new key lies, if it is kept in the directory and was made just now.
    pub generated_key: Option<PathBuf>,
    /// Whether this finished an earlier change that had been cut off, and did nothing else.
    pub finished_earlier: bool,
}

/// How far a change of the master key has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Every secret opens under the key in use.
    Checked,
    /// All that is needed to go over to the new key is written. The old key opens everything.
    Prepared,
    /// The new key opens everything.
    Switched,
    /// The old key's file is put away.
    PutAway,
    /// So many secrets are sealed anew.
    Sealed(u64),
    /// Nothing is sealed under the old key any more.
    Done,
}

/// Is told of each step when it is durable, and may stop there, as if the process had ended.
pub type Watch<'a> = &'a mut dyn FnMut(Step) -> ControlFlow<()>;

/// Changes the master key. `current` is the key that the operator gives, if it is not kept in the directory.
///
/// # Errors
/// [`RekeyError`]. Before [`Step::Switched`] the old key is in use, from then on the new one.
pub fn rekey(
    data_dir: &Path,
    current: Option<MasterKey>,
    new: NewMasterKey,
    watch: Watch<'_>,
) -> Result<Rekeyed, RekeyError> {
    let data_dir = DataDir::lock_existing(data_dir)?;
    // Then an earlier change was cut off behind the switch, or there is nothing to change.
    let is_new_in_use = match &new {
        NewMasterKey::Given(key) => data_dir.is_in_use(key)?,
        NewMasterKey::Generated => false,
    };
    let given = match &new {
        NewMasterKey::Given(key) if is_new_in_use => Some(key.duplicate()),
        NewMasterKey::Given(_) | NewMasterKey::Generated => current,
    };
    let Unsealing { sealer, .. } = data_dir.unseal(given.as_ref().map(MasterKey::duplicate))?;
    if is_new_in_use && !sealer.has_previous() {
        return Err(RekeyError::SameKey);
    }
    let in_use = data_dir.key_in_use(given.as_ref())?;
    let journal = StoppedJournal::open(data_dir.clone())?;
    if sealer.has_previous() {
        let secrets = each_secret(&journal, &sealer, Some(&Sealer::new(&in_use)), watch)?;
        data_dir.end_rekeying()?;
        if is_new_in_use || matches!(new, NewMasterKey::Generated) {
            tell(watch, Step::Done)?;
            return Ok(Rekeyed {
                secrets,
                generated_key: None,
                finished_earlier: true,
            });
        }
    }
    change(&data_dir, &journal, &in_use, new, watch)
}

fn change(
    data_dir: &DataDir,
    journal: &StoppedJournal,
    old: &MasterKey,
    new: NewMasterKey,
    watch: Watch<'_>,
) -> Result<Rekeyed, RekeyError> {
    // A secret that does not open has to be found while nothing is changed yet.
    each_secret(journal, &Sealer::new(old), None, watch)?;
    tell(watch, Step::Checked)?;
    let rekeying = data_dir.prepare_rekeying(old, new)?;
    tell(watch, Step::Prepared)?;
    data_dir.switch_keys(&rekeying)?;
    tell(watch, Step::Switched)?;
    let generated_key = data_dir.put_away_old_key(&rekeying)?;
    tell(watch, Step::PutAway)?;
    let either = rekeying.sealer().after(old);
    let secrets = each_secret(journal, &either, Some(&rekeying.sealer()), watch)?;
    data_dir.end_rekeying()?;
    tell(watch, Step::Done)?;
    Ok(Rekeyed {
        secrets,
        generated_key,
        finished_earlier: false,
    })
}

fn tell(watch: Watch<'_>, step: Step) -> Result<(), RekeyError> {
    match watch(step) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(()) => Err(RekeyError::Stopped),
    }
}

/// Opens every secret, and seals it anew if there is something to seal it with. Everything is durable when this returns.
fn each_secret(
    journal: &StoppedJournal,
    open: &Sealer,
    seal: Option<&Sealer>,
    watch: Watch<'_>,
) -> Result<u64, RekeyError> {
    let (mut secrets, mut after) = (0, None);
    let mut writer = journal.writer();
    loop {
        let customers = journal.tenants(after, SCAN_ROWS_MAX)?;
        let Some(last) = customers.last() else { break };
        after = Some(*last);
        for customer in customers {
            let mut after_row: Option<Vec<u8>> = None;
            loop {
                let rows = journal.rows(customer, Space::Vault, after_row.as_deref())?;
                let Some((last_row, _)) = rows.last() else { break };
                after_row = Some(last_row.clone());
                for (key, value) in &rows {
                    let sealed = renewed(customer, key, value, open, seal)?;
                    if let Some(value) = sealed {
                        writer.row(customer, Space::Vault, key, &value)?;
                        secrets += 1;
                    }
                }
            }
        }
        writer.commit()?;
        if seal.is_some() {
            tell(watch, Step::Sealed(secrets))?;
        }
    }
    Ok(secrets)
}

/// The new value of a row of the vault, if there is something to seal it with.
fn renewed(
    customer: CustomerId,
    key: &[u8],
    value: &[u8],
    open: &Sealer,
    seal: Option<&Sealer>,
) -> Result<Option<Vec<u8>>, RekeyError> {
    let failed = |reason: String| RekeyError::Secret {
        customer,
        row: hex(key),
        reason,
    };
    let broken = |error: CryptoError| failed(error.to_string());
    let change = match VaultChange::from_row(customer, key, value).map_err(failed)? {
        VaultChange::PutSigningKey(sealed) => match seal {
            Some(seal) => VaultChange::PutSigningKey(sealed.resealed(open, seal).map_err(broken)?.into()),
            None => return sealed.open(open).map(|_| None).map_err(broken),
        },
        VaultChange::PutOverrideSecret(sealed) => match seal {
            Some(seal) => VaultChange::PutOverrideSecret(sealed.resealed(open, seal).map_err(broken)?.into()),
            None => return sealed.open(open).map(|_| None).map_err(broken),
        },
        VaultChange::EraseSigningKey(_) => return Ok(None),
    };
    Ok(change.row().value)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::crypto::sealed::{SealedKey, SealedSecret};
    use crate::id::KeyId;

    fn key(fill: u8) -> MasterKey {
        MasterKey::from_bytes(&[fill; 32]).unwrap()
    }

    /// Which key is given, if one is.
    type Given = Option<u8>;

    fn given(fill: Given) -> Option<MasterKey> {
        fill.map(key)
    }

    /// A store with the secrets of three customers, sealed under this key or under one in the directory.
    fn store(fill: Given) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        let locked = DataDir::lock(dir.path()).unwrap();
        let sealer = locked.unseal(given(fill)).unwrap().sealer;
        let journal = StoppedJournal::open(locked).unwrap();
        let mut writer = journal.writer();
        for number in 1..=3 {
            let customer = CustomerId::from_bytes([number; 16]);
            writer.meta(customer, 0).unwrap();
            let signing = SealedKey::generate(&sealer, customer, KeyId::from_bytes([number; 16])).unwrap();
            let secret = SealedSecret::generate(&sealer, customer).unwrap();
            for change in [
                VaultChange::PutSigningKey(signing.into()),
                VaultChange::PutOverrideSecret(secret.into()),
            ] {
                let row = change.row();
                writer.row(customer, row.space, &row.key, &row.value.unwrap()).unwrap();
            }
        }
        writer.commit().unwrap();
        dir
    }

    /// Whether this key is the one in use, and opens every secret.
    fn opens_everything(dir: &Path, fill: Given) -> bool {
        let locked = DataDir::lock_existing(dir).unwrap();
        match locked.unseal(given(fill)) {
            Ok(Unsealing { sealer, .. }) => {
                let journal = StoppedJournal::open(locked).unwrap();
                each_secret(&journal, &sealer, None, &mut |_| ControlFlow::Continue(())).unwrap();
                true
            }
            Err(DataDirError::MasterKeyWrong(_)) => false,
            Err(error) => panic!("{error}"),
        }
    }

    /// Changes the key, and is cut off after so many steps; tells the last of them.
    fn cut_off(dir: &Path, old: Given, new: NewMasterKey, steps: usize) -> (Option<Step>, Result<Rekeyed, RekeyError>) {
        let (mut told, mut last) = (0, None);
        let done = rekey(dir, given(old), new, &mut |step| {
            told += 1;
            last = Some(step);
            if told > steps {
                return ControlFlow::Break(());
            }
            ControlFlow::Continue(())
        });
        (last, done)
    }

    #[test]
    fn wherever_it_is_cut_off_one_key_opens_everything_and_doing_it_again_finishes_it() {
        let mut reached = Vec::new();
        for steps in 0.. {
            let dir = store(Some(1));
            let (last, done) = cut_off(dir.path(), Some(1), NewMasterKey::Given(key(2)), steps);
            reached.push(last.unwrap());
            let switched = reached.contains(&Step::Switched);
            assert_eq!(opens_everything(dir.path(), Some(1)), !switched, "{last:?}");
            assert_eq!(opens_everything(dir.path(), Some(2)), switched, "{last:?}");
            if let Ok(done) = done {
                assert_eq!(done.secrets, 6);
                break;
            }
            // Whichever key is configured by now.
            let again = rekey(dir.path(), Some(key(1)), NewMasterKey::Given(key(2)), &mut |_| {
                ControlFlow::Continue(())
            });
            match again {
                Ok(again) => assert_eq!(again.secrets, 6, "{last:?}"),
                Err(RekeyError::SameKey) => assert_eq!(last, Some(Step::Done)),
                Err(error) => panic!("{last:?}: {error}"),
            }
            assert!(opens_everything(dir.path(), Some(2)) && !opens_everything(dir.path(), Some(1)));
            assert!(!dir.path().join("rekeying").exists());
        }
        let expected = [
            Step::Checked,
            Step::Prepared,
            Step::Switched,
            Step::PutAway,
            Step::Sealed(6),
            Step::Done,
        ];
        assert_eq!(reached[..6], expected);
    }

    #[test]
    fn a_key_in_the_directory_goes_the_same_way() {
        for steps in 0..=6 {
            let dir = store(None);
            let old = MasterKey::from_content(&fs::read(dir.path().join("master.key")).unwrap()).unwrap();
            let old_opens = |old: &MasterKey| DataDir::lock(dir.path()).unwrap().is_in_use(old).unwrap();
            let (last, _) = cut_off(dir.path(), None, NewMasterKey::Generated, steps);
            // The directory knows its key, old or new.
            assert!(opens_everything(dir.path(), None), "{last:?}");
            let is_switched = steps >= 2;
            assert_eq!(old_opens(&old), !is_switched, "{last:?}");
            if is_switched && steps < 5 {
                let finished = rekey(dir.path(), None, NewMasterKey::Generated, &mut |_| {
                    ControlFlow::Continue(())
                });
                assert!(finished.unwrap().finished_earlier);
            }
            assert!(opens_everything(dir.path(), None));
            assert_eq!(dir.path().join("master.key.old").exists(), is_switched);
        }
    }

    #[test]
    fn the_next_change_after_one_that_was_cut_off_loses_nothing() {
        let dir = store(Some(1));
        let (last, _) = cut_off(dir.path(), Some(1), NewMasterKey::Given(key(2)), 3);
        assert_eq!(last, Some(Step::PutAway));
        let (_, done) = cut_off(dir.path(), Some(2), NewMasterKey::Given(key(3)), usize::MAX);
        assert_eq!(done.unwrap().secrets, 6);
        assert!(opens_everything(dir.path(), Some(3)));
        // And one that was prepared and never came into use leaves no trace.
        let (last, _) = cut_off(dir.path(), Some(3), NewMasterKey::Given(key(4)), 1);
        assert_eq!(last, Some(Step::Prepared));
        let (_, done) = cut_off(dir.path(), Some(3), NewMasterKey::Given(key(5)), usize::MAX);
        done.unwrap();
        assert!(opens_everything(dir.path(), Some(5)) && !opens_everything(dir.path(), Some(4)));
    }

    #[test]
    fn a_secret_that_does_not_open_is_found_before_anything_changes() {
        let dir = store(Some(1));
        {
            let journal = StoppedJournal::open(DataDir::lock(dir.path()).unwrap()).unwrap();
            let mut writer = journal.writer();
            writer
                .row(CustomerId::from_bytes([2; 16]), Space::Vault, &[2], &[1; 60])
                .unwrap();
            writer.commit().unwrap();
        }
        let refused = rekey(dir.path(), Some(key(1)), NewMasterKey::Given(key(2)), &mut |_| {
            ControlFlow::Continue(())
        });
        let told = refused.unwrap_err().to_string();
        assert!(
            told.contains(&CustomerId::from_bytes([2; 16]).to_string()) && told.contains("row 02"),
            "{told}"
        );
        assert!(!dir.path().join("rekeying").exists());
        let locked = DataDir::lock(dir.path()).unwrap();
        assert!(locked.is_in_use(&key(1)).unwrap());
    }
}
