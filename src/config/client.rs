//! `[client]`: which service the commands call, and as whom. `serve` ignores it.

use std::path::PathBuf;

use countersign_actors::CustomerId;
use serde::{Deserialize, Serialize};

use super::Problem;
use super::sections::optional_path;

/// `[client]`: which service the commands call, and as whom.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClientConfig {
    /// Address of the service; empty for the one that `[server]` describes.
    pub service_url: String,
    /// Customer that a command is about when it names none; empty for none.
    pub customer_id: String,
    /// File that holds the credential to present.
    #[serde(with = "optional_path")]
    pub credential_file: Option<PathBuf>,
    /// File with the certificates that the service's certificate must come from, instead of the system's.
    #[serde(with = "optional_path")]
    pub ca_file: Option<PathBuf>,
    /// File with the certificate to present to the service.
    #[serde(with = "optional_path")]
    pub certificate_file: Option<PathBuf>,
    /// File with the private key of that certificate.
    #[serde(with = "optional_path")]
    pub private_key_file: Option<PathBuf>,
    /// Permits plain HTTP to another machine.
    pub allow_plain_http: bool,
}

impl ClientConfig {
    /// What every command would stumble over; the address itself is read where it is used.
    pub(super) fn check(&self, problems: &mut Vec<Problem>) {
        if !self.customer_id.is_empty() && CustomerId::parse(&self.customer_id).is_none() {
            problems.push(Problem::new("client.customer_id", "must be a UUID"));
        }
        // Settings are shown, and a password must not be.
        if self.service_url.contains('@') {
            let message = "must be a scheme, a host and a port, without a name or password";
            problems.push(Problem::new("client.service_url", message));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_in_the_address_and_a_customer_that_is_none_are_refused_without_being_shown() {
        let client = ClientConfig {
            service_url: "https://operator:hush@auth.example.org".to_owned(),
            customer_id: "hush".to_owned(),
            ..ClientConfig::default()
        };
        let mut problems = Vec::new();
        client.check(&mut problems);
        let keys: Vec<&str> = problems.iter().map(|problem| problem.key.as_str()).collect();
        assert_eq!(keys, ["client.customer_id", "client.service_url"]);
        assert!(!format!("{problems:?}").contains("hush"));
        problems.clear();
        ClientConfig::default().check(&mut problems);
        assert!(problems.is_empty());
    }
}
