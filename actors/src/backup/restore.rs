//! Reading a backup back, into an empty directory only.
//!
//! The backup is read twice. The first time nothing is written: a backup that is cut off, damaged or makes no sense is refused while
//! the directory is still empty. The second time its customers are written, and with each of them, before anybody is served, what a
//! restoration means for it: see [`RestoreCustomer`]. Until all is durable the directory is marked, and nothing opens it.

use std::collections::HashSet;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::format::{Counts, FormatError, Header};
use super::loading::{Loaded, Sink, load};
use crate::clock::{Clock, UnixMillis};
use crate::commands::{Caller, Command, Moment, RestoreCustomer, Rules};
use crate::crypto::seal::{MasterKey, Sealer};
use crate::data_dir::{DataDir, DataDirError, Unsealing};
use crate::id::CustomerId;
use crate::journal::{Events, OfflineWriter, OpenError, Piece, ReadError, Space, StoppedJournal, StoreError};
use crate::permissions::Effect;
use crate::tenant::State;
use crate::tenant::event::Recorded;
use crate::tenant::origin::Origin;
use crate::tenant::tokens::Token;
use crate::tenant::vault::VaultChange;

/// Why a backup was not restored. The directory is as empty as before.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// The backup cannot be used.
    #[error(transparent)]
    Backup(#[from] FormatError),
    /// The directory cannot be used.
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    /// The store cannot be made.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The store does not take what is written.
    #[error("the store cannot be written: {0}")]
    Store(#[from] StoreError),
    /// What was written cannot be read again.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// What a restoration means for a customer cannot be recorded.
    #[error("customer {customer}: {reason}")]
    Customer {
        /// The customer.
        customer: CustomerId,
        /// Why not.
        reason: String,
    },
}

/// What a restoration came to for one customer, or for all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// Tokens that were live in the backup, and are dead.
    pub tokens_revoked: u64,
    /// Signing keys that were not revoked in the backup, and are.
    pub keys_revoked: u64,
    /// Flagged events that were undecided, and that nothing decides any more.
    pub events_barred: u64,
    /// Decisions that stand.
    pub decisions_kept: u64,
    /// Permission overrides that grant, and are suspended until somebody confirms them.
    pub grants_suspended: u64,
    /// Permission overrides that deny, and stay in force.
    pub denials_kept: u64,
    /// Whether the secret behind the cosignatures was sealed under another master key: earlier cosignatures cannot be verified then.
    /// In a total, how many customers that is true for.
    pub cosignature_secrets_lost: u64,
}

impl Tally {
    /// What there is in a customer's state before anything is done about it.
    fn of(state: &State, now: UnixMillis) -> Self {
        let is_live = |token: &&Token| state.liveness(token, now).is_ok();
        Self {
            tokens_revoked: state.tokens.after(None).filter(is_live).count() as u64,
            decisions_kept: state.decisions.len() as u64,
            denials_kept: state.permissions.live(Effect::Deny, now).count() as u64,
            ..Self::default()
        }
    }

    fn add(&mut self, other: &Self) {
        self.tokens_revoked += other.tokens_revoked;
        self.keys_revoked += other.keys_revoked;
        self.events_barred += other.events_barred;
        self.decisions_kept += other.decisions_kept;
        self.grants_suspended += other.grants_suspended;
        self.denials_kept += other.denials_kept;
        self.cosignature_secrets_lost += other.cosignature_secrets_lost;
    }
}

/// What a restoration came to.
#[derive(Clone, Debug)]
pub struct Report {
    /// What the backup says about itself.
    pub header: Header,
    /// How much it held.
    pub counts: Counts,
    /// What it came to for each customer.
    pub customers: Vec<(CustomerId, Tally)>,
    /// What it came to in all.
    pub total: Tally,
    /// Where a fresh master key was written, if none was given.
    pub generated_key: Option<PathBuf>,
}

/// Restores a backup into a directory that is empty or not there yet.
///
/// # Errors
/// [`RestoreError`]; nothing is left in the directory then.
pub fn restore(
    data_dir: &Path,
    master_key: Option<MasterKey>,
    backup: &mut (impl Read + Seek),
    clock: &dyn Clock,
) -> Result<Report, RestoreError> {
    DataDir::check_empty(data_dir)?;
    let mut checking = Checking::default();
    let (header, counts) = load(&mut *backup, &mut checking)?;
    backup.seek(SeekFrom::Start(0)).map_err(FormatError::Io)?;
    let checked = Checked {
        whole: checking.whole,
        header,
        counts,
    };
    let data_dir = DataDir::lock_for_restore(data_dir)?;
    let path = data_dir.path().to_owned();
    write(data_dir, master_key, backup, checked, clock.now()).or_else(|error| {
        // Whatever failed: the directory becomes what it was.
        DataDir::clear_unfinished_restore(&path)?;
        Err(error)
    })
}

/// Reads a whole backup and checks all of it, as a restoration does before it writes anything.
///
/// # Errors
/// [`RestoreError::Backup`]
pub fn check(backup: &mut impl Read) -> Result<(Header, Counts), RestoreError> {
    load(backup, &mut Checking::default())
}

/// What the first pass has found.
struct Checked {
    whole: HashSet<u64>,
    header: Header,
    counts: Counts,
}

fn write(
    data_dir: DataDir,
    master_key: Option<MasterKey>,
    backup: &mut impl Read,
    checked: Checked,
    now: UnixMillis,
) -> Result<Report, RestoreError> {
    let Unsealing { sealer, generated } = data_dir.unseal(master_key)?;
    let path = data_dir.path().to_owned();
    let journal = StoppedJournal::open(data_dir)?;
    let mut restoring = Restoring {
        writer: journal.writer(),
        sealer,
        whole: &checked.whole,
        taken_at: checked.header.taken_at,
        now,
        secret_lost: false,
        customers: Vec::new(),
        total: Tally::default(),
    };
    let (header, counts) = load(backup, &mut restoring)?;
    // Before the mark goes: what was not checked must never be opened.
    if header != checked.header || counts != checked.counts {
        return Err(FormatError::Changed.into());
    }
    restoring.writer.commit()?;
    // The store is still locked: whoever opens it next finds all of it.
    DataDir::end_restore(&path)?;
    Ok(Report {
        header,
        counts,
        customers: restoring.customers,
        total: restoring.total,
        generated_key: generated,
    })
}

/// The first pass: which of the beginnings count.
#[derive(Default)]
struct Checking {
    whole: HashSet<u64>,
}

impl Sink for Checking {
    type Error = RestoreError;

    fn begins(&mut self, _: u64) -> bool {
        true
    }

    fn piece(&mut self, _: CustomerId, _: &Piece) -> Result<bool, RestoreError> {
        Ok(true)
    }

    fn whole(&mut self, loaded: Loaded) -> Result<(), RestoreError> {
        self.whole.insert(loaded.number);
        Ok(())
    }
}

/// The second pass: writes.
struct Restoring<'a> {
    writer: OfflineWriter,
    sealer: Sealer,
    whole: &'a HashSet<u64>,
    taken_at: UnixMillis,
    now: UnixMillis,
    /// Of the customer that is being read.
    secret_lost: bool,
    customers: Vec<(CustomerId, Tally)>,
    total: Tally,
}

impl Sink for Restoring<'_> {
    type Error = RestoreError;

    fn begins(&mut self, number: u64) -> bool {
        self.secret_lost = false;
        self.whole.contains(&number)
    }

    fn piece(&mut self, customer: CustomerId, piece: &Piece) -> Result<bool, RestoreError> {
        match piece {
            Piece::Row { space, key, value } => {
                if *space == Space::Vault && !self.opens(customer, key, value) {
                    self.secret_lost = true;
                    return Ok(false);
                }
                self.writer.row(customer, *space, key, value)?;
            }
            Piece::Record { last_sequence, value } => self.writer.record(customer, *last_sequence, value)?,
        }
        Ok(true)
    }

    fn whole(&mut self, loaded: Loaded) -> Result<(), RestoreError> {
        let Loaded {
            customer,
            folded,
            mut state,
            ..
        } = loaded;
        let mut tally = Tally {
            cosignature_secrets_lost: self.secret_lost.into(),
            ..Tally::of(&state, state.now(self.now))
        };
        while !self.step(&mut state, &mut tally)? {}
        self.writer.meta(customer, folded)?;
        self.total.add(&tally);
        self.customers.push((customer, tally));
        Ok(())
    }
}

impl Restoring<'_> {
    /// Whether the secret in this row opens under the master key in use.
    fn opens(&self, customer: CustomerId, key: &[u8], value: &[u8]) -> bool {
        match VaultChange::from_row(customer, key, value) {
            Ok(VaultChange::PutOverrideSecret(sealed)) => sealed.open(&self.sealer).is_ok(),
            Ok(VaultChange::PutSigningKey(_) | VaultChange::EraseSigningKey(_)) | Err(_) => false,
        }
    }

    /// Records the next step of what the restoration means for a customer. Returns whether it was the last.
    fn step(&mut self, state: &mut State, tally: &mut Tally) -> Result<bool, RestoreError> {
        let (customer, now) = (state.customer(), state.now(self.now));
        let failed = |reason: String| RestoreError::Customer { customer, reason };
        let moment = Moment {
            now,
            rules: &Rules::default(),
            keyed: false,
        };
        let taken_at = self.taken_at;
        let decided = RestoreCustomer { taken_at }.decide(state, &moment);
        let decided = decided.map_err(|rejection| failed(rejection.to_string()))?;
        let origin = Origin {
            now,
            caller: &Caller::Management,
            request_id: None,
            idempotency: None,
        };
        let first_sequence = state.sequence() + 1;
        let audit = origin.audit_rows(decided.audit, first_sequence);
        let mut encoded = Events::new();
        for event in decided.events {
            let recorded = Recorded {
                at: now,
                event,
                idempotency: None,
            };
            let written = encoded.push_with(|bytes| serde_json::to_writer(bytes, &recorded));
            written.map_err(|error| failed(error.to_string()))?;
            let applied = state.apply(state.sequence() + 1, recorded);
            applied.map_err(|error| failed(error.to_string()))?;
        }
        self.writer.events(customer, first_sequence, &encoded)?;
        for row in audit.map_err(|error| failed(error.to_string()))? {
            let value = row.value.unwrap_or_default();
            self.writer.row(customer, row.space, &row.key, &value)?;
        }
        let step = decided.reply;
        tally.keys_revoked += step.keys_revoked as u64;
        tally.events_barred += step.events_barred as u64;
        tally.grants_suspended += step.grants_suspended as u64;
        Ok(step.is_last)
    }
}
