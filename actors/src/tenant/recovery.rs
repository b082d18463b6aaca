//! A tenant's state, rebuilt from what the journal kept.

use super::event::Recorded;
use super::state::State;
use super::vault::VaultChange;
use crate::clock::UnixMillis;
use crate::id::CustomerId;
use crate::journal::{Lease, RecoverError, Recovery};

/// How a recovery ended; no state for a customer that is not known.
pub(crate) type Recovered = Result<Option<(Box<State>, Lease)>, RecoverError>;

/// A recovery in progress. Runs on a recovery thread.
pub(crate) struct Recovering<F> {
    state: Box<State>,
    now: UnixMillis,
    finished: F,
}

impl<F: FnOnce(Recovered) + Send> Recovering<F> {
    pub(crate) fn new(customer: CustomerId, now: UnixMillis, finished: F) -> Self {
        Self {
            state: Box::new(State::new(customer)),
            now,
            finished,
        }
    }
}

impl<F: FnOnce(Recovered) + Send> Recovery for Recovering<F> {
    fn row(&mut self, _key: &[u8], _value: &[u8]) -> Result<(), String> {
        Err("a folded row, which this version does not write".to_owned())
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
            now,
            finished,
        } = *self;
        let recovered = result.map(|lease| {
            lease.map(|lease| {
                let now = state.now(now);
                state.purge(now, usize::MAX);
                (state, lease)
            })
        });
        finished(recovered);
    }
}
