//! Tokens that are derived from another, which is named here or presented as the credential.

use clap::{Args, ValueEnum};
use countersign_actors::Jti;
use serde::Serialize;

use super::Rbac;
use crate::cli::jti;

/// A bearer token, for one environment
#[derive(Debug, Args, Serialize)]
pub(super) struct Bearer {
    /// The app token that it is derived from, by its `token_hash`
    #[arg(long, value_name = "HASH")]
    #[serde(skip_serializing_if = "Option::is_none")]
    app_token_hash: Option<String>,
    /// The environment [default: production]
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    environment: Option<Environment>,
    /// Lifetime in days, 1 to 365 [default: 90]
    #[arg(long, value_name = "DAYS")]
    #[serde(skip_serializing_if = "Option::is_none")]
    ttl_days: Option<u32>,
}

#[derive(Clone, Copy, Debug, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
enum Environment {
    Development,
    Staging,
    Production,
}

/// An agent token
#[derive(Debug, Args, Serialize)]
pub(super) struct Agent {
    /// The bearer token that it is derived from
    #[arg(long, value_name = "JTI", value_parser = jti)]
    #[serde(skip_serializing_if = "Option::is_none")]
    bearer_jti: Option<Jti>,
    #[command(flatten)]
    #[serde(flatten)]
    agent: Named,
    /// Lifetime in hours, 1 to 720 [default: 24]
    #[arg(long, value_name = "HOURS")]
    #[serde(skip_serializing_if = "Option::is_none")]
    ttl_hours: Option<u32>,
    #[command(flatten)]
    rbac: Rbac,
}

/// A subagent token, for what an agent delegates; its policy is within its parent's
#[derive(Debug, Args, Serialize)]
pub(super) struct Subagent {
    /// The agent or subagent token that it is derived from
    #[arg(long, value_name = "JTI", value_parser = jti)]
    #[serde(skip_serializing_if = "Option::is_none")]
    parent_agent_jti: Option<Jti>,
    #[command(flatten)]
    #[serde(flatten)]
    agent: Named,
    /// Lifetime in hours, 1 to 168 [default: 4]
    #[arg(long, value_name = "HOURS")]
    #[serde(skip_serializing_if = "Option::is_none")]
    ttl_hours: Option<u32>,
    #[command(flatten)]
    rbac: Rbac,
}

#[derive(Debug, Args, Serialize)]
struct Named {
    /// The agent, by the name that stands in the claims
    #[arg(long, value_name = "ID")]
    agent_id: String,
    /// Name, shown to people
    #[arg(long, value_name = "NAME")]
    #[serde(skip_serializing_if = "Option::is_none")]
    agent_name: Option<String>,
}

/// A session token, for a bounded number of events
#[derive(Debug, Args, Serialize)]
pub(super) struct Session {
    /// The agent or subagent token that it is derived from
    #[arg(long, value_name = "JTI", value_parser = jti, requires = "parent_type")]
    #[serde(skip_serializing_if = "Option::is_none")]
    parent_jti: Option<Jti>,
    /// Which of the two it is
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    parent_type: Option<ParentType>,
    /// The session, by the name that stands in the claims
    #[arg(long, value_name = "ID")]
    session_id: String,
    /// Events that may be counted, 1 to 1000000 [default: 1000]
    #[arg(long, value_name = "NUMBER")]
    #[serde(skip_serializing_if = "Option::is_none")]
    max_events: Option<u32>,
    /// Lifetime in minutes, 1 to 1440 [default: 60]
    #[arg(long, value_name = "MINUTES")]
    #[serde(skip_serializing_if = "Option::is_none")]
    ttl_minutes: Option<u32>,
}

#[derive(Clone, Copy, Debug, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
enum ParentType {
    Agent,
    Subagent,
}
