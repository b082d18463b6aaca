//! `countersign inspect`: what the journal of a stopped store holds.

use std::error::Error;
use std::io::{self, ErrorKind, Write};

use clap::Args;
use countersign_actors::CustomerId;
use countersign_actors::data_dir::DataDirError;
use countersign_actors::inspection::{InspectError, Inspection, ShownEvent};
use countersign_actors::journal::Visit;
use serde::Serialize;
use serde_json::Value;

use super::output::Output;
use crate::config::Config;
use crate::print;

/// Show every customer's events in order, secrets withheld; works on a stopped store
///
/// Needs no master key, and changes nothing of what is kept. Refused while a service holds the data directory.
/// Public keys, identifiers and names are shown; sealed keys and the digests of app tokens are not.
#[derive(Debug, Args)]
#[command(after_help = super::EXIT_CODES)]
pub(super) struct Arguments {
    /// Show this customer only; exits with 1 if there is no record of it
    #[arg(long, value_name = "UUID", value_parser = super::customer)]
    customer: Option<CustomerId>,
}

/// One event as a line of JSON.
#[derive(Serialize)]
struct Line<'a> {
    customer_id: CustomerId,
    sequence: u64,
    at: &'a str,
    event: &'a str,
    details: &'a Value,
}

/// Prints the events of one customer, or of all.
pub(super) fn run(config: &Config, output: Output, arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let inspection = Inspection::open(&config.storage.data_dir).map_err(explain)?;
    let mut out = print::buffered();
    let printed = match arguments.customer {
        Some(customer) => customer_events(&inspection, customer, output.json, &mut out),
        None => all_events(&inspection, output.json, &mut out),
    };
    // What was read before something damaged is shown as well.
    match out.flush().map_err(Box::from).and(printed) {
        // The reader has seen enough.
        Err(error) if is_closed_pipe(error.as_ref()) => Ok(()),
        done => done,
    }
}

fn explain(error: InspectError) -> Box<dyn Error> {
    match error {
        InspectError::DataDir(DataDirError::Locked(_)) => {
            format!("{error}: inspect works on a stopped store, so stop the service first").into()
        }
        other => other.into(),
    }
}

fn is_closed_pipe(error: &(dyn Error + 'static)) -> bool {
    error
        .downcast_ref::<io::Error>()
        .is_some_and(|error| error.kind() == ErrorKind::BrokenPipe)
}

fn all_events(inspection: &Inspection, json: bool, out: &mut impl Write) -> Result<(), Box<dyn Error>> {
    let mut after = None;
    loop {
        let customers = inspection.customers(after)?;
        let Some(last) = customers.last() else { return Ok(()) };
        after = Some(*last);
        for customer in customers {
            customer_events(inspection, customer, json, out)?;
        }
    }
}

fn customer_events(
    inspection: &Inspection,
    customer: CustomerId,
    json: bool,
    out: &mut impl Write,
) -> Result<(), Box<dyn Error>> {
    let mut written = Ok(());
    let mut first = true;
    let folded = inspection.events(customer, |event| {
        written = write_event(out, customer, &event, json, first);
        first = false;
        if written.is_ok() { Visit::Next } else { Visit::Stop }
    })?;
    written?;
    match folded {
        None => Err(format!("no record of customer {customer}").into()),
        Some(folded) if folded > 0 && !json => {
            writeln!(
                out,
                "  events up to {folded} of customer {customer} were folded into its state"
            )?;
            Ok(())
        }
        Some(_) => Ok(()),
    }
}

fn write_event(
    out: &mut impl Write,
    customer: CustomerId,
    event: &ShownEvent,
    as_json: bool,
    first: bool,
) -> io::Result<()> {
    let at = event.at.to_rfc3339();
    let ShownEvent {
        sequence,
        name,
        details,
        ..
    } = event;
    if as_json {
        let line = Line {
            customer_id: customer,
            sequence: *sequence,
            at: &at,
            event: name,
            details,
        };
        return writeln!(out, "{}", serde_json::to_string(&line)?);
    }
    if first {
        writeln!(out, "customer {customer}")?;
    }
    writeln!(out, "  {sequence:>6}  {at}  {name}  {details}")
}
