//! The row that tells a journal's store from others and from those of other versions.

use super::sled_store::OpenError;
use super::store::{Direction, Store, StoreError, Visit, WriteBatch};
use super::{keys, record};

/// Version of the layout of keys and values.
const FORMAT: u32 = 1;

/// Refuses a store of another version, marks a new one.
pub(super) fn check(store: &dyn Store) -> Result<(), OpenError> {
    let failed = |error: StoreError| OpenError::Store(error.0);
    if let Some(stored) = store.get(keys::FORMAT).map_err(failed)? {
        let damaged = |what: String| OpenError::Corrupt(format!("format row: {what}"));
        let payload = match record::open_sealed(keys::FORMAT, &stored) {
            Ok(payload) => payload,
            Err(record::Damage::Version(found)) => {
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
        return if found == FORMAT {
            Ok(())
        } else {
            Err(OpenError::Format {
                found,
                expected: FORMAT,
            })
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
    let mut batch = WriteBatch::default();
    record::put_sealed(&mut batch, keys::FORMAT, &FORMAT.to_be_bytes());
    store.apply(&batch).map_err(failed)?;
    store.sync().map_err(failed)
}
