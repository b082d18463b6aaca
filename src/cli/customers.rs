//! `countersign customers`: customers as a whole. For the operator only.

use std::error::Error;

use clap::{Args, Subcommand};
use countersign_actors::CustomerId;
use countersign_actors::limits::PAGE_MAX;
use serde_json::{Value, json};

use super::connection::Connection;
use super::output::{Output, printable, text};
use super::pages;
use super::progress::Progress;
use super::service::{Call, Service};
use super::usage::UsageError;
use crate::config::Config;

/// List, show, suspend, resume and erase customers; needs the admin credential
#[derive(Debug, Args)]
#[command(after_help = super::EXIT_CODES)]
pub(super) struct Arguments {
    #[command(subcommand)]
    action: Action,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List all customers
    List,
    /// Show a customer's state, and how many live tokens of each type it has
    Show(One),
    /// Stop a customer: nothing is minted and no token is active; everything is kept
    Suspend(Reasoned),
    /// Undo a suspension
    Resume(Reasoned),
    /// Erase everything of a customer but the fact of the erasure; cannot be undone
    Erase {
        #[command(flatten)]
        one: One,
        /// Confirm that everything is to go
        #[arg(long)]
        yes: bool,
    },
}

#[derive(Debug, Args)]
struct One {
    /// The customer
    #[arg(value_name = "UUID", value_parser = super::customer)]
    customer: CustomerId,
}

#[derive(Debug, Args)]
struct Reasoned {
    #[command(flatten)]
    one: One,
    /// Why, for the audit
    #[arg(long)]
    reason: Option<String>,
}

/// Does it, and prints what came of it.
pub(super) fn run(config: &Config, output: Output, arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    if matches!(arguments.action, Action::Erase { yes: false, .. }) {
        return Err(UsageError("erasing cannot be undone: confirm it with --yes".to_owned()).into());
    }
    let service = arguments.connection.open(config)?;
    match &arguments.action {
        Action::List => list(&service, output),
        Action::Show(One { customer }) => {
            let answer = service.call(&Call::get(format!("/customers/{customer}")))?;
            let status = printable(text(&answer, "status"));
            let live = answer.get("live_tokens").unwrap_or(&Value::Null);
            let live = printable(&live.to_string());
            output.answer(
                &answer,
                format_args!("customer     {customer}\nstatus       {status}\nlive tokens  {live}"),
            )?;
            Ok(())
        }
        Action::Suspend(reasoned) => set(&service, output, reasoned, "suspend"),
        Action::Resume(reasoned) => set(&service, output, reasoned, "resume"),
        Action::Erase {
            one: One { customer }, ..
        } => {
            let progress = Progress::start("erasing");
            let answer = service.call(&Call::delete(format!("/customers/{customer}")))?;
            drop(progress);
            output.answer(&answer, format_args!("{customer} is erased"))?;
            Ok(())
        }
    }
}

fn set(service: &Service, output: Output, reasoned: &Reasoned, verb: &str) -> Result<(), Box<dyn Error>> {
    let customer = reasoned.one.customer;
    let body = reasoned
        .reason
        .as_ref()
        .map_or(json!({}), |reason| json!({"reason": reason}));
    let answer = service.call(&Call::post(format!("/customers/{customer}/{verb}"), body))?;
    let status = printable(text(&answer, "status"));
    output.answer(&answer, format_args!("{customer} is {status}"))?;
    Ok(())
}

fn list(service: &Service, output: Output) -> Result<(), Box<dyn Error>> {
    let page = |cursor: Option<&str>| {
        Call::get("/customers")
            .query("limit", Some(PAGE_MAX))
            .query("cursor", cursor)
    };
    pages::each(service, "customers", page, Service::call, |customer| {
        Ok(output.answer(customer, printable(text(customer, "customer_id")))?)
    })
}
