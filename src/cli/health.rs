//! `countersign health`: asking the running service how it is, for supervisors without an HTTP client of their own.

use std::error::Error;

use clap::Args;

use super::EXIT_CODES;
use super::service::{Service, ServiceError};
use crate::config::Config;
use crate::print;

/// Ask the running service whether it lives; exits with 1 if it does not answer
#[derive(Debug, Args)]
#[command(after_help = EXIT_CODES)]
pub(super) struct Arguments {
    /// Ask whether requests should be sent to it instead; exits with 1 if they should not
    #[arg(long)]
    ready: bool,
}

/// Asks, and prints what was answered.
pub(super) fn run(config: &Config, arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let path = if arguments.ready { "/ready" } else { "/health" };
    let asked = Service::configured(config).and_then(|service| service.looks_well(path));
    let (is_well, answer) = asked.map_err(|error| match error {
        ServiceError::NoPort => {
            "the configuration does not say where the service is: set server.port (AUTH_PORT) to the port it took"
                .into()
        }
        ServiceError::Unreachable { address, reason } => format!("no service answers at {address}: {reason}"),
        other => other.to_string(),
    })?;
    if !is_well {
        return Err(format!("`{path}` is answered with {answer}").into());
    }
    print::line(answer)?;
    Ok(())
}
