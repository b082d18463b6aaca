//! `countersign cascade`

use std::error::Error;
use std::fmt;

use clap::Args;
use serde_json::Value;

use super::connection::{About, Connection};
use super::output::{Output, printable};
use super::progress::Progress;
use super::revoke::Target;
use super::service::Call;
use crate::config::Config;

/// Revoke a token and everything derived from it, at once
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

/// Revokes all of it, and says what that was.
pub(super) fn run(config: &Config, output: Output, arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let target = &arguments.target;
    let call = Call::post(
        format!("/revocation/cascade/{}", target.jti),
        target.body(&arguments.about, config),
    );
    let service = arguments.connection.open(config)?;
    let progress = Progress::start("revoking everything below");
    let answer = service.call(&call)?;
    drop(progress);
    output.answer(&answer, Cascaded(&answer))?;
    Ok(())
}

/// What a cascade reached, the root first.
struct Cascaded<'a>(&'a Value);

impl fmt::Display for Cascaded<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.0.get("revoked_count").and_then(Value::as_u64).unwrap_or_default();
        let tokens = if count == 1 { "token is" } else { "tokens are" };
        write!(f, "{count} {tokens} revoked")?;
        let listed = self
            .0
            .get("revoked_jtis")
            .and_then(Value::as_array)
            .into_iter()
            .flatten();
        for jti in listed.filter_map(Value::as_str) {
            write!(f, "\n{}", printable(jti))?;
        }
        if self.0.get("truncated").and_then(Value::as_bool) == Some(true) {
            f.write_str("\nand others, too many to be listed")?;
        }
        Ok(())
    }
}
