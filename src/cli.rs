//! The command line: one file per command under `cli/`.
//!
//! Beside the commands: `connection` and `service` are how a command calls the service, `output`, `progress` and `usage` what it
//! shows.

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use countersign_actors::{CustomerId, Jti, KeyId};

use crate::config::Config;
use output::Output;
use service::ServiceError;
use usage::UsageError;

mod backup;
mod bar;
mod bootstrap;
mod cascade;
mod check_config;
mod completions;
mod connection;
mod customers;
mod health;
mod inspect;
mod inspect_token;
mod keys;
mod lineage;
mod mint;
mod output;
mod overrides;
mod pages;
mod progress;
mod purge;
mod rekey;
mod restore;
mod revoke;
mod serve;
mod service;
mod usage;
mod verify;
mod verify_store;

const EXIT_CODES: &str = "Exit codes:
  0  done
  1  refused or failed; standard error says why
  2  the command line itself is wrong
  3  the service cannot be reached
  4  the service does not permit it: the credential is missing, wrong, or does not cover the call";

const EXIT_USAGE: u8 = 2;
const EXIT_UNREACHABLE: u8 = 3;
const EXIT_NOT_PERMITTED: u8 = 4;

/// A token authority for AI agents.
#[derive(Debug, Parser)]
#[command(name = "countersign", version, about, after_help = EXIT_CODES)]
struct Arguments {
    /// Configuration file; without it `config.toml` is read if it exists
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print JSON instead of lines for people, failures on standard error too; lists have one object a line
    #[arg(long, global = true)]
    json: bool,
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
    Mint(mint::Arguments),
    Verify(verify::Arguments),
    InspectToken(inspect_token::Arguments),
    Revoke(revoke::Arguments),
    Cascade(cascade::Arguments),
    Lineage(lineage::Arguments),
    Overrides(overrides::Arguments),
    Keys(keys::Arguments),
    Customers(customers::Arguments),
    /// Forget permission overrides that expired over 90 days ago, now instead of once a day
    #[command(after_help = EXIT_CODES)]
    Purge,
    Inspect(inspect::Arguments),
    Backup(backup::Arguments),
    Restore(restore::Arguments),
    /// Check every record of a stopped store; exits with 1 if anything is damaged
    ///
    /// Looks at every key: checksums, gaps between events, whether events decode and add up, rows, audit entries, and whether every
    /// secret opens under the master key. Changes nothing. Refused while a service holds the data directory.
    #[command(after_help = EXIT_CODES)]
    VerifyStore,
    Rekey(rekey::Arguments),
    Health(health::Arguments),
    Completions(completions::Arguments),
}

/// Reads the command line and does what it says.
pub fn run() -> ExitCode {
    let Arguments { config, json, command } = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return usage::explain(error),
    };
    let output = Output { json };
    let done = match command.unwrap_or(Command::Serve) {
        // These need no settings, so that wrong ones do not matter.
        Command::Completions(arguments) => completions::run(&arguments),
        Command::InspectToken(arguments) => inspect_token::run(output, &arguments),
        command => Config::from_process(config.as_deref())
            .map_err(Box::from)
            .and_then(|config| configured(&config, output, command)),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            output.failure(error.as_ref());
            exit_code(error.as_ref())
        }
    }
}

fn configured(config: &Config, output: Output, command: Command) -> Result<(), Box<dyn Error>> {
    match command {
        Command::Serve => serve::run(config),
        Command::CheckConfig => check_config::run(config, output),
        Command::Bootstrap(arguments) => bootstrap::run(config, output, &arguments),
        Command::Mint(arguments) => mint::run(config, output, &arguments),
        Command::Verify(arguments) => verify::run(config, output, &arguments),
        Command::InspectToken(arguments) => inspect_token::run(output, &arguments),
        Command::Revoke(arguments) => revoke::run(config, output, &arguments),
        Command::Cascade(arguments) => cascade::run(config, output, &arguments),
        Command::Lineage(arguments) => lineage::run(config, output, &arguments),
        Command::Overrides(arguments) => overrides::run(config, output, &arguments),
        Command::Keys(arguments) => keys::run(config, output, &arguments),
        Command::Customers(arguments) => customers::run(config, output, &arguments),
        Command::Purge => purge::run(config, output),
        Command::Inspect(arguments) => inspect::run(config, output, &arguments),
        Command::Health(arguments) => health::run(config, output, &arguments),
        Command::Backup(arguments) => backup::run(config, output, &arguments),
        Command::Restore(arguments) => restore::run(config, output, &arguments),
        Command::VerifyStore => verify_store::run(config, output),
        Command::Rekey(arguments) => rekey::run(config, output, &arguments),
        Command::Completions(arguments) => completions::run(&arguments),
    }
}

fn exit_code(error: &(dyn Error + 'static)) -> ExitCode {
    if error.is::<UsageError>() {
        return ExitCode::from(EXIT_USAGE);
    }
    match error.downcast_ref::<ServiceError>() {
        Some(ServiceError::InvalidAddress) => ExitCode::from(EXIT_USAGE),
        Some(ServiceError::NoPort | ServiceError::Unreachable { .. } | ServiceError::Foreign { .. }) => {
            ExitCode::from(EXIT_UNREACHABLE)
        }
        Some(ServiceError::Refused { refusal, .. }) if [401, 403].contains(&refusal.status) => {
            ExitCode::from(EXIT_NOT_PERMITTED)
        }
        _ => ExitCode::FAILURE,
    }
}

const UUID_MESSAGE: &str = "must be a UUID, such as 550e8400-e29b-41d4-a716-446655440000";

/// Reads a customer's id for clap.
fn customer(text: &str) -> Result<CustomerId, &'static str> {
    CustomerId::parse(text).ok_or(UUID_MESSAGE)
}

/// Reads a token's id for clap.
fn jti(text: &str) -> Result<Jti, &'static str> {
    Jti::parse(text).ok_or(UUID_MESSAGE)
}

/// Reads a key's id for clap.
fn key_id(text: &str) -> Result<KeyId, &'static str> {
    KeyId::parse(text).ok_or(UUID_MESSAGE)
}
