//! One turn of a tenant: decide, apply, append; answer once what the answer stands on is durable.
//!
//! A turn is synchronous and short. Memory may run ahead of the disk, but nothing leaves the tenant before what it was decided
//! on is durable: grants, refusals and reads alike.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tokio::sync::oneshot;

use super::event::{Event, Recorded};
use super::state::State;
use super::vault::VaultChange;
use crate::clock::{Clock, UnixMillis};
use crate::commands::{Call, Command, Decided, Moment, Rules, check_access};
use crate::error::{Failure, Overload};
use crate::journal::{Append, AppendError, Completion, Events, Journal, Lease, SideChange};
use crate::limits::PURGED_PER_TURN_MAX;
use crate::permits::Permit;
use crate::tenant::Rejection;

/// What every tenant of an engine shares.
pub(crate) struct Shared {
    pub(crate) journal: Journal,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) rules: Rules,
}

/// Where an answer goes. One that is dropped unanswered says so itself.
pub(crate) struct Pending<R> {
    answer: Option<oneshot::Sender<Result<R, Failure>>>,
    /// Whether it has been handed to the journal.
    appended: bool,
    /// Held until just before the answer leaves.
    permit: Option<Permit>,
}

impl<R> Pending<R> {
    pub(crate) fn new(permit: Permit) -> (Self, oneshot::Receiver<Result<R, Failure>>) {
        let (answer, answered) = oneshot::channel();
        (
            Self {
                answer: Some(answer),
                appended: false,
                permit: Some(permit),
            },
            answered,
        )
    }

    pub(crate) fn complete(mut self, result: Result<R, Failure>) {
        self.send(result);
    }

    fn send(&mut self, result: Result<R, Failure>) {
        // First, so that who calls again as soon as it is answered does not meet its own permit.
        drop(self.permit.take());
        if let Some(answer) = self.answer.take() {
            // A caller that has gone away needs no answer.
            let _ = answer.send(result);
        }
    }
}

impl<R> Drop for Pending<R> {
    fn drop(&mut self) {
        let failure = if self.appended {
            Failure::Indeterminate
        } else {
            Failure::Interrupted
        };
        self.send(Err(failure));
    }
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
}

impl Tenant {
    pub(crate) fn new(state: State, lease: Lease, shared: Arc<Shared>) -> Self {
        Self {
            state,
            lease,
            shared,
            appended: 0,
            progress: Arc::default(),
        }
    }

    /// Whether something was appended that is not durable yet.
    pub(crate) fn has_appends_in_flight(&self) -> bool {
        self.progress.completed.load(Ordering::Acquire) < self.appended
    }

    /// Gives up the tenant's memory and its place in the journal.
    pub(crate) fn into_parts(self) -> (State, Lease) {
        (self.state, self.lease)
    }

    /// # Errors
    /// [`Fault`] if the tenant's memory is of no use any more.
    fn turn<C: Command>(&mut self, call: Call<C>, pending: Pending<C::Reply>) -> Result<(), Fault> {
        if self.progress.refused.load(Ordering::Acquire) {
            return Err(Fault("the journal refused an append".to_owned()));
        }
        let now = self.state.now(self.shared.clock.now());
        self.state.purge(now, PURGED_PER_TURN_MAX);
        match self.decide(call, now) {
            Err(rejection) => self.answer(pending, Err(Failure::Rejected(rejection))),
            Ok(decided) if decided.events.is_empty() => self.answer(pending, Ok(decided.reply)),
            Ok(_) if self.shared.journal.is_storage_low() => {
                pending.complete(Err(Failure::Overloaded(Overload::StorageLow)));
            }
            Ok(decided) => self.record(decided, now, pending)?,
        }
        Ok(())
    }

    fn decide<C: Command>(&self, call: Call<C>, now: UnixMillis) -> Result<Decided<C::Reply>, Rejection> {
        let Call {
            caller,
            command,
            request_id: _,
        } = call;
        if self.state.sequence() == 0 && !C::CREATES_CUSTOMER {
            return Err(Rejection::UnknownCustomer);
        }
        check_access(&self.state, &caller, command.access(), now)?;
        command.decide(
            &self.state,
            &Moment {
                now,
                rules: &self.shared.rules,
            },
        )
    }

    /// Answers what changes nothing: at once if all it was decided on is durable, else as soon as it is.
    fn answer<R: Send + 'static>(&mut self, pending: Pending<R>, result: Result<R, Failure>) {
        if self.has_appends_in_flight() {
            let first_sequence = self.state.sequence() + 1;
            self.append(
                first_sequence,
                Events::new(),
                Vec::new(),
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
        now: UnixMillis,
        mut pending: Pending<R>,
    ) -> Result<(), Fault> {
        let Decided { events, vault, reply } = decided;
        let first_sequence = self.state.sequence() + 1;
        let encoded = self.apply_all(events, now)?;
        let side = vault.iter().map(VaultChange::row).collect();
        for change in vault {
            self.state.vault.apply(change);
        }
        pending.appended = true;
        self.append(first_sequence, encoded, side, move |outcome| {
            pending.complete(match outcome {
                Ok(()) => Ok(reply),
                Err(AppendError::Refused(_)) => Err(Failure::Interrupted),
                Err(AppendError::Failed) => Err(Failure::Indeterminate),
            });
        });
        Ok(())
    }

    fn apply_all(&mut self, events: Vec<Event>, now: UnixMillis) -> Result<Events, Fault> {
        let mut encoded = Events::new();
        for event in events {
            let recorded = Recorded { at: now, event };
            let written = encoded.push_with(|bytes| serde_json::to_writer(bytes, &recorded));
            written.map_err(|error| Fault(error.to_string()))?;
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
        done: impl FnOnce(Result<(), AppendError>) + Send + 'static,
    ) {
        self.appended += 1;
        let progress = Arc::clone(&self.progress);
        let done = Completion::new(move |outcome| {
            if matches!(outcome, Err(AppendError::Refused(_))) {
                progress.refused.store(true, Ordering::Release);
            }
            progress.completed.fetch_add(1, Ordering::AcqRel);
            done(outcome);
        });
        let lease = self.lease.clone();
        self.shared.journal.append(Append {
            lease,
            first_sequence,
            events,
            side,
            fold_up_to: None,
            done,
        });
    }
}
