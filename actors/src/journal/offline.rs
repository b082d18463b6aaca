//! Writing to a stopped store: what a restoration puts there, and secrets that are sealed anew.

use std::sync::Arc;

use super::group::delete_chunks_from;
use super::keys::{self, META, Space};
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
}

impl OfflineWriter {
    /// Puts a row.
    ///
    /// # Errors
    /// The store's.
    pub fn row(&mut self, tenant: CustomerId, space: Space, key: &[u8], value: &[u8]) -> Result<(), StoreError> {
        let row_key = keys::side(space, tenant, key);
        record::put_chunks(&mut self.batch, &mut self.key, &row_key, value);
        let chunks = record::chunks_of(value.len());
        delete_chunks_from(self.store.as_ref(), &mut self.batch, &mut self.key, &row_key, chunks)?;
        self.flush_if_full()
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

    /// Puts the row by which a tenant exists: the sequence up to which its events stand in its rows.
    ///
    /// # Errors
    /// The store's.
    pub fn meta(&mut self, tenant: CustomerId, folded: u64) -> Result<(), StoreError> {
        record::put_sealed(&mut self.batch, &keys::prefix(META, tenant), &folded.to_be_bytes());
        self.flush_if_full()
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
        if !self.batch.is_empty() {
            self.store.apply(&self.batch)?;
            self.batch.clear();
        }
        self.store.sync()
    }
}

impl StoppedJournal {
    /// Begins to write.
    pub fn writer(&self) -> OfflineWriter {
        OfflineWriter {
            store: Arc::clone(&self.store),
            batch: WriteBatch::default(),
            key: Vec::new(),
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
