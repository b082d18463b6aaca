//! What a turn writes beside its answer, and nobody waits for; and what its actor asks of a tenant.

use super::{Fault, Origin, Tenant};
use crate::clock::UnixMillis;
use crate::commands::permissions::PurgeOverrides;
use crate::commands::{Caller, Command, Moment};
use crate::journal::{Events, Lease};
use crate::metrics::PerKind;
use crate::permissions::audit;
use crate::tenant::audit::AuditDraft;
use crate::tenant::folding::Fold;
use crate::tenant::state::State;

impl Tenant {
    /// Tokens in memory, by kind.
    pub(crate) const fn token_counts(&self) -> &PerKind<u64> {
        self.state.tokens.counts()
    }

    /// Gives up the tenant's memory and its place in the journal.
    pub(crate) fn into_parts(self) -> (State, Lease) {
        (self.state, self.lease)
    }

    /// Writes what the audit may say of an answer that changed nothing. Nobody waits for it, and there is never too much of it.
    pub(super) fn note(&mut self, mut notes: Vec<AuditDraft>, origin: &Origin<'_>) -> Result<(), Fault> {
        if notes.is_empty() {
            return Ok(());
        }
        if self.shared.journal.is_storage_low() {
            self.notes.left_out(notes.len());
            return Ok(());
        }
        let admitted = self.notes.admit(origin.now, notes.len());
        notes.truncate(admitted.count);
        if admitted.left_out_before > 0 {
            let left_out = serde_json::json!({"count": admitted.left_out_before});
            notes.push(AuditDraft {
                after: Some(left_out),
                ..AuditDraft::new(audit::DECISIONS_LEFT_OUT, self.state.customer())
            });
        }
        if notes.is_empty() {
            return Ok(());
        }
        let next_sequence = self.state.sequence() + 1;
        let side = origin.audit_rows(notes, next_sequence)?;
        self.append(next_sequence, Events::new(), side, None, |_| {});
        Ok(())
    }

    /// A small step of forgetting overrides that expired long ago: part of a turn, after its answer, so that it disturbs nobody.
    pub(super) fn purge_overrides(&mut self, now: UnixMillis) -> Result<(), Fault> {
        let is_due = self.state.permissions.forgotten(now).next().is_some();
        if !is_due || self.shared.journal.is_storage_low() || self.shared.watch.has_jumped() {
            return Ok(());
        }
        let origin = Origin {
            now,
            caller: &Caller::Service,
            request_id: None,
            idempotency: None,
        };
        let moment = Moment {
            now,
            rules: &self.shared.rules,
            keyed: false,
        };
        let Ok(decided) = PurgeOverrides.decide(&self.state, &moment) else {
            return Ok(());
        };
        let first_sequence = self.state.sequence() + 1;
        let encoded = self.apply_all(decided.events, Vec::new(), now)?;
        let side = origin.audit_rows(decided.audit, first_sequence)?;
        self.append(first_sequence, encoded, side, None, |_| {});
        Ok(())
    }

    /// Folds if enough has happened: part of a turn, after its answer. While space is low nothing happens that could be folded, and a
    /// backup that is reading the customer would have to begin anew.
    pub(super) fn fold_if_due(&mut self, now: UnixMillis) -> Result<(), Fault> {
        if (self.folds.is_empty() && !self.state.is_fold_due(self.shared.fold_events))
            || self.shared.journal.is_storage_low()
            || self.shared.journal.is_exporting(self.state.customer())
        {
            return Ok(());
        }
        let fold = self.next_fold(now)?;
        let next_sequence = self.state.sequence() + 1;
        self.append(next_sequence, Events::new(), fold.rows, Some(fold.up_to), |_| {});
        Ok(())
    }

    /// What is to be written to fold: what a recovery of a long log left to be written first, step by step.
    pub(super) fn next_fold(&mut self, now: UnixMillis) -> Result<Fold, Fault> {
        match self.folds.pop_front() {
            Some(fold) => Ok(fold),
            None => Ok(self.state.fold(now, !self.shared.watch.has_jumped())?),
        }
    }
}
