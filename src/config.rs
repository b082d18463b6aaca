//! Configuration: `config.toml`, then the environment. The only part of the program that reads environment variables.
//!
//! Every key of `config.toml` has one variable: `AUTH_<SECTION>_<KEY>` in capitals (`AUTH_SERVER_WORKERS`), except for
//! the documented short names (`AUTH_PORT`, `AUTH_HOST`, `AUTH_DATA_DIR`, `AUTH_MASTER_KEY_FILE`,
//! `AUTH_ADMIN_TOKEN_FILE`, `AUTH_LOG`, `AUTH_DEFAULT_APP_TTL_DAYS`, `AUTH_MAX_DELEGATION_DEPTH`).
//! `AUTH_MASTER_KEY`, `AUTH_ADMIN_TOKEN` and `AUTH_CLIENT_CREDENTIAL` hold the secrets themselves and win over the files.
//!
//! - [`sections`]: the keys and their defaults
//! - [`client`]: which service the commands call
//! - `limits`: what each key may hold, and its variable
//! - `load`: the layers, from file and environment to a checked [`Config`]
//! - [`tls`]: serving over TLS
//! - `secrets`: reading and judging the secrets
//! - [`secret`]: text that must not be seen

use std::fmt;
use std::path::Path;

use serde::{Deserialize, Serialize};
use tracing_subscriber::EnvFilter;

pub mod client;
mod limits;
mod load;
pub mod secret;
mod secrets;
pub mod sections;
pub mod tls;

use client::ClientConfig;
pub use load::Environment;
pub use secret::Secret;
pub use secrets::{ADMIN_TOKEN_CHARS_MIN, MASTER_KEY_BYTES_MIN, SECRET_BYTES_MAX, Secrets, read_secret};
use sections::{
    AuthConfig, EngineConfig, KeysConfig, LogConfig, PermissionsConfig, ServerConfig, StorageConfig, TokensConfig,
};
use tls::TlsConfig;

/// The file that is read when none is named; it may be missing.
pub const DEFAULT_FILE: &str = "config.toml";

/// Everything that can be set, and the secrets.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where and how HTTP is served.
    pub server: ServerConfig,
    /// Serving over TLS, and what client certificates are worth.
    pub tls: TlsConfig,
    /// Where secrets are read from.
    pub auth: AuthConfig,
    /// Rules of minting.
    pub tokens: TokensConfig,
    /// Signing keys.
    pub keys: KeysConfig,
    /// The embedded store.
    pub storage: StorageConfig,
    /// Threads and memory.
    pub engine: EngineConfig,
    /// The permission family.
    pub permissions: PermissionsConfig,
    /// What is written to standard error.
    pub log: LogConfig,
    /// Which service the commands call, and as whom.
    pub client: ClientConfig,
    /// The secrets themselves; never part of a file.
    #[serde(skip)]
    pub secrets: Secrets,
    /// What loading noticed that is no reason to refuse.
    #[serde(skip)]
    pub warnings: Vec<String>,
}

/// Who may call, as far as the configuration decides it (tokens.md section 3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exposure {
    /// Loopback without an admin credential: any local process may mint, so browsers and proxies are kept out.
    Open,
    /// An admin credential is configured.
    Credentialed,
    /// A network, or a Unix socket alone behind one, without a credential, permitted by name.
    UnauthenticatedNetwork,
}

/// One reason why a configuration is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The key, variable or file at fault.
    pub key: String,
    /// What is wrong with it.
    pub message: String,
}

impl Problem {
    fn new(key: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            key: key.into(),
            message: message.into(),
        }
    }
}

/// All reasons why a configuration is refused, at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems(pub Vec<Problem>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the configuration is refused")?;
        for problem in &self.0 {
            write!(f, "\n  {}: {}", problem.key, problem.message)?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

impl Config {
    /// Reads the named file, or [`DEFAULT_FILE`] if there is one, and the process's environment.
    ///
    /// # Errors
    /// All problems at once, each naming its key, variable or file.
    pub fn from_process(file: Option<&Path>) -> Result<Self, Problems> {
        Self::load(file, &Environment::of_process())
    }

    /// Judges the configuration as a whole.
    ///
    /// # Errors
    /// All problems at once, each naming its key.
    pub fn check(&self) -> Result<(), Problems> {
        let mut problems = self.check_ranges();
        self.check_server(&mut problems);
        self.check_tls(&mut problems);
        self.client.check(&mut problems);
        self.secrets.check(&mut problems);
        if self.storage.data_dir.as_os_str().is_empty() {
            problems.push(Problem::new("storage.data_dir", "must name a directory"));
        }
        if EnvFilter::try_new(&self.log.filter).is_err() {
            problems.push(Problem::new(
                "log.filter",
                "is not a list of log directives, such as `info` or `countersign=debug`",
            ));
        }
        if problems.is_empty() {
            Ok(())
        } else {
            Err(Problems(problems))
        }
    }

    /// Who may call.
    pub fn exposure(&self) -> Exposure {
        if self.has_admin_credential() {
            Exposure::Credentialed
        } else if self.server.is_on_loopback() {
            Exposure::Open
        } else {
            Exposure::UnauthenticatedNetwork
        }
    }

    /// Whether there is a way to be the operator: the admin token, or a listed client certificate.
    pub fn has_admin_credential(&self) -> bool {
        self.secrets.admin_token.is_some() || !self.tls.admin_certificates.is_empty()
    }

    /// A configuration built in code has not been through `load`, so its numbers are checked here again.
    fn check_ranges(&self) -> Vec<Problem> {
        let (Ok(own), Ok(defaults)) = (toml::Table::try_from(self), toml::Table::try_from(Self::default())) else {
            return vec![Problem::new(
                DEFAULT_FILE,
                "cannot be written as TOML: a number or a path is out of bounds",
            )];
        };
        let mut problems = Vec::new();
        load::for_each_key(&defaults, |section, name, default| {
            let key = format!("{section}.{name}");
            let value = own.get(section).and_then(|content| content.get(name));
            if let Some(Err(message)) = value.map(|value| limits::check_value(&key, value, default)) {
                problems.push(Problem::new(key, message));
            }
        });
        problems
    }

    fn check_server(&self, problems: &mut Vec<Problem>) {
        let server = &self.server;
        if server.batch_body_max_bytes < server.body_max_bytes {
            problems.push(Problem::new(
                "server.batch_body_max_bytes",
                "must not be below server.body_max_bytes",
            ));
        }
        let Some(address) = server.address() else {
            problems.push(Problem::new("server.host", "must be an IP address or `localhost`"));
            return;
        };
        if self.has_admin_credential() || server.allow_unauthenticated_network {
            return;
        }
        let refusal = "without an admin credential: set AUTH_ADMIN_TOKEN, auth.admin_token_file or tls.admin_certificates, \
                       or permit it by name with server.allow_unauthenticated_network = true";
        if !address.ip().is_loopback() {
            let message = format!("{} would be served to a network {refusal}", address.ip());
            problems.push(Problem::new("server.host", message));
        }
        if server.unix_socket.is_some() {
            problems.push(Problem::new("server.unix_socket", format!("would be served {refusal}")));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(config: &Config) -> Vec<String> {
        match config.check() {
            Ok(()) => Vec::new(),
            Err(problems) => problems.0.into_iter().map(|problem| problem.key).collect(),
        }
    }

    fn with_admin() -> Config {
        let admin_token = Some(Secret::new(vec![b'a'; ADMIN_TOKEN_CHARS_MIN]));
        Config {
            secrets: Secrets {
                admin_token,
                ..Secrets::default()
            },
            ..Config::default()
        }
    }

    #[test]
    fn the_defaults_are_accepted_and_open() {
        assert_eq!(keys(&Config::default()), Vec::<String>::new());
        assert_eq!(Config::default().exposure(), Exposure::Open);
        assert_eq!(with_admin().exposure(), Exposure::Credentialed);
    }

    #[test]
    fn a_network_needs_an_admin_credential_or_a_permission_by_name() {
        for host in ["0.0.0.0", "192.0.2.1", "::", "2001:db8::1"] {
            let mut config = Config::default();
            config.server.host = host.to_owned();
            assert_eq!(keys(&config), ["server.host"], "{host}");
            config.server.allow_unauthenticated_network = true;
            assert_eq!(keys(&config), Vec::<String>::new());
            assert_eq!(config.exposure(), Exposure::UnauthenticatedNetwork);
            let mut config = with_admin();
            config.server.host = host.to_owned();
            assert_eq!(keys(&config), Vec::<String>::new());
        }
        for host in ["127.0.0.1", "127.8.9.10", "::1", "localhost"] {
            let mut config = Config::default();
            config.server.host = host.to_owned();
            assert_eq!(keys(&config), Vec::<String>::new(), "{host}");
        }
    }

    #[test]
    fn a_unix_socket_has_the_credential_rules_of_a_network_address() {
        let mut config = Config::default();
        config.server.unix_socket = Some("/run/countersign.sock".into());
        assert_eq!(keys(&config), ["server.unix_socket"]);
        config.secrets = with_admin().secrets;
        assert_eq!(keys(&config), Vec::<String>::new());
    }

    #[test]
    fn all_problems_are_told_at_once() {
        let mut config = Config::default();
        config.server.host = "example.org".to_owned();
        config.server.in_flight_max = 0;
        config.tokens.default_app_ttl_days = 3_651;
        config.keys.key_publish_ahead_seconds = u64::MAX >> 1;
        config.log.filter = "countersign=loud=er".to_owned();
        config.storage.data_dir = "".into();
        let mut told = keys(&config);
        told.sort();
        assert_eq!(
            told,
            [
                "keys.key_publish_ahead_seconds",
                "log.filter",
                "server.host",
                "server.in_flight_max",
                "storage.data_dir",
                "tokens.default_app_ttl_days"
            ]
        );
    }
}
