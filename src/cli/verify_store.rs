//! `countersign verify-store`: is everything in a stopped store whole?

use std::error::Error;
use std::io::Write;

use countersign_actors::crypto::seal::MasterKey;
use countersign_actors::data_dir::DataDirError;
use countersign_actors::verification::{Finding, Looked, Verification, VerifyStoreError};
use serde_json::json;

use super::bar;
use super::output::Output;
use crate::config::Config;
use crate::{print, telemetry};

/// Checks, and prints what it found.
pub(super) fn run(config: &Config, output: Output) -> Result<(), Box<dyn Error>> {
    telemetry::start(&config.log)?;
    let master_key = config.secrets.master_key.as_ref();
    let master_key = master_key
        .map(|key| MasterKey::from_content(key.expose()))
        .transpose()?;
    let mut checked = Checked::default();
    match Verification::open(&config.storage.data_dir, master_key) {
        Ok(verification) => check(&verification, &mut checked),
        // Then nothing can be told apart.
        Err(VerifyStoreError::Open(error)) => checked.findings.push(Finding::of_store(&error)),
        Err(error) => return Err(explain(error)),
    }
    show(output, &checked)?;
    let findings = &checked.findings;
    if findings.is_empty() {
        Ok(())
    } else {
        Err(format!("the store is damaged in {} places", findings.len()).into())
    }
}

/// What was looked at, and what was found.
#[derive(Default)]
struct Checked {
    looked: Looked,
    findings: Vec<Finding>,
    is_rekeying_unfinished: bool,
}

fn check(verification: &Verification, checked: &mut Checked) {
    checked.is_rekeying_unfinished = verification.is_rekeying_unfinished();
    let Checked { looked, findings, .. } = checked;
    let mut tell = |finding| findings.push(finding);
    let customers = match verification.customers() {
        Ok(customers) => customers,
        Err(error) => return tell(Finding::of_store(&error)),
    };
    let progress = bar::customers(customers.len() as u64);
    for customer in customers {
        verification.customer(customer, looked, &mut tell);
        progress.inc(1);
    }
    verification.rest(&mut tell);
    progress.finish_and_clear();
}

fn explain(error: VerifyStoreError) -> Box<dyn Error> {
    match error {
        VerifyStoreError::DataDir(DataDirError::Locked(_)) => {
            format!("{error}: verify-store works on a stopped store, so stop the service first").into()
        }
        other => other.into(),
    }
}

fn show(output: Output, checked: &Checked) -> Result<(), Box<dyn Error>> {
    let Checked {
        looked,
        findings,
        is_rekeying_unfinished,
    } = checked;
    if output.json {
        let shown = json!({
            "ok": findings.is_empty(),
            "looked_at": looked,
            "findings": findings,
            "rekey_unfinished": is_rekeying_unfinished,
        });
        print::line(shown)?;
        return Ok(());
    }
    let mut out = print::buffered();
    for finding in findings {
        match finding.customer_id {
            Some(customer) => write!(out, "customer {customer}, ")?,
            None => write!(out, "of no customer, ")?,
        }
        writeln!(out, "{}: {}", finding.place, finding.problem)?;
    }
    let Looked {
        customers,
        events,
        rows,
        secrets,
        being_erased,
    } = *looked;
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
    if *is_rekeying_unfinished {
        writeln!(
            out,
            "a change of the master key was cut off: run `countersign rekey` again to finish it"
        )?;
    }
    out.flush()?;
    Ok(())
}
