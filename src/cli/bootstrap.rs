//! `countersign bootstrap`: from nothing to an app token, whether or not a service runs.

use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use actix_web::rt;
use clap::Args;
use countersign_actors::clock::SystemClock;
use countersign_actors::data_dir::DataDirError;
use countersign_actors::token::hash::token_hash;
use countersign_actors::{Call, CustomerId, Engine, Failure, Name, NewApp, Rejection, Scope, StartError};
use serde::Serialize;

use super::output::Output;
use super::service::Service;
use crate::config::Config;
use crate::service::start_engine;
use crate::telemetry;

/// Make a customer's signing key if it has none, mint an app token, and print it
///
/// On a free data directory the work is done there. While a service holds the directory, the service at the configured address
/// is asked instead, with the configured admin token. Repeating the command uses the same key and mints another token.
///
/// The token is printed once, on standard output, and kept nowhere: neither the store nor the log holds it.
#[derive(Debug, Args)]
#[command(after_help = super::EXIT_CODES)]
pub(super) struct Arguments {
    /// The customer; made if it is not known yet
    #[arg(long, value_name = "UUID", value_parser = super::customer)]
    customer: CustomerId,
    /// Name of the app token, shown to people
    #[arg(long, default_value = "bootstrap", value_parser = Name::parse)]
    name: Name,
}

/// What is printed.
#[derive(Serialize)]
struct Made {
    customer_id: String,
    key_id: String,
    token: String,
    token_hash: String,
    jti: String,
    expires_at: String,
}

/// Bootstraps a customer. Nothing is printed before all of it is durable.
pub(super) fn run(config: &Config, output: Output, arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    telemetry::start(&config.log)?;
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    let made = match start_engine(config, Arc::new(SystemClock), |_| {}) {
        Ok(engine) => rt::System::new().block_on(in_process(&engine, arguments))?,
        Err(StartError::DataDir(DataDirError::Locked(path))) => through_service(config, arguments, &path)?,
        Err(error) => return Err(error.into()),
    };
    output.answer(&serde_json::to_value(&made)?, describe(&made))?;
    Ok(())
}

fn describe(made: &Made) -> String {
    format!(
        "customer    {}\nkey id      {}\napp token   {}\ntoken hash  {}\nexpires at  {}",
        made.customer_id, made.key_id, made.token, made.token_hash, made.expires_at
    )
}

async fn in_process(engine: &Engine, arguments: &Arguments) -> Result<Made, Box<dyn Error>> {
    let made = make(engine, arguments).await;
    // Whatever came of it: what was recorded is made durable, and the directory is free again.
    let answered = engine.shutdown(Duration::from_secs(30)).await;
    if !answered {
        tracing::warn!("the store was closed before everything was answered");
    }
    Ok(made?)
}

async fn make(engine: &Engine, arguments: &Arguments) -> Result<Made, Failure> {
    let customer = arguments.customer;
    let key_id = match engine.create_signing_key(customer, Call::management(())).await {
        Ok(key) => key.kid,
        Err(Failure::Rejected(Rejection::ActiveKeyExists { kid })) => kid,
        Err(failure) => return Err(failure),
    };
    let app = NewApp {
        name: arguments.name.clone(),
        scopes: [Scope::All].into_iter().collect(),
        ttl_days: None,
    };
    let minted = engine.mint_app(customer, Call::management(app)).await?;
    let token = minted.signed.token();
    Ok(Made {
        customer_id: customer.to_string(),
        key_id: key_id.to_string(),
        token: token.to_owned(),
        token_hash: token_hash(token),
        jti: minted.grant.jti().to_string(),
        expires_at: minted.grant.expires_at().to_rfc3339(),
    })
}

fn through_service(config: &Config, arguments: &Arguments, data_dir: &Path) -> Result<Made, Box<dyn Error>> {
    let service = Service::configured(config)?;
    tracing::info!("`{}` is in use: asking the service at {service}", data_dir.display());
    let customer = arguments.customer;
    let key_id = service.signing_key(customer)?;
    let app = service.app_token(customer, &arguments.name)?;
    Ok(Made {
        customer_id: customer.to_string(),
        key_id,
        token: app.token,
        token_hash: app.token_hash,
        jti: app.jti,
        expires_at: app.expires_at,
    })
}
