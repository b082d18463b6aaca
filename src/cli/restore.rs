//! `countersign restore`: a backup read back into an empty directory.

use std::error::Error;
use std::fs::File;
use std::io::{self, BufReader, Write};
use std::path::PathBuf;

use clap::Args;
use countersign_actors::CustomerId;
use countersign_actors::backup::restore::{Report, Tally, restore};
use countersign_actors::clock::SystemClock;
use countersign_actors::crypto::seal::MasterKey;
use serde::Serialize;
use serde_json::json;

use super::bar;
use super::output::Output;
use crate::config::Config;
use crate::{print, telemetry};

/// Read a backup back into the data directory, which must be empty or not there yet
///
/// What happened after the backup was taken is not known to it. So, before anything is served, every token is dead, every key is
/// revoked, events that were undecided are barred, and permission overrides that grant are suspended until somebody confirms them.
/// Those that deny stay in force, and so do decisions.
///
/// A backup that is cut off or damaged is refused before anything is written.
#[derive(Debug, Args)]
#[command(after_help = super::EXIT_CODES)]
pub(super) struct Arguments {
    /// The backup
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

/// Restores, and prints what it came to.
pub(super) fn run(config: &Config, output: Output, arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    telemetry::start(&config.log)?;
    let master_key = config.secrets.master_key.as_ref();
    let master_key = master_key
        .map(|key| MasterKey::from_content(key.expose()))
        .transpose()?;
    let file = File::open(&arguments.file).map_err(|error| format!("`{}`: {error}", arguments.file.display()))?;
    // It is read twice: once to be checked, once to be written.
    let progress = bar::bytes(file.metadata()?.len().saturating_mul(2));
    let mut backup = BufReader::new(bar::Counted::new(file, &progress));
    let report = restore(&config.storage.data_dir, master_key, &mut backup, &SystemClock)?;
    progress.finish_and_clear();
    if output.json {
        print::line(as_json(&report))?;
    } else {
        let mut out = print::buffered();
        write_lines(&mut out, &report)?;
        out.flush()?;
    }
    Ok(())
}

#[derive(Serialize)]
struct Line {
    customer_id: CustomerId,
    #[serde(flatten)]
    tally: Tally,
}

fn as_json(report: &Report) -> serde_json::Value {
    let customers = report.customers.iter();
    let customers: Vec<Line> = customers
        .map(|(customer_id, tally)| Line {
            customer_id: *customer_id,
            tally: *tally,
        })
        .collect();
    json!({
        "taken_at": report.header.taken_at.to_rfc3339(),
        "restored": report.counts,
        "customers": customers,
        "total": report.total,
        "master_key_made": report.generated_key,
    })
}

fn write_lines(out: &mut impl Write, report: &Report) -> io::Result<()> {
    let counts = report.counts;
    writeln!(
        out,
        "restored {} customers with {} events and {} rows, as of {}",
        counts.customers,
        counts.events,
        counts.rows,
        report.header.taken_at.to_rfc3339()
    )?;
    for (customer, tally) in &report.customers {
        writeln!(out, "customer {customer}: {}", describe(tally))?;
    }
    writeln!(out, "in all: {}", describe(&report.total))?;
    if report.total.cosignature_secrets_lost > 0 {
        writeln!(
            out,
            "cosignatures given out before cannot be verified any more for {} customers: the backup was made under another master key",
            report.total.cosignature_secrets_lost
        )?;
    }
    if let Some(path) = &report.generated_key {
        writeln!(
            out,
            "a master key was made in `{}`: keep a copy apart from backups",
            path.display()
        )?;
    }
    Ok(())
}

fn describe(tally: &Tally) -> String {
    format!(
        "{} tokens dead, {} keys revoked, {} undecided events barred, {} decisions stand, {} GRANTs suspended, {} DENYs in force",
        tally.tokens_revoked,
        tally.keys_revoked,
        tally.events_barred,
        tally.decisions_kept,
        tally.grants_suspended,
        tally.denials_kept
    )
}
