//! TLS towards the service: whom to trust, and what to present.

use std::path::PathBuf;

use ureq::tls::{Certificate, ClientCert, PemItem, RootCerts, TlsConfig, parse_pem};

use super::ServiceError;
use crate::tls::{certificates, certified_key, pem_content, provider};

/// Files for speaking TLS to the service.
#[derive(Debug, Default)]
pub(in crate::cli) struct Tls {
    /// Certificates that the service's must come from; without it, the system's.
    pub(in crate::cli) ca_file: Option<PathBuf>,
    /// The certificate to present.
    pub(in crate::cli) certificate_file: Option<PathBuf>,
    /// Its private key.
    pub(in crate::cli) private_key_file: Option<PathBuf>,
}

impl Tls {
    /// Everything read and checked.
    pub(super) fn config(&self) -> Result<TlsConfig, ServiceError> {
        Ok(TlsConfig::builder()
            .unversioned_rustls_crypto_provider(provider())
            .root_certs(self.roots()?)
            .client_cert(self.client_certificate()?)
            .build())
    }

    fn roots(&self) -> Result<RootCerts, ServiceError> {
        let found = match &self.ca_file {
            Some(path) => certificates(path)?,
            None => rustls_native_certs::load_native_certs().certs,
        };
        if found.is_empty() {
            return Err(ServiceError::Tls(
                "this system trusts no certificates: name those of the service with --ca-file (client.ca_file)",
            ));
        }
        let found = found.iter().map(|found| Certificate::from_der(found).to_owned());
        Ok(RootCerts::from(found))
    }

    fn client_certificate(&self) -> Result<Option<ClientCert>, ServiceError> {
        let (certificate, key) = match (&self.certificate_file, &self.private_key_file) {
            (None, None) => return Ok(None),
            (Some(certificate), Some(key)) => (certificate, key),
            _ => {
                return Err(ServiceError::Tls(
                    "a certificate and its private key are given together: --certificate-file and --private-key-file",
                ));
            }
        };
        // The client would panic on a key that is not the certificate's.
        let certified = certified_key(certificate, key)?;
        let chain: Vec<_> = certified
            .cert
            .iter()
            .map(|der| Certificate::from_der(der).to_owned())
            .collect();
        let content = pem_content(key)?;
        let key = parse_pem(&content).find_map(|item| match item {
            Ok(PemItem::PrivateKey(key)) => Some(key),
            _ => None,
        });
        let key = key.ok_or(ServiceError::Tls("the private key is of an unknown kind"))?;
        Ok(Some(ClientCert::new_with_certs(&chain, key)))
    }
}
