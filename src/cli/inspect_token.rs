//! `countersign inspect-token`: what a token says of itself, believed by nobody.

use std::error::Error;
use std::fmt;

use clap::Args;
use countersign_actors::TokenKind;
use countersign_actors::clock::UnixSeconds;
use countersign_actors::token::hash::token_hash;
use countersign_actors::token::jwt::{Presented, parse};
use serde_json::{Value, json};

use super::output::{Output, printable};
use super::verify::token_text;

/// Decode a token WITHOUT verifying it: all of what is shown may be invented
///
/// Works offline and without keys. Use `verify` to learn whether the token is genuine.
#[derive(Debug, Args)]
#[command(after_help = super::EXIT_CODES)]
pub(super) struct Arguments {
    /// The token; `-` reads it from standard input, which keeps it out of the process list
    #[arg(value_name = "TOKEN")]
    token: String,
}

/// Prints what the token says.
pub(super) fn run(output: Output, arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let text = token_text(&arguments.token)?;
    let token = parse(&text)?;
    let claims: Value = serde_json::from_str(token.payload())?;
    let hash = (token.kind() == TokenKind::App).then(|| token_hash(&text));
    let answer = json!({
        "verified": false,
        "type": token.kind(),
        "kid": token.kid(),
        "token_hash": hash,
        "claims": claims,
    });
    output.answer(
        &answer,
        Decoded {
            token: &token,
            claims: &claims,
            hash,
        },
    )?;
    Ok(())
}

struct Decoded<'a> {
    token: &'a Presented<'a>,
    claims: &'a Value,
    hash: Option<String>,
}

impl fmt::Display for Decoded<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let token = self.token;
        writeln!(
            f,
            "NOT VERIFIED: this is what the token says, and anybody can write that"
        )?;
        writeln!(f, "type        {}", token.kind())?;
        writeln!(f, "key id      {}", token.kid())?;
        writeln!(f, "customer    {}", token.customer())?;
        writeln!(f, "jti         {}", token.jti())?;
        writeln!(f, "issued at   {}", time(token.issued_at()))?;
        writeln!(f, "expires at  {}", time(token.expires_at()))?;
        if let Some(hash) = &self.hash {
            writeln!(f, "token hash  {hash}")?;
        }
        write!(f, "claims      {}", printable(&self.claims.to_string()))
    }
}

/// A time of a token as people read it.
pub(super) fn time(seconds: u64) -> String {
    UnixSeconds::new(seconds.try_into().unwrap_or(i64::MAX)).to_rfc3339()
}
