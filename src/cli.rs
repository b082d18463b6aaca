//! The command line: one file per command under `cli/`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::config::Config;
use crate::print;

mod check_config;
mod serve;

/// A token authority for AI agents.
#[derive(Debug, Parser)]
#[command(name = "countersign", version, about)]
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
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            print::error_line(format_args!("countersign: {error}"));
            ExitCode::FAILURE
        }
    }
}
