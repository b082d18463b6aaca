//! Writing to a stopped store: what a restoration puts there, and secrets that are sealed anew.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::group::change_row;
use super::keys::{self, Space};
use super::meta::Meta;
use super::record::{self, Events};
use super::store::{Store, StoreError, WriteBatch};
use super::{ReadError, SideRow, StoppedJournal, reading};
use crate::id::CustomerId;
use crate::limits::{OFFLINE_BATCH_BYTES, SCAN_ROWS_MAX};

/// Writes to a stopped store, in batches of a bounded size. Each batch is durable wholly or not at all; all of them are after
/// [`commit`](Self::commit).
pub struct OfflineWriter {
    store: Arc<dyn Store>,
    batch: WriteBatch,
    key: Vec<u8>,
    /// What was changed since the last batch, and the tenants that do not exist yet.
    metas: BTreeMap<CustomerId, Changed>,
}

struct Changed {
    meta: Meta,
    exists: bool,
}

impl OfflineWriter {
    /// Puts a row, once between two commits.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn row(&mut self, tenant: CustomerId, space: Space, key: &[u8], value: &[u8]) -> Result<(), ReadError> {
        let store = Arc::clone(&self.store);
        let row_key = keys::side(space, tenant, key);
        let changed = changed(&mut self.metas, store.as_ref(), tenant)?;
        let meta = (&mut changed.meta, space);
        change_row(store.as_ref(), &mut self.batch, meta, &row_key, Some(value))?;
        Ok(self.flush_if_full()?)
    }

    /// Puts a whole record whose last event has this sequence.
    ///
    /// # Errors
    /// The store's.
    pub fn record(&mut self, tenant: CustomerId, last_sequence: u64, value: &[u8]) -> Result<(), StoreError> {
        let row_key = keys::record(tenant, last_sequence);
        record::put_chunks(&mut self.batch, &mut self.key, &row_key, value);
        self.flush_if_full()
    }

    /// Puts events as one record.
    ///
    /// # Errors
    /// The store's.
    pub fn events(&mut self, tenant: CustomerId, first_sequence: u64, events: &Events) -> Result<(), StoreError> {
        if events.is_empty() {
            return Ok(());
        }
        let header = record::record_header(first_sequence, events.len());
        let last = first_sequence.saturating_add(u64::from(events.len()) - 1);
        self.record(tenant, last, &[header.as_slice(), events.bytes()].concat())
    }

    /// Has a tenant exist: the events up to this sequence stand in its rows.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn meta(&mut self, tenant: CustomerId, folded: u64) -> Result<(), ReadError> {
        let changed = changed(&mut self.metas, self.store.as_ref(), tenant)?;
        changed.meta.folded = folded;
        changed.exists = true;
        Ok(self.flush_if_full()?)
    }

    /// Makes everything durable.
    ///
    /// # Errors
    /// The store's; nothing is known about what was written since the last success.
    pub fn commit(&mut self) -> Result<(), StoreError> {
        self.flush()
    }

    fn flush_if_full(&mut self) -> Result<(), StoreError> {
        if self.batch.bytes() < OFFLINE_BATCH_BYTES {
            return Ok(());
        }
        self.flush()
    }

    fn flush(&mut self) -> Result<(), StoreError> {
        for (tenant, changed) in self.metas.iter().filter(|(_, changed)| changed.exists) {
            changed.meta.next().put(&mut self.batch, *tenant);
        }
        self.metas.retain(|_, changed| !changed.exists);
        if !self.batch.is_empty() {
            self.store.apply(&self.batch)?;
            self.batch.clear();
        }
        self.store.sync()
    }
}

/// The meta row of a tenant, to be changed: as it is stored, or as what is stored without one adds up to.
fn changed<'m>(
    metas: &'m mut BTreeMap<CustomerId, Changed>,
    store: &dyn Store,
    tenant: CustomerId,
) -> Result<&'m mut Changed, ReadError> {
    use std::collections::btree_map::Entry;
    match metas.entry(tenant) {
        Entry::Occupied(known) => Ok(known.into_mut()),
        Entry::Vacant(place) => {
            let stored = Meta::read(store, tenant)?;
            let exists = stored.is_some();
            let meta = stored.map_or_else(|| Meta::of_rows(store, tenant), Ok)?;
            Ok(place.insert(Changed { meta, exists }))
        }
    }
}

impl StoppedJournal {
    /// Begins to write.
    pub fn writer(&self) -> OfflineWriter {
        OfflineWriter {
            store: Arc::clone(&self.store),
            batch: WriteBatch::default(),
            key: Vec::new(),
            metas: BTreeMap::new(),
        }
    }

    /// At most 1,000 rows of a tenant behind this key, in the order of the keys.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn rows(&self, tenant: CustomerId, space: Space, after: Option<&[u8]>) -> Result<Vec<SideRow>, ReadError> {
        // The next possible key.
        let from = after.map_or_else(Vec::new, |after| [after, &[0]].concat());
        let to = vec![u8::MAX; crate::limits::SIDE_KEY_BYTES_MAX];
        reading::scan(
            self.store.as_ref(),
            tenant,
            space,
            &(from..to),
            SCAN_ROWS_MAX,
            super::Direction::Up,
        )
    }
}
