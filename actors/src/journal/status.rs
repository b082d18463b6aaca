//! How the journal is, for readiness and metrics.

use std::sync::atomic::{AtomicU64, Ordering};

use super::shared::Shared;
use crate::metrics::HistogramSnapshot;

/// How the journal is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// Why the journal has failed; then it is for ever.
    pub failed: Option<String>,
    /// Free space is below the least.
    pub storage_low: bool,
    /// Free bytes at the last look, if the store can tell.
    pub free_bytes: Option<u64>,
    /// Bytes that the store takes on disk, at the last look, if it can tell.
    pub stored_bytes: Option<u64>,
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
    /// Events in a group.
    pub group_events: HistogramSnapshot,
    /// Microseconds from batch to durable, of each group.
    pub commit_micros: HistogramSnapshot,
    /// Microseconds of the wait for the disk alone, of each group.
    pub sync_micros: HistogramSnapshot,
}

impl Status {
    pub(super) fn of(shared: &Shared) -> Self {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let counters = &shared.counters;
        let looked_up = |counter| Some(read(counter)).filter(|bytes| *bytes != u64::MAX);
        Self {
            failed: shared.failed.get().cloned(),
            storage_low: shared.storage_low.load(Ordering::Relaxed),
            free_bytes: looked_up(&shared.free_bytes),
            stored_bytes: looked_up(&shared.stored_bytes),
            queued: shared.queued.load(Ordering::Relaxed),
            recoveries: shared.recoveries.load(Ordering::Relaxed),
            groups: read(&counters.groups),
            events: read(&counters.events),
            keys: read(&counters.keys),
            bytes: read(&counters.bytes),
            refused: read(&counters.refused),
            group_events: counters.group_events.snapshot(),
            commit_micros: counters.commit_micros.snapshot(),
            sync_micros: counters.sync_micros.snapshot(),
        }
    }
}
