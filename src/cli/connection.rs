//! Which service a command calls, and as whom: flags first, then the environment, then the configuration file.

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use clap::Args;
use countersign_actors::CustomerId;
use zeroize::Zeroizing;

use super::service::{Address, Service, ServiceError, Tls};
use super::usage::UsageError;
use crate::config::{Config, SECRET_BYTES_MAX, Secret, read_secret};
use crate::print;

/// Stands for standard input where a file is named.
pub(super) const STANDARD_INPUT: &str = "-";

/// Flags of every command that calls the service.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Service")]
pub(super) struct Connection {
    /// Address of the service, such as `https://auth.example.org:8001` [default: client.service_url, or what `[server]` describes]
    #[arg(long, global = true, value_name = "URL")]
    service: Option<String>,
    /// File with the credential to present, `-` for standard input [default: AUTH_CLIENT_CREDENTIAL, client.credential_file, or the
    /// admin token of `[auth]` for this configuration's own service]
    #[arg(long, global = true, value_name = "FILE")]
    credential_file: Option<PathBuf>,
    /// File with the PEM certificates that the service's must come from [default: client.ca_file, or the system's]
    #[arg(long, global = true, value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// File with the PEM certificate to present to the service [default: client.certificate_file]
    #[arg(long, global = true, value_name = "FILE")]
    certificate_file: Option<PathBuf>,
    /// File with the private key of that certificate [default: client.private_key_file]
    #[arg(long, global = true, value_name = "FILE")]
    private_key_file: Option<PathBuf>,
    /// Permit plain HTTP to another machine: whoever listens in gets the credential and every token
    #[arg(long, global = true)]
    allow_plain_http: bool,
}

impl Connection {
    /// The service to call.
    pub(super) fn open(&self, config: &Config) -> Result<Service, Box<dyn std::error::Error>> {
        let address = self.address(config)?;
        Ok(Service::new(address, &self.tls(config), self.credential(config)?)?)
    }

    /// Whatever answers at a URL, and the path there. Only the service itself gets the credential.
    pub(super) fn open_at(&self, url: &str, config: &Config) -> Result<(Service, String), Box<dyn std::error::Error>> {
        let (address, path) = Address::split(url, self.allow_plain_http || config.client.allow_plain_http)?;
        let is_service = self.address(config).is_ok_and(|own| own == address);
        let credential = if is_service { self.credential(config)? } else { None };
        Ok((Service::new(address, &self.tls(config), credential)?, path))
    }

    fn address(&self, config: &Config) -> Result<Address, ServiceError> {
        let client = &config.client;
        match self.service.as_deref().or(given(&client.service_url)) {
            Some(url) => Address::parse(url, self.allow_plain_http || client.allow_plain_http),
            // Whatever it is bound to is this machine, so that nobody listens in.
            None => Address::served(config).ok_or(ServiceError::NoPort),
        }
    }

    fn tls(&self, config: &Config) -> Tls {
        let client = &config.client;
        Tls {
            ca_file: self.ca_file.clone().or_else(|| client.ca_file.clone()),
            certificate_file: self
                .certificate_file
                .clone()
                .or_else(|| client.certificate_file.clone()),
            private_key_file: self
                .private_key_file
                .clone()
                .or_else(|| client.private_key_file.clone()),
        }
    }

    /// Whether the credential is read from standard input.
    pub(super) fn reads_standard_input(&self) -> bool {
        self.credential_file.as_deref() == Some(Path::new(STANDARD_INPUT))
    }

    fn credential(&self, config: &Config) -> Result<Option<Secret>, UsageError> {
        let Some(path) = &self.credential_file else {
            let secrets = &config.secrets;
            // The admin token of this configuration is for its own service, and no business of another.
            let own = secrets.admin_token.clone().filter(|_| self.service.is_none());
            return Ok(secrets.client_credential.clone().or(own));
        };
        let secret = if self.reads_standard_input() {
            Secret::of_text_file(&standard_input(SECRET_BYTES_MAX)?)
        } else {
            let mut warnings = Vec::new();
            let read = read_secret(path, "--credential-file", &mut warnings);
            for warning in warnings {
                print::error_line(format_args!("countersign: warning: {warning}"));
            }
            read.map_err(|message| UsageError(format!("--credential-file: {message}")))?
        };
        if !secret.fits_a_header() {
            return Err(UsageError(
                "--credential-file: a credential is visible ASCII without spaces".to_owned(),
            ));
        }
        Ok(Some(secret))
    }
}

/// The customer that a command is about.
#[derive(Debug, Args)]
pub(super) struct About {
    /// The customer [default: client.customer_id, or the one that the presented token belongs to]
    #[arg(long, global = true, value_name = "UUID", value_parser = super::customer)]
    customer: Option<CustomerId>,
}

impl About {
    /// The customer, unless the credential is to say it.
    pub(super) fn customer(&self, config: &Config) -> Option<CustomerId> {
        self.customer.or_else(|| CustomerId::parse(&config.client.customer_id))
    }

    /// The customer, where the service cannot know it from the credential.
    pub(super) fn named(&self, config: &Config) -> Result<CustomerId, UsageError> {
        let missing = || UsageError("name the customer with --customer or client.customer_id".to_owned());
        self.customer(config).ok_or_else(missing)
    }
}

/// All of standard input, if it is no larger than this.
pub(super) fn standard_input(bytes_max: usize) -> Result<Zeroizing<Vec<u8>>, UsageError> {
    // One buffer of the final size: a growing one would leave copies of a secret behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(bytes_max + 1));
    let limit = u64::try_from(bytes_max).unwrap_or(u64::MAX).saturating_add(1);
    let read = io::stdin().lock().take(limit).read_to_end(&mut bytes);
    read.map_err(|error| UsageError(format!("standard input cannot be read: {error}")))?;
    if bytes.len() > bytes_max {
        return Err(UsageError(format!("standard input has more than {bytes_max} bytes")));
    }
    Ok(bytes)
}

fn given(text: &str) -> Option<&str> {
    (!text.is_empty()).then_some(text)
}
