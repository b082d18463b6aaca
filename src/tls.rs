//! Certificates and private keys in PEM files (RFC 7468), read and checked: for what is served, and for calling a service. And whom a
//! client certificate stands for.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use zeroize::Zeroizing;

mod operator;

pub use operator::{Operator, Operators};

/// Bytes of a file with certificates or a key: the certificates of a whole system have less.
const PEM_BYTES_MAX: usize = 1024 * 1024;

/// Why a file with certificates or a key is not usable. Never says what stands in it.
#[derive(Debug, thiserror::Error)]
pub enum PemError {
    /// It cannot be read.
    #[error("`{path}` cannot be read: {reason}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        reason: std::io::Error,
    },
    /// It is no such file.
    #[error("`{0}` has more than {PEM_BYTES_MAX} bytes")]
    TooLarge(PathBuf),
    /// It has no certificate, or a broken one.
    #[error("`{0}` holds no certificate in PEM, or a broken one")]
    NoCertificate(PathBuf),
    /// It has no private key, or one of an unknown kind.
    #[error("`{0}` holds no private key in PEM, or one of an unknown kind")]
    NoKey(PathBuf),
    /// The key is another's.
    #[error("the private key in `{key}` does not belong to the certificate in `{certificate}`")]
    Mismatch {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
    },
}

/// The implementation of cryptography that all TLS here uses.
pub fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

/// The certificates in a file, in their order; at least one.
///
/// # Errors
/// [`PemError`] names the file.
pub fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, PemError> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem_content(path)?).collect();
    let found = found.ok().filter(|found| !found.is_empty());
    found.ok_or_else(|| PemError::NoCertificate(path.to_owned()))
}

/// The private key in a file: PKCS #8, PKCS #1 or SEC 1.
///
/// # Errors
/// [`PemError`] names the file.
pub fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, PemError> {
    PrivateKeyDer::from_pem_slice(&pem_content(path)?).map_err(|_| PemError::NoKey(path.to_owned()))
}

/// A certificate, those that lead from it to a root, and its private key.
///
/// # Errors
/// [`PemError`] names the file at fault; also if the key is not the certificate's.
pub fn certified_key(certificate: &Path, key: &Path) -> Result<CertifiedKey, PemError> {
    let chain = certificates(certificate)?;
    let private = private_key(key)?;
    let provider = provider().key_provider;
    let private = provider.load_private_key(private);
    let certified = CertifiedKey::new(chain, private.map_err(|_| PemError::NoKey(key.to_owned()))?);
    match certified.keys_match() {
        Ok(()) => Ok(certified),
        Err(rustls::Error::InconsistentKeys(_)) => Err(PemError::Mismatch {
            certificate: certificate.to_owned(),
            key: key.to_owned(),
        }),
        Err(_) => Err(PemError::NoCertificate(certificate.to_owned())),
    }
}

/// A file with certificates or a key as it is.
///
/// # Errors
/// [`PemError`] names the file.
pub fn pem_content(path: &Path) -> Result<Zeroizing<Vec<u8>>, PemError> {
    let failed = |reason| PemError::Unreadable {
        path: path.to_owned(),
        reason,
    };
    let file = File::open(path).map_err(failed)?;
    let mut bytes = Zeroizing::new(Vec::new());
    let limit = u64::try_from(PEM_BYTES_MAX).unwrap_or(u64::MAX).saturating_add(1);
    file.take(limit).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() > PEM_BYTES_MAX {
        return Err(PemError::TooLarge(path.to_owned()));
    }
    Ok(bytes)
}
