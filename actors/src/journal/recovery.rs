//! Reading a tenant back: who asks, the threads that read, and the order in which things are given out.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex, PoisonError};

use super::ReadError;
use super::keys::{self, Space};
use super::lease::Lease;
use super::meta::Meta;
use super::reading::{corrupt, each_row, exists};
use super::record::Record;
use super::shared::Shared;
use super::store::{Store, Visit};
use super::writer::Entry;
use crate::id::CustomerId;
use crate::limits::{RECOVERIES_MAX, RECOVERY_SLICE_MAX};

/// Takes a tenant's rows, then its secrets, then its events in order. All but `finish` run on a recovery thread.
pub trait Recovery: Send {
    /// A row of [`Space::Row`], in the order of the keys.
    ///
    /// # Errors
    /// A text for people, if the row makes no sense: the recovery ends with [`RecoverError::Rejected`].
    fn row(&mut self, key: &[u8], value: &[u8]) -> Result<(), String>;

    /// A row of [`Space::Vault`], in the order of the keys.
    ///
    /// # Errors
    /// As for `row`.
    fn secret(&mut self, key: &[u8], value: &[u8]) -> Result<(), String>;

    /// An event above the folded sequence, in the order of the sequence.
    ///
    /// # Errors
    /// As for `row`.
    fn event(&mut self, sequence: u64, bytes: &[u8]) -> Result<(), String>;

    /// Called exactly once, last: with the right to write, with `None` for a tenant that nobody has created, or with what went wrong.
    /// Runs on a recovery thread, or on the caller's when the request is turned away at once.
    fn finish(self: Box<Self>, outcome: Result<Option<Lease>, RecoverError>);
}

/// Why a tenant was not recovered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecoverError {
    /// Too many recoveries are waiting; nothing was done.
    #[error("too many recoveries are waiting")]
    Overloaded,
    /// What is stored is damaged or incomplete.
    #[error("{0}")]
    Corrupt(String),
    /// The [`Recovery`] rejected what it was given.
    #[error("tenant {tenant}: {reason}")]
    Rejected {
        /// Whose recovery it was.
        tenant: CustomerId,
        /// What the recovery said.
        reason: String,
    },
    /// The [`Recovery`] panicked.
    #[error("the recovery of tenant {0} panicked")]
    Panicked(CustomerId),
    /// A later recovery or an erasure took the tenant over meanwhile.
    #[error("the recovery of tenant {0} was superseded")]
    Superseded(CustomerId),
    /// The store could not be read.
    #[error("the store could not be read: {0}")]
    Read(String),
    /// The journal has failed.
    #[error("the journal has failed: {0}")]
    Failed(String),
    /// The journal was shut down.
    #[error("the journal is closed")]
    Closed,
}

impl From<ReadError> for RecoverError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Corrupt(what) => Self::Corrupt(what),
            ReadError::Store(what) => Self::Read(what),
            ReadError::Failed(why) => Self::Failed(why),
            ReadError::Closed => Self::Closed,
        }
    }
}

/// A recovery on its way. Dropped on any path, it still tells its owner.
pub(super) struct RecoverJob {
    pub(super) tenant: CustomerId,
    pub(super) create: bool,
    recovery: Option<Box<dyn Recovery>>,
    shared: Arc<Shared>,
}

impl RecoverJob {
    /// Takes one of the places, or turns the recovery away.
    pub(super) fn admit(
        shared: &Arc<Shared>,
        tenant: CustomerId,
        create: bool,
        recovery: Box<dyn Recovery>,
    ) -> Option<Self> {
        let waiting = shared.recoveries.fetch_add(1, Ordering::Relaxed);
        let job = Self {
            tenant,
            create,
            recovery: Some(recovery),
            shared: Arc::clone(shared),
        };
        if waiting >= RECOVERIES_MAX {
            job.finish(Err(RecoverError::Overloaded));
            return None;
        }
        Some(job)
    }

    pub(super) fn finish(mut self, outcome: Result<Option<Lease>, RecoverError>) {
        self.call(outcome);
    }

    fn call(&mut self, outcome: Result<Option<Lease>, RecoverError>) {
        let Some(recovery) = self.recovery.take() else { return };
        self.shared.recoveries.fetch_sub(1, Ordering::Relaxed);
        if catch_unwind(AssertUnwindSafe(|| recovery.finish(outcome))).is_err() {
            tracing::error!(tenant = %self.tenant, "the end of a recovery panicked");
        }
    }
}

impl Drop for RecoverJob {
    fn drop(&mut self) {
        if self.recovery.is_some() {
            let error = match self.shared.failed.get() {
                Some(reason) => RecoverError::Failed(reason.clone()),
                None => RecoverError::Closed,
            };
            self.call(Err(error));
        }
    }
}

/// What the writer knew about a tenant when the fence passed.
#[derive(Debug)]
pub(super) struct Fenced {
    pub(super) lease: Lease,
    pub(super) meta: Meta,
    pub(super) last: u64,
}

/// Where a recovery goes on after a slice.
#[derive(Default)]
pub(super) struct Cursor {
    phase: Phase,
    /// The key to go on from; empty at the beginning of a phase.
    from: Vec<u8>,
    /// The sums of the rows that were read.
    rows: Meta,
    /// The last sequence that was given out.
    last: Option<u64>,
}

#[derive(Clone, Copy, Default)]
enum Phase {
    #[default]
    Rows,
    Secrets,
    /// Not given out.
    Audit,
    Events,
    Done,
}

/// Work for a recovery thread.
pub(super) enum Task {
    /// Find out whether the tenant exists, before the writer is bothered.
    Lookup(RecoverJob),
    /// Give out a slice of a tenant: the fence has passed. What is left goes to the end of the queue, so that a huge tenant does not keep
    /// the small ones waiting.
    Stream(RecoverJob, Fenced, Cursor),
    /// Only give the answer, so that the journal thread need not.
    Answer(RecoverJob, Result<Option<Lease>, RecoverError>),
    /// End this thread.
    Stop,
}

/// The loop of a recovery thread.
pub(super) fn serve(shared: &Arc<Shared>, store: &dyn Store, tasks: &Mutex<Receiver<Task>>) {
    loop {
        // The guard is a temporary: one thread waits with it for a task, the others wait for it.
        let task = tasks.lock().unwrap_or_else(PoisonError::into_inner).recv();
        match task {
            Ok(Task::Lookup(job)) => look_up(shared, store, job),
            Ok(Task::Stream(job, fenced, cursor)) => stream(shared, store, job, fenced, cursor),
            Ok(Task::Answer(job, outcome)) => job.finish(outcome),
            Ok(Task::Stop) | Err(_) => return,
        }
    }
}

fn look_up(shared: &Shared, store: &dyn Store, job: RecoverJob) {
    // The order matters: a tenant leaves the set of the unsettled after its first keys are there.
    let known = if shared.is_unsettled(job.tenant) {
        Ok(true)
    } else {
        catch_unwind(AssertUnwindSafe(|| exists(store, job.tenant)))
            .unwrap_or_else(|_| Err(ReadError::Store("it panicked".to_owned())))
    };
    match known {
        // The job tells its owner when it is dropped with the entry.
        Ok(true) => drop(shared.send(Entry::Recover(job))),
        Ok(false) => job.finish(Ok(None)),
        Err(error) => job.finish(Err(error.into())),
    }
}

fn stream(shared: &Shared, store: &dyn Store, mut job: RecoverJob, fenced: Fenced, mut cursor: Cursor) {
    let tenant = job.tenant;
    let Some(recovery) = job.recovery.as_deref_mut() else {
        return;
    };
    let streamed = catch_unwind(AssertUnwindSafe(|| give_out(store, &fenced, &mut cursor, recovery)))
        .unwrap_or(Err(RecoverError::Panicked(tenant)));
    // An erasure deletes under our feet, so what went wrong may be its doing.
    let streamed = if fenced.lease.is_fenced() {
        Err(RecoverError::Superseded(tenant))
    } else {
        streamed
    };
    match streamed {
        Ok(()) if matches!(cursor.phase, Phase::Done) => job.finish(Ok(Some(fenced.lease))),
        Ok(()) => drop(shared.tasks.send(Task::Stream(job, fenced, cursor))),
        Err(error) => {
            // Nobody will ever use this lease, so the writer need not remember the tenant.
            drop(shared.send(Entry::Release(fenced.lease)));
            job.finish(Err(error));
        }
    }
}

/// Gives out the next slice.
fn give_out(
    store: &dyn Store,
    fenced: &Fenced,
    cursor: &mut Cursor,
    recovery: &mut dyn Recovery,
) -> Result<(), RecoverError> {
    let (mut left, tenant) = (RECOVERY_SLICE_MAX, fenced.lease.tenant());
    while left > 0 {
        let more = match cursor.phase {
            Phase::Rows => give_out_rows(store, fenced, Space::Row, cursor, &mut left, recovery)?,
            Phase::Secrets => give_out_rows(store, fenced, Space::Vault, cursor, &mut left, recovery)?,
            Phase::Audit => give_out_rows(store, fenced, Space::Audit, cursor, &mut left, recovery)?,
            Phase::Events => give_out_events(store, fenced, cursor, &mut left, recovery)?,
            Phase::Done => return Ok(()),
        };
        if !more {
            cursor.from.clear();
            cursor.phase = match cursor.phase {
                Phase::Rows => Phase::Secrets,
                Phase::Secrets => {
                    fenced.meta.check_state(tenant, &cursor.rows)?;
                    // The audit may be long, so it is read only where part of it can be lost.
                    match store.due_end(tenant) {
                        Some(_) => Phase::Audit,
                        None => Phase::Events,
                    }
                }
                Phase::Audit => {
                    fenced.meta.check(tenant, &cursor.rows)?;
                    Phase::Events
                }
                Phase::Events | Phase::Done => Phase::Done,
            };
        }
    }
    Ok(())
}

/// Whether to go on after a row; if not, the cursor stands behind it.
fn after_row(cursor_from: &mut Vec<u8>, row_key: &[u8], left: &mut usize, cost: usize) -> Visit {
    *left = left.saturating_sub(cost);
    if *left > 0 {
        return Visit::Next;
    }
    cursor_from.clear();
    cursor_from.extend_from_slice(row_key);
    // Chunk numbers are two bytes, so no chunk of this row lies behind this.
    cursor_from.extend_from_slice(&[0xff; keys::CHUNK_BYTES + 1]);
    Visit::Stop
}

/// Gives out rows until the slice or the space ends; tells whether there may be more.
fn give_out_rows(
    store: &dyn Store,
    fenced: &Fenced,
    space: Space,
    cursor: &mut Cursor,
    left: &mut usize,
    recovery: &mut dyn Recovery,
) -> Result<bool, RecoverError> {
    let tenant = fenced.lease.tenant();
    if cursor.from.is_empty() {
        cursor.from = keys::prefix(space.byte(), tenant).to_vec();
    }
    let (from, to) = (std::mem::take(&mut cursor.from), keys::prefix_end(space.byte(), tenant));
    each_row(
        store,
        tenant,
        space.name(),
        &from,
        &to,
        |row| -> Result<Visit, RecoverError> {
            let key = keys::side_caller_key(row.key)
                .ok_or_else(|| corrupt(tenant, space.name(), row.key, "the key is malformed"))?;
            cursor.rows.sum_mut(space).add(row.checksum);
            match space {
                Space::Row => recovery.row(&key, row.value),
                Space::Vault => recovery.secret(&key, row.value),
                Space::Audit => Ok(()),
            }
            .map_err(|reason| RecoverError::Rejected { tenant, reason })?;
            Ok(after_row(&mut cursor.from, row.key, left, 1))
        },
    )?;
    Ok(*left == 0)
}

/// Gives out events until the slice or the records end; tells whether there may be more.
fn give_out_events(
    store: &dyn Store,
    fenced: &Fenced,
    cursor: &mut Cursor,
    left: &mut usize,
    recovery: &mut dyn Recovery,
) -> Result<bool, RecoverError> {
    let tenant = fenced.lease.tenant();
    if cursor.from.is_empty() {
        cursor.from = keys::record(tenant, fenced.meta.folded.saturating_add(1));
    }
    let (from, to) = (
        std::mem::take(&mut cursor.from),
        keys::prefix_end(keys::RECORDS, tenant),
    );
    let mut last = cursor.last.unwrap_or(fenced.meta.folded);
    each_row(
        store,
        tenant,
        "record",
        &from,
        &to,
        |row| -> Result<Visit, RecoverError> {
            let damaged = |what: String| corrupt(tenant, "record", row.key, &what);
            let record = Record::parse(row.value).map_err(|damage| damaged(damage.to_string()))?;
            if Some(record.last_sequence) != keys::record_last(row.key) {
                return Err(damaged(format!("its events end at {}", record.last_sequence)).into());
            }
            record.check_follows(last, fenced.meta.folded).map_err(damaged)?;
            let mut cost = 0;
            for (sequence, event) in record.events().filter(|(sequence, _)| *sequence > fenced.meta.folded) {
                cost += 1;
                recovery
                    .event(sequence, event)
                    .map_err(|reason| RecoverError::Rejected {
                        tenant,
                        reason: format!("event {sequence}: {reason}"),
                    })?;
            }
            last = record.last_sequence;
            Ok(after_row(&mut cursor.from, row.key, left, cost))
        },
    )?;
    cursor.last = Some(last);
    let more = *left == 0;
    if !more && last != fenced.last {
        let what = format!(
            "tenant {tenant}: the events end at sequence {last} instead of {}",
            fenced.last
        );
        return Err(RecoverError::Corrupt(what));
    }
    Ok(more)
}
