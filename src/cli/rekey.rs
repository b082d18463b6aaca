//! `countersign rekey`: another master key.

use std::error::Error;
use std::ops::ControlFlow;
use std::path::PathBuf;

use clap::Args;
use countersign_actors::crypto::seal::MasterKey;
use countersign_actors::data_dir::{DataDirError, NewMasterKey};
use countersign_actors::rekey::{RekeyError, Rekeyed, Step, rekey};
use serde_json::json;

use super::output::Output;
use crate::config::{Config, read_secret};
use crate::{print, telemetry};

/// Seal every secret under a new master key; works on a stopped store
///
/// The key in use is the configured one, or that in the data directory. Whenever it is cut off, one of the two keys opens everything:
/// the old one until `the new key is in use` is printed, the new one from then on. Running it again finishes what was cut off.
#[derive(Debug, Args)]
#[command(after_help = super::EXIT_CODES)]
pub(super) struct Arguments {
    /// File with the new master key, at least 32 bytes; without it a fresh key is made and kept in the data directory
    #[arg(long, value_name = "FILE")]
    new_key_file: Option<PathBuf>,
}

/// Changes the master key.
pub(super) fn run(config: &Config, output: Output, arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    telemetry::start(&config.log)?;
    let current = config.secrets.master_key.as_ref();
    let current = current.map(|key| MasterKey::from_content(key.expose())).transpose()?;
    let new = match &arguments.new_key_file {
        Some(path) => {
            let mut warnings = Vec::new();
            let key = read_secret(path, "--new-key-file", &mut warnings)?;
            for warning in warnings {
                tracing::warn!("{warning}");
            }
            NewMasterKey::Given(MasterKey::from_content(key.expose())?)
        }
        None if current.is_some() => {
            return Err("the master key is configured, so name the new one with --new-key-file".into());
        }
        None => NewMasterKey::Generated,
    };
    let mut switched = Ok(());
    let done = rekey(&config.storage.data_dir, current, new, &mut |step| {
        if step == Step::Switched && !output.json {
            switched = print::line("the new key is in use; sealing every secret under it");
        }
        ControlFlow::Continue(())
    });
    let rekeyed = done.map_err(explain)?;
    switched?;
    show(output, arguments, &rekeyed)?;
    Ok(())
}

fn explain(error: RekeyError) -> Box<dyn Error> {
    match error {
        RekeyError::DataDir(DataDirError::Locked(_)) => {
            format!("{error}: rekey works on a stopped store, so stop the service first").into()
        }
        other => other.into(),
    }
}

fn show(output: Output, arguments: &Arguments, rekeyed: &Rekeyed) -> std::io::Result<()> {
    let Rekeyed {
        secrets,
        generated_key,
        finished_earlier,
    } = rekeyed;
    if output.json {
        return print::line(json!({
            "secrets": secrets,
            "new_key": generated_key,
            "finished_earlier": finished_earlier,
        }));
    }
    if *finished_earlier {
        print::line("a change that had been cut off is finished")?;
    }
    print::line(format_args!("{secrets} secrets are sealed under the key in use"))?;
    match (generated_key, &arguments.new_key_file) {
        (Some(path), _) => print::line(format_args!(
            "the new key is in `{}`, the old one beside it as `master.key.old`: keep the old one only as long as backups need it",
            path.display()
        )),
        (None, Some(file)) => print::line(format_args!(
            "start the service with the key in `{}` from now on",
            file.display()
        )),
        (None, None) => Ok(()),
    }
}
