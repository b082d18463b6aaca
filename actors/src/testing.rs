//! What tests and fuzz targets need and nobody else: stored bytes without a store, and what must hold of any input whatever.
//!
//! A check panics if it does not hold. `fuzz/` and the property tests call the same checks.

pub mod checks;

use crate::id::CustomerId;
use crate::journal::SideChange;
pub use crate::journal::testing::{Chunk, record_chunks, record_of_chunks};
use crate::tenant::audit::AuditEntry;
use crate::tenant::event::Recorded;
use crate::tenant::rows::RowChange;
use crate::tenant::vault::VaultChange;

/// The bytes of an event in a record.
///
/// # Errors
/// What `serde_json` says of a value that cannot be written.
pub fn event_bytes(recorded: &Recorded) -> Result<Vec<u8>, String> {
    serde_json::to_vec(recorded).map_err(|error| error.to_string())
}

/// The event that these bytes hold, read as a recovery reads it.
///
/// # Errors
/// A description of what is wrong with them.
pub fn event_of_bytes(bytes: &[u8]) -> Result<Recorded, String> {
    serde_json::from_slice(bytes).map_err(|error| error.to_string())
}

/// The row of a fact that is overwritten in place.
pub fn row(change: &RowChange) -> SideChange {
    change.row()
}

/// The fact that a row tells.
///
/// # Errors
/// A description of what is wrong with the row.
pub fn fact_of_row(key: &[u8], value: &[u8]) -> Result<RowChange, String> {
    RowChange::from_row(key, value)
}

/// The row of a sealed secret.
pub fn vault_row(change: &VaultChange) -> SideChange {
    change.row()
}

/// The sealed secret in a row of the vault.
///
/// # Errors
/// A description of what is wrong with the row.
pub fn secret_of_row(customer: CustomerId, key: &[u8], value: &[u8]) -> Result<VaultChange, String> {
    VaultChange::from_row(customer, key, value)
}

/// The row of an entry of the audit about what was recorded at `sequence`.
///
/// # Errors
/// What `serde_json` says of a value that cannot be written.
pub fn audit_row(entry: &AuditEntry, sequence: u64) -> Result<SideChange, String> {
    entry.row(sequence).map_err(|error| error.to_string())
}
