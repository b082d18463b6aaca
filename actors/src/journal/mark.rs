//! How far a store has come, told twice: by a row in every batch, and beside the store as soon as the batch is durable.
//!
//! A store that finds its end damaged drops it, for it looks like the end that a crash has torn. The row goes with it, and what stands
//! beside the store tells that there was more.

use super::keys::GROUP;
use super::record;
use super::sled_store::OpenError;
use super::store::{Reads, Store, WriteBatch};

/// Adds the row to the batch of this group.
pub(super) fn put(batch: &mut WriteBatch, group: u64) {
    record::put_sealed(batch, GROUP, &group.to_be_bytes());
}

/// The number of the last group that a store holds; 0 before the first.
pub(super) fn stored(store: &dyn Reads) -> Result<u64, OpenError> {
    let Some(row) = store.get(GROUP).map_err(|error| OpenError::Store(error.0))? else {
        return Ok(0);
    };
    let damaged = |what: &dyn std::fmt::Display| OpenError::Corrupt(format!("group row: {what}"));
    let number = record::open_sealed(GROUP, &row).map_err(|damage| damaged(&damage))?;
    number
        .try_into()
        .map(u64::from_be_bytes)
        .map_err(|_| damaged(&"wrong length"))
}

/// Refuses a store that ends before what was durable; gives the number of its last group.
pub(super) fn check(store: &dyn Store) -> Result<u64, OpenError> {
    let stored = stored(store)?;
    let noted = store.noted().map_err(|error| OpenError::Store(error.0))?;
    refuse_loss(stored, noted.unwrap_or(0))?;
    Ok(stored)
}

/// Refuses a store whose last group comes before one that was durable.
pub(super) fn refuse_loss(stored: u64, noted: u64) -> Result<(), OpenError> {
    if stored >= noted {
        return Ok(());
    }
    let what = format!("it ends with group {stored}, but group {noted} was durable: its end is lost");
    Err(OpenError::Corrupt(what))
}
