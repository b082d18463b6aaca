//! `countersign verify-store`: is everything in a stopped store whole?

use std::error::Error;
use std::io::Write;

use clap::Args;
use countersign_actors::crypto::seal::MasterKey;
use countersign_actors::data_dir::DataDirError;
use countersign_actors::verification::{Finding, Looked, Verification, VerifyStoreError};
use serde_json::json;

use super::bar;
use crate::config::Config;
use crate::{print, telemetry};

/// Check every record of a stopped store; exits with 1 if anything is damaged
///
/// Looks at every key: checksums, gaps between events, whether events decode and add up, rows, audit entries, and whether every
/// secret opens under the master key. Changes nothing. Refused while a service holds the data directory.
#[derive(Debug, Args)]
#[command(after_help = super::EXIT_CODES)]
pub(super) struct Arguments {
    /// Print one JSON object instead of lines for people
    #[arg(long)]
    json: bool,
}

/// Checks, and prints what it found.
pub(super) fn run(config: &Config, arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    telemetry::start(&config.log)?;
    let master_key = config.secrets.master_key.as_ref();
    let master_key = master_key
        .map(|key| MasterKey::from_content(key.expose()))
        .transpose()?;
    let verification = Verification::open(&config.storage.data_dir, master_key).map_err(explain)?;
    let (mut looked, mut findings) = (Looked::default(), Vec::new());
    let customers = verification.customers()?;
    let progress = bar::customers(customers.len() as u64);
    for customer in customers {
        verification.customer(customer, &mut looked, &mut |finding| findings.push(finding));
        progress.inc(1);
    }
    verification.rest(&mut |finding| findings.push(finding));
    progress.finish_and_clear();
    show(arguments, &verification, looked, &findings)?;
    if findings.is_empty() {
        Ok(())
    } else {
        Err(format!("the store is damaged in {} places", findings.len()).into())
    }
}

fn explain(error: VerifyStoreError) -> Box<dyn Error> {
    match error {
        VerifyStoreError::DataDir(DataDirError::Locked(_)) => {
            format!("{error}: verify-store works on a stopped store, so stop the service first").into()
        }
        other => other.into(),
    }
}

fn show(
    arguments: &Arguments,
    verification: &Verification,
    looked: Looked,
    findings: &[Finding],
) -> Result<(), Box<dyn Error>> {
    let unfinished = verification.is_rekeying_unfinished();
    if arguments.json {
        let shown = json!({
            "ok": findings.is_empty(),
            "looked_at": looked,
            "findings": findings,
            "rekey_unfinished": unfinished,
        });
        print::line(shown)?;
        return Ok(());
    }
    let mut out = print::buffered();
    for finding in findings {
        match finding.customer_id {
            Some(customer) => write!(out, "customer {customer}, ")?,
            None => write!(out, "no customer's: ")?,
        }
        writeln!(out, "{}: {}", finding.place, finding.problem)?;
    }
    let Looked {
        customers,
        events,
        rows,
        secrets,
        being_erased,
    } = looked;
    writeln!(
        out,
        "{customers} customers: {events} events, {rows} rows and {secrets} secrets are whole"
    )?;
    if being_erased > 0 {
        writeln!(
            out,
            "{being_erased} customers are being erased; the next start finishes it"
        )?;
    }
    if unfinished {
        writeln!(
            out,
            "a change of the master key was cut off: run `countersign rekey` again to finish it"
        )?;
    }
    out.flush()?;
    Ok(())
}
