//! `countersign health`: asking the running service how it is, for supervisors without an HTTP client of their own.

use std::error::Error;

use clap::Args;
use serde_json::Value;

use super::EXIT_CODES;
use super::output::Output;
use super::service::{Call, Service};
use crate::config::Config;

/// Ask the running service whether it lives; exits with 3 if it does not answer
#[derive(Debug, Args)]
#[command(after_help = EXIT_CODES)]
pub(super) struct Arguments {
    /// Ask whether requests should be sent to it instead; exits with 1 if they should not
    #[arg(long)]
    ready: bool,
}

/// Asks, and prints what was answered.
pub(super) fn run(config: &Config, output: Output, arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let path = if arguments.ready { "/ready" } else { "/health" };
    let answer = Service::configured(config)?.call(&Call::get(path))?;
    let status = answer.get("status").and_then(Value::as_str).unwrap_or_default();
    let reasons = answer.get("reasons").and_then(Value::as_array).into_iter().flatten();
    let reasons: Vec<_> = reasons.filter_map(|reason| reason.as_str()).collect();
    let people = match reasons.as_slice() {
        [] => status.to_owned(),
        reasons => format!("{status}: {}", reasons.join(", ")),
    };
    output.answer(&answer, people)?;
    Ok(())
}
