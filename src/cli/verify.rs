//! `countersign verify`: a token against published keys and, if wanted, against what was revoked.

use std::error::Error;
use std::fmt;
use std::fs::File;
use std::io::Read;

use clap::Args;
use countersign_actors::clock::{Clock, SystemClock, UnixMillis};
use countersign_actors::limits::TOKEN_BYTES_MAX;
use countersign_actors::{VerifiedClaims, VerifyError, keys_of_jwks, verify_offline};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::connection::{Connection, STANDARD_INPUT, standard_input};
use super::inspect_token::time;
use super::output::{Output, printable};
use super::usage::UsageError;
use crate::config::Config;
use revocations::Considered;
use source::Source;

mod revocations;
mod source;

/// Verify a token offline: with published keys and, if given, with what was revoked
///
/// Exits with 1 and says why if the token is not valid. An offline check knows signature and expiry; of revocations it knows what
/// --revocations says, and of those by cascade only the ones of the token itself and of its parent. Ask the service where that is
/// not enough.
#[derive(Debug, Args)]
#[command(after_help = super::EXIT_CODES)]
pub(super) struct Arguments {
    /// The token; `-` reads it from standard input, which keeps it out of the process list
    #[arg(value_name = "TOKEN")]
    token: String,
    /// The customer's published keys, a JWK Set: a file, or the URL of /keys/public/UUID/jwks.json
    #[arg(long, value_name = "FILE|URL")]
    jwks: Source,
    /// What was revoked: a file with an answer of GET /revocations, or the URL of /revocations?customer_id=UUID, which is followed to
    /// its end. The credential goes with it only if it is the service's own
    #[arg(long, value_name = "FILE|URL")]
    revocations: Option<Source>,
    /// Verify as of this time instead of now, such as 2026-03-02T00:00:00Z
    #[arg(long, value_name = "TIME", value_parser = moment)]
    at: Option<UnixMillis>,
    #[command(flatten)]
    connection: Connection,
}

/// Why a token is not accepted.
#[derive(Debug, thiserror::Error)]
enum NotValid {
    #[error("not valid: {0}")]
    Offline(#[from] VerifyError),
    #[error("not valid: {0}")]
    Revoked(String),
}

impl NotValid {
    const fn word(&self) -> &'static str {
        match self {
            Self::Offline(VerifyError::Malformed(_)) => "malformed",
            Self::Offline(VerifyError::UnknownKey) => "unknown_key",
            Self::Offline(VerifyError::BadSignature) => "bad_signature",
            Self::Offline(VerifyError::Expired) => "expired",
            Self::Revoked(_) => "revoked",
        }
    }
}

/// Verifies, and prints what the token says.
pub(super) fn run(config: &Config, output: Output, arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    if arguments.token == STANDARD_INPUT && arguments.connection.reads_standard_input() {
        let message = "standard input holds the token or the credential, not both";
        return Err(UsageError(message.to_owned()).into());
    }
    let token = token_text(&arguments.token)?;
    let keys = source::text(&arguments.jwks, &arguments.connection, config)?;
    let keys = keys_of_jwks(&keys).map_err(|_| "--jwks names no JWK Set with usable keys")?;
    let now = arguments.at.unwrap_or_else(|| SystemClock.now()).seconds().get();
    let verdict = verify_offline(&token, &keys, now.try_into().unwrap_or_default()).map_err(NotValid::from);
    let verdict = match (verdict, &arguments.revocations) {
        (Ok(verified), Some(source)) => {
            let found = revocations::consider(&verified, source, &arguments.connection, config)?;
            match found.by {
                Some(how) => Err(NotValid::Revoked(how)),
                None => Ok((verified, Some(found))),
            }
        }
        (verdict, _) => verdict.map(|verified| (verified, None)),
    };
    match verdict {
        Ok((verified, considered)) => {
            let answer = json!({
                "valid": true,
                "type": verified.kind,
                "kid": verified.kid,
                "revocations_considered": considered.as_ref().map(|considered| considered.count),
                "claims": verified.claims,
            });
            output.answer(
                &answer,
                Valid {
                    verified: &verified,
                    considered,
                },
            )?;
            Ok(())
        }
        Err(why) => {
            if output.json {
                let answer = json!({"valid": false, "reason": why.word(), "detail": why.to_string()});
                output.answer(&answer, "")?;
            }
            Err(why.into())
        }
    }
}

struct Valid<'a> {
    verified: &'a VerifiedClaims,
    considered: Option<Considered>,
}

impl fmt::Display for Valid<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verified = self.verified;
        writeln!(f, "valid       signature and time")?;
        writeln!(f, "type        {}", verified.kind)?;
        writeln!(f, "key id      {}", verified.kid)?;
        writeln!(f, "customer    {}", verified.customer)?;
        writeln!(f, "jti         {}", verified.jti)?;
        writeln!(f, "issued at   {}", time(verified.issued_at))?;
        writeln!(f, "expires at  {}", time(verified.expires_at))?;
        let claims = Value::Object(verified.claims.clone());
        writeln!(f, "claims      {}", printable(&claims.to_string()))?;
        match &self.considered {
            None => f.write_str("revoked     not looked at: give --revocations, or ask the service"),
            Some(Considered { count, .. }) => write!(
                f,
                "revoked     no, as far as {count} revocations say; cascades from above its parent are not seen offline"
            ),
        }
    }
}

/// The token that an argument names.
pub(super) fn token_text(argument: &str) -> Result<Zeroizing<String>, UsageError> {
    if argument != STANDARD_INPUT {
        return Ok(Zeroizing::new(argument.to_owned()));
    }
    // Room for the line break that editors and `echo` add.
    let bytes = standard_input(TOKEN_BYTES_MAX + 2)?;
    let text = std::str::from_utf8(&bytes).map_err(|_| UsageError("standard input is no token".to_owned()))?;
    Ok(Zeroizing::new(text.trim_end_matches(['\r', '\n']).to_owned()))
}

fn moment(text: &str) -> Result<UnixMillis, &'static str> {
    UnixMillis::parse_rfc3339(text).ok_or("must be an RFC 3339 time with a zone, such as 2026-03-02T00:00:00Z")
}

/// A file of a bounded size, as text.
fn file_text(path: &std::path::Path, bytes_max: u64) -> Result<String, String> {
    let failed = |error| format!("`{}` cannot be read: {error}", path.display());
    let mut text = String::new();
    let file = File::open(path).map_err(failed)?;
    let read = file.take(bytes_max + 1).read_to_string(&mut text).map_err(failed)?;
    if u64::try_from(read).is_ok_and(|read| read <= bytes_max) {
        Ok(text)
    } else {
        Err(format!("`{}` has more than {bytes_max} bytes", path.display()))
    }
}
