//! A stopped store, opened only to be read.

use std::sync::Arc;

use super::keys::{self, ERASING};
use super::reading::{self, corrupt, each_row};
use super::record::Record;
use super::sled_store::SledStore;
use super::store::{Store, Visit};
use super::{OpenError, ReadError, format, mark};
use crate::data_dir::DataDir;
use crate::id::CustomerId;
use crate::limits::SCAN_ROWS_MAX;

/// A journal that nobody writes to: none of its threads run, nothing of a tenant is written, and what a crash has left undone
/// stays undone. The store's own files are tidied as at every opening. The data directory stays locked until this is dropped.
pub struct StoppedJournal {
    pub(super) store: Arc<dyn Store>,
}

impl StoppedJournal {
    /// Opens the journal of a data directory.
    ///
    /// # Errors
    /// As for [`Journal::open`](super::Journal::open).
    pub fn open(data_dir: DataDir) -> Result<Self, OpenError> {
        Self::with_store(Arc::new(SledStore::open(data_dir)?))
    }

    /// A stopped journal on another store.
    ///
    /// # Errors
    /// As for [`open`](Self::open), if the store is no journal's.
    pub fn with_store(store: Arc<dyn Store>) -> Result<Self, OpenError> {
        format::check(store.as_ref())?;
        mark::check(store.as_ref())?;
        Ok(Self { store })
    }

    /// At most `limit` (and [`SCAN_ROWS_MAX`]) tenants behind this one, in the order of their ids.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn tenants(&self, after: Option<CustomerId>, limit: usize) -> Result<Vec<CustomerId>, ReadError> {
        let store = self.store.as_ref();
        let mut unreadable = None;
        let tenants = reading::tenants(store, after, limit.min(SCAN_ROWS_MAX), |tenant| {
            is_erasing(store, tenant).unwrap_or_else(|error| {
                unreadable = Some(error);
                true
            })
        })?;
        unreadable.map_or(Ok(tenants), Err)
    }

    /// Visits the events of a tenant that were not folded into rows, in the order of their sequence numbers. Returns the sequence up
    /// to which they were; `None` for a tenant that is not known or is being erased.
    ///
    /// # Errors
    /// [`ReadError`], or what the visitor returned.
    pub fn events<E: From<ReadError>>(
        &self,
        tenant: CustomerId,
        mut visit: impl FnMut(u64, &[u8]) -> Result<Visit, E>,
    ) -> Result<Option<u64>, E> {
        let store = self.store.as_ref();
        if is_erasing(store, tenant)? {
            return Ok(None);
        }
        let Some(head) = reading::head(store, tenant)? else {
            return Ok(None);
        };
        let from = keys::record(tenant, head.meta.folded.saturating_add(1));
        let to = keys::prefix_end(keys::RECORDS, tenant);
        let (mut last, mut stopped) = (head.meta.folded, false);
        each_row(store, tenant, "record", &from, &to, |row| {
            let damaged = |what: String| E::from(corrupt(tenant, "record", row.key, &what));
            let record = Record::parse(row.value).map_err(|damage| damaged(damage.to_string()))?;
            // Only the first record may reach below: it straddles the fold.
            if record.first_sequence > last + 1 || (last > head.meta.folded && record.first_sequence <= last) {
                let what = format!("it begins at {}, but {} is next", record.first_sequence, last + 1);
                return Err(damaged(what));
            }
            for (sequence, event) in record.events().filter(|(sequence, _)| *sequence > head.meta.folded) {
                if visit(sequence, event)? == Visit::Stop {
                    stopped = true;
                    return Ok(Visit::Stop);
                }
            }
            last = record.last_sequence;
            Ok(Visit::Next)
        })?;
        if !stopped && last != head.last {
            let what = format!(
                "tenant {tenant}: the events end at sequence {last} instead of {}",
                head.last
            );
            return Err(ReadError::Corrupt(what).into());
        }
        Ok(Some(head.meta.folded))
    }
}

fn is_erasing(store: &dyn Store, tenant: CustomerId) -> Result<bool, ReadError> {
    Ok(store.get(&keys::prefix(ERASING, tenant))?.is_some())
}
