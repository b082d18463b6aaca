//! `countersign completions`

use std::error::Error;
use std::io::Write;

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use crate::print;

/// Print a script that completes commands and flags in a shell
///
/// For bash: countersign completions bash > /etc/bash_completion.d/countersign
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The shell
    shell: Shell,
}

/// Prints the script.
pub(super) fn run(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    // Into memory first: the generator would panic on a closed pipe.
    let mut script = Vec::new();
    clap_complete::generate(
        arguments.shell,
        &mut super::Arguments::command(),
        "countersign",
        &mut script,
    );
    let mut out = print::buffered();
    out.write_all(&script)?;
    out.flush()?;
    Ok(())
}
