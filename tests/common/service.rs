//! A running service with a clock that tests move, and its restart. What tests ask of it stands beside each of them.

use std::net::SocketAddr;
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use actix_web::dev::ServerHandle;
use countersign::config::Config;
use countersign::server::Server;
use countersign::service::{application, start_engine};
use countersign_actors::clock::{ManualClock, UnixMillis};
use countersign_actors::data_dir::DataDirError;
use countersign_actors::engine::{Engine, StartError};
use tempfile::TempDir;

/// 2026-03-01T00:00:00Z: where every test's clock starts.
const START: UnixMillis = UnixMillis::new(1_772_323_200_000);

/// A service on a free port and a directory of its own. It stops with the test.
pub(crate) struct Service {
    pub(crate) config: Config,
    pub(crate) clock: Arc<ManualClock>,
    _data: TempDir,
    running: Option<Running>,
}

/// A service between its start and its stop.
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    pub(crate) engine: Engine,
    handle: ServerHandle,
    thread: JoinHandle<()>,
}

impl Service {
    /// In open mode, with the defaults.
    pub(crate) fn start() -> Self {
        Self::with(|_| {})
    }

    /// With changed settings.
    pub(crate) fn with(change: impl FnOnce(&mut Config)) -> Self {
        let data = tempfile::tempdir().unwrap();
        let mut config = Config::default();
        config.server.port = 0;
        config.server.workers = 2;
        config.engine.shards = 2;
        config.storage.data_dir = data.path().join("data");
        config.storage.disk_free_min_mib = 0;
        // Tests of the limit set their own.
        config.permissions.management_per_hour = 1_000_000;
        change(&mut config);
        let clock = Arc::new(ManualClock::at(START));
        let running = Some(Running::start(&config, &clock));
        Self {
            config,
            clock,
            _data: data,
            running,
        }
    }

    /// Stops the service as a signal does, and starts another on the same directory at the same time of day.
    pub(crate) fn restart(&mut self) {
        self.stop();
        self.running = Some(Running::start(&self.config, &self.clock));
    }

    pub(crate) fn stop(&mut self) {
        if let Some(running) = self.running.take() {
            drop(running.handle.stop(true));
            drop(running.engine);
            if running.thread.join().is_err() && !thread::panicking() {
                panic!("the service ended in a panic");
            }
        }
    }

    pub(crate) fn advance(&self, seconds: i64) {
        self.clock.advance_seconds(seconds);
    }

    pub(crate) fn running(&self) -> &Running {
        self.running.as_ref().unwrap()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Running {
    fn start(config: &Config, clock: &Arc<ManualClock>) -> Self {
        let (config, clock) = (config.clone(), Arc::clone(clock));
        let (started, serving) = mpsc::channel();
        let thread = thread::spawn(move || {
            actix_web::rt::System::new().block_on(async move {
                let engine = engine(&config, &clock);
                let server = Server::bind(&config, application(&config, engine.clone())).unwrap();
                let handle = server.handle();
                let announced = engine.clone();
                let announce = move |addresses: &[SocketAddr]| {
                    started.send((addresses[0], handle, announced)).unwrap();
                    Ok(())
                };
                server.run_until_stopped(announce).await.unwrap();
                assert!(engine.shutdown(Duration::from_secs(30)).await, "all is answered");
            });
        });
        let (address, handle, engine) = serving.recv().unwrap();
        Self {
            address,
            engine,
            handle,
            thread,
        }
    }
}

/// Starts the engine. Where another test starts a program at this moment, that holds the lock of a stopped service until it executes.
fn engine(config: &Config, clock: &Arc<ManualClock>) -> Engine {
    let start = || {
        let fail = |reason: String| panic!("the journal failed: {reason}");
        start_engine(config, Arc::clone(clock) as _, fail)
    };
    let is_locked =
        |started: &Result<Engine, StartError>| matches!(started, Err(StartError::DataDir(DataDirError::Locked(_))));
    let mut started = start();
    for _ in 0..100 {
        if !is_locked(&started) {
            break;
        }
        thread::sleep(Duration::from_millis(50));
        started = start();
    }
    started.unwrap()
}
