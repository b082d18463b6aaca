//! Forgetting what is kept no longer, also of customers that nobody asks for.

use super::lifecycle::{SLICE_ATTEMPTS, SLICE_PAUSE};
use super::{Engine, Pending, Route};
use crate::commands::permissions::PurgeOverrides;
use crate::error::{Failure, Overload};
use crate::id::CustomerId;
use crate::journal::{Direction, ReadError, Space};
use crate::limits::{AUDIT_ENTRIES_PER_TIDYING_MAX, PAGE_MAX};
use crate::tenant::Rejection;
use crate::tenant::audit::audit_key;
use crate::tenant::turn::TidyJob;

impl Engine {
    /// Forgets, in all customers, what is kept no longer: expired tokens and what belongs to them, permission overrides that expired
    /// over 90 days ago, older entries of the audit. In steps that let everybody else through. Customers in memory do the most of it
    /// by and by themselves; this reaches those that nobody asks for. Returns how many permission overrides were forgotten; nothing
    /// is while the clock has jumped.
    ///
    /// # Errors
    /// As [`Engine::execute`]; [`Failure::Unreadable`] if the store cannot be read.
    pub async fn purge(&self) -> Result<u64, Failure> {
        let (mut purged, mut after) = (0, None);
        loop {
            let page = self
                .blocking(move |engine| engine.read_customers(after, PAGE_MAX))
                .await?;
            for customer in &page {
                match self.purge_customer(*customer).await {
                    Ok(overrides) => purged += overrides,
                    // Erased since it was listed.
                    Err(Failure::Rejected(Rejection::UnknownCustomer)) => {}
                    Err(failure) => return Err(failure),
                }
            }
            match page.last() {
                Some(last) if page.len() == PAGE_MAX => after = Some(*last),
                _ => return Ok(purged),
            }
        }
    }

    async fn purge_customer(&self, customer: CustomerId) -> Result<u64, Failure> {
        let purged = self.purge_overrides(customer).await?;
        while !self.health().clock_jumped {
            let old = self.blocking(move |engine| engine.old_audit_entries(customer)).await?;
            let more_audit = old.len() == AUDIT_ENTRIES_PER_TIDYING_MAX;
            let more = self.tidy(customer, old).await?;
            if !more && !more_audit {
                break;
            }
        }
        Ok(purged)
    }

    async fn purge_overrides(&self, customer: CustomerId) -> Result<u64, Failure> {
        let mut purged = None;
        while !self.health().clock_jumped {
            match self.slice(customer, PurgeOverrides).await? {
                0 => break,
                due => _ = purged.get_or_insert(due as u64),
            }
        }
        Ok(purged.unwrap_or(0))
    }

    /// Keys of audit entries that are kept no longer.
    fn old_audit_entries(&self, customer: CustomerId) -> Result<Vec<Vec<u8>>, ReadError> {
        let range = Vec::new()..audit_key(self.audit_from()).to_vec();
        let journal = &self.inner.shared.journal;
        let rows = journal.scan(
            customer,
            Space::Audit,
            range,
            AUDIT_ENTRIES_PER_TIDYING_MAX,
            Direction::Up,
        )?;
        Ok(rows.into_iter().map(|(key, _)| key).collect())
    }

    /// One step for one customer; tells whether there is more to do.
    async fn tidy(&self, customer: CustomerId, old_audit_entries: Vec<Vec<u8>>) -> Result<bool, Failure> {
        for _ in 0..SLICE_ATTEMPTS {
            match self.inner.permits.acquire(customer) {
                Ok(permit) => {
                    let (pending, answered) = Pending::new(permit);
                    let job = Box::new(TidyJob {
                        old_audit_entries,
                        pending,
                    });
                    self.shard(customer)?.post(Route { customer, job }).await;
                    return answered.await.unwrap_or(Err(Failure::Interrupted));
                }
                Err(Overload::Tenant | Overload::Process) => tokio::time::sleep(SLICE_PAUSE).await,
                Err(overload) => return Err(Failure::Overloaded(overload)),
            }
        }
        Err(Failure::Overloaded(Overload::Tenant))
    }

    /// Reads on a thread that may wait for the disk.
    async fn blocking<T: Send + 'static, E: Send + 'static>(
        &self,
        read: impl FnOnce(&Self) -> Result<T, E> + Send + 'static,
    ) -> Result<T, Failure> {
        let engine = self.clone();
        let read = tokio::task::spawn_blocking(move || read(&engine)).await;
        read.map_err(|_| Failure::Interrupted)?.map_err(|_| Failure::Unreadable)
    }
}
