//! The log: one line per event on standard error, as text or JSON.

use std::io::{self, IsTerminal};
use std::panic;

use tracing_subscriber::EnvFilter;

use crate::config::sections::{LogConfig, LogFormat};

/// Why the log could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The directives cannot be read.
    #[error("`log.filter` is not a list of log directives")]
    Filter(#[from] tracing_subscriber::filter::ParseError),
    /// There is a log already.
    #[error("the log is set up already")]
    Twice,
}

/// Sets up the log of the process, and how panics reach it.
///
/// # Errors
/// [`TelemetryError`]
pub fn start(config: &LogConfig) -> Result<(), TelemetryError> {
    let filter = EnvFilter::try_new(&config.filter)?;
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr);
    let started = match config.format {
        LogFormat::Text => lines.with_ansi(io::stderr().is_terminal()).try_init(),
        LogFormat::Json => lines.json().flatten_event(true).with_ansi(false).try_init(),
    };
    started.map_err(|_| TelemetryError::Twice)?;
    panic::set_hook(Box::new(log_panic));
    Ok(())
}

/// A literal message is ours; a formatted one may quote what was being worked on, such as a token, so it is left out.
fn log_panic(info: &panic::PanicHookInfo<'_>) {
    let message = info
        .payload()
        .downcast_ref::<&'static str>()
        .copied()
        .unwrap_or("(message withheld)");
    let location = info.location().map(ToString::to_string).unwrap_or_default();
    tracing::error!(target: "countersign::panic", location, "{message}");
}
