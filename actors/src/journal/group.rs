//! What is written together: the appends of many tenants, one record for each tenant, and who waits for it.

use std::collections::HashMap;
use std::sync::Arc;

use super::keys::{self, Space};
use super::lease::{AppendError, Completion, Lease, LeaseState, SideChange};
use super::meta::Meta;
use super::record::{self, Events, RECORD_HEADER_BYTES};
use super::recovery::{Fenced, RecoverError, RecoverJob};
use super::store::{Direction, End, Reads, StoreError, Visit, WriteBatch};
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
    side: HashMap<Vec<u8>, RowChange>,
    waiters: Vec<(Completion, Result<(), AppendError>)>,
    after: Vec<After>,
    weight: usize,
    payload_bytes: usize,
    pub(super) events: u64,
    pub(super) batch: WriteBatch,
}

/// A change of a row.
struct RowChange {
    /// Of the tenant's share.
    place: usize,
    space: Space,
    value: Option<Vec<u8>>,
}

/// One tenant's share.
struct Part {
    tenant: CustomerId,
    state: Arc<LeaseState>,
    last: u64,
    count: u32,
    /// Room for the record's head, then the events.
    record: Vec<u8>,
    meta: Meta,
    /// Whether the meta row has to be written.
    is_meta_new: bool,
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

    /// Makes a share for a tenant that has none yet, and tells its place.
    pub(super) fn add_part(&mut self, lease: &Lease, last: u64, meta: Meta) -> usize {
        let place = self.parts_used;
        self.parts_used += 1;
        if let Some(part) = self.parts.get_mut(place) {
            part.tenant = lease.tenant();
            part.state = Arc::clone(lease.state());
            part.count = 0;
            part.last = last;
            part.meta = meta;
            part.is_meta_new = false;
            part.record.clear();
        } else {
            let state = Arc::clone(lease.state());
            self.parts.push(Part {
                tenant: lease.tenant(),
                state,
                last,
                count: 0,
                record: Vec::new(),
                meta,
                is_meta_new: false,
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
            part.meta.folded = folded;
            part.is_meta_new = true;
        }
    }

    pub(super) fn add_side(&mut self, place: usize, changes: Vec<SideChange>) {
        let Some(part) = self.parts.get_mut(place) else { return };
        part.is_meta_new |= !changes.is_empty();
        for SideChange { space, key, value } in changes {
            let row_key = keys::side(space, part.tenant, &key);
            self.side.insert(row_key, RowChange { place, space, value });
        }
    }

    /// Turns what was gathered into the batch.
    pub(super) fn write(&mut self, store: &dyn Reads) -> Result<(), StoreError> {
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
        }
        for (row_key, change) in self.side.drain() {
            let Some(part) = self.parts.get_mut(change.place) else {
                continue;
            };
            let meta = (&mut part.meta, change.space);
            change_row(store, &mut self.batch, meta, &row_key, change.value.as_deref())?;
        }
        for part in self
            .parts
            .iter_mut()
            .take(self.parts_used)
            .filter(|part| part.is_meta_new)
        {
            part.meta = part.meta.next();
            part.meta.put(&mut self.batch, part.tenant);
        }
        Ok(())
    }

    /// The tenants whose meta rows were written with it.
    pub(super) fn metas(&self) -> impl Iterator<Item = (CustomerId, Meta)> {
        let parts = self.parts.iter().take(self.parts_used).filter(|part| part.is_meta_new);
        parts.map(|part| (part.tenant, part.meta))
    }

    /// The tenants that have a share in it, with their ends.
    pub(super) fn ends(&self) -> impl Iterator<Item = (CustomerId, End)> {
        self.parts.iter().take(self.parts_used).map(|part| {
            let (last, version) = (part.last, part.meta.version);
            (part.tenant, End { last, version })
        })
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

/// Adds the change of a row to a batch, and to the sums of its tenant.
pub(super) fn change_row(
    store: &dyn Reads,
    batch: &mut WriteBatch,
    (meta, space): (&mut Meta, Space),
    row_key: &[u8],
    value: Option<&[u8]>,
) -> Result<(), StoreError> {
    let sum = meta.sum_mut(space);
    let mut chunks = 0;
    if let Some(value) = value {
        chunks = record::chunks_of(value.len());
        sum.add(record::put_chunks(batch, &mut Vec::with_capacity(64), row_key, value));
    }
    // It asks the keys, because a damaged value could hide some.
    let mut earlier = None;
    store.scan(
        row_key,
        &keys::behind_row(row_key),
        Direction::Up,
        &mut |key, stored| {
            earlier = Some(record::stored_checksum(stored));
            // A secret must not live on in the chunks that its successor does not overwrite.
            if keys::split_chunk(key).is_none_or(|(_, chunk)| usize::from(chunk) >= chunks) {
                batch.delete(key);
            }
            Visit::Next
        },
    )?;
    if let Some(checksum) = earlier {
        sum.remove(checksum);
    }
    Ok(())
}
