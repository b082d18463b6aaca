//! The engine and the application as a configuration describes them.

use std::sync::Arc;

use actix_web::web::{Data, ServiceConfig};
use countersign_actors::clock::Clock;
use countersign_actors::commands::Rules;
use countersign_actors::commands::permissions::{DecisionAudit, PermissionRules};
use countersign_actors::crypto::CryptoError;
use countersign_actors::crypto::seal::MasterKey;
use countersign_actors::engine::{Engine, EngineOptions, StartError};

use crate::app::{AdminCredential, App, Watching};
use crate::config::sections::DecisionAuditConfig;
use crate::config::{Config, Exposure};
use crate::rate_limit::RateLimits;
use crate::routes;

/// Starts the engine. `on_failure` is called once, with the reason, if the journal fails: the process has to end then.
///
/// # Errors
/// [`StartError`] if the data directory is in use, damaged, or sealed under another master key.
pub fn start_engine(
    config: &Config,
    clock: Arc<dyn Clock>,
    on_failure: impl FnOnce(String) + Send + 'static,
) -> Result<Engine, StartError> {
    let given = config.secrets.master_key.as_ref();
    let master_key = given.map(|key| MasterKey::from_content(key.expose())).transpose();
    let engine = Engine::start(EngineOptions {
        master_key: master_key.map_err(|error: CryptoError| StartError::from(error))?,
        shards: config.engine.shards,
        in_flight_per_tenant_max: config.tokens.in_flight_per_tenant_max,
        in_flight_max: config.server.in_flight_max,
        idle_tenant_seconds: config.engine.idle_tenant_seconds,
        active_tenants_max: config.engine.active_tenants_max,
        disk_free_min_bytes: config.storage.disk_free_min_bytes(),
        rules: rules(config),
        clock,
        on_failure: Box::new(on_failure),
        ..EngineOptions::new(&config.storage.data_dir)
    })?;
    if let Some(path) = engine.generated_master_key() {
        tracing::warn!(
            path = %path.display(),
            "a master key was made: keep a copy apart from backups, without it the data cannot be used"
        );
    }
    if engine.is_rekeying_unfinished() {
        tracing::warn!(
            "a change of the master key was cut off: stop the service and run `countersign rekey` again to finish it"
        );
    }
    Ok(engine)
}

fn rules(config: &Config) -> Rules {
    Rules {
        default_app_ttl_days: config.tokens.default_app_ttl_days,
        max_delegation_depth: config.tokens.max_delegation_depth,
        key_publish_ahead_seconds: config.keys.key_publish_ahead_seconds,
        permissions: permission_rules(config),
        ..Rules::default()
    }
}

fn permission_rules(config: &Config) -> PermissionRules {
    PermissionRules {
        reject_past_expiry: config.permissions.reject_past_expiry,
        audit_decisions: match config.permissions.audit_decisions {
            DecisionAuditConfig::All => DecisionAudit::All,
            DecisionAuditConfig::Denied => DecisionAudit::Denied,
            DecisionAuditConfig::None => DecisionAudit::None,
        },
    }
}

/// The application of an engine: all routes, with what their handlers are given.
pub fn application(config: &Config, engine: Engine) -> impl Fn(&mut ServiceConfig) + Clone + Send + 'static {
    let admin = config
        .secrets
        .admin_token
        .as_ref()
        .map(|token| AdminCredential::new(token.expose()));
    let credential = config.secrets.metrics_token.as_ref();
    let watching = Watching {
        needs_credential: credential.is_some() || config.exposure() != Exposure::Open,
        credential: credential.map(|token| AdminCredential::new(token.expose())),
    };
    let has_certificates = !config.tls.admin_certificates.is_empty();
    let app = App::new(engine, admin, has_certificates, RateLimits::from(&config.permissions)).watched_by(watching);
    let app = Data::new(app.on_loopback(config.server.is_on_loopback()));
    move |service: &mut ServiceConfig| {
        service.app_data(app.clone());
        routes::configure(service);
    }
}
