//! The command line: one file per command under `cli/`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use countersign_actors::CustomerId;

use crate::config::Config;
use crate::print;

mod bootstrap;
mod check_config;
mod health;
mod inspect;
mod purge;
mod serve;
mod service;

const EXIT_CODES: &str = "Exit codes:
  0  done
  1  refused or failed; standard error says why
  2  the command line itself is wrong";

/// A token authority for AI agents.
#[derive(Debug, Parser)]
#[command(name = "countersign", version, about, after_help = EXIT_CODES)]
struct Arguments {
    /// Configuration file; without it `config.toml` is read if it exists
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve HTTP; what happens when no command is given
    Serve,
    /// Show the settings in force without starting; exits with 1 if they are refused
    CheckConfig,
    Bootstrap(bootstrap::Arguments),
    /// Forget permission overrides that expired over 90 days ago, now instead of once a day
    #[command(after_help = EXIT_CODES)]
    Purge,
    Inspect(inspect::Arguments),
    Health(health::Arguments),
}

/// Reads the command line and does what it says.
pub fn run() -> ExitCode {
    let arguments = Arguments::parse();
    let config = match Config::from_process(arguments.config.as_deref()) {
        Ok(config) => config,
        Err(problems) => {
            print::error_line(problems);
            return ExitCode::FAILURE;
        }
    };
    let done = match arguments.command.unwrap_or(Command::Serve) {
        Command::Serve => serve::run(&config),
        Command::CheckConfig => check_config::run(&config),
        Command::Bootstrap(arguments) => bootstrap::run(&config, &arguments),
        Command::Purge => purge::run(&config),
        Command::Inspect(arguments) => inspect::run(&config, &arguments),
        Command::Health(arguments) => health::run(&config, &arguments),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            print::error_line(format_args!("countersign: {error}"));
            ExitCode::FAILURE
        }
    }
}

/// Reads a customer's id for clap.
fn customer(text: &str) -> Result<CustomerId, &'static str> {
    CustomerId::parse(text).ok_or("must be a UUID, such as 550e8400-e29b-41d4-a716-446655440000")
}
