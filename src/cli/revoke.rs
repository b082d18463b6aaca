//! `countersign revoke`

use std::error::Error;

use clap::Args;
use countersign_actors::Jti;
use serde_json::{Map, Value};

use super::connection::{About, Connection};
use super::output::Output;
use super::service::Call;
use crate::config::Config;

/// Revoke one token; what was derived from it stays
#[derive(Debug, Args)]
#[command(after_help = super::EXIT_CODES)]
pub(super) struct Arguments {
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    about: About,
    #[command(flatten)]
    connection: Connection,
}

/// A token that is to be revoked.
#[derive(Debug, Args)]
pub(super) struct Target {
    /// The token's id
    #[arg(value_name = "JTI", value_parser = super::jti)]
    pub(super) jti: Jti,
    /// Refuse if it is of another type than this, such as `agent`
    #[arg(long, value_name = "TYPE")]
    token_type: Option<String>,
    /// Why, for the audit and for those who follow revocations
    #[arg(long)]
    reason: Option<String>,
}

impl Target {
    /// The body of the call, without the members that are not given.
    pub(super) fn body(&self, about: &About, config: &Config) -> Value {
        let members = [
            (
                "customer_id",
                about.customer(config).map(|customer| customer.to_string()),
            ),
            ("token_type", self.token_type.clone()),
            ("reason", self.reason.clone()),
        ];
        let given = members
            .into_iter()
            .filter_map(|(name, value)| Some((name.to_owned(), value?.into())));
        Value::Object(given.collect::<Map<_, _>>())
    }
}

/// Revokes.
pub(super) fn run(config: &Config, output: Output, arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let target = &arguments.target;
    let call = Call::delete(format!("/revocation/{}", target.jti)).body(target.body(&arguments.about, config));
    let answer = arguments.connection.open(config)?.call(&call)?;
    output.answer(&answer, format_args!("{} is revoked", target.jti))?;
    Ok(())
}
