//! One turn of a tenant: decide, apply, append; answer once what the answer stands on is durable.
//!
//! A turn is synchronous and short. Memory may run ahead of the disk, but nothing leaves the tenant before what it was decided
//! on is durable: grants, refusals and reads alike.

mod aside;
mod pending;
mod tidying;

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

pub(crate) use pending::Pending;
pub(crate) use tidying::TidyJob;

use super::event::{Event, Recorded};
use super::folding::Fold;
use super::idempotency::{Idempotency, IdempotencyRecord};
use super::notes::NoteMeter;
use super::origin::Origin;
use super::recovery::Restored;
use super::rows::RowChange;
use super::state::State;
use super::vault::VaultChange;
use crate::clock::{Clock, ClockWatch, UnixMillis};
use crate::commands::{Call, Caller, Command, Decided, Moment, Rules, check_access};
use crate::error::{Failure, Overload};
use crate::feed::FeedWaiters;
use crate::journal::{Append, AppendError, Completion, Events, Journal, Lease, SideChange};
use crate::limits::{GARBAGE_PER_APPEND_MAX, PURGED_PER_TURN_MAX};
use crate::metrics::{Counters, RevocationKind};
use crate::tenant::Rejection;

/// What every tenant of an engine shares.
pub(crate) struct Shared {
    pub(crate) journal: Journal,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) watch: ClockWatch,
    pub(crate) rules: Rules,
    pub(crate) fold_events: usize,
    pub(crate) feed: Arc<FeedWaiters>,
    pub(crate) counters: Arc<Counters>,
}

/// A command on its way, its type erased.
pub(crate) trait Job: Send {
    /// Takes its turn.
    fn run(self: Box<Self>, tenant: &mut Tenant) -> Result<(), Fault>;
    /// Answers without a turn.
    fn refuse(self: Box<Self>, failure: Failure);
    /// Whether it may bring its customer into being.
    fn creates_customer(&self) -> bool;
}

/// The tenant's memory is of no use any more; it has to be recovered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault(pub(crate) String);

/// What cannot be written must not be applied either.
impl From<serde_json::Error> for Fault {
    fn from(error: serde_json::Error) -> Self {
        Self(error.to_string())
    }
}

/// A command and where its answer goes.
pub(crate) struct CommandJob<C: Command> {
    pub(crate) call: Call<C>,
    pub(crate) pending: Pending<C::Reply>,
}

impl<C: Command> Job for CommandJob<C> {
    fn run(self: Box<Self>, tenant: &mut Tenant) -> Result<(), Fault> {
        tenant.turn(self.call, self.pending)
    }

    fn refuse(self: Box<Self>, failure: Failure) {
        self.pending.complete(Err(failure));
    }

    fn creates_customer(&self) -> bool {
        C::CREATES_CUSTOMER
    }
}

/// What the journal thread tells a tenant.
#[derive(Debug, Default)]
struct Progress {
    completed: AtomicU64,
    refused: AtomicBool,
}

/// A customer's state with its place in the journal.
pub(crate) struct Tenant {
    state: State,
    lease: Lease,
    shared: Arc<Shared>,
    appended: u64,
    progress: Arc<Progress>,
    notes: NoteMeter,
    /// Rows that nobody needs any more; they go with the next append.
    garbage: Vec<RowChange>,
    /// Folds that the recovery left to be written.
    folds: VecDeque<Fold>,
}

impl Tenant {
    pub(crate) fn new(restored: Restored, shared: Arc<Shared>) -> Self {
        let Restored {
            state,
            lease,
            garbage,
            folds,
        } = restored;
        Self {
            state: *state,
            lease,
            shared,
            appended: 0,
            progress: Arc::default(),
            notes: NoteMeter::default(),
            garbage,
            folds,
        }
    }

    /// Whether something was appended that is not durable yet.
    pub(crate) fn has_appends_in_flight(&self) -> bool {
        self.progress.completed.load(Ordering::Acquire) < self.appended
    }

    /// # Errors
    /// [`Fault`] if the tenant's memory is of no use any more.
    fn turn<C: Command>(&mut self, call: Call<C>, pending: Pending<C::Reply>) -> Result<(), Fault> {
        self.check_lease()?;
        let now = self.state.now(self.shared.clock.now());
        self.forget(now, PURGED_PER_TURN_MAX);
        let Call {
            caller,
            request_id,
            idempotency,
            command,
        } = call;
        match self.decide(&caller, idempotency, command, now) {
            Err(rejection) => self.answer(pending, Err(Failure::Rejected(rejection))),
            Ok(decided) if decided.changes_nothing() => {
                self.answer(pending, Ok(decided.reply));
                let origin = Origin {
                    now,
                    caller: &caller,
                    request_id,
                    idempotency: None,
                };
                self.note(decided.notes, &origin)?;
            }
            Ok(_) if self.shared.journal.is_storage_low() => {
                pending.complete(Err(Failure::Overloaded(Overload::StorageLow)));
            }
            Ok(decided) => {
                let origin = Origin {
                    now,
                    caller: &caller,
                    request_id,
                    idempotency,
                };
                self.record(decided, origin, pending)?;
            }
        }
        self.purge_overrides(now)?;
        self.fold_if_due(now)
    }

    /// # Errors
    /// [`Fault`] if something that memory has is not in the journal.
    fn check_lease(&self) -> Result<(), Fault> {
        if self.progress.refused.load(Ordering::Acquire) {
            return Err(Fault("the journal refused an append".to_owned()));
        }
        Ok(())
    }

    /// Forgets what nobody needs any more, unless the clock that says so cannot be trusted.
    fn forget(&mut self, now: UnixMillis, at_most: usize) {
        if !self.shared.watch.has_jumped() {
            self.garbage.extend(self.state.purge(now, at_most));
        }
    }

    fn decide<C: Command>(
        &self,
        caller: &Caller,
        idempotency: Option<Idempotency>,
        command: C,
        now: UnixMillis,
    ) -> Result<Decided<C::Reply>, Rejection> {
        if self.state.sequence() == 0 && !C::CREATES_CUSTOMER {
            return Err(Rejection::UnknownCustomer);
        }
        check_access(&self.state, caller, command.access(), now)?;
        let moment = Moment {
            now,
            rules: &self.shared.rules,
            keyed: idempotency.is_some(),
        };
        // Only now: what a key was used for is nothing to tell a caller who may not make the call.
        if let Some(outcome) = idempotency
            .map(|key| self.state.idempotency.consult(&key, now))
            .transpose()?
            .flatten()
        {
            return command.repeat(&self.state, &moment, outcome).map(Decided::answer);
        }
        command.decide(&self.state, &moment)
    }

    /// Answers what changes nothing: at once if all it was decided on is durable, else as soon as it is.
    fn answer<R: Send + 'static>(&mut self, pending: Pending<R>, result: Result<R, Failure>) {
        if self.has_appends_in_flight() {
            let first_sequence = self.state.sequence() + 1;
            self.append(
                first_sequence,
                Events::new(),
                Vec::new(),
                None,
                move |outcome| match outcome {
                    Ok(()) => pending.complete(result),
                    Err(AppendError::Refused(_)) => pending.complete(Err(Failure::Interrupted)),
                    // It changes nothing itself, but what it was decided on may be lost.
                    Err(AppendError::Failed) => pending.complete(Err(Failure::Indeterminate)),
                },
            );
        } else {
            pending.complete(result);
        }
    }

    /// Applies what was decided, then appends it: an event that cannot be applied must never reach the journal.
    fn record<R: Send + 'static>(
        &mut self,
        decided: Decided<R>,
        origin: Origin<'_>,
        mut pending: Pending<R>,
    ) -> Result<(), Fault> {
        let Decided {
            events,
            vault,
            rows,
            audit,
            outcome,
            mut records,
            reply,
            ..
        } = decided;
        let first_sequence = self.state.sequence() + 1;
        let happened = events.len();
        if let Some((key, outcome)) = origin.idempotency.zip(outcome) {
            records = vec![Some(IdempotencyRecord::of(key, outcome))];
        }
        let encoded = self.apply_all(events, records, origin.now)?;
        let mut side: Vec<_> = vault.iter().map(VaultChange::row).collect();
        side.extend(origin.audit_rows(audit, first_sequence)?);
        for change in vault {
            self.state.vault.apply(change);
        }
        for row in &rows {
            if !self.state.apply_row(row) {
                return Err(Fault("a row is about nothing that is here".to_owned()));
            }
        }
        side.extend(rows.iter().map(RowChange::row));
        // A turn that makes many forgets as many, or else a customer who mints in batches would fill up with what has expired.
        self.forget(origin.now, happened);
        let kept = self.garbage.len().saturating_sub(GARBAGE_PER_APPEND_MAX);
        side.extend(self.garbage.split_off(kept).iter().map(RowChange::row));
        let revoked = self.state.revocations.after(first_sequence - 1);
        let revoked: Vec<_> = revoked.map(|new| RevocationKind::of(&new.target)).collect();
        let shared = (!revoked.is_empty()).then(|| Arc::clone(&self.shared));
        let customer = self.state.customer();
        pending.appended = true;
        self.append(first_sequence, encoded, side, None, move |outcome| {
            if let (Ok(()), Some(shared)) = (outcome, shared) {
                revoked.into_iter().for_each(|kind| shared.counters.revoked(kind));
                shared.feed.wake(customer);
            }
            pending.complete(match outcome {
                Ok(()) => Ok(reply),
                Err(AppendError::Refused(_)) => Err(Failure::Interrupted),
                Err(AppendError::Failed) => Err(Failure::Indeterminate),
            });
        });
        Ok(())
    }

    fn apply_all(
        &mut self,
        events: Vec<Event>,
        records: Vec<Option<IdempotencyRecord>>,
        now: UnixMillis,
    ) -> Result<Events, Fault> {
        let mut encoded = Events::new();
        let mut records = records.into_iter();
        for event in events {
            let recorded = Recorded {
                at: now,
                event,
                idempotency: records.next().flatten(),
            };
            let written = encoded.push_with(|bytes| {
                let before = bytes.len();
                serde_json::to_writer(&mut *bytes, &recorded).map(|()| bytes.len() - before)
            })?;
            self.state.note_unfolded_bytes(written);
            let sequence = self.state.sequence() + 1;
            self.state
                .apply(sequence, recorded)
                .map_err(|error| Fault(error.to_string()))?;
        }
        Ok(encoded)
    }

    fn append(
        &mut self,
        first_sequence: u64,
        events: Events,
        side: Vec<SideChange>,
        fold_up_to: Option<u64>,
        done: impl FnOnce(Result<(), AppendError>) + Send + 'static,
    ) {
        self.appended += 1;
        let progress = Arc::clone(&self.progress);
        let done = Completion::new(move |outcome| {
            if matches!(outcome, Err(AppendError::Refused(_))) {
                progress.refused.store(true, Ordering::Release);
            }
            // What the journal failed to keep stays in flight for ever: nothing that stands on it may be answered.
            if outcome != Err(AppendError::Failed) {
                progress.completed.fetch_add(1, Ordering::AcqRel);
            }
            done(outcome);
        });
        let lease = self.lease.clone();
        self.shared.journal.append(Append {
            lease,
            first_sequence,
            events,
            side,
            fold_up_to,
            done,
        });
    }
}
