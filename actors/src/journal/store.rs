//! What the journal asks of a store: an ordered map of bytes, atomic batches, and a durability point of its own.

use crate::id::CustomerId;

/// Which way a [`Reads::scan`] goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the smallest key to the largest.
    Up,
    /// From the largest key to the smallest.
    Down,
}

/// Whether a scan goes on after this key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Visit {
    /// Give the next one.
    Next,
    /// Enough.
    Stop,
}

/// A store's operation failed. For a write: it may have happened, wholly or not at all.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct StoreError(pub String);

/// Where a tenant ends: what the store has to hold of it, or more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct End {
    /// The sequence of its last event.
    pub last: u64,
    /// How often its meta row was written, and its rows changed.
    pub version: u64,
}

/// An ordered map of bytes, to be read.
pub trait Reads {
    /// The value under a key.
    ///
    /// # Errors
    /// The store could not be read.
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError>;

    /// Visits the keys of `from..to` with their values, until there are no more or the visitor has enough. Batches applied meanwhile
    /// may be seen in part.
    ///
    /// # Errors
    /// The store could not be read.
    fn scan(
        &self,
        from: &[u8],
        to: &[u8],
        direction: Direction,
        visit: &mut dyn FnMut(&[u8], &[u8]) -> Visit,
    ) -> Result<(), StoreError>;
}

/// An ordered map of bytes that outlives the process.
///
/// INVARIANT (batch): after a crash a batch is there wholly or not at all, and not without the batches applied before it.
pub trait Store: Reads + Send + Sync + 'static {
    /// Applies a batch: it is visible, but need not survive the process yet. Only one thread applies.
    ///
    /// # Errors
    /// The batch may have been applied.
    fn apply(&self, batch: &WriteBatch) -> Result<(), StoreError>;

    /// Makes everything applied before durable.
    ///
    /// # Errors
    /// Nothing is known about what was applied since the last success, and trying again cannot tell either.
    fn sync(&self) -> Result<(), StoreError>;

    /// Notes beside the data that everything up to this group is durable, and the ends of the tenants that had a share in it.
    /// That survives the death of the process; a power cut may lose it.
    fn note(&self, group: u64, ends: &mut dyn Iterator<Item = (CustomerId, End)>);

    /// Durably forgets the end of a tenant that is about to be erased.
    ///
    /// # Errors
    /// It could not be made durable.
    fn strike_end(&self, tenant: CustomerId) -> Result<(), StoreError>;

    /// What the store has to hold of this tenant, for all that is noted; `None` if nothing is, or the store was closed properly.
    fn due_end(&self, tenant: CustomerId) -> Option<End>;

    /// The first of the tenants behind this one of whom the store has to hold something, at most so many.
    fn due_tenants(&self, after: Option<CustomerId>, limit: usize) -> Vec<CustomerId>;

    /// What was noted last, or earlier if there was a power cut; `None` if nothing was.
    ///
    /// # Errors
    /// The note could not be read, or is damaged.
    fn noted(&self) -> Result<Option<u64>, StoreError>;

    /// Bytes that can still be written, if the store can tell.
    fn free_bytes(&self) -> Option<u64>;

    /// Bytes that the store takes on disk, if it can tell.
    fn stored_bytes(&self) -> Option<u64>;
}

/// Puts and deletes that happen together. Its bytes lie in one buffer that is used again for the next group, so a change costs no
/// allocation. No key may stand in it twice, for stores may apply it in any order.
#[derive(Debug, Default)]
pub struct WriteBatch {
    bytes: Vec<u8>,
    changes: Vec<Change>,
}

#[derive(Debug)]
struct Change {
    key_end: usize,
    /// `None` deletes.
    value_end: Option<usize>,
}

impl WriteBatch {
    /// Adds a put of the value made of these parts.
    pub fn put(&mut self, key: &[u8], value: &[&[u8]]) {
        self.bytes.extend_from_slice(key);
        let key_end = self.bytes.len();
        for part in value {
            self.bytes.extend_from_slice(part);
        }
        self.changes.push(Change {
            key_end,
            value_end: Some(self.bytes.len()),
        });
    }

    /// Adds a deletion.
    pub fn delete(&mut self, key: &[u8]) {
        self.bytes.extend_from_slice(key);
        self.changes.push(Change {
            key_end: self.bytes.len(),
            value_end: None,
        });
    }

    /// The keys with their new values; `None` deletes.
    pub fn changes(&self) -> impl Iterator<Item = (&[u8], Option<&[u8]>)> {
        let mut start = 0;
        self.changes.iter().map(move |change| {
            let key = self.bytes.get(start..change.key_end).unwrap_or_default();
            let value = change
                .value_end
                .map(|end| self.bytes.get(change.key_end..end).unwrap_or_default());
            start = change.value_end.unwrap_or(change.key_end);
            (key, value)
        })
    }

    /// How many keys it changes.
    pub fn len(&self) -> usize {
        self.changes.len()
    }

    /// Whether it changes nothing.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// Bytes of all keys and values.
    pub fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Empties it and keeps its memory, up to a bound.
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.changes.clear();
        // One huge append must not hold its memory for ever.
        self.bytes.shrink_to(2 * crate::limits::GROUP_BYTES_MAX);
        self.changes.shrink_to(2 * crate::limits::CHORE_KEYS_MAX);
    }
}
