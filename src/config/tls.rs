//! `[tls]`: serving over TLS, and what client certificates are worth.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::sections::optional_path;
use super::{Config, Problem};
use crate::tls::Operators;

/// `[tls]`: serving over TLS, and what client certificates are worth.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsConfig {
    /// File with the certificate to serve and those that lead from it to a root; without one plain HTTP is served.
    #[serde(with = "optional_path")]
    pub certificate_file: Option<PathBuf>,
    /// File with the certificate's private key.
    #[serde(with = "optional_path")]
    pub private_key_file: Option<PathBuf>,
    /// Whether clients are asked for a certificate.
    pub client_certificates: ClientCertificates,
    /// File with the certificates that a client's must come from.
    #[serde(with = "optional_path")]
    pub client_ca_file: Option<PathBuf>,
    /// Names of client certificates that count as the admin credential.
    pub admin_certificates: Vec<String>,
    /// Time for a handshake.
    pub handshake_timeout_seconds: u64,
    /// Handshakes in progress at once, over all workers; further connections wait to be accepted.
    pub handshakes_max: usize,
    /// Time between two looks whether the files have changed.
    pub reload_seconds: u64,
}

/// Whether clients are asked for a certificate. One that is presented and does not come from `client_ca_file` is always refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ClientCertificates {
    /// They are not.
    None,
    /// They may present one.
    Optional,
    /// Without one there is no connection.
    Required,
}

impl Default for TlsConfig {
    fn default() -> Self {
        Self {
            certificate_file: None,
            private_key_file: None,
            client_certificates: ClientCertificates::None,
            client_ca_file: None,
            admin_certificates: Vec::new(),
            handshake_timeout_seconds: 5,
            handshakes_max: 512,
            reload_seconds: 60,
        }
    }
}

impl TlsConfig {
    /// Whether TLS is served.
    pub const fn is_enabled(&self) -> bool {
        self.certificate_file.is_some()
    }

    /// [`Self::handshake_timeout_seconds`] as a duration.
    pub const fn handshake_timeout(&self) -> Duration {
        Duration::from_secs(self.handshake_timeout_seconds)
    }

    /// [`Self::reload_seconds`] as a duration.
    pub const fn reload_interval(&self) -> Duration {
        Duration::from_secs(self.reload_seconds)
    }
}

impl Config {
    /// That what is set under `[tls]` belongs together: a setting without effect would make somebody feel safe.
    pub(super) fn check_tls(&self, problems: &mut Vec<Problem>) {
        let tls = &self.tls;
        let mut refuse = |key: &str, message: &str| problems.push(Problem::new(key, message));
        match (&tls.certificate_file, &tls.private_key_file) {
            (Some(_), None) => refuse("tls.private_key_file", "is needed with tls.certificate_file"),
            (None, Some(_)) => refuse("tls.certificate_file", "is needed with tls.private_key_file"),
            _ => {}
        }
        let asks = tls.client_certificates != ClientCertificates::None;
        if asks && !tls.is_enabled() {
            refuse("tls.client_certificates", "needs tls.certificate_file");
        }
        if asks && tls.client_ca_file.is_none() {
            refuse("tls.client_ca_file", "is needed with tls.client_certificates");
        }
        if !asks && tls.client_ca_file.is_some() {
            let message = "has no effect unless tls.client_certificates is \"optional\" or \"required\"";
            refuse("tls.client_ca_file", message);
        }
        if !asks && !tls.admin_certificates.is_empty() {
            let message = "has no effect unless tls.client_certificates is \"optional\" or \"required\"";
            refuse("tls.admin_certificates", message);
        }
        if let Err(message) = Operators::parse(&tls.admin_certificates) {
            refuse("tls.admin_certificates", &message);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Exposure;

    fn keys(change: impl FnOnce(&mut TlsConfig)) -> Vec<String> {
        let mut config = Config::default();
        change(&mut config.tls);
        let mut problems = Vec::new();
        config.check_tls(&mut problems);
        problems.into_iter().map(|problem| problem.key).collect()
    }

    fn complete(tls: &mut TlsConfig) {
        tls.certificate_file = Some("service.pem".into());
        tls.private_key_file = Some("service.key".into());
        tls.client_certificates = ClientCertificates::Optional;
        tls.client_ca_file = Some("ca.pem".into());
        tls.admin_certificates = vec!["dns:ops.example.org".to_owned()];
    }

    #[test]
    fn settings_that_do_not_belong_together_are_refused_by_their_key() {
        assert_eq!(keys(complete), Vec::<String>::new());
        let without = |take: fn(&mut TlsConfig)| {
            keys(|tls| {
                complete(tls);
                take(tls);
            })
        };
        assert_eq!(without(|tls| tls.private_key_file = None), ["tls.private_key_file"]);
        assert_eq!(
            without(|tls| tls.certificate_file = None),
            ["tls.certificate_file", "tls.client_certificates"]
        );
        assert_eq!(without(|tls| tls.client_ca_file = None), ["tls.client_ca_file"]);
        assert_eq!(
            without(|tls| tls.client_certificates = ClientCertificates::None),
            ["tls.client_ca_file", "tls.admin_certificates"]
        );
        assert_eq!(
            without(|tls| tls.admin_certificates.push("ops".to_owned())),
            ["tls.admin_certificates"]
        );
    }

    #[test]
    fn a_listed_certificate_is_an_admin_credential() {
        let mut config = Config::default();
        config.server.host = "192.0.2.1".to_owned();
        complete(&mut config.tls);
        assert_eq!(config.check(), Ok(()));
        assert_eq!(config.exposure(), Exposure::Credentialed);
        config.tls.admin_certificates.clear();
        assert!(
            config.check().is_err(),
            "a certificate that is not listed opens nothing"
        );
    }
}
