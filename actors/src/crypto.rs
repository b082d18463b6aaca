//! Keys, sealing and digests. Nothing outside this module names a cryptography crate.
//!
//! - [`keys`]: P-256 key pairs, their public forms, signing and verifying
//! - [`seal`]: the master key, and sealing secrets under it
//! - [`sealed`]: a customer's keys and secrets, opened when first needed
//! - [`digest`]: hashes, cosignatures, comparisons, randomness
//! - [`jose`]: the standard library's view of a token and of a published key set

pub mod digest;
pub mod jose;
pub mod keys;
pub mod seal;
pub mod sealed;

/// Why a cryptographic operation did not happen. It never carries key material or token text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CryptoError {
    /// The library or the system's source of randomness reported a failure.
    #[error("the cryptographic library reported a failure")]
    Unavailable,
    /// These bytes are not a P-256 key, or the point is not on the curve.
    #[error("not a P-256 key")]
    InvalidKey,
    /// A stored private key does not belong to the public key recorded beside it.
    #[error("the private key does not belong to its recorded public key")]
    KeyMismatch,
    /// The master key is too short.
    #[error("the master key must have at least {} bytes", crate::limits::MASTER_KEY_BYTES_MIN)]
    MasterKeyTooShort,
    /// Another master key, another owner, or changed bytes: which of them cannot be told, by design.
    #[error("the sealed value does not open with this master key for this owner")]
    SealBroken,
    /// The claims could not be written as JSON.
    #[error("the claims could not be written as JSON")]
    UnwritableClaims,
}

impl From<aws_lc_rs::error::Unspecified> for CryptoError {
    fn from(_: aws_lc_rs::error::Unspecified) -> Self {
        Self::Unavailable
    }
}
