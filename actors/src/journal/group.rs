//! What is written together: the appends of many tenants, one record for each tenant, and who waits for it.

use std::collections::HashMap;
use std::sync::Arc;

use super::keys::{self, META};
use super::lease::{AppendError, Completion, Lease, LeaseState, SideChange};
use super::record::{self, Events, RECORD_HEADER_BYTES};
use super::recovery::{Fenced, RecoverError, RecoverJob};
use super::store::{Direction, Store, StoreError, Visit, WriteBatch};
use crate::id::CustomerId;
use crate::limits::{GROUP_BYTES_MAX, GROUP_EVENTS_MAX};

/// The group that is being gathered. Its buffers are kept from group to group.
#[derive(Default)]
pub(super) struct Group {
    /// Counts groups; tells whether a tenant's place below is of this group.
    pub(super) number: u64,
    parts: Vec<Part>,
    parts_used: usize,
    /// By the whole row key: of several changes of one row in a group only the last is written.
    side: HashMap<Vec<u8>, Option<Vec<u8>>>,
    waiters: Vec<(Completion, Result<(), AppendError>)>,
    after: Vec<After>,
    weight: usize,
    payload_bytes: usize,
    pub(super) events: u64,
    pub(super) batch: WriteBatch,
}

/// One tenant's share.
struct Part {
    tenant: CustomerId,
    state: Arc<LeaseState>,
    last: u64,
    count: u32,
    /// Room for the record's head, then the events.
    record: Vec<u8>,
    /// The folded sequence, if the meta row has to be written.
    meta: Option<u64>,
}

/// What has to wait until the group is durable.
pub(super) enum After {
    Stream(RecoverJob, Fenced),
    Answer(RecoverJob, Result<Option<Lease>, RecoverError>),
    Forget(Lease),
    Created(CustomerId),
    Trim(CustomerId, u64),
}

impl Group {
    /// Groups count from 1, so that 0 stands for none.
    pub(super) fn new() -> Self {
        Self {
            number: 1,
            ..Self::default()
        }
    }

    /// Whether an entry of this size has to wait for the next group. A single entry always fits.
    pub(super) fn is_full_for(&self, events: u32, bytes: usize) -> bool {
        let weight = usize::try_from(events.max(1)).unwrap_or(usize::MAX);
        !self.waiters.is_empty()
            && (self.weight.saturating_add(weight) > GROUP_EVENTS_MAX
                || self.payload_bytes.saturating_add(bytes) > GROUP_BYTES_MAX)
    }

    /// Whether there is nothing to write and nobody to answer.
    pub(super) fn is_empty(&self) -> bool {
        self.waiters.is_empty() && self.after.is_empty()
    }

    /// Adds a waiter, with the answer that it gets if the group becomes durable.
    pub(super) fn add_waiter(&mut self, done: Completion, result: Result<(), AppendError>, events: u32, bytes: usize) {
        self.weight = self
            .weight
            .saturating_add(usize::try_from(events.max(1)).unwrap_or(usize::MAX));
        self.payload_bytes = self.payload_bytes.saturating_add(bytes);
        self.waiters.push((done, result));
    }

    pub(super) fn add_after(&mut self, after: After) {
        self.after.push(after);
    }

    /// The place of a tenant's share, new if it has none yet.
    pub(super) fn place(&mut self, lease: &Lease, place: Option<usize>) -> usize {
        if let Some(place) = place {
            return place;
        }
        let place = self.parts_used;
        self.parts_used += 1;
        if let Some(part) = self.parts.get_mut(place) {
            part.tenant = lease.tenant();
            part.state = Arc::clone(lease.state());
            part.count = 0;
            part.last = 0;
            part.meta = None;
            part.record.clear();
        } else {
            let state = Arc::clone(lease.state());
            self.parts.push(Part {
                tenant: lease.tenant(),
                state,
                last: 0,
                count: 0,
                record: Vec::new(),
                meta: None,
            });
        }
        place
    }

    /// Adds an append's events, the last of which has this sequence.
    pub(super) fn add_events(&mut self, place: usize, events: &Events, last: u64) {
        self.events += u64::from(events.len());
        let Some(part) = self.parts.get_mut(place) else { return };
        if part.record.is_empty() {
            part.record.extend_from_slice(&[0; RECORD_HEADER_BYTES]);
        }
        part.record.extend_from_slice(events.bytes());
        part.count = part.count.saturating_add(events.len());
        part.last = last;
    }

    pub(super) fn add_meta(&mut self, place: usize, folded: u64) {
        if let Some(part) = self.parts.get_mut(place) {
            part.meta = Some(folded);
        }
    }

    pub(super) fn add_side(&mut self, tenant: CustomerId, changes: Vec<SideChange>) {
        for change in changes {
            self.side
                .insert(keys::side(change.space, tenant, &change.key), change.value);
        }
    }

    /// Turns what was gathered into the batch.
    pub(super) fn write(&mut self, store: &dyn Store) -> Result<(), StoreError> {
        let mut key = Vec::with_capacity(64);
        for part in self.parts.iter_mut().take(self.parts_used) {
            if part.count > 0 {
                let first = (part.last + 1).saturating_sub(u64::from(part.count));
                if let Some(head) = part.record.first_chunk_mut::<RECORD_HEADER_BYTES>() {
                    *head = record::record_header(first, part.count);
                }
                record::put_chunks(
                    &mut self.batch,
                    &mut key,
                    &keys::record(part.tenant, part.last),
                    &part.record,
                );
            }
            if let Some(folded) = part.meta {
                record::put_sealed(&mut self.batch, &keys::prefix(META, part.tenant), &folded.to_be_bytes());
            }
        }
        for (row_key, value) in self.side.drain() {
            let mut chunks = 0;
            if let Some(value) = &value {
                chunks = record::chunks_of(value.len());
                record::put_chunks(&mut self.batch, &mut key, &row_key, value);
            }
            // A secret must not live on in the chunks that its successor does not overwrite.
            delete_chunks_from(store, &mut self.batch, &mut key, &row_key, chunks)?;
        }
        Ok(())
    }

    /// The tenants that have events in it, with their last sequences.
    pub(super) fn heads(&self) -> impl Iterator<Item = (CustomerId, u64)> {
        let parts = self.parts.iter().take(self.parts_used).filter(|part| part.count > 0);
        parts.map(|part| (part.tenant, part.last))
    }

    /// Everything is durable: tells the leases, then the waiters; gives back what waited behind them.
    pub(super) fn settle(&mut self) -> Vec<After> {
        for part in self.parts.iter().take(self.parts_used).filter(|part| part.count > 0) {
            part.state.set_durable(part.last);
        }
        for (done, result) in self.waiters.drain(..) {
            done.complete(result);
        }
        self.reset()
    }

    /// Nobody knows what was written: tells everyone who was not refused anyway.
    pub(super) fn fail(&mut self) -> Vec<After> {
        for (done, result) in self.waiters.drain(..) {
            done.complete(result.and(Err(AppendError::Failed)));
        }
        self.reset()
    }

    fn reset(&mut self) -> Vec<After> {
        for part in self.parts.iter_mut().take(self.parts_used) {
            part.record.shrink_to(16 * 1024);
        }
        self.parts_used = 0;
        self.side.clear();
        self.weight = 0;
        self.payload_bytes = 0;
        self.events = 0;
        self.number += 1;
        self.batch.clear();
        std::mem::take(&mut self.after)
    }
}

/// Deletes the chunks that are stored of a row from this one on. It asks the keys, because a damaged value could hide some.
pub(super) fn delete_chunks_from(
    store: &dyn Store,
    batch: &mut WriteBatch,
    key: &mut Vec<u8>,
    row_key: &[u8],
    from: usize,
) -> Result<(), StoreError> {
    // No value has so many chunks that the next number would not fit.
    record::chunk_key(key, row_key, u16::try_from(from).unwrap_or(u16::MAX));
    let mut to = row_key.to_vec();
    to.extend_from_slice(&[0xff; keys::CHUNK_BYTES + 1]);
    store.scan(key, &to, Direction::Up, &mut |stored, _| {
        batch.delete(stored);
        Visit::Next
    })
}
