//! Checking all of a stopped store: that everything is whole, that events follow each other and add up, that secrets open.

use std::path::Path;

use serde::Serialize;

use crate::clock::UnixMillis;
use crate::crypto::CryptoError;
use crate::crypto::digest::hex;
use crate::crypto::seal::{MasterKey, Sealer};
use crate::data_dir::{DataDir, DataDirError};
use crate::id::CustomerId;
use crate::journal::{Damaged, Item, OpenError, Place, ReadError, Recovery, Space, StoppedJournal};
use crate::tenant::audit::{AuditEntry, audit_sequence};
use crate::tenant::event::Recorded;
use crate::tenant::recovery::{Recovered, Recovering};
use crate::tenant::vault::VaultChange;

/// Why a store cannot be checked.
#[derive(Debug, thiserror::Error)]
pub enum VerifyStoreError {
    /// The data directory cannot be used, or the master key is missing or wrong.
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    /// The store does not open.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The customers cannot be listed.
    #[error(transparent)]
    Read(#[from] ReadError),
}

/// Something that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Whose it is, if that can be told.
    pub customer_id: Option<CustomerId>,
    /// Where it stands, such as `event 7` or `vault entry 01ab`.
    pub place: String,
    /// What is wrong with it.
    pub problem: String,
}

/// What was looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Looked {
    /// Customers.
    pub customers: u64,
    /// Customers whose erasure was cut off, and is finished at the next start; nothing of theirs was looked at.
    pub being_erased: u64,
    /// Events that are whole.
    pub events: u64,
    /// Rows that are whole, audit entries among them.
    pub rows: u64,
    /// Secrets that open.
    pub secrets: u64,
}

/// A stopped store, locked until this is dropped.
pub struct Verification {
    journal: StoppedJournal,
    sealer: Sealer,
}

impl Verification {
    /// Opens the store in a data directory without changing what it holds.
    ///
    /// # Errors
    /// [`VerifyStoreError`]; `Locked` while a service holds the directory.
    pub fn open(data_dir: &Path, master_key: Option<MasterKey>) -> Result<Self, VerifyStoreError> {
        let data_dir = DataDir::lock_existing(data_dir)?;
        let sealer = data_dir.unseal(master_key)?.sealer;
        let journal = StoppedJournal::open(data_dir)?;
        Ok(Self { journal, sealer })
    }

    /// Whether a change of the master key was cut off. The store is usable all the same.
    pub const fn is_rekeying_unfinished(&self) -> bool {
        self.sealer.has_previous()
    }

    /// Every customer of whom anything is stored.
    ///
    /// # Errors
    /// [`VerifyStoreError::Read`]
    pub fn customers(&self) -> Result<Vec<CustomerId>, VerifyStoreError> {
        Ok(self.journal.all_tenants()?.into_iter().collect())
    }

    /// Checks all of a customer. What is wrong is told, and what stands behind it is looked at as well.
    pub fn customer(&self, customer: CustomerId, looked: &mut Looked, found: &mut dyn FnMut(Finding)) {
        let mut checking = Checking::new(customer, &self.sealer);
        let outcome = self.journal.look_at(customer, &mut |told| match told {
            Ok(item) => checking.item(item, looked, found),
            Err(damaged) => {
                checking.is_broken = true;
                found(finding(damaged));
            }
        });
        match outcome {
            Ok(None) => looked.being_erased += 1,
            Ok(Some(last)) => {
                looked.customers += 1;
                checking.end(last, found);
            }
            Err(error) => {
                looked.customers += 1;
                found(Finding {
                    customer_id: Some(customer),
                    place: "store".to_owned(),
                    problem: error.to_string(),
                });
            }
        }
    }

    /// Checks what belongs to no customer.
    pub fn rest(&self, found: &mut dyn FnMut(Finding)) {
        if let Err(error) = self.journal.look_at_the_rest(&mut |damaged| found(finding(damaged))) {
            found(Finding {
                customer_id: None,
                place: "store".to_owned(),
                problem: error.to_string(),
            });
        }
    }
}

fn finding(damaged: Damaged) -> Finding {
    Finding {
        customer_id: damaged.tenant,
        place: describe(&damaged.place),
        problem: damaged.what,
    }
}

fn describe(place: &Place) -> String {
    match place {
        Place::Event(sequence) => format!("event {sequence}"),
        Place::Record(last) => format!("record that ends at event {last}"),
        Place::Row(space, key) => format!("{} {}", space.name(), hex(key)),
        Place::Meta => "meta row".to_owned(),
        Place::Erasure => "marker of an erasure".to_owned(),
        Place::Key(key) => format!("key {}", hex(key)),
    }
}

/// A customer that is being checked.
struct Checking<'s> {
    customer: CustomerId,
    sealer: &'s Sealer,
    replay: Recovering<fn(Recovered)>,
    /// Something is missing, so that what follows need not add up any more.
    is_broken: bool,
    audited_up_to: u64,
}

impl<'s> Checking<'s> {
    fn new(customer: CustomerId, sealer: &'s Sealer) -> Self {
        Self {
            customer,
            sealer,
            replay: Recovering::new(customer, UnixMillis::default(), false, drop::<Recovered>),
            is_broken: false,
            audited_up_to: 0,
        }
    }

    fn item(&mut self, item: Item<'_>, looked: &mut Looked, found: &mut dyn FnMut(Finding)) {
        let (place, checked) = match item {
            Item::Event(sequence, event) => (Place::Event(sequence), self.event(sequence, event)),
            Item::Row(space, key, value) => (Place::Row(space, key.to_vec()), self.row(space, key, value)),
        };
        let counter = match item {
            Item::Event(..) => &mut looked.events,
            Item::Row(Space::Vault, ..) => &mut looked.secrets,
            Item::Row(Space::Row | Space::Audit, ..) => &mut looked.rows,
        };
        match checked {
            Ok(()) => *counter += 1,
            Err(problem) => {
                self.is_broken |= !matches!(item, Item::Row(Space::Audit, ..));
                found(Finding {
                    customer_id: Some(self.customer),
                    place: describe(&place),
                    problem,
                });
            }
        }
    }

    fn event(&mut self, sequence: u64, event: &[u8]) -> Result<(), String> {
        if self.is_broken {
            // The error is not quoted: it may hold a piece of what it could not read.
            let decoded = serde_json::from_slice::<Recorded>(event);
            return decoded.map(drop).map_err(|_| "it is no event".to_owned());
        }
        self.replay.event(sequence, event)
    }

    fn row(&mut self, space: Space, key: &[u8], value: &[u8]) -> Result<(), String> {
        match space {
            Space::Row => self.replay.row(key, value),
            Space::Vault => {
                let broken = |error: CryptoError| error.to_string();
                match VaultChange::from_row(self.customer, key, value)? {
                    VaultChange::PutSigningKey(sealed) => sealed.open(self.sealer).map(drop).map_err(broken)?,
                    VaultChange::PutOverrideSecret(sealed) => sealed.open(self.sealer).map(drop).map_err(broken)?,
                    VaultChange::EraseSigningKey(_) => {}
                }
                self.replay.secret(key, value)
            }
            Space::Audit => {
                let sequence = audit_sequence(key).ok_or("its key is malformed")?;
                self.audited_up_to = self.audited_up_to.max(sequence);
                let entry = serde_json::from_slice::<AuditEntry>(value);
                entry.map(drop).map_err(|_| "it is no audit entry".to_owned())
            }
        }
    }

    /// What can only be said when all was seen.
    fn end(self, last: u64, found: &mut dyn FnMut(Finding)) {
        let Self {
            customer,
            replay,
            is_broken,
            audited_up_to,
            ..
        } = self;
        let mut tell = |place: String, problem: String| {
            found(Finding {
                customer_id: Some(customer),
                place,
                problem,
            });
        };
        // An entry may have been noted before the event that comes next.
        if audited_up_to > last.saturating_add(1) {
            let problem = format!("the audit tells of event {audited_up_to}, but the journal ends at {last}");
            tell(format!("event {}", last.saturating_add(1)), problem);
        }
        if is_broken {
            return;
        }
        let state = replay.into_state();
        for key in state.keys.unrevoked() {
            if state.vault.signing_key(key.kid).is_none() {
                tell(
                    format!("signing key {}", key.kid),
                    "its private part is missing".to_owned(),
                );
            }
        }
    }
}
