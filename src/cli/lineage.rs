//! `countersign lineage`: where a token stands, drawn as a tree.

use std::error::Error;

use clap::Args;
use countersign_actors::Jti;
use serde_json::{Value, json};

use super::connection::{About, Connection};
use super::output::Output;
use super::progress::Progress;
use super::service::Call;
use crate::config::Config;
use tree::Tree;

mod tree;

/// Draw a token's ancestors and descendants as a tree
#[derive(Debug, Args)]
#[command(after_help = super::EXIT_CODES)]
pub(super) struct Arguments {
    /// The token's id
    #[arg(value_name = "JTI", value_parser = super::jti)]
    jti: Jti,
    /// Draw with ASCII characters only
    #[arg(long)]
    ascii: bool,
    #[command(flatten)]
    about: About,
    #[command(flatten)]
    connection: Connection,
}

/// Draws.
pub(super) fn run(config: &Config, output: Output, arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let service = arguments.connection.open(config)?;
    let customer = arguments.about.customer(config);
    let call = |path: String| service.call(&Call::get(path).query("customer_id", customer));
    let progress = Progress::start("asking for the lineage");
    let token = call(format!("/tokens/{}", arguments.jti))?;
    let lineage = call(format!("/tokens/{}/lineage", arguments.jti))?;
    drop(progress);
    let tree = Tree::new(&token, list(&lineage, "ancestors"), list(&lineage, "descendants"));
    let drawn = tree.draw(arguments.ascii);
    let more = lineage.get("truncated").and_then(Value::as_bool) == Some(true);
    let answer = json!({
        "token": token,
        "ancestors": lineage.get("ancestors"),
        "descendants": lineage.get("descendants"),
        "truncated": more,
    });
    output.answer(&answer, drawn)?;
    if more {
        output.note("there are more descendants than the service shows at once");
    }
    Ok(())
}

fn list<'a>(lineage: &'a Value, name: &str) -> &'a [Value] {
    lineage.get(name).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}
