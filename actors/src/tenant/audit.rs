//! The audit: who did what to what, when and why. Written in the same batch as the events it tells of, read from disk.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::clock::UnixMillis;
use crate::commands::Caller;
use crate::journal::{SideChange, Space};
use crate::permissions::audit::Kind;

/// What a command says about itself for the audit.
#[derive(Clone, Debug, PartialEq)]
pub struct AuditDraft {
    /// What was done, as `noun.verb`.
    pub action: &'static str,
    /// What it was done to.
    pub target: String,
    /// Why, as the caller gave it.
    pub reason: Option<String>,
    /// How it was before, if it was there.
    pub before: Option<Value>,
    /// How it is now, if it is there.
    pub after: Option<Value>,
}

impl AuditDraft {
    /// An entry about `target`.
    pub fn new(action: &'static str, target: impl ToString) -> Self {
        Self {
            action,
            target: target.to_string(),
            reason: None,
            before: None,
            after: None,
        }
    }

    /// With the caller's reason.
    #[must_use]
    pub fn because(mut self, reason: Option<&str>) -> Self {
        self.reason = reason.map(str::to_owned);
        self
    }
}

/// An entry of the audit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AuditEntry {
    /// Its identifier: `aud_` and random characters.
    pub id: String,
    /// When it happened.
    pub at: UnixMillis,
    /// Who did it: `management`, or the kind and identifier of a token.
    pub actor: String,
    /// What was done.
    pub action: String,
    /// What it was done to.
    pub target: String,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The request it came with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<Arc<str>>,
    /// How it was before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Value>,
    /// How it is since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Value>,
}

impl AuditEntry {
    /// The entry of a draft.
    pub(crate) fn of(
        draft: AuditDraft,
        id: String,
        at: UnixMillis,
        caller: &Caller,
        request_id: Option<Arc<str>>,
    ) -> Self {
        let AuditDraft {
            action,
            target,
            reason,
            before,
            after,
        } = draft;
        let action = action.to_owned();
        Self {
            id,
            at,
            actor: caller.to_string(),
            action,
            target,
            reason,
            request_id,
            before,
            after,
        }
    }

    /// The row it is kept in: keys are in the order of time, then of events, then of chance.
    pub(crate) fn row(&self, sequence: u64) -> Result<SideChange, serde_json::Error> {
        let mut key = audit_key(self.at).to_vec();
        key.extend_from_slice(&sequence.to_be_bytes());
        key.extend_from_slice(self.id.as_bytes());
        Ok(SideChange {
            space: Space::Audit,
            key,
            value: Some(serde_json::to_vec(self)?),
        })
    }
}

/// The sequence number in the key of an entry's row: that of the first event it came with, or of the next one if it came with none.
pub(crate) fn audit_sequence(key: &[u8]) -> Option<u64> {
    let bytes: [u8; 8] = key.get(8..16)?.try_into().ok()?;
    Some(u64::from_be_bytes(bytes))
}

/// Whether an entry is part of what had happened up to the event `last`. It is not if it came with a later event; what was noted of
/// a decision that changed nothing belongs to any time.
pub(crate) fn is_part_of(last: u64, key: &[u8], value: &[u8]) -> bool {
    let is_note = || {
        let entry = serde_json::from_slice::<AuditEntry>(value).ok();
        entry.is_some_and(|entry| Kind::of_action(&entry.action) == Some(Kind::Decision))
    };
    audit_sequence(key).is_none_or(|sequence| sequence <= last || is_note())
}

/// What the keys of all rows of a moment begin with.
pub(crate) fn audit_key(at: UnixMillis) -> [u8; 8] {
    u64::try_from(at.get()).unwrap_or_default().to_be_bytes()
}
