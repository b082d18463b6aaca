//! The row that tells a journal's store from others and from those of other versions.

use super::keys::ERASING;
use super::meta::Meta;
use super::record::Damage;
use super::sled_store::OpenError;
use super::store::{Direction, Store, StoreError, Visit, WriteBatch};
use super::{ReadError, keys, reading, record};
use crate::limits::OFFLINE_BATCH_BYTES;

/// Version of the layout of keys and values. In the first one meta rows told the folded sequence alone.
const FORMAT: u32 = 2;

/// Refuses a store of a later version, brings an earlier one up to this, marks a new one.
pub(super) fn check(store: &dyn Store) -> Result<(), OpenError> {
    if let Some(stored) = store.get(keys::FORMAT).map_err(failed)? {
        let damaged = |what: String| OpenError::Corrupt(format!("format row: {what}"));
        let payload = match record::open_sealed(keys::FORMAT, &stored) {
            Ok(payload) => payload,
            Err(Damage::Version(found)) => {
                return Err(OpenError::Format {
                    found: found.into(),
                    expected: FORMAT,
                });
            }
            Err(damage) => return Err(damaged(damage.to_string())),
        };
        let found = payload
            .try_into()
            .map(u32::from_be_bytes)
            .map_err(|_| damaged("wrong length".to_owned()))?;
        return match found {
            FORMAT => Ok(()),
            1 => add_sums(store),
            found => Err(OpenError::Format {
                found,
                expected: FORMAT,
            }),
        };
    }
    let mut empty = true;
    store
        .scan(&[0], &[0xff], Direction::Up, &mut |_, _| {
            empty = false;
            Visit::Stop
        })
        .map_err(failed)?;
    if !empty {
        return Err(OpenError::Corrupt("there is data without a format row".to_owned()));
    }
    finish(store, WriteBatch::default())
}

fn failed(error: StoreError) -> OpenError {
    OpenError::Store(error.0)
}

/// Adds to the meta rows of the first version what the rows add up to. A crash on the way leaves some done, which are done again.
fn add_sums(store: &dyn Store) -> Result<(), OpenError> {
    let mut batch = WriteBatch::default();
    let mut after = None;
    loop {
        let tenants = reading::tenants(store, after, crate::limits::SCAN_ROWS_MAX, |_| false).map_err(failed)?;
        let Some(last) = tenants.last() else { break };
        after = Some(*last);
        for tenant in tenants {
            if store.get(&keys::prefix(ERASING, tenant)).map_err(failed)?.is_some() {
                continue;
            }
            match Meta::of_earlier(store, tenant) {
                Ok(meta) => meta.put(&mut batch, tenant),
                // It stays as it is, so whoever asks for this tenant is told.
                Err(ReadError::Corrupt(what)) => tracing::error!(what, "a customer is damaged"),
                Err(error) => return Err(OpenError::Store(error.to_string())),
            }
            if batch.bytes() >= OFFLINE_BATCH_BYTES {
                write(store, &std::mem::take(&mut batch))?;
            }
        }
    }
    finish(store, batch)
}

fn finish(store: &dyn Store, mut batch: WriteBatch) -> Result<(), OpenError> {
    record::put_sealed(&mut batch, keys::FORMAT, &FORMAT.to_be_bytes());
    write(store, &batch)
}

fn write(store: &dyn Store, batch: &WriteBatch) -> Result<(), OpenError> {
    store.apply(batch).and_then(|()| store.sync()).map_err(failed)
}
