//! Tokens that need no parent.

use clap::Args;
use serde::Serialize;

/// An app token: what an operator's program holds
///
/// Its --json answer has the `token_hash` by which a bearer token names its parent; `inspect-token` tells it too.
#[derive(Debug, Args, Serialize)]
pub(super) struct App {
    /// Name, shown to people
    #[arg(long)]
    name: String,
    /// What the token may be used for, such as `tokens:mint`; may be repeated [default: everything]
    #[arg(long = "scope", value_name = "SCOPE")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    scopes: Vec<String>,
    /// Lifetime in days, 1 to 3650
    #[arg(long, value_name = "DAYS")]
    #[serde(skip_serializing_if = "Option::is_none")]
    ttl_days: Option<u32>,
}

/// An override token, for one human decision on one flagged event
#[derive(Debug, Args, Serialize)]
pub(super) struct Override {
    /// The flagged event
    #[arg(long, value_name = "ID")]
    event_id: String,
    /// A decision that the token permits, `approve` or `reject`; may be repeated [default: both]
    #[arg(long = "allowed-decision", value_name = "DECISION")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    allowed_decisions: Vec<String>,
    /// Why the event was flagged
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// Lifetime in minutes, 1 to 1440 [default: 5]
    #[arg(long, value_name = "MINUTES")]
    #[serde(skip_serializing_if = "Option::is_none")]
    ttl_minutes: Option<u32>,
}
