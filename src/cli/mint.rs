//! `countersign mint`: a token of any of the six kinds.

use std::error::Error;

use clap::{Args, Subcommand};
use serde::Serialize;
use serde_json::Value;

use super::connection::{About, Connection};
use super::output::{Output, printable, text};
use super::service::Call;
use crate::config::Config;

mod below;
mod root;

/// Mint a token and print it on standard output
///
/// Nothing but the token stands on standard output; its id and expiry are told on standard error. With --json, everything that the
/// service answers stands on standard output. A parent may be named, or presented as the credential.
#[derive(Debug, Args)]
#[command(after_help = super::EXIT_CODES)]
pub(super) struct Arguments {
    #[command(subcommand)]
    kind: Kind,
    #[command(flatten)]
    about: About,
    /// Make repetitions of this call with the same key and the same flags mint one token, for 24 hours
    #[arg(long, global = true, value_name = "KEY")]
    idempotency_key: Option<String>,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Debug, Subcommand)]
enum Kind {
    App(root::App),
    Bearer(below::Bearer),
    Agent(below::Agent),
    Subagent(below::Subagent),
    Session(below::Session),
    Override(root::Override),
}

impl Kind {
    fn path_and_body(&self) -> Result<(&'static str, Value), serde_json::Error> {
        Ok(match self {
            Self::App(arguments) => ("/tokens/app", serde_json::to_value(arguments)?),
            Self::Bearer(arguments) => ("/tokens/bearer", serde_json::to_value(arguments)?),
            Self::Agent(arguments) => ("/tokens/agent", serde_json::to_value(arguments)?),
            Self::Subagent(arguments) => ("/tokens/subagent", serde_json::to_value(arguments)?),
            Self::Session(arguments) => ("/tokens/session", serde_json::to_value(arguments)?),
            Self::Override(arguments) => ("/tokens/override", serde_json::to_value(arguments)?),
        })
    }
}

/// The policy of an agent or subagent. What is not given is inherited, or allows everything where there is nothing to inherit.
#[derive(Debug, Args, Serialize)]
#[command(next_help_heading = "Policy")]
struct Rbac {
    /// Pattern of actions that are allowed, such as `data:read:*`; may be repeated
    #[arg(long = "allowed-action", value_name = "PATTERN")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    allowed_actions: Vec<String>,
    /// Pattern of actions that are denied, whatever else allows them; may be repeated
    #[arg(long = "denied-action", value_name = "PATTERN")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    denied_actions: Vec<String>,
    /// Pattern of resources that are allowed, such as `repo:*`; may be repeated
    #[arg(long = "allowed-resource", value_name = "PATTERN")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    allowed_resources: Vec<String>,
    /// Pattern of resources that are denied; may be repeated
    #[arg(long = "denied-resource", value_name = "PATTERN")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    denied_resources: Vec<String>,
    /// Highest sensitivity level that is allowed, 0 to 4
    #[arg(long, value_name = "LEVEL")]
    #[serde(skip_serializing_if = "Option::is_none")]
    max_sensitivity_level: Option<u8>,
    /// Risk score that is carried in the claims
    #[arg(long, value_name = "SCORE")]
    #[serde(skip_serializing_if = "Option::is_none")]
    max_risk_score: Option<f64>,
}

/// Mints, and prints the token.
pub(super) fn run(config: &Config, output: Output, arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let (path, mut body) = arguments.kind.path_and_body()?;
    if let (Some(customer), Some(members)) = (arguments.about.customer(config), body.as_object_mut()) {
        members.insert("customer_id".to_owned(), customer.to_string().into());
    }
    let call = Call::post(path, body).once(arguments.idempotency_key.as_deref());
    let service = arguments.connection.open(config)?;
    let answer = service.call(&call)?;
    let token = service.member(&call, &answer, "token")?;
    for warning in answer.get("warnings").and_then(Value::as_array).into_iter().flatten() {
        output.note(format_args!(
            "warning: {}",
            printable(warning.as_str().unwrap_or_default())
        ));
    }
    output.answer(&answer, token)?;
    let (jti, expires_at) = (text(&answer, "jti"), text(&answer, "expires_at"));
    output.note(format_args!(
        "jti {}, expires at {}",
        printable(jti),
        printable(expires_at)
    ));
    Ok(())
}
