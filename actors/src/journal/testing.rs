//! Records without a store, for tests outside the journal.

use super::keys;
use super::record::{Assembler, Damage, Events, Record, put_chunks, record_header};
use super::store::WriteBatch;
use crate::id::CustomerId;

/// A key and its value as a store holds them.
pub type Chunk = (Vec<u8>, Vec<u8>);

/// The chunks of the record of these events.
pub fn record_chunks(tenant: CustomerId, first_sequence: u64, events: &Events) -> Vec<Chunk> {
    let last_sequence = first_sequence.saturating_add(u64::from(events.len())).saturating_sub(1);
    let value = [&record_header(first_sequence, events.len()), events.bytes()].concat();
    let mut batch = WriteBatch::default();
    put_chunks(
        &mut batch,
        &mut Vec::new(),
        &keys::record(tenant, last_sequence),
        &value,
    );
    let changes = batch.changes();
    changes
        .map(|(key, value)| (key.to_vec(), value.unwrap_or_default().to_vec()))
        .collect()
}

/// The events, with their sequence numbers, of the one record that these chunks make.
///
/// # Errors
/// What is wrong with them.
pub fn record_of_chunks(chunks: &[Chunk]) -> Result<Vec<(u64, Vec<u8>)>, String> {
    let mut assembler = Assembler::default();
    let mut found = None;
    for (key, value) in chunks {
        if let Some(row) = assembler.push(key, value).map_err(|damage| damage.to_string())? {
            let record = Record::parse(row.value).map_err(|damage| damage.to_string())?;
            if found.is_some() || keys::record_last(row.key) != Some(record.last_sequence) {
                return Err("it is not the one record of its key".to_owned());
            }
            found = Some(
                record
                    .events()
                    .map(|(sequence, event)| (sequence, event.to_vec()))
                    .collect(),
            );
        }
    }
    assembler.finish().map_err(|damage| damage.to_string())?;
    found.ok_or_else(|| Damage::TooShort.to_string())
}
