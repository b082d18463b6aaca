//! `countersign serve`

use std::error::Error;
use std::io;
use std::net::SocketAddr;

use crate::config::{Config, Exposure};
use crate::server::Server;
use crate::{print, routes, telemetry};

/// Serves until stopped.
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
    actix_web::rt::System::new().block_on(async {
        let server = Server::bind(config, routes::configure)?;
        server.run_until_stopped(announce).await
    })?;
    Ok(())
}

/// The one line on standard output: scripts wait for it, and read the port from it.
fn announce(addresses: &[SocketAddr]) -> io::Result<()> {
    addresses.first().map_or(Ok(()), |address| {
        print::line(format_args!("listening on http://{address}"))
    })
}
