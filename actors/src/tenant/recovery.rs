//! A tenant's state, rebuilt from what the journal kept.

use super::event::Recorded;
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
}

/// A recovery in progress. Runs on a recovery thread.
pub(crate) struct Recovering<F> {
    state: Box<State>,
    /// What rows tell is about things that the events bring into being, so it waits for them.
    rows: Vec<RowChange>,
    now: UnixMillis,
    /// Whether the clock can be trusted enough to forget what it says has expired.
    may_forget: bool,
    finished: F,
}

impl<F: FnOnce(Recovered) + Send> Recovering<F> {
    pub(crate) fn new(customer: CustomerId, now: UnixMillis, may_forget: bool, finished: F) -> Self {
        Self {
            state: Box::new(State::new(customer)),
            rows: Vec::new(),
            now,
            may_forget,
            finished,
        }
    }
}

impl<F> Recovering<F> {
    /// The state as far as it was read, with nothing forgotten.
    pub(crate) fn into_state(self) -> Box<State> {
        let Self { mut state, rows, .. } = self;
        for row in rows {
            // A session whose row was not deleted in time is not here any more.
            let _ = state.apply_row(&row);
        }
        state
    }
}

impl<F: FnOnce(Recovered) + Send> Recovery for Recovering<F> {
    fn row(&mut self, key: &[u8], value: &[u8]) -> Result<(), String> {
        self.rows.push(RowChange::from_row(key, value)?);
        Ok(())
    }

    fn secret(&mut self, key: &[u8], value: &[u8]) -> Result<(), String> {
        let change = VaultChange::from_row(self.state.customer(), key, value)?;
        self.state.vault.apply(change);
        Ok(())
    }

    fn event(&mut self, sequence: u64, bytes: &[u8]) -> Result<(), String> {
        let recorded: Recorded = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        self.state.apply(sequence, recorded).map_err(|error| error.to_string())
    }

    fn finish(self: Box<Self>, result: Result<Option<Lease>, RecoverError>) {
        let Self {
            mut state,
            rows,
            now,
            may_forget,
            finished,
        } = *self;
        let restored = result.map(|lease| {
            lease.map(|lease| {
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
                Restored { state, lease, garbage }
            })
        });
        finished(restored);
    }
}
