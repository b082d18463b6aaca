//! The sections of `config.toml` with their defaults. Ranges stand in `limits`, the prose in `config.toml` itself.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// `[server]`: where and how HTTP is served.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServerConfig {
    /// IP address to bind, or `localhost`, which stands for 127.0.0.1.
    pub host: String,
    /// TCP port; 0 takes a free one.
    pub port: u16,
    /// HTTP worker threads per listener; 0 means one per core.
    pub workers: usize,
    /// Path of a Unix socket to serve as well.
    #[serde(with = "optional_path")]
    pub unix_socket: Option<PathBuf>,
    /// Permits serving a network, or a Unix socket, without an admin credential.
    pub allow_unauthenticated_network: bool,
    /// Largest request body in bytes.
    pub body_max_bytes: usize,
    /// Largest body of a batch request in bytes.
    pub batch_body_max_bytes: usize,
    /// Connections open at once, over all workers of a listener.
    pub connections_max: usize,
    /// Requests being worked on at once, in the whole process.
    pub in_flight_max: usize,
    /// Time for a request's head to arrive.
    pub header_timeout_seconds: u64,
    /// Time for a request's body to arrive.
    pub body_timeout_seconds: u64,
    /// Time that a connection may stay open without a request.
    pub idle_timeout_seconds: u64,
    /// Time that the server goes on serving after a signal to stop, while readiness says no.
    pub drain_seconds: u64,
    /// Time that requests in progress get when the server stops.
    pub shutdown_timeout_seconds: u64,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            host: "127.0.0.1".to_owned(),
            port: 8001,
            workers: 0,
            unix_socket: None,
            allow_unauthenticated_network: false,
            body_max_bytes: 64 * 1024,
            batch_body_max_bytes: 1024 * 1024,
            connections_max: 25_000,
            in_flight_max: 8_192,
            header_timeout_seconds: 5,
            body_timeout_seconds: 15,
            idle_timeout_seconds: 75,
            drain_seconds: 0,
            shutdown_timeout_seconds: 30,
        }
    }
}

impl ServerConfig {
    /// The address to bind, or nothing when `host` is neither an IP address nor `localhost`.
    pub fn address(&self) -> Option<SocketAddr> {
        let ip = match self.host.as_str() {
            // Not resolved: `localhost` may name two addresses, which port 0 would give two ports.
            "localhost" => IpAddr::V4(Ipv4Addr::LOCALHOST),
            literal => literal.parse().ok()?,
        };
        Some(SocketAddr::new(ip, self.port))
    }

    /// Whether only this machine reaches that address.
    pub fn is_on_loopback(&self) -> bool {
        self.address().is_some_and(|address| address.ip().is_loopback())
    }

    /// [`Self::body_timeout_seconds`] as a duration.
    pub fn body_timeout(&self) -> Duration {
        Duration::from_secs(self.body_timeout_seconds)
    }
}

/// `[auth]`: where secrets are read from. The secrets themselves never stand in `config.toml`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuthConfig {
    /// File that holds the master key.
    #[serde(with = "optional_path")]
    pub master_key_file: Option<PathBuf>,
    /// File that holds the admin token.
    #[serde(with = "optional_path")]
    pub admin_token_file: Option<PathBuf>,
}

/// `[tokens]`: rules of minting.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokensConfig {
    /// Lifetime of an app token that asks for none.
    pub default_app_ttl_days: u32,
    /// Deepest subagent: an agent's own subagents have depth 1.
    pub max_delegation_depth: u8,
    /// Commands of one customer being worked on at once.
    pub in_flight_per_tenant_max: usize,
}

impl Default for TokensConfig {
    fn default() -> Self {
        Self {
            default_app_ttl_days: 365,
            max_delegation_depth: 3,
            in_flight_per_tenant_max: 256,
        }
    }
}

/// `[keys]`: signing keys.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeysConfig {
    /// Time between publishing a rotated key and signing with it.
    pub key_publish_ahead_seconds: u64,
}

impl Default for KeysConfig {
    fn default() -> Self {
        Self {
            key_publish_ahead_seconds: 300,
        }
    }
}

/// `[storage]`: the embedded store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StorageConfig {
    /// Directory of the store.
    pub data_dir: PathBuf,
    /// Free disk space below which writes are refused.
    pub disk_free_min_mib: u64,
}

impl Default for StorageConfig {
    fn default() -> Self {
        Self {
            data_dir: PathBuf::from("./data"),
            disk_free_min_mib: 256,
        }
    }
}

impl StorageConfig {
    /// [`Self::disk_free_min_mib`] in bytes.
    pub const fn disk_free_min_bytes(&self) -> u64 {
        self.disk_free_min_mib.saturating_mul(1_024 * 1_024)
    }
}

/// `[engine]`: threads and memory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EngineConfig {
    /// Shard threads; 0 means one per core.
    pub shards: usize,
    /// Time without a command after which a customer leaves memory.
    pub idle_tenant_seconds: u64,
    /// Customers in memory above which they leave it much sooner.
    pub active_tenants_max: usize,
}

impl Default for EngineConfig {
    fn default() -> Self {
        Self {
            shards: 0,
            idle_tenant_seconds: 300,
            active_tenants_max: 100_000,
        }
    }
}

/// `[permissions]`: the permission family under `/api/v1`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PermissionsConfig {
    /// Refuses an override whose `expiresAt` is already past.
    pub reject_past_expiry: bool,
    /// Which decisions the audit tells of.
    pub audit_decisions: DecisionAuditConfig,
    /// Management calls per key and hour.
    pub management_per_hour: u32,
    /// Checks per key and hour.
    pub checks_per_hour: u32,
    /// Audit calls per key and hour.
    pub audit_per_hour: u32,
}

impl Default for PermissionsConfig {
    fn default() -> Self {
        Self {
            reject_past_expiry: false,
            audit_decisions: DecisionAuditConfig::Denied,
            management_per_hour: 500,
            checks_per_hour: 5_000,
            audit_per_hour: 100,
        }
    }
}

/// Which decisions the audit tells of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DecisionAuditConfig {
    /// All.
    All,
    /// Those that allow nothing.
    Denied,
    /// None.
    None,
}

/// `[metrics]`: who may read them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MetricsConfig {
    /// File that holds the token of whoever may read the metrics and nothing else.
    #[serde(with = "optional_path")]
    pub token_file: Option<PathBuf>,
}

/// `[traces]`: where the spans of requests go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TracesConfig {
    /// Address of a collector's OTLP/HTTP endpoint; empty for none.
    pub otlp_endpoint: String,
    /// Of 100 traces that begin here, those that are exported.
    pub sample_percent: u8,
}

impl Default for TracesConfig {
    fn default() -> Self {
        Self {
            otlp_endpoint: String::new(),
            sample_percent: 100,
        }
    }
}

/// `[log]`: what is written to standard error.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogConfig {
    /// `tracing` directives: a level, or `target=level` parts joined by commas.
    pub filter: String,
    /// Form of a line.
    pub format: LogFormat,
}

impl Default for LogConfig {
    fn default() -> Self {
        // actix-http reports every malformed request as an error, which would let any client fill the log.
        Self {
            filter: "info,actix_server=warn,actix_http=off".to_owned(),
            format: LogFormat::Text,
        }
    }
}

/// Form of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// TOML has no null: an empty string stands for "none", so that every key can be shown with its default.
pub(super) mod optional_path {
    use std::path::PathBuf;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[expect(clippy::ref_option, reason = "serde's `with` passes a reference to the field")]
    pub(in crate::config) fn serialize<S: Serializer>(
        path: &Option<PathBuf>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        path.clone().unwrap_or_default().serialize(serializer)
    }

    pub(in crate::config) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<PathBuf>, D::Error> {
        let path = PathBuf::deserialize(deserializer)?;
        Ok((!path.as_os_str().is_empty()).then_some(path))
    }
}
