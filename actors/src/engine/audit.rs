//! Reading the audit: straight from the disk, past the tenants, page by page.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::Engine;
use crate::clock::UnixMillis;
use crate::id::CustomerId;
use crate::journal::{Direction, ReadError, SideRow, Space};
use crate::limits::AUDIT_ROWS_READ_MAX;
use crate::tenant::audit::{AuditEntry, audit_key};

/// Rows asked of the journal at once.
const ROWS_PER_SCAN: usize = 200;
/// Bytes of a cursor's key: far more than ours have.
const CURSOR_BYTES_MAX: usize = 128;

/// A place in the audit, opaque to callers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditCursor(Vec<u8>);

impl AuditCursor {
    /// Reads what an earlier answer gave out.
    pub fn parse(text: &str) -> Option<Self> {
        let key = URL_SAFE_NO_PAD.decode(text).ok()?;
        (key.len() <= CURSOR_BYTES_MAX).then_some(Self(key))
    }

    /// The text to give out.
    pub fn text(&self) -> String {
        URL_SAFE_NO_PAD.encode(&self.0)
    }
}

/// What to read.
#[derive(Clone, Debug)]
pub struct AuditQuery {
    /// Nothing earlier.
    pub from: UnixMillis,
    /// Only what is behind this place, in the direction of reading.
    pub after: Option<AuditCursor>,
    /// Whether the newest comes first.
    pub newest_first: bool,
    /// At most so many entries.
    pub limit: usize,
}

/// Some entries.
#[derive(Clone, Debug, PartialEq)]
pub struct AuditSlice {
    /// The entries.
    pub entries: Vec<AuditEntry>,
    /// Where to go on; `None` at the end. A page may hold few entries, or none, and not be the last.
    pub next: Option<AuditCursor>,
}

impl Engine {
    /// The next entries of a customer's audit that `keep` wants. Waits for the disk: not for threads that must not.
    ///
    /// # Errors
    /// [`ReadError`]
    pub fn audit_page(
        &self,
        customer: CustomerId,
        query: &AuditQuery,
        keep: impl Fn(&AuditEntry) -> bool,
    ) -> Result<AuditSlice, ReadError> {
        let mut kept: Vec<(Vec<u8>, AuditEntry)> = Vec::new();
        let mut place = query.after.clone().map(|AuditCursor(key)| key);
        let mut read = 0;
        let exhausted = loop {
            let rows = self.scan(customer, query, place.as_deref())?;
            let (is_last, count) = (rows.len() < ROWS_PER_SCAN, rows.len());
            for (key, value) in rows {
                let entry: AuditEntry = serde_json::from_slice(&value)
                    .map_err(|error| ReadError::Corrupt(format!("tenant {customer}, audit entry: {error}")))?;
                place = Some(key.clone());
                if keep(&entry) {
                    kept.push((key, entry));
                }
                // One more than asked for tells that there is more.
                if kept.len() > query.limit {
                    break;
                }
            }
            read += count;
            if kept.len() > query.limit {
                break false;
            }
            if is_last {
                break true;
            }
            if read >= AUDIT_ROWS_READ_MAX {
                break false;
            }
        };
        if kept.len() > query.limit {
            kept.truncate(query.limit);
            place = kept.last().map(|(key, _)| key.clone());
        }
        Ok(AuditSlice {
            entries: kept.into_iter().map(|(_, entry)| entry).collect(),
            next: place.filter(|_| !exhausted).map(AuditCursor),
        })
    }

    fn scan(&self, customer: CustomerId, query: &AuditQuery, place: Option<&[u8]>) -> Result<Vec<SideRow>, ReadError> {
        let from = audit_key(query.from).to_vec();
        // No moment's key begins with this byte.
        let end = vec![0xff];
        let (range, direction) = match place {
            None if query.newest_first => (from..end, Direction::Down),
            None => (from..end, Direction::Up),
            Some(place) if query.newest_first => (from..place.to_vec(), Direction::Down),
            Some(place) => {
                // The first key behind the place.
                let mut start = place.to_vec();
                start.push(0);
                (start.max(from)..end, Direction::Up)
            }
        };
        if range.start >= range.end {
            return Ok(Vec::new());
        }
        let journal = &self.inner.shared.journal;
        journal.scan(customer, Space::Audit, range, ROWS_PER_SCAN, direction)
    }
}
