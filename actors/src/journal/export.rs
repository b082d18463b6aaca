//! A tenant as a backup takes it: its rows and records at one moment, read in pages beside the queue while others write.
//!
//! Records are never changed, rows are changed by folds (and by counts that are overwritten in place, of which the last is as good as
//! any), and both go when the tenant is erased. So what was read is one moment of the tenant, the one after its last event when the
//! reading began, if in the end nothing has been folded or erased meanwhile. If something was, the reading begins anew.

use std::sync::Arc;

use super::keys::{self, Space};
use super::meta::{Meta, Sum};
use super::reading::{self, corrupt, each_row};
use super::record::{Record, WholeRow};
use super::shared::Shared;
use super::store::{Reads, Store, Visit};
use super::{Journal, ReadError, StoppedJournal};
use crate::id::CustomerId;
use crate::limits::EXPORT_PAGE_BYTES;

/// Why a tenant could not be read as it was at one moment.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExportError {
    /// It was folded meanwhile: what was given out is of no use, and reading it again may succeed.
    #[error("it was folded while it was being read")]
    Folded,
    /// It is gone: what was given out must not be kept.
    #[error("it was erased while it was being read")]
    Erased,
    /// It could not be read at all.
    #[error(transparent)]
    Read(#[from] ReadError),
}

/// One thing of a tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// A row beside the events.
    Row {
        /// Where it lies.
        space: Space,
        /// The key that its caller gave it.
        key: Vec<u8>,
        /// Its value.
        value: Vec<u8>,
    },
    /// The events of one group. The first record may begin below the folded sequence.
    Record {
        /// The sequence of its last event.
        last_sequence: u64,
        /// The whole record, its head included.
        value: Vec<u8>,
    },
}

/// Where an export reads.
enum Source {
    Running(Arc<Shared>),
    Stopped(Arc<dyn Store>),
}

impl Source {
    /// What is read from a running journal is durable when this returns.
    fn read<T>(&self, read: impl Fn(&dyn Store) -> Result<T, ReadError>) -> Result<T, ReadError> {
        match self {
            Self::Running(shared) => shared.read(read),
            Self::Stopped(store) => read(store.as_ref()),
        }
    }

    fn is_erasing(&self, tenant: CustomerId) -> Result<bool, ReadError> {
        match self {
            Self::Running(shared) if shared.is_erasing(tenant) => Ok(true),
            Self::Running(_) | Self::Stopped(_) => {
                self.read(|store| Ok(store.get(&keys::prefix(keys::ERASING, tenant))?.is_some()))
            }
        }
    }
}

/// A tenant that is being read for a backup. Until it is dropped its owner is asked not to fold, see
/// [`Journal::is_exporting`].
pub struct Export {
    source: Source,
    tenant: CustomerId,
    meta: Meta,
    last: u64,
    /// The sums of the rows that were given out.
    rows: Meta,
    /// Tells whether an erasure has passed by meanwhile.
    erasure: Option<Vec<u8>>,
    phase: Phase,
    /// The key to go on from; empty at the beginning of a phase.
    from: Vec<u8>,
    /// The last sequence that was given out.
    given: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Rows(Space),
    Records,
    Done,
}

impl Phase {
    /// Audit entries come last: those of events that came later can be told apart by then.
    const fn next(self) -> Self {
        match self {
            Self::Rows(Space::Row) => Self::Rows(Space::Vault),
            Self::Rows(Space::Vault) => Self::Records,
            Self::Records => Self::Rows(Space::Audit),
            Self::Rows(Space::Audit) | Self::Done => Self::Done,
        }
    }
}

struct Page {
    pieces: Vec<Piece>,
    /// The key behind it, if the space may go on.
    next: Option<Vec<u8>>,
    rows: Sum,
}

impl Export {
    fn begin(source: Source, tenant: CustomerId) -> Result<Option<Self>, ReadError> {
        let erasure = source.read(|store| reading::erasure(store, tenant))?;
        if source.is_erasing(tenant)? {
            return Ok(None);
        }
        let Some(head) = source.read(|store| reading::head(store, tenant))? else {
            return Ok(None);
        };
        Ok(Some(Self {
            source,
            tenant,
            meta: head.meta,
            last: head.last,
            rows: Meta::default(),
            erasure,
            phase: Phase::Rows(Space::Row),
            from: Vec::new(),
            given: head.meta.folded,
        }))
    }

    /// The sequence up to which events stand in the rows.
    pub const fn folded(&self) -> u64 {
        self.meta.folded
    }

    /// The sequence of the last event that it gives out.
    pub const fn last(&self) -> u64 {
        self.last
    }

    /// The next pieces: rows, sealed secrets, records, audit entries, each in the order of their keys. None at the end, and only then
    /// is it certain that they belong together. Audit entries may be of later events. Waits for the disk.
    ///
    /// # Errors
    /// [`ExportError`]; what was given out before must be thrown away then.
    pub fn next_page(&mut self) -> Result<Vec<Piece>, ExportError> {
        while self.phase != Phase::Done {
            let page = match self.read_page() {
                // A fold or an erasure deletes under our feet, so what went wrong may be its doing.
                Err(ReadError::Corrupt(what)) => {
                    self.check_unchanged()?;
                    return Err(ReadError::Corrupt(what).into());
                }
                page => page?,
            };
            let Page { pieces, next, rows } = page;
            if let Phase::Rows(space) = self.phase {
                self.rows.sum_mut(space).add_all(rows);
            }
            if let Some(Piece::Record { last_sequence, .. }) = pieces.last() {
                self.given = *last_sequence;
            }
            self.from = next.unwrap_or_else(|| {
                self.phase = self.phase.next();
                Vec::new()
            });
            if !pieces.is_empty() {
                return Ok(pieces);
            }
        }
        let meta = self.check_unchanged()?;
        let (given, last, tenant) = (self.given, self.last, self.tenant);
        if given != last {
            let what = format!("tenant {tenant}: the events end at sequence {given} instead of {last}");
            return Err(ReadError::Corrupt(what).into());
        }
        // Counts and audit entries may have come meanwhile: who writes them has read the rest when it began to.
        if meta == self.meta {
            self.meta.check(tenant, &self.rows)?;
        }
        Ok(Vec::new())
    }

    fn check_unchanged(&self) -> Result<Meta, ExportError> {
        let tenant = self.tenant;
        // Asked first: an erasure that ends only after the read below is neither told by what that finds nor going on behind it.
        let is_erasing = self.source.is_erasing(tenant)?;
        let (erasure, meta) = self
            .source
            .read(|store| Ok((reading::erasure(store, tenant)?, Meta::read(store, tenant)?)))?;
        if is_erasing || erasure != self.erasure {
            return Err(ExportError::Erased);
        }
        match meta {
            Some(meta) if meta.folded == self.meta.folded => Ok(meta),
            Some(_) => Err(ExportError::Folded),
            None => Err(ExportError::Erased),
        }
    }

    fn read_page(&self) -> Result<Page, ReadError> {
        let tenant = self.tenant;
        match self.phase {
            Phase::Rows(space) => {
                let from = self.begin_or_go_on(|| keys::prefix(space.byte(), tenant).to_vec());
                let to = keys::prefix_end(space.byte(), tenant);
                self.source.read(|store| {
                    page(store, tenant, space.name(), (&from, &to), |row| {
                        let key = keys::side_caller_key(row.key)
                            .ok_or_else(|| corrupt(tenant, space.name(), row.key, "the key is malformed"))?;
                        let value = row.value.to_vec();
                        Ok(Piece::Row { space, key, value })
                    })
                })
            }
            Phase::Records => {
                let from = self.begin_or_go_on(|| keys::record(tenant, self.meta.folded.saturating_add(1)));
                let to = keys::record(tenant, self.last.saturating_add(1));
                let (given, folded) = (self.given, self.meta.folded);
                self.source.read(|store| {
                    let mut last = given;
                    page(store, tenant, "record", (&from, &to), |row| {
                        let damaged = |what: String| corrupt(tenant, "record", row.key, &what);
                        let record = Record::parse(row.value).map_err(|damage| damaged(damage.to_string()))?;
                        if Some(record.last_sequence) != keys::record_last(row.key) {
                            return Err(damaged(format!("its events end at {}", record.last_sequence)));
                        }
                        record.check_follows(last, folded).map_err(damaged)?;
                        last = record.last_sequence;
                        Ok(Piece::Record {
                            last_sequence: last,
                            value: row.value.to_vec(),
                        })
                    })
                })
            }
            Phase::Done => Ok(Page {
                pieces: Vec::new(),
                next: None,
                rows: Sum::default(),
            }),
        }
    }

    fn begin_or_go_on(&self, beginning: impl FnOnce() -> Vec<u8>) -> Vec<u8> {
        if self.from.is_empty() {
            beginning()
        } else {
            self.from.clone()
        }
    }
}

impl Drop for Export {
    fn drop(&mut self) {
        if let Source::Running(shared) = &self.source {
            shared.end_exporting(self.tenant);
        }
    }
}

impl Journal {
    /// Begins to read a tenant for a backup; `None` for one that is not known or is being erased. Waits for the disk.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn export(&self, tenant: CustomerId) -> Result<Option<Export>, ReadError> {
        self.shared.begin_exporting(tenant);
        let export = Export::begin(Source::Running(Arc::clone(&self.shared)), tenant);
        if !matches!(export, Ok(Some(_))) {
            self.shared.end_exporting(tenant);
        }
        export
    }

    /// Whether a backup is just reading this tenant. Whoever folds should wait with it, for a fold makes the backup begin the tenant
    /// anew.
    pub fn is_exporting(&self, tenant: CustomerId) -> bool {
        self.shared.is_exporting(tenant)
    }
}

impl StoppedJournal {
    /// As [`Journal::export`].
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn export(&self, tenant: CustomerId) -> Result<Option<Export>, ReadError> {
        Export::begin(Source::Stopped(Arc::clone(&self.store)), tenant)
    }
}

/// Takes rows of a range until a page is full.
fn page(
    store: &dyn Reads,
    tenant: CustomerId,
    what: &str,
    (from, to): (&[u8], &[u8]),
    mut piece: impl FnMut(WholeRow<'_>) -> Result<Piece, ReadError>,
) -> Result<Page, ReadError> {
    let (mut pieces, mut next, mut rows, mut bytes) = (Vec::new(), None, Sum::default(), 0);
    each_row(store, tenant, what, from, to, |row| {
        pieces.push(piece(row)?);
        rows.add(row.checksum);
        bytes += row.key.len() + row.value.len();
        if bytes < EXPORT_PAGE_BYTES {
            return Ok::<_, ReadError>(Visit::Next);
        }
        next = Some(keys::behind_row(row.key));
        Ok(Visit::Stop)
    })?;
    Ok(Page { pieces, next, rows })
}
