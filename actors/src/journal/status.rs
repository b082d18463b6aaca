//! How the journal is, for readiness and metrics.

use std::sync::atomic::{AtomicU64, Ordering};

use super::shared::Shared;

/// How the journal is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// Why the journal has failed; then it is for ever.
    pub failed: Option<String>,
    /// Free space is below the least.
    pub storage_low: bool,
    /// Free bytes at the last look, if the store can tell.
    pub free_bytes: Option<u64>,
    /// Entries that wait for the journal's thread.
    pub queued: usize,
    /// Recoveries that wait or run.
    pub recoveries: usize,
    /// Groups made durable.
    pub groups: u64,
    /// Events made durable.
    pub events: u64,
    /// Keys written or deleted.
    pub keys: u64,
    /// Bytes of keys and values written.
    pub bytes: u64,
    /// Appends refused.
    pub refused: u64,
    /// Microseconds from batch to durable, of the last group.
    pub commit_micros_last: u64,
    /// Microseconds from batch to durable, of all groups.
    pub commit_micros_total: u64,
    /// Microseconds of the sync (`fdatasync`) alone, of the last group.
    pub sync_micros_last: u64,
    /// Microseconds of the sync (`fdatasync`) alone, of all groups.
    pub sync_micros_total: u64,
}

impl Status {
    pub(super) fn of(shared: &Shared) -> Self {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let counters = &shared.counters;
        let free_bytes = read(&shared.free_bytes);
        Self {
            failed: shared.failed.get().cloned(),
            storage_low: shared.storage_low.load(Ordering::Relaxed),
            free_bytes: (free_bytes != u64::MAX).then_some(free_bytes),
            queued: shared.queued.load(Ordering::Relaxed),
            recoveries: shared.recoveries.load(Ordering::Relaxed),
            groups: read(&counters.groups),
            events: read(&counters.events),
            keys: read(&counters.keys),
            bytes: read(&counters.bytes),
            refused: read(&counters.refused),
            commit_micros_last: read(&counters.commit_micros_last),
            commit_micros_total: read(&counters.commit_micros_total),
            sync_micros_last: read(&counters.sync_micros_last),
            sync_micros_total: read(&counters.sync_micros_total),
        }
    }
}
