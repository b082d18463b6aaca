//! Hashes, the cosignature of a decision, comparison without a clock to read, and randomness.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::{digest, hmac, rand};
use zeroize::Zeroizing;

use super::CryptoError;
use crate::id::{EventId, Jti};
use crate::token::claims::Decision;

/// Bytes of a SHA-256 digest.
const SHA256_BYTES: usize = 32;

/// The SHA-256 digest of `data`.
pub fn sha256(data: &[u8]) -> [u8; SHA256_BYTES] {
    let mut out = [0; SHA256_BYTES];
    // The lengths agree by definition of SHA-256; `zip` says so without a branch that could panic.
    for (to, from) in out.iter_mut().zip(digest::digest(&digest::SHA256, data).as_ref()) {
        *to = *from;
    }
    out
}

/// The SHA-256 of what comes piece by piece.
#[derive(Clone)]
pub struct RunningSha256(digest::Context);

impl RunningSha256 {
    /// Of nothing yet.
    pub fn new() -> Self {
        Self(digest::Context::new(&digest::SHA256))
    }

    /// Goes on with these bytes.
    pub fn update(&mut self, data: &[u8]) {
        self.0.update(data);
    }

    /// The digest of all that came.
    pub fn finish(self) -> [u8; SHA256_BYTES] {
        let mut out = [0; SHA256_BYTES];
        for (to, from) in out.iter_mut().zip(self.0.finish().as_ref()) {
            *to = *from;
        }
        out
    }
}

impl Default for RunningSha256 {
    fn default() -> Self {
        Self::new()
    }
}

/// The SHA-256 digest of `data`, in lower-case hexadecimal. A `token_hash` is this, of the whole string with its prefix.
pub fn sha256_hex(data: &[u8]) -> String {
    hex(digest::digest(&digest::SHA256, data).as_ref())
}

/// HMAC-SHA256 (RFC 2104) of `message`, in lower-case hexadecimal.
pub fn hmac_sha256_hex(secret: &[u8], message: &[u8]) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
    hex(hmac::sign(&key, message).as_ref())
}

/// Compares without telling by its duration where, or whether in length, the two differ.
///
/// Digests are compared instead of the bytes, so texts of unequal length take the same path as equal ones.
pub fn constant_time_eq(left: &[u8], right: &[u8]) -> bool {
    verify_slices_are_equal(&sha256(left), &sha256(right)).is_ok()
}

/// `N` bytes from the library's generator, which the system's source of randomness seeds.
///
/// # Errors
/// [`CryptoError::Unavailable`] when there is no randomness to be had.
pub fn random_bytes<const N: usize>() -> Result<[u8; N], CryptoError> {
    let mut bytes = [0; N];
    rand::fill(&mut bytes)?;
    Ok(bytes)
}

/// A customer's secret behind the cosignatures of its decisions: 32 random bytes, erased when dropped.
pub struct OverrideSecret(Zeroizing<[u8; 32]>);

impl OverrideSecret {
    /// A fresh secret.
    ///
    /// # Errors
    /// [`CryptoError::Unavailable`] when there is no randomness to be had.
    pub fn generate() -> Result<Self, CryptoError> {
        Ok(Self(Zeroizing::new(random_bytes()?)))
    }

    /// The secret with these bytes.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        self.0.as_slice()
    }
}

impl std::fmt::Debug for OverrideSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("OverrideSecret(..)")
    }
}

/// The cosignature of a decision: HMAC-SHA256 over `override|{event_id}|{decision}|{override_jti}`, in hexadecimal.
///
/// The parts cannot run into each other, because an [`EventId`] holds no `|`.
pub fn cosign(secret: &OverrideSecret, event_id: &EventId, decision: Decision, override_jti: Jti) -> String {
    let message = format!("override|{event_id}|{decision}|{override_jti}");
    hmac_sha256_hex(secret.as_bytes(), message.as_bytes())
}

/// Whether `cosignature` is the one [`cosign`] gives, compared in constant time.
pub fn cosignature_is_valid(
    secret: &OverrideSecret,
    event_id: &EventId,
    decision: Decision,
    override_jti: Jti,
    cosignature: &str,
) -> bool {
    let expected = cosign(secret, event_id, decision, override_jti);
    constant_time_eq(expected.as_bytes(), cosignature.as_bytes())
}

/// Bytes as lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from(if nibble < 10 { b'0' + nibble } else { b'a' + nibble - 10 });
    bytes
        .iter()
        .flat_map(|byte| [digit(byte >> 4), digit(byte & 15)])
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sha256_gives_the_published_digest_of_abc() {
        // FIPS 180-4, example B.1.
        let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(sha256_hex(b"abc"), expected);
        let mut running = RunningSha256::new();
        running.update(b"a");
        running.update(b"bc");
        assert_eq!(hex(&running.finish()), expected);
        assert_eq!(hex(&sha256(b"abc")), expected);
    }

    #[test]
    fn hmac_gives_the_published_tag() {
        // RFC 4231, test case 2.
        assert_eq!(
            hmac_sha256_hex(b"Jefe", b"what do ya want for nothing?"),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
    }

    #[test]
    fn the_cosignature_is_an_hmac_over_the_documented_message() {
        let secret = OverrideSecret::from_bytes([7; 32]);
        let event = EventId::parse("evt-a1b2c3d4-5678-9012-abcd-ef3456789012").unwrap();
        let jti = Jti::parse("f4a5b6c7-d8e9-0123-f012-456789012cde").unwrap();
        let cosignature = cosign(&secret, &event, Decision::Approve, jti);
        // Python: hmac.new(bytes([7]*32), b"override|evt-…|approve|f4a5…", "sha256").hexdigest()
        assert_eq!(
            cosignature,
            "d39a58597d7951b69e7cfdda7712c67aa79f2275db0abb358f89da857ebc048e"
        );
        assert!(cosignature_is_valid(
            &secret,
            &event,
            Decision::Approve,
            jti,
            &cosignature
        ));
        assert!(!cosignature_is_valid(
            &secret,
            &event,
            Decision::Reject,
            jti,
            &cosignature
        ));
        assert!(!cosignature_is_valid(
            &secret,
            &event,
            Decision::Approve,
            jti,
            &cosignature[..63]
        ));
        assert!(!cosignature_is_valid(&secret, &event, Decision::Approve, jti, ""));
    }

    #[test]
    fn comparison_sees_content_and_length() {
        assert!(constant_time_eq(b"", b""));
        assert!(constant_time_eq(b"same", b"same"));
        assert!(!constant_time_eq(b"same", b"sama"));
        assert!(!constant_time_eq(b"same", b"same "));
        assert!(!constant_time_eq(b"same", b""));
    }

    #[test]
    fn randomness_does_not_repeat() {
        assert_ne!(random_bytes::<32>().unwrap(), random_bytes::<32>().unwrap());
    }

    #[test]
    fn an_override_secret_is_not_shown() {
        assert_eq!(
            format!("{:?}", OverrideSecret::from_bytes([65; 32])),
            "OverrideSecret(..)"
        );
    }
}
