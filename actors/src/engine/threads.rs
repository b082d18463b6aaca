//! Starting and stopping: the shards' arbiters in an actix system of their own, beside the journal's threads.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::JoinHandle;

use actix::{Actor, Arbiter, System};

use super::verifying::Verified;
use super::{EngineOptions, Inner};
use crate::clock::ClockWatch;
use crate::crypto::CryptoError;
use crate::crypto::keys::warm_up;
use crate::data_dir::{DataDir, DataDirError};
use crate::journal::{Journal, JournalOptions, JournalThreads, OpenError};
use crate::permits::Permits;
use crate::supervisor::{Inbox, Residence, TenantSupervisor};
use crate::tenant::turn::Shared;

/// Why an engine did not start. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The data directory cannot be used.
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    /// The store cannot be opened.
    #[error(transparent)]
    Journal(#[from] OpenError),
    /// A key could not be made or used.
    #[error(transparent)]
    Crypto(#[from] CryptoError),
    /// The operating system gave no thread.
    #[error("a thread could not be started: {0}")]
    Thread(#[from] std::io::Error),
    /// The actors' system ended before it began.
    #[error("the actors' system did not start")]
    System,
}

/// The engine's threads, stopped once.
pub(super) struct Threads {
    running: Mutex<Option<Running>>,
}

struct Running {
    system: System,
    system_thread: JoinHandle<()>,
    journal: JournalThreads,
}

impl Threads {
    pub(super) fn stop(&self) {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(Running {
            system,
            system_thread,
            journal,
        }) = running
        {
            journal.shutdown();
            system.stop();
            if system_thread.join().is_err() {
                tracing::error!("the actors' system ended in a panic");
            }
        }
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        self.stop();
    }
}

pub(super) fn start(options: EngineOptions) -> Result<Inner, StartError> {
    warm_up()?;
    let data_dir = DataDir::lock(&options.data_dir)?;
    let unsealing = data_dir.unseal(options.master_key)?;
    let journal_options = JournalOptions {
        disk_free_min_bytes: options.disk_free_min_bytes,
        on_failure: options.on_failure,
        ..JournalOptions::default()
    };
    #[cfg(any(test, feature = "testing"))]
    let (journal, journal_threads) = match options.store {
        Some(store) => Journal::with_store(store, journal_options)?,
        None => Journal::open(data_dir, journal_options)?,
    };
    #[cfg(not(any(test, feature = "testing")))]
    let (journal, journal_threads) = Journal::open(data_dir, journal_options)?;
    let shards = match options.shards {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        given => given,
    };
    let shared = Arc::new(Shared {
        journal,
        watch: ClockWatch::new(Arc::clone(&options.clock)),
        clock: options.clock,
        rules: options.rules,
        fold_events: options.fold_events,
        feed: Arc::default(),
        counters: Arc::default(),
    });
    let residence = Residence {
        idle_sweeps: options.idle_tenant_seconds,
        active_max: options.active_tenants_max.div_ceil(shards),
    };
    let (system, system_thread, shards) = start_shards(shards, &shared, residence)?;
    let running = Running {
        system,
        system_thread,
        journal: journal_threads,
    };
    Ok(Inner {
        shards,
        permits: Arc::new(Permits::new(options.in_flight_per_tenant_max, options.in_flight_max)),
        strangers: Arc::new(Permits::for_strangers(
            options.in_flight_per_tenant_max,
            options.in_flight_max,
        )),
        shared,
        sealer: unsealing.sealer,
        draining: AtomicBool::new(false),
        generated_key: unsealing.generated,
        verified: Verified::new(),
        threads: Threads {
            running: Mutex::new(Some(running)),
        },
    })
}

type Shards = Vec<Arc<Inbox>>;

/// The system lives on a thread of its own, so that the engine can be started from any runtime, or from none.
fn start_shards(
    count: usize,
    shared: &Arc<Shared>,
    residence: Residence,
) -> Result<(System, JoinHandle<()>, Shards), StartError> {
    let (started, starting) = mpsc::channel();
    let shared = Arc::clone(shared);
    let thread = std::thread::Builder::new()
        .name("countersign-system".to_owned())
        .spawn(move || {
            let runner = System::new();
            runner.block_on(async {
                let start = |_| {
                    let shared = Arc::clone(&shared);
                    let arbiter = Arbiter::new().handle();
                    let supervisor = move |_: &mut _| TenantSupervisor::new(shared, residence);
                    Inbox::new(TenantSupervisor::start_in_arbiter(&arbiter, supervisor))
                };
                let shards: Shards = (0..count).map(start).collect();
                // If nobody waits any more there is nothing to run for either.
                let _ = started.send((System::current(), shards));
            });
            if let Err(error) = runner.run() {
                tracing::error!(%error, "the actors' system failed");
            }
        })?;
    let (system, shards) = starting.recv().map_err(|_| StartError::System)?;
    Ok((system, thread, shards))
}
