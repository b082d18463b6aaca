//! Where a change comes from, for the audit.

use std::sync::Arc;

use super::audit::{AuditDraft, AuditEntry};
use super::idempotency::Idempotency;
use crate::clock::{UnixMillis, prefixed_id};
use crate::commands::Caller;
use crate::journal::SideChange;

/// Where a decision comes from.
pub(crate) struct Origin<'a> {
    pub(crate) now: UnixMillis,
    pub(crate) caller: &'a Caller,
    pub(crate) request_id: Option<Arc<str>>,
    pub(crate) idempotency: Option<Idempotency>,
}

impl Origin<'_> {
    /// The rows of the audit's entries about what is recorded at `sequence`.
    pub(crate) fn audit_rows(
        &self,
        drafts: Vec<AuditDraft>,
        sequence: u64,
    ) -> Result<Vec<SideChange>, serde_json::Error> {
        let row = |draft| {
            let id = prefixed_id("aud_", self.now);
            AuditEntry::of(draft, id, self.now, self.caller, self.request_id.clone()).row(sequence)
        };
        drafts.into_iter().map(row).collect()
    }
}
