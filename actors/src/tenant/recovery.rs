//! A tenant's state, rebuilt from what the journal kept.

use std::collections::VecDeque;

use super::event::Recorded;
use super::folding::Fold;
use super::folding::restore::Restoring;
use super::folding::rows::FoldedRow;
use super::rows::RowChange;
use super::state::State;
use super::vault::VaultChange;
use crate::clock::UnixMillis;
use crate::id::CustomerId;
use crate::journal::{Lease, RecoverError, Recovery};

/// How a recovery ended; no state for a customer that is not known.
pub(crate) type Recovered = Result<Option<Restored>, RecoverError>;

/// A tenant that was recovered.
pub(crate) struct Restored {
    pub(crate) state: Box<State>,
    pub(crate) lease: Lease,
    /// Rows that nobody needs any more.
    pub(crate) garbage: Vec<RowChange>,
    /// Folds of a log that grew longer than it should have; to be written in this order.
    pub(crate) folds: VecDeque<Fold>,
}

/// A recovery in progress. Runs on a recovery thread.
pub(crate) struct Recovering<F> {
    state: Box<State>,
    /// What rows tell is about things that the events bring into being, so it waits for them.
    rows: Vec<RowChange>,
    folded: Restoring,
    folds: VecDeque<Fold>,
    now: UnixMillis,
    /// Whether the clock can be trusted enough to forget what it says has expired.
    may_forget: bool,
    /// Events after which a tenant folds them into rows.
    fold_events: usize,
    finished: F,
}

impl<F: FnOnce(Recovered) + Send> Recovering<F> {
    pub(crate) fn new(
        customer: CustomerId,
        now: UnixMillis,
        may_forget: bool,
        fold_events: usize,
        finished: F,
    ) -> Self {
        Self {
            state: Box::new(State::new(customer)),
            rows: Vec::new(),
            folded: Restoring::default(),
            folds: VecDeque::new(),
            now,
            may_forget,
            fold_events,
            finished,
        }
    }
}

impl<F> Recovering<F> {
    /// The state as far as it was read, with nothing forgotten.
    ///
    /// # Errors
    /// What does not fit.
    pub(crate) fn into_state(self) -> Result<Box<State>, String> {
        let Self {
            mut state,
            rows,
            mut folded,
            ..
        } = self;
        folded.finish(&mut state)?;
        for row in rows {
            // A session whose row was not deleted in time is not here any more.
            let _ = state.apply_row(&row);
        }
        Ok(state)
    }
}

impl<F: FnOnce(Recovered) + Send> Recovery for Recovering<F> {
    fn row(&mut self, key: &[u8], value: &[u8]) -> Result<(), String> {
        match FoldedRow::of_key(key) {
            Some(row) => self.folded.row(&mut self.state, row, value)?,
            None => self.rows.push(RowChange::from_row(key, value)?),
        }
        Ok(())
    }

    fn secret(&mut self, key: &[u8], value: &[u8]) -> Result<(), String> {
        let change = VaultChange::from_row(self.state.customer(), key, value)?;
        self.state.vault.apply(change);
        Ok(())
    }

    fn event(&mut self, sequence: u64, bytes: &[u8]) -> Result<(), String> {
        self.folded.finish(&mut self.state)?;
        let recorded: Recorded = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        self.state
            .apply(sequence, recorded)
            .map_err(|error| error.to_string())?;
        self.state.note_unfolded_bytes(bytes.len());
        if self.state.is_fold_due(self.fold_events) {
            // At this event's own time, and without forgetting: the next events may speak of all that is here.
            let fold = self.state.fold(UnixMillis::default(), false);
            self.folds.push_back(fold.map_err(|error| error.to_string())?);
        }
        Ok(())
    }

    fn finish(self: Box<Self>, result: Result<Option<Lease>, RecoverError>) {
        let Self {
            mut state,
            rows,
            mut folded,
            folds,
            now,
            may_forget,
            fold_events: _,
            finished,
        } = *self;
        let Ok(Some(lease)) = result else {
            return finished(result.map(|_| None));
        };
        let ended = folded.finish(&mut state).and_then(|()| {
            let (known, durable) = (state.sequence(), lease.durable());
            if known == durable {
                return Ok(());
            }
            Err(format!("what is folded ends at event {known} instead of {durable}"))
        });
        if let Err(reason) = ended {
            let tenant = state.customer();
            return finished(Err(RecoverError::Rejected { tenant, reason }));
        }
        // A session whose row was not deleted in time is not here any more.
        let stale = rows
            .into_iter()
            .filter(|row| !state.apply_row(row))
            .filter_map(|row| row.forgotten());
        let mut garbage: Vec<_> = stale.collect();
        let now = state.now(now);
        if may_forget {
            garbage.extend(state.purge(now, usize::MAX));
        }
        finished(Ok(Some(Restored {
            state,
            lease,
            garbage,
            folds,
        })));
    }
}
