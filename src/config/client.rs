//! `[client]`: which service the commands call, and as whom. `serve` ignores it.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

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
