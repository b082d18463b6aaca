//! The engine: what an embedding program, or the HTTP edge, holds.

mod audit;
mod lifecycle;
mod mint;
mod reading;
mod threads;
mod tidying;
mod verifying;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::oneshot;

pub use audit::{AuditCursor, AuditQuery, AuditSlice};
pub use lifecycle::{Cascaded, Cosigned};
pub use mint::{Minted, NewApp};
pub use reading::{AuditPage, PageError};
pub use threads::StartError;
use threads::Threads;
use verifying::Verified;

use crate::clock::{Clock, SystemClock, UnixMillis, fresh_uuid};
use crate::commands::{Access, Call, Command, Rules};
use crate::crypto::seal::{MasterKey, Sealer};
use crate::error::{Failure, Overload};
use crate::id::{CustomerId, Jti};
use crate::journal;
use crate::limits::{FOLD_EVENTS, IN_FLIGHT_MAX, IN_FLIGHT_PER_TENANT_MAX};
use crate::metrics::{Counters, Metrics};
use crate::permits::Permits;
use crate::placement::shard_of;
use crate::supervisor::{Erase, Inbox, Route, Sweep};
use crate::tenant::turn::{CommandJob, Pending, Shared};

/// How an engine is to run.
pub struct EngineOptions {
    /// Where everything is kept.
    pub data_dir: PathBuf,
    /// What secrets are sealed under; without one, the key in the data directory is used, or made on a first start.
    pub master_key: Option<MasterKey>,
    /// Threads that tenants live on; 0 for one per core.
    pub shards: usize,
    /// Commands that one tenant may have in flight.
    pub in_flight_per_tenant_max: usize,
    /// Commands that may be in flight in all.
    pub in_flight_max: usize,
    /// Seconds without a command after which a tenant leaves memory.
    pub idle_tenant_seconds: u64,
    /// Tenants in memory above which they leave it sooner.
    pub active_tenants_max: usize,
    /// Bytes of free disk below which nothing is written any more.
    pub disk_free_min_bytes: u64,
    /// What rules depend on.
    pub rules: Rules,
    /// Events after which a tenant folds them into rows.
    pub fold_events: usize,
    /// Where time comes from.
    pub clock: Arc<dyn Clock>,
    /// Called once, with the reason, when the journal has failed: the process should end, and recovery ask the disk.
    pub on_failure: Box<dyn FnOnce(String) + Send>,
    /// Where the journal is kept instead of in the data directory.
    #[cfg(any(test, feature = "testing"))]
    pub store: Option<Arc<dyn crate::journal::Store>>,
}

impl EngineOptions {
    /// The defaults, with everything kept in `data_dir`.
    pub fn new(data_dir: impl Into<PathBuf>) -> Self {
        Self {
            data_dir: data_dir.into(),
            master_key: None,
            shards: 0,
            in_flight_per_tenant_max: IN_FLIGHT_PER_TENANT_MAX,
            in_flight_max: IN_FLIGHT_MAX,
            idle_tenant_seconds: 300,
            active_tenants_max: 100_000,
            disk_free_min_bytes: 0,
            rules: Rules::default(),
            fold_events: FOLD_EVENTS,
            clock: Arc::new(SystemClock),
            on_failure: Box::new(|reason| tracing::error!(reason, "the journal has failed")),
            #[cfg(any(test, feature = "testing"))]
            store: None,
        }
    }
}

/// A running engine; a cheap handle that every thread may have.
#[derive(Clone)]
pub struct Engine {
    inner: Arc<Inner>,
}

struct Inner {
    shards: Vec<Arc<Inbox>>,
    permits: Arc<Permits>,
    /// Those of callers of whom nothing is known yet: what they ask must not cost a customer its own.
    strangers: Arc<Permits>,
    shared: Arc<Shared>,
    sealer: Sealer,
    draining: AtomicBool,
    generated_key: Option<PathBuf>,
    verified: Verified,
    threads: Threads,
}

/// Whether the engine can serve.
#[derive(Clone, Debug)]
pub struct Health {
    /// Why the journal has failed, if it has.
    pub journal_failed: Option<String>,
    /// Whether the disk is nearly full; reads go on.
    pub storage_low: bool,
    /// Whether the wall clock has jumped far forward: nothing is forgotten until somebody vouches for it.
    pub clock_jumped: bool,
    /// Whether the engine is shutting down.
    pub draining: bool,
    /// Whether a shard has ended by a fault of its own: its customers are not served until the process is started anew.
    pub shard_lost: bool,
    /// Commands in flight.
    pub in_flight: usize,
    /// Commands refused since the start because their customer had as many in flight as it may.
    pub refused_of_tenant: usize,
    /// Commands refused since the start because the process had as many in flight as it may.
    pub refused_of_process: usize,
}

impl Engine {
    /// Opens the data directory and starts the engine's threads.
    ///
    /// # Errors
    /// [`StartError`] if the directory is in use, damaged, or sealed under another master key; nothing is changed then.
    pub fn start(options: EngineOptions) -> Result<Self, StartError> {
        threads::start(options).map(|inner| Self { inner: Arc::new(inner) })
    }

    /// Carries out a command for a customer. The answer is given when all that it stands on is durable.
    ///
    /// # Errors
    /// [`Failure`] says whether it happened: only after [`Failure::Indeterminate`] is that open.
    pub async fn execute<C: Command>(&self, customer: CustomerId, call: Call<C>) -> Result<C::Reply, Failure> {
        self.execute_within(&self.inner.permits, customer, call).await
    }

    /// Carries out a command for a caller of whom nothing is known. Such callers have a share of their own, so that a flood of them
    /// leaves the customer's alone.
    ///
    /// # Errors
    /// As [`Engine::execute`].
    pub async fn ask<C: Command>(&self, customer: CustomerId, command: C) -> Result<C::Reply, Failure> {
        let call = Call::management(command);
        self.execute_within(&self.inner.strangers, customer, call).await
    }

    async fn execute_within<C: Command>(
        &self,
        permits: &Arc<Permits>,
        customer: CustomerId,
        call: Call<C>,
    ) -> Result<C::Reply, Failure> {
        if self.inner.draining.load(Ordering::Acquire) {
            return Err(Failure::Overloaded(Overload::Draining));
        }
        let permit = permits.acquire(customer).map_err(Failure::Overloaded)?;
        let (pending, answered) = Pending::new(permit);
        let job = Box::new(CommandJob { call, pending });
        self.shard(customer)?.post(Route { customer, job }).await;
        answered.await.unwrap_or(Err(Failure::Interrupted))
    }

    /// Carries out a command for the operator.
    ///
    /// # Errors
    /// As [`Engine::execute`].
    pub async fn manage<C: Command>(&self, customer: CustomerId, command: C) -> Result<C::Reply, Failure> {
        self.execute(customer, Call::management(command)).await
    }

    /// Erases a customer: everything but the fact of it. Once this is answered, the customer is unknown.
    ///
    /// # Errors
    /// [`Failure::Interrupted`] if the customer is just being brought into memory; otherwise as [`Engine::execute`].
    pub async fn erase(&self, customer: CustomerId, call: Call<()>) -> Result<(), Failure> {
        let fact = serde_json::json!({"erased_at": self.now(), "actor": call.caller.to_string(), "request_id": call.request_id});
        self.check_access(customer, call.map(|()| Access::Admin)).await?;
        let (done, erased) = oneshot::channel();
        self.shard(customer)?.supervisor().do_send(Erase {
            customer,
            fact: fact.to_string().into_bytes(),
            done,
        });
        erased.await.unwrap_or(Err(Failure::Interrupted))
    }

    /// The way to who knows the customer's tenant.
    fn shard(&self, customer: CustomerId) -> Result<&Arc<Inbox>, Failure> {
        let shard = shard_of(customer, self.inner.shards.len());
        self.inner.shards.get(shard).ok_or(Failure::Interrupted)
    }

    /// A fresh identifier for a token.
    pub fn fresh_jti(&self) -> Jti {
        Jti::new(fresh_uuid(self.now()))
    }

    /// The wall clock's time, as the engine sees it.
    pub fn now(&self) -> UnixMillis {
        self.inner.shared.clock.now()
    }

    /// The settings that rules depend on.
    pub fn rules(&self) -> &Rules {
        &self.inner.shared.rules
    }

    /// Where a fresh master key was written at this start, if one was made.
    pub fn generated_master_key(&self) -> Option<&PathBuf> {
        self.inner.generated_key.as_ref()
    }

    /// What all of its threads add to.
    fn counters(&self) -> &Counters {
        &self.inner.shared.counters
    }

    /// Whether a change of the master key was cut off: some secrets may still be sealed under the key from before.
    pub fn is_rekeying_unfinished(&self) -> bool {
        self.inner.sealer.has_previous()
    }

    /// Seals and opens secrets.
    pub(crate) fn sealer(&self) -> &Sealer {
        &self.inner.sealer
    }

    /// Whether the engine can serve.
    pub fn health(&self) -> Health {
        let status = self.journal_status();
        Health {
            journal_failed: status.failed,
            storage_low: status.storage_low,
            clock_jumped: self.inner.shared.watch.has_jumped(),
            draining: self.inner.draining.load(Ordering::Acquire),
            shard_lost: self.inner.shards.iter().any(|shard| !shard.supervisor().connected()),
            in_flight: self.in_flight(),
            refused_of_tenant: self.inner.permits.refused_of_tenant() + self.inner.strangers.refused_of_tenant(),
            refused_of_process: self.inner.permits.refused_of_process() + self.inner.strangers.refused_of_process(),
        }
    }

    fn in_flight(&self) -> usize {
        self.inner.permits.in_flight() + self.inner.strangers.in_flight()
    }

    /// Vouches for the wall clock after it has jumped far forward: what it says has expired may be forgotten again.
    pub fn confirm_clock(&self) {
        tracing::warn!("the wall clock is vouched for: what it says has expired is forgotten again");
        self.inner.shared.watch.confirm();
    }

    /// What was counted since the start. Takes no lock that a command could wait for.
    pub fn metrics(&self) -> Metrics {
        self.counters().snapshot(self.health(), self.journal_status())
    }

    /// The journal's counters.
    pub fn journal_status(&self) -> journal::Status {
        self.inner.shared.journal.status()
    }

    /// Looks for idle tenants at once, as happens every second; returns how many customers are in memory or on their way.
    pub async fn sweep(&self) -> usize {
        let mut slots = 0;
        for shard in &self.inner.shards {
            slots += shard.supervisor().send(Sweep).await.unwrap_or_default();
        }
        slots
    }

    /// Answers everyone who waits for revocations, and lets nobody wait from now on: a server that is to stop would wait for them.
    pub fn stop_waiting(&self) {
        self.inner.shared.feed.close();
    }

    /// Refuses new commands, waits up to `limit` for those in flight, makes everything durable and stops all threads.
    /// Returns whether all that was in flight was answered in time.
    pub async fn shutdown(&self, limit: Duration) -> bool {
        self.inner.draining.store(true, Ordering::Release);
        let started = std::time::Instant::now();
        while self.in_flight() > 0 && started.elapsed() < limit {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let answered = self.in_flight() == 0;
        self.inner.threads.stop();
        answered
    }
}
