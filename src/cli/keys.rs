//! `countersign keys`: a customer's signing keys.

use std::error::Error;

use clap::{Args, Subcommand};
use countersign_actors::KeyId;
use serde_json::{Value, json};

use super::connection::{About, Connection};
use super::output::{Output, printable, text};
use super::progress::Progress;
use super::service::{Call, Service};
use crate::config::Config;

/// List, make, rotate and revoke a customer's signing keys
#[derive(Debug, Args)]
#[command(after_help = super::EXIT_CODES)]
pub(super) struct Arguments {
    #[command(subcommand)]
    action: Action,
    #[command(flatten)]
    about: About,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List the published keys, the one that signs first
    List,
    /// Make the customer's first key, and with it the customer
    Create,
    /// Make a successor of the key that signs: published at once, signing once verifiers know it
    Rotate {
        /// The key that signs now
        #[arg(value_name = "KEY_ID", value_parser = super::key_id)]
        key: KeyId,
        /// Sign with the successor at once: verifiers that keep keys refuse its tokens until they fetch again
        #[arg(long)]
        immediate: bool,
    },
    /// End a key, every token it signed, and everything derived from those
    Revoke {
        /// The key
        #[arg(value_name = "KEY_ID", value_parser = super::key_id)]
        key: KeyId,
        /// Why, for the audit and for those who follow revocations
        #[arg(long)]
        reason: Option<String>,
    },
}

/// Does it, and prints what came of it.
pub(super) fn run(config: &Config, output: Output, arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let service = arguments.connection.open(config)?;
    let customer = arguments.about.customer(config).map(|customer| customer.to_string());
    match &arguments.action {
        Action::List => list(&service, output, &arguments.about.named(config)?.to_string()),
        Action::Create => {
            let answer = service.call(&Call::post("/keys/signing", json!({"customer_id": customer})))?;
            output.answer(&answer, format_args!("{} signs", id(&answer)))?;
            Ok(())
        }
        Action::Rotate { key, immediate } => {
            let body = json!({"customer_id": customer, "immediate": immediate});
            let answer = service.call(&Call::post(format!("/keys/{key}/rotate"), body))?;
            let from = printable(text(&answer, "signs_from"));
            output.answer(&answer, format_args!("{} signs from {from} on", id(&answer)))?;
            Ok(())
        }
        Action::Revoke { key, reason } => {
            let body = json!({"customer_id": customer, "reason": reason});
            let progress = Progress::start("revoking everything that the key signed");
            let answer = service.call(&Call::post(format!("/keys/{key}/revoke"), body))?;
            drop(progress);
            let count = answer.get("revoked_count").and_then(Value::as_u64).unwrap_or_default();
            output.answer(&answer, format_args!("{key} is revoked, and with it tokens: {count}"))?;
            Ok(())
        }
    }
}

fn list(service: &Service, output: Output, customer: &str) -> Result<(), Box<dyn Error>> {
    let call = Call::get(format!("/keys/public/{customer}"));
    let answer = service.call(&call)?;
    let keys = answer
        .get("keys")
        .and_then(Value::as_array)
        .ok_or_else(|| service.foreign(&call))?;
    let signs = answer.get("public_key").is_some_and(Value::is_string);
    for (place, key) in keys.iter().enumerate() {
        let role = if place == 0 && signs { "signs" } else { "published" };
        let line = json!({"key_id": text(key, "kid"), "signs": role == "signs", "jwk": key});
        output.answer(&line, format_args!("{}  {role}", printable(text(key, "kid"))))?;
    }
    Ok(())
}

fn id(answer: &Value) -> String {
    printable(text(answer, "key_id"))
}
