//! Reads that go past the queue: whether a tenant exists, its head, rows, audit ranges and the list of tenants.

use std::collections::BTreeSet;

use super::keys::{self, META, RECORDS, Space};
use super::meta::Meta;
use super::record::{self, Assembler, WholeRow};
use super::store::{Direction, End, Reads, Store, StoreError, Visit};
use super::{ReadError, SideRow};
use crate::id::CustomerId;

impl From<StoreError> for ReadError {
    fn from(error: StoreError) -> Self {
        Self::Store(error.0)
    }
}

/// What the writer has to know of a tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct StoredHead {
    pub(super) last: u64,
    pub(super) meta: Meta,
    /// Records that a fold has made superfluous still stand there.
    pub(super) untrimmed: bool,
}

/// An error that names the tenant and, for records, the sequence.
pub(super) fn corrupt(tenant: CustomerId, what: &str, row_key: &[u8], damage: &str) -> ReadError {
    let place = match row_key.first() {
        Some(&RECORDS) => match keys::record_last(row_key) {
            Some(last) => format!("{what} that ends at sequence {last}"),
            None => format!("{what} with a malformed key"),
        },
        Some(_) | None => format!("{what} {}", Hex(row_key.get(keys::PREFIX_BYTES..).unwrap_or_default())),
    };
    ReadError::Corrupt(format!("tenant {tenant}, {place}: {damage}"))
}

/// Bytes as hexadecimal digits.
struct Hex<'b>(&'b [u8]);

impl std::fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Visits the rows of a range of keys, put together from their chunks.
pub(super) fn each_row<E: From<ReadError>>(
    store: &dyn Reads,
    tenant: CustomerId,
    what: &str,
    from: &[u8],
    to: &[u8],
    mut visit: impl FnMut(WholeRow<'_>) -> Result<Visit, E>,
) -> Result<(), E> {
    let mut assembler = Assembler::default();
    let mut failure = None;
    store
        .scan(from, to, Direction::Up, &mut |key, stored| {
            let step = match assembler.push(key, stored) {
                Ok(None) => return Visit::Next,
                Ok(Some(row)) => visit(row),
                Err(damage) => {
                    let row_key = keys::split_chunk(key).map_or(key, |(row_key, _)| row_key);
                    Err(corrupt(tenant, what, row_key, &damage.to_string()).into())
                }
            };
            step.unwrap_or_else(|error| {
                failure = Some(error);
                Visit::Stop
            })
        })
        .map_err(ReadError::from)?;
    if let Some(error) = failure {
        return Err(error);
    }
    assembler
        .finish()
        .map_err(|damage| corrupt(tenant, what, assembler.row_key(), &damage.to_string()))?;
    Ok(())
}

/// The first or last key of a range.
pub(super) fn end_of(
    store: &dyn Reads,
    from: &[u8],
    to: &[u8],
    direction: Direction,
) -> Result<Option<Vec<u8>>, StoreError> {
    let mut found = None;
    store.scan(from, to, direction, &mut |key, _| {
        found = Some(key.to_vec());
        Visit::Stop
    })?;
    Ok(found)
}

/// Whether anything was ever written for a tenant. For an unknown one that takes five look-ups and no more.
pub(super) fn exists(store: &dyn Store, tenant: CustomerId) -> Result<bool, ReadError> {
    let meta = keys::prefix(META, tenant);
    if store.get(&meta)?.is_some() {
        return Ok(true);
    }
    for space in [RECORDS, Space::Row.byte(), Space::Vault.byte(), Space::Audit.byte()] {
        let (from, to) = (keys::prefix(space, tenant), keys::prefix_end(space, tenant));
        if let Some(key) = end_of(store, &from, &to, Direction::Up)? {
            // The first append can have come in between; it brings the meta row in the same batch.
            if store.get(&meta)?.is_some() {
                return Ok(true);
            }
            return Err(corrupt(
                tenant,
                "orphan",
                keys::split_chunk(&key).map_or(&key, |(row_key, _)| row_key),
                "the meta row is missing",
            ));
        }
    }
    check_end(store, tenant, End::default())?;
    Ok(false)
}

/// Refuses a tenant that ends before what was durable.
pub(super) fn check_end(store: &dyn Store, tenant: CustomerId, end: End) -> Result<(), ReadError> {
    store
        .due_end(tenant)
        .map_or(Ok(()), |due| refuse_loss(tenant, end, due))
}

/// Refuses a tenant that ends before this.
pub(super) fn refuse_loss(tenant: CustomerId, end: End, due: End) -> Result<(), ReadError> {
    let lost = |what: &str, end: u64, due: u64| {
        let what = format!("tenant {tenant}: {what} {end}, but {due} was durable: their end is lost");
        Err(ReadError::Corrupt(what))
    };
    if end.last < due.last {
        return lost("the events end at sequence", end.last, due.last);
    }
    if end.version < due.version {
        return lost("the rows end with change", end.version, due.version);
    }
    Ok(())
}

/// The head of a tenant; `None` if it was never written to. Only the writer calls this, when nothing of the tenant is on its way.
pub(super) fn head(store: &dyn Store, tenant: CustomerId) -> Result<Option<StoredHead>, ReadError> {
    let Some(head) = stored_head(store, tenant)? else {
        // Tells an unknown tenant from one that lost its meta row.
        exists(store, tenant)?;
        return Ok(None);
    };
    check_end(store, tenant, head.end())?;
    Ok(Some(head))
}

impl StoredHead {
    /// Where the tenant ends.
    pub(super) const fn end(&self) -> End {
        End {
            last: self.last,
            version: self.meta.version,
        }
    }
}

/// The head of a tenant as it is stored; `None` without a meta row.
pub(super) fn stored_head(store: &dyn Reads, tenant: CustomerId) -> Result<Option<StoredHead>, ReadError> {
    let Some(meta) = Meta::read(store, tenant)? else {
        return Ok(None);
    };
    let (from, to) = (keys::prefix(RECORDS, tenant), keys::prefix_end(RECORDS, tenant));
    let record_end = |direction| -> Result<Option<u64>, ReadError> {
        let Some(key) = end_of(store, &from, &to, direction)? else {
            return Ok(None);
        };
        let last = keys::split_chunk(&key).and_then(|(row_key, _)| keys::record_last(row_key));
        last.map(Some)
            .ok_or_else(|| corrupt(tenant, "record", &[RECORDS], "the key is malformed"))
    };
    let last = record_end(Direction::Down)?.unwrap_or_default().max(meta.folded);
    let untrimmed = record_end(Direction::Up)?.is_some_and(|first| first <= meta.folded);
    Ok(Some(StoredHead { last, meta, untrimmed }))
}

/// Rows of a range of the caller's keys.
pub(super) fn scan(
    store: &dyn Store,
    tenant: CustomerId,
    space: Space,
    range: &std::ops::Range<Vec<u8>>,
    limit: usize,
    direction: Direction,
) -> Result<Vec<SideRow>, ReadError> {
    let (from, to) = (
        keys::side(space, tenant, &range.start),
        keys::side(space, tenant, &range.end),
    );
    let mut rows = Vec::new();
    if limit == 0 {
        return Ok(rows);
    }
    let mut take = |row: WholeRow<'_>| -> Result<Visit, ReadError> {
        let key = keys::side_caller_key(row.key)
            .ok_or_else(|| corrupt(tenant, space.name(), row.key, "the key is malformed"))?;
        rows.push((key, row.value.to_vec()));
        Ok(if rows.len() < limit { Visit::Next } else { Visit::Stop })
    };
    match direction {
        Direction::Up => each_row(store, tenant, space.name(), &from, &to, take)?,
        Direction::Down => {
            for row_key in row_keys_down(store, &from, &to, limit)? {
                let mut end = row_key.clone();
                // Chunk numbers are two bytes, so no chunk lies behind this.
                end.extend_from_slice(&[0xff; keys::CHUNK_BYTES + 1]);
                each_row(store, tenant, space.name(), &row_key, &end, &mut take)?;
            }
        }
    }
    Ok(rows)
}

/// The last rows of a range, the last first. Chunks of a row are neighbours, so a change of the row key begins the next row.
fn row_keys_down(store: &dyn Store, from: &[u8], to: &[u8], limit: usize) -> Result<Vec<Vec<u8>>, StoreError> {
    let mut row_keys: Vec<Vec<u8>> = Vec::new();
    store.scan(from, to, Direction::Down, &mut |key, _| {
        let row_key = keys::split_chunk(key).map_or(key, |(row_key, _)| row_key);
        if row_keys.last().is_some_and(|last| last == row_key) {
            return Visit::Next;
        }
        if row_keys.len() == limit {
            return Visit::Stop;
        }
        row_keys.push(row_key.to_vec());
        Visit::Next
    })?;
    Ok(row_keys)
}

/// Tenants in the order of their ids: those with a meta row, and those that should have one.
pub(super) fn tenants(
    store: &dyn Store,
    after: Option<CustomerId>,
    limit: usize,
    mut skip: impl FnMut(CustomerId) -> bool,
) -> Result<Vec<CustomerId>, StoreError> {
    let from = after.map_or_else(|| vec![META], |after| keys::prefix_end(META, after));
    let mut tenants = BTreeSet::new();
    store.scan(&from, &[META + 1], Direction::Up, &mut |key, _| {
        if tenants.len() == limit {
            return Visit::Stop;
        }
        if let Some(tenant) = keys::tenant_of(key).filter(|tenant| !skip(*tenant)) {
            tenants.insert(tenant);
        }
        Visit::Next
    })?;
    // None of them is being erased: it would be struck out.
    tenants.extend(store.due_tenants(after, limit));
    Ok(tenants.into_iter().take(limit).collect())
}

/// The fact that a finished erasure left behind.
pub(super) fn erasure(store: &dyn Store, tenant: CustomerId) -> Result<Option<Vec<u8>>, ReadError> {
    let key = keys::prefix(keys::ERASED, tenant);
    let Some(stored) = store.get(&key)? else {
        return Ok(None);
    };
    record::open_sealed(&key, &stored)
        .map(|fact| Some(fact.to_vec()))
        .map_err(|damage| ReadError::Corrupt(format!("tenant {tenant}, erasure marker: {damage}")))
}
