//! Reading a tenant back: who asks, the threads that read, and the order in which things are given out.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex, PoisonError};

use super::ReadError;
use super::keys::{self, Space};
use super::lease::Lease;
use super::reading::{corrupt, each_row, exists};
use super::record::Record;
use super::shared::Shared;
use super::store::{Store, Visit};
use super::writer::Entry;
use crate::id::CustomerId;
use crate::limits::RECOVERIES_MAX;

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
    pub(super) folded: u64,
    pub(super) last: u64,
}

/// Work for a recovery thread.
pub(super) enum Task {
    /// Find out whether the tenant exists, before the writer is bothered.
    Lookup(RecoverJob),
    /// Give out everything: the fence has passed.
    Stream(RecoverJob, Fenced),
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
            Ok(Task::Stream(job, fenced)) => stream(shared, store, job, &fenced),
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

fn stream(shared: &Shared, store: &dyn Store, mut job: RecoverJob, fenced: &Fenced) {
    let tenant = job.tenant;
    let streamed = match job.recovery.as_deref_mut() {
        Some(recovery) => catch_unwind(AssertUnwindSafe(|| give_out(store, tenant, fenced, recovery)))
            .unwrap_or(Err(RecoverError::Panicked(tenant))),
        None => return,
    };
    // An erasure deletes under our feet, so what went wrong may be its doing.
    let outcome = if fenced.lease.is_fenced() {
        Err(RecoverError::Superseded(tenant))
    } else {
        streamed
    };
    match outcome {
        Ok(()) => job.finish(Ok(Some(fenced.lease.clone()))),
        Err(error) => {
            // Nobody will ever use this lease, so the writer need not remember the tenant.
            drop(shared.send(Entry::Release(fenced.lease.clone())));
            job.finish(Err(error));
        }
    }
}

/// Gives out rows, secrets and events.
fn give_out(
    store: &dyn Store,
    tenant: CustomerId,
    fenced: &Fenced,
    recovery: &mut dyn Recovery,
) -> Result<(), RecoverError> {
    let rejected = |reason| RecoverError::Rejected { tenant, reason };
    for space in [Space::Row, Space::Vault] {
        let from = keys::prefix(space.byte(), tenant);
        let to = keys::prefix_end(space.byte(), tenant);
        each_row(
            store,
            tenant,
            space.name(),
            &from,
            &to,
            |row_key, value| -> Result<Visit, RecoverError> {
                let key = keys::side_caller_key(row_key)
                    .ok_or_else(|| corrupt(tenant, space.name(), row_key, "the key is malformed"))?;
                match space {
                    Space::Row => recovery.row(&key, value),
                    Space::Vault | Space::Audit => recovery.secret(&key, value),
                }
                .map_err(rejected)?;
                Ok(Visit::Next)
            },
        )?;
    }
    give_out_events(store, tenant, fenced, recovery)
}

fn give_out_events(
    store: &dyn Store,
    tenant: CustomerId,
    fenced: &Fenced,
    recovery: &mut dyn Recovery,
) -> Result<(), RecoverError> {
    let mut last = fenced.folded;
    let from = keys::record(tenant, fenced.folded.saturating_add(1));
    let to = keys::prefix_end(keys::RECORDS, tenant);
    each_row(
        store,
        tenant,
        "record",
        &from,
        &to,
        |row_key, value| -> Result<Visit, RecoverError> {
            let key_last = keys::record_last(row_key).unwrap_or_default();
            let damaged = |what: String| corrupt(tenant, "record", row_key, &what);
            let record = Record::parse(value).map_err(|damage| damaged(damage.to_string()))?;
            if record.last_sequence != key_last {
                return Err(damaged(format!("its events end at {}", record.last_sequence)).into());
            }
            // Only the first record may reach below: it straddles the fold.
            let straddles = last == fenced.folded && record.first_sequence <= last && record.first_sequence > 0;
            if record.first_sequence != last + 1 && !straddles {
                return Err(damaged(format!(
                    "it begins at {}, but {} is next",
                    record.first_sequence,
                    last + 1
                ))
                .into());
            }
            for (sequence, event) in record.events().filter(|(sequence, _)| *sequence > fenced.folded) {
                recovery
                    .event(sequence, event)
                    .map_err(|reason| RecoverError::Rejected {
                        tenant,
                        reason: format!("event {sequence}: {reason}"),
                    })?;
            }
            last = record.last_sequence;
            Ok(Visit::Next)
        },
    )?;
    if last != fenced.last {
        return Err(RecoverError::Corrupt(format!(
            "tenant {tenant}: the events end at sequence {last} instead of {}",
            fenced.last
        )));
    }
    Ok(())
}
