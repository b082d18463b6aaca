//! `countersign purge`: forgetting what is kept for 90 days, in all customers, at once instead of once a day.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use actix_web::rt;
use countersign_actors::clock::SystemClock;
use countersign_actors::data_dir::DataDirError;
use countersign_actors::{Engine, StartError};
use serde_json::json;

use super::output::Output;
use super::service::Service;
use crate::config::Config;
use crate::service::start_engine;
use crate::telemetry;

/// Purges, and prints how many permission overrides were forgotten.
pub(super) fn run(config: &Config, output: Output) -> Result<(), Box<dyn Error>> {
    telemetry::start(&config.log)?;
    let purged = match start_engine(config, Arc::new(SystemClock), |_| {}) {
        Ok(engine) => rt::System::new().block_on(in_process(&engine))?,
        Err(StartError::DataDir(DataDirError::Locked(_))) => Service::configured(config)?.purge()?,
        Err(error) => return Err(error.into()),
    };
    output.answer(
        &json!({"purged": purged}),
        format_args!("{purged} permission overrides forgotten"),
    )?;
    Ok(())
}

async fn in_process(engine: &Engine) -> Result<u64, Box<dyn Error>> {
    let purged = engine.purge().await;
    engine.shutdown(Duration::from_secs(30)).await;
    Ok(purged?)
}
