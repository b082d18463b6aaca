//! Reads that go to the disk beside the tenants. They wait for it, so they belong on a thread that may wait.

use std::io::Write;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::Engine;
use crate::backup::{self, BackupError, Counts};
use crate::id::CustomerId;
use crate::journal::{Direction, ReadError, Space};
use crate::limits::PAGE_MAX;
use crate::tenant::audit::{AuditEntry, audit_key};

/// A page of the audit.
#[derive(Clone, Debug, PartialEq)]
pub struct AuditPage {
    /// The entries, oldest first.
    pub entries: Vec<AuditEntry>,
    /// Where the next page begins; `None` at the end.
    pub cursor: Option<String>,
}

/// Why a page could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PageError {
    /// The cursor is none that this service gave.
    #[error("the cursor is none of this list's")]
    Cursor,
    /// The store could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
}

impl Engine {
    /// A page of a customer's audit, of the last 90 days. Waits for the disk.
    ///
    /// # Errors
    /// [`PageError`]
    pub fn read_audit(&self, customer: CustomerId, cursor: Option<&str>, limit: usize) -> Result<AuditPage, PageError> {
        let window = audit_key(self.audit_from()).to_vec();
        let from = match cursor {
            None => window,
            Some(cursor) => {
                let mut last = URL_SAFE_NO_PAD.decode(cursor).map_err(|_| PageError::Cursor)?;
                // The next possible key.
                last.push(0);
                last.max(window)
            }
        };
        let limit = limit.clamp(1, PAGE_MAX);
        let to = vec![u8::MAX; 9];
        let rows = self
            .inner
            .shared
            .journal
            .scan(customer, Space::Audit, from..to, limit + 1, Direction::Up)?;
        let more = rows.len() > limit;
        let last = rows
            .iter()
            .take(limit)
            .next_back()
            .map(|(key, _)| URL_SAFE_NO_PAD.encode(key));
        let parse = |(_, value): (Vec<u8>, Vec<u8>)| {
            let corrupt = |error| ReadError::Corrupt(format!("customer {customer}: an audit entry: {error}"));
            serde_json::from_slice(&value).map_err(corrupt)
        };
        let entries = rows.into_iter().take(limit).map(parse).collect::<Result<_, _>>()?;
        Ok(AuditPage {
            entries,
            cursor: last.filter(|_| more),
        })
    }

    /// Writes a backup of all customers while everything goes on. Waits for the disk, and for whoever takes what is written.
    ///
    /// # Errors
    /// [`BackupError`]; what was written is refused then when it is read.
    pub fn backup(&self, out: impl Write) -> Result<Counts, BackupError> {
        backup::take(&self.inner.shared.journal, self.now(), out)
    }

    /// Customers after `after`, in the order of their identifiers. Waits for the disk.
    ///
    /// # Errors
    /// [`PageError::Read`]
    pub fn read_customers(&self, after: Option<CustomerId>, limit: usize) -> Result<Vec<CustomerId>, PageError> {
        Ok(self.inner.shared.journal.tenants(after, limit.clamp(1, PAGE_MAX + 1))?)
    }
}
