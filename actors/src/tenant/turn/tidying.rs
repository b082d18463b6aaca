//! One step of forgetting what a customer needs no more, asked for from outside: the turns of a customer that is used do the same by
//! and by.

use super::{Fault, Job, Pending, Tenant};
use crate::error::Failure;
use crate::journal::{AppendError, Events, SideChange, Space};
use crate::limits::{GARBAGE_PER_APPEND_MAX, PURGED_PER_TIDYING_MAX};
use crate::tenant::rows::RowChange;

/// Asks for a step; it is answered when the step is durable, with whether there is more to do.
pub(crate) struct TidyJob {
    /// Keys of audit entries that are kept no longer.
    pub(crate) old_audit_entries: Vec<Vec<u8>>,
    pub(crate) pending: Pending<bool>,
}

impl Job for TidyJob {
    fn run(self: Box<Self>, tenant: &mut Tenant) -> Result<(), Fault> {
        tenant.tidy(self.old_audit_entries, self.pending)
    }

    fn refuse(self: Box<Self>, failure: Failure) {
        self.pending.complete(Err(failure));
    }

    fn creates_customer(&self) -> bool {
        false
    }
}

impl Tenant {
    fn tidy(&mut self, old_audit_entries: Vec<Vec<u8>>, pending: Pending<bool>) -> Result<(), Fault> {
        self.check_lease()?;
        if self.shared.watch.has_jumped() || self.shared.journal.is_storage_low() {
            pending.complete(Ok(false));
            return Ok(());
        }
        let now = self.state.now(self.shared.clock.now());
        self.forget(now, PURGED_PER_TIDYING_MAX);
        let kept = self.garbage.len().saturating_sub(GARBAGE_PER_APPEND_MAX);
        let mut side: Vec<_> = self.garbage.split_off(kept).iter().map(RowChange::row).collect();
        let delete = |key| SideChange {
            space: Space::Audit,
            key,
            value: None,
        };
        side.extend(old_audit_entries.into_iter().map(delete));
        let mut fold_up_to = None;
        // A backup that is reading the customer would have to begin anew.
        let may_fold = !self.shared.journal.is_exporting(self.state.customer());
        if may_fold && (!self.folds.is_empty() || self.state.is_fold_useful(now)) {
            let fold = self.next_fold(now)?;
            side.extend(fold.rows);
            fold_up_to = Some(fold.up_to);
        }
        let more_to_fold = may_fold && (!self.folds.is_empty() || self.state.has_more_to_forget(now));
        let more = more_to_fold || !self.garbage.is_empty();
        if side.is_empty() {
            self.answer(pending, Ok(more));
            return Ok(());
        }
        let next_sequence = self.state.sequence() + 1;
        self.append(next_sequence, Events::new(), side, fold_up_to, move |outcome| {
            pending.complete(match outcome {
                Ok(()) => Ok(more),
                Err(AppendError::Refused(_)) => Err(Failure::Interrupted),
                Err(AppendError::Failed) => Err(Failure::Indeterminate),
            });
        });
        Ok(())
    }
}
