//! A tenant's meta row: by it the tenant exists, and by it what stands beside it is known to be all, and the newest.
//!
//! A record that is lost leaves a gap between the sequences of its neighbours. A row leaves none, and a store that has lost its newest
//! state may still show an older one. So the meta row carries sums over the checksums of all rows, and is written in the same batch
//! as they.

use super::ReadError;
use super::keys::{self, META, Space};
use super::reading::each_row;
use super::record;
use super::store::{Reads, Visit, WriteBatch};
use crate::id::CustomerId;

const NUMBER_BYTES: usize = 8;
const NUMBERS: usize = 4;

/// What a tenant's meta row tells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Meta {
    /// The events up to this one stand in the rows.
    pub(super) folded: u64,
    /// How often it was written.
    pub(super) version: u64,
    /// Over folded state and secrets.
    state: Sum,
    /// Over audit entries.
    audit: Sum,
}

/// A sum over the checksums of rows, in any order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sum(u64);

impl Sum {
    /// A row with this checksum is there.
    pub(super) const fn add(&mut self, checksum: u32) {
        self.0 = self.0.wrapping_add(spread(checksum));
    }

    /// And so are all of these.
    pub(super) const fn add_all(&mut self, others: Self) {
        self.0 = self.0.wrapping_add(others.0);
    }

    /// It is not any more.
    pub(super) const fn remove(&mut self, checksum: u32) {
        self.0 = self.0.wrapping_sub(spread(checksum));
    }
}

/// Spreads a checksum over 64 bits, one to one, so that sums of few of them differ: the finalizer of SplitMix64 (Steele, Lea and Flood,
/// 2014). No row counts for nothing.
const fn spread(checksum: u32) -> u64 {
    let mut bits = (checksum as u64).wrapping_add(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

impl Meta {
    /// The meta row of a tenant; `None` if it was never written to.
    pub(super) fn read(store: &dyn Reads, tenant: CustomerId) -> Result<Option<Self>, ReadError> {
        let parse = |payload: &[u8]| {
            let (numbers, rest) = payload.as_chunks::<NUMBER_BYTES>();
            let numbers: &[_; NUMBERS] = numbers.try_into().ok().filter(|_| rest.is_empty())?;
            let [folded, version, state, audit] = numbers.map(u64::from_be_bytes);
            Some(Self {
                folded,
                version,
                state: Sum(state),
                audit: Sum(audit),
            })
        };
        Self::read_with(store, tenant, parse)
    }

    /// What the meta row of a tenant would be in whose store it is of the first version, or of this one.
    pub(super) fn of_earlier(store: &dyn Reads, tenant: CustomerId) -> Result<Self, ReadError> {
        let folded = |payload: &[u8]| payload.first_chunk::<NUMBER_BYTES>().copied().map(u64::from_be_bytes);
        let folded = Self::read_with(store, tenant, folded)?;
        Ok(Self {
            folded: folded.unwrap_or_default(),
            version: 1,
            ..Self::of_rows(store, tenant)?
        })
    }

    fn read_with<T>(
        store: &dyn Reads,
        tenant: CustomerId,
        parse: impl FnOnce(&[u8]) -> Option<T>,
    ) -> Result<Option<T>, ReadError> {
        let key = keys::prefix(META, tenant);
        let Some(stored) = store.get(&key)? else {
            return Ok(None);
        };
        let damaged = |what: &dyn std::fmt::Display| ReadError::Corrupt(format!("tenant {tenant}, meta row: {what}"));
        let payload = record::open_sealed(&key, &stored).map_err(|damage| damaged(&damage))?;
        let parsed = parse(payload).ok_or_else(|| damaged(&"the value has the wrong length"))?;
        Ok(Some(parsed))
    }

    /// The one that is written next.
    pub(super) const fn next(mut self) -> Self {
        self.version += 1;
        self
    }

    /// Adds it to a batch.
    pub(super) fn put(&self, batch: &mut WriteBatch, tenant: CustomerId) {
        let numbers = [self.folded, self.version, self.state.0, self.audit.0].map(u64::to_be_bytes);
        record::put_sealed(batch, &keys::prefix(META, tenant), numbers.as_flattened());
    }

    /// The sum that rows of a space are part of.
    pub(super) const fn sum_mut(&mut self, space: Space) -> &mut Sum {
        match space {
            Space::Row | Space::Vault => &mut self.state,
            Space::Audit => &mut self.audit,
        }
    }

    /// Refuses rows that do not add up to this.
    pub(super) fn check(&self, tenant: CustomerId, found: &Self) -> Result<(), ReadError> {
        self.check_state(tenant, found)?;
        check(tenant, AUDIT, self.audit, found.audit)
    }

    /// The same, of folded state and secrets alone.
    pub(super) fn check_state(&self, tenant: CustomerId, found: &Self) -> Result<(), ReadError> {
        check(tenant, "rows", self.state, found.state)
    }

    /// What stands there of a tenant's rows.
    pub(super) fn of_rows(store: &dyn Reads, tenant: CustomerId) -> Result<Self, ReadError> {
        let mut meta = Self::default();
        for space in [Space::Row, Space::Vault, Space::Audit] {
            meta.add_rows(store, tenant, space, || Visit::Next)?;
        }
        Ok(meta)
    }

    /// Refuses audit entries that do not add up to this; reads no more when it `is_late`, and tells whether it has read all.
    pub(super) fn check_audit(
        &self,
        store: &dyn Reads,
        tenant: CustomerId,
        is_late: impl Fn() -> bool,
    ) -> Result<bool, ReadError> {
        let (mut found, mut is_whole) = (Self::default(), true);
        found.add_rows(store, tenant, Space::Audit, || {
            is_whole = !is_late();
            if is_whole { Visit::Next } else { Visit::Stop }
        })?;
        if is_whole {
            check(tenant, AUDIT, self.audit, found.audit)?;
        }
        Ok(is_whole)
    }

    fn add_rows(
        &mut self,
        store: &dyn Reads,
        tenant: CustomerId,
        space: Space,
        mut go_on: impl FnMut() -> Visit,
    ) -> Result<(), ReadError> {
        let (from, to) = (
            keys::prefix(space.byte(), tenant),
            keys::prefix_end(space.byte(), tenant),
        );
        each_row(store, tenant, space.name(), &from, &to, |row| {
            self.sum_mut(space).add(row.checksum);
            Ok(go_on())
        })
    }
}

const AUDIT: &str = "audit entries";

fn check(tenant: CustomerId, what: &str, written: Sum, found: Sum) -> Result<(), ReadError> {
    if written == found {
        return Ok(());
    }
    let what = format!("tenant {tenant}: {what} are missing, or are older than what was written last");
    Err(ReadError::Corrupt(what))
}
