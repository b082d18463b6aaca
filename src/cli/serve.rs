//! `countersign serve`

use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use actix_web::rt;
use countersign_actors::Engine;
use countersign_actors::clock::SystemClock;
use tokio::sync::oneshot;

use crate::config::{Config, Exposure};
use crate::server::Server;
use crate::server::tls::Tls;
use crate::service::{application, start_engine};
use crate::{print, telemetry};

/// Time between two purges.
const PURGE_INTERVAL: Duration = Duration::from_secs(24 * 3_600);

/// Serves until stopped, or until the journal fails.
pub(super) fn run(config: &Config) -> Result<(), Box<dyn Error>> {
    telemetry::start(&config.log)?;
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    match config.exposure() {
        Exposure::Credentialed => {}
        Exposure::Open => {
            tracing::warn!("no admin credential is configured: any process on this machine can mint tokens")
        }
        Exposure::UnauthenticatedNetwork => {
            tracing::warn!("no admin credential is configured: whoever reaches this address can mint tokens");
        }
    }
    // Before anything of the data is touched.
    Tls::load(&config.tls)?;
    rt::System::new().block_on(serve(config))
}

async fn serve(config: &Config) -> Result<(), Box<dyn Error>> {
    let (failed, failure) = oneshot::channel();
    let engine = start_engine(config, Arc::new(SystemClock), move |reason| {
        tracing::error!(
            reason,
            "the journal has failed: the process ends, and the next start asks the disk what was kept"
        );
        // Nobody waits any more if the process is ending already.
        let _ = failed.send(reason);
    })?;
    let server = Server::bind(config, application(config, engine.clone()))?;
    let handle = server.handle();
    // Who waits for revocations must not make the end wait.
    let (stopping, failing) = (engine.clone(), engine.clone());
    let server = server.on_stop(move || stopping.stop_waiting());
    let stopped_by_failure = rt::spawn(async move {
        let reason = failure.await.ok()?;
        failing.stop_waiting();
        handle.stop(true).await;
        Some(reason)
    });
    let purging = rt::spawn(purge_daily(engine.clone()));
    let scheme = if config.tls.is_enabled() { "https" } else { "http" };
    server
        .run_until_stopped(|addresses| announce(scheme, addresses))
        .await?;
    purging.abort();
    let limit = Duration::from_secs(config.server.shutdown_timeout_seconds);
    if !engine.shutdown(limit).await {
        tracing::warn!("some calls were still in flight when the time to stop was over");
    }
    // The engine is gone, and with it the sender: what waits for a failure has its answer.
    match engine.health().journal_failed {
        Some(reason) => {
            stopped_by_failure.abort();
            Err(format!("the journal has failed: {reason}").into())
        }
        None => Ok(()),
    }
}

/// Forgets once a day what is kept for 90 days, also of customers that nobody asks for.
async fn purge_daily(engine: Engine) {
    loop {
        rt::time::sleep(PURGE_INTERVAL).await;
        match engine.purge().await {
            Ok(purged) => tracing::info!(
                purged,
                "permission overrides that expired over 90 days ago were forgotten"
            ),
            Err(error) => {
                tracing::warn!(%error, "old permission overrides could not be forgotten; they will be tomorrow")
            }
        }
    }
}

/// The one line on standard output: scripts wait for it, and read the port from it.
fn announce(scheme: &str, addresses: &[SocketAddr]) -> io::Result<()> {
    addresses.first().map_or(Ok(()), |address| {
        print::line(format_args!("listening on {scheme}://{address}"))
    })
}
