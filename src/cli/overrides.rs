//! `countersign overrides`: permission overrides, and the question they are made for.

use std::error::Error;

use clap::{Args, Subcommand, ValueEnum};
use serde::Serialize;
use serde_json::Value;

use super::connection::Connection;
use super::output::{Output, printable, text};
use super::pages;
use super::service::{Call, Service, segment};
use crate::config::Config;

const PATH: &str = "/api/v1/permissions";

/// Create, list, delete and check permission overrides; needs an app token as credential, with the scopes of the call
///
/// The credential is an app token and never the admin token: it says which organisation the call is for.
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
    Create(Create),
    List(List),
    /// Delete an override, which is out of force for the next check
    Delete {
        /// The override's id, such as ovr_…
        #[arg(value_name = "ID")]
        id: String,
    },
    Check(Check),
}

/// Grant or deny one user one action, whatever the user's roles say
#[derive(Debug, Args, Serialize)]
#[serde(rename_all = "camelCase")]
struct Create {
    /// The user, or an agent by its agent_id
    #[arg(long, value_name = "ID")]
    admin_id: String,
    /// What it is about, such as `billing`, `orders.refunds` or `orders.*`
    #[arg(long)]
    path: String,
    /// The action, or `*`
    #[arg(long)]
    action: String,
    /// GRANT or DENY; a DENY beats every GRANT
    #[arg(long)]
    effect: Effect,
    /// Why, in at least 10 characters
    #[arg(long)]
    reason: String,
    /// When it ends, such as 2026-03-02T00:00:00Z [default: never]
    #[arg(long, value_name = "TIME")]
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<String>,
    /// Make repetitions of this call with the same key and the same flags create one override, for 24 hours
    #[arg(long, value_name = "KEY")]
    #[serde(skip)]
    idempotency_key: Option<String>,
}

#[derive(Clone, Copy, Debug, ValueEnum, Serialize)]
#[serde(rename_all = "UPPERCASE")]
#[value(rename_all = "UPPER")]
enum Effect {
    Grant,
    Deny,
}

/// List a user's overrides
#[derive(Debug, Args)]
struct List {
    /// The user
    #[arg(value_name = "ADMIN_ID")]
    admin_id: String,
    /// Only those in force, or only those that are over
    #[arg(long)]
    status: Option<Status>,
    /// Overrides to ask for at a time, 1 to 1000; all of them are listed
    #[arg(long, value_name = "NUMBER")]
    page_size: Option<u16>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Status {
    Active,
    Expired,
    All,
}

/// Ask whether a user may do something; a refusal is an answer, and exits with 0
#[derive(Debug, Args, Serialize)]
#[serde(rename_all = "camelCase")]
struct Check {
    /// The user
    #[arg(long, value_name = "ID")]
    admin_id: String,
    /// What it is about
    #[arg(long)]
    path: String,
    /// The action
    #[arg(long)]
    action: String,
    /// What it is done to
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    resource: Option<String>,
    /// Say which override or role decided
    #[arg(long)]
    explain: bool,
}

/// Does it, and prints what came of it.
pub(super) fn run(config: &Config, output: Output, arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let service = arguments.connection.open(config)?;
    match &arguments.action {
        Action::Create(create) => {
            let call = Call::post(format!("{PATH}/overrides"), serde_json::to_value(create)?);
            let made = service.call_for_data(&call.once(create.idempotency_key.as_deref()))?;
            for warning in made.get("warnings").and_then(Value::as_array).into_iter().flatten() {
                output.note(format_args!(
                    "warning: {}",
                    printable(warning.as_str().unwrap_or_default())
                ));
            }
            output.answer(&made, describe(&made))?;
        }
        Action::List(wanted) => list(&service, output, wanted)?,
        Action::Delete { id } => {
            let call = Call::delete(format!("{PATH}/overrides/remove/{}", segment(id)));
            let deleted = service.call_for_data(&call)?;
            output.answer(&deleted, format_args!("{} is deleted", printable(text(&deleted, "id"))))?;
        }
        Action::Check(check) => {
            let call = Call::post(format!("{PATH}/check"), serde_json::to_value(check)?);
            let checked = service.call_for_data(&call)?;
            let allowed = checked.get("allowed").and_then(Value::as_bool) == Some(true);
            let word = if allowed { "allowed" } else { "refused" };
            let explained = checked
                .get("explain")
                .map(|explain| format!("\n{explain}"))
                .unwrap_or_default();
            let source = text(&checked, "source");
            output.answer(
                &checked,
                format_args!("{word} ({}){}", printable(source), printable(&explained)),
            )?;
        }
    }
    Ok(())
}

fn list(service: &Service, output: Output, wanted: &List) -> Result<(), Box<dyn Error>> {
    let status = wanted.status.map(|status| match status {
        Status::Active => "active",
        Status::Expired => "expired",
        Status::All => "all",
    });
    let page = |cursor: Option<&str>| {
        Call::get(format!("{PATH}/overrides/{}", segment(&wanted.admin_id)))
            .query("status", status)
            .query("limit", wanted.page_size)
            .query("cursor", cursor)
    };
    pages::each(service, "overrides", page, Service::call_for_data, |one| {
        Ok(output.answer(one, describe(one))?)
    })
}

/// `ovr_…  DENY billing:delete  active until 2026-03-02T00:00:00.000Z  the reason`
fn describe(one: &Value) -> String {
    let until = match text(one, "expiresAt") {
        "" => String::new(),
        time => format!(" until {time}"),
    };
    let described = format!(
        "{}  {} {}:{}  {}{until}  {}",
        text(one, "id"),
        text(one, "effect"),
        text(one, "path"),
        text(one, "action"),
        text(one, "status"),
        text(one, "reason"),
    );
    printable(&described)
}
