//! P-256 key pairs for ES256 (RFC 7518 section 3.4), and the forms in which their public halves are published.

use std::fmt;

use aws_lc_rs::encoding::AsBigEndian;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair, ParsedPublicKey, UnparsedPublicKey,
};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use p256::ecdsa::signature::Signer;
use p256::elliptic_curve::Generate;
use p256::pkcs8::EncodePrivateKey;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::CryptoError;
use crate::id::KeyId;

/// Bytes of an ES256 signature: r and s, 32 each (RFC 7518 section 3.4).
pub const SIGNATURE_BYTES: usize = 64;

/// An uncompressed point (SEC 1 section 2.3.3): the byte 4, then x, then y.
const POINT_BYTES: usize = 65;

/// What stands before the point in a P-256 `SubjectPublicKeyInfo` (RFC 5480): the lengths and two object identifiers, always the same.
const SPKI_PREFIX: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce,
    0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];

/// A private signing key. Both halves are erased when it is dropped, and its `Debug` shows nothing of them.
pub struct SigningKey {
    /// Kept parsed: parsing costs more than the signature itself.
    pair: EcdsaKeyPair,
    /// Kept for deterministic signatures, which `pair` cannot make.
    scalar: p256::SecretKey,
}

impl SigningKey {
    /// A fresh key pair.
    ///
    /// # Errors
    /// [`CryptoError::Unavailable`] when there is no randomness to be had.
    pub fn generate() -> Result<(Self, PublicKey), CryptoError> {
        let scalar = p256::SecretKey::try_generate().map_err(|_| CryptoError::Unavailable)?;
        let key = Self::from_scalar(scalar)?;
        let public = key.public_key()?;
        Ok((key, public))
    }

    /// The key in an unencrypted PKCS#8 document (RFC 5208).
    ///
    /// # Errors
    /// [`CryptoError::InvalidKey`] for anything but a P-256 key.
    pub fn from_pkcs8(der: &[u8]) -> Result<Self, CryptoError> {
        let pair =
            EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der).map_err(|_| CryptoError::InvalidKey)?;
        let bytes = pair.private_key().as_be_bytes()?;
        let scalar = p256::SecretKey::from_slice(bytes.as_ref()).map_err(|_| CryptoError::InvalidKey)?;
        Ok(Self { pair, scalar })
    }

    fn from_scalar(scalar: p256::SecretKey) -> Result<Self, CryptoError> {
        let der = scalar.to_pkcs8_der().map_err(|_| CryptoError::InvalidKey)?;
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der.as_bytes())
            .map_err(|_| CryptoError::InvalidKey)?;
        Ok(Self { pair, scalar })
    }

    /// The key as an unencrypted PKCS#8 document, to be sealed.
    ///
    /// # Errors
    /// [`CryptoError::InvalidKey`] if it cannot be encoded, which a valid key always can.
    pub fn to_pkcs8(&self) -> Result<Zeroizing<Vec<u8>>, CryptoError> {
        let der = self.scalar.to_pkcs8_der().map_err(|_| CryptoError::InvalidKey)?;
        Ok(Zeroizing::new(der.as_bytes().to_vec()))
    }

    /// The public half.
    ///
    /// # Errors
    /// [`CryptoError::InvalidKey`] if the library's form of it is not the expected one.
    pub fn public_key(&self) -> Result<PublicKey, CryptoError> {
        PublicKey::from_point(self.pair.public_key().as_ref())
    }

    /// An ES256 signature (r‖s) with fresh randomness: the fast way, a fifth of the cost of the deterministic one.
    ///
    /// # Errors
    /// [`CryptoError::Unavailable`] when the library fails.
    pub fn sign(&self, message: &[u8]) -> Result<[u8; SIGNATURE_BYTES], CryptoError> {
        let signature = self.pair.sign(&SystemRandom::new(), message)?;
        signature.as_ref().try_into().map_err(|_| CryptoError::Unavailable)
    }

    /// The ES256 signature that RFC 6979 derives from key and message: the same every time.
    ///
    /// For app tokens, whose hash is recorded and whose repeated request must give the same string.
    ///
    /// # Errors
    /// [`CryptoError::Unavailable`] when the library fails.
    pub fn sign_deterministic(&self, message: &[u8]) -> Result<[u8; SIGNATURE_BYTES], CryptoError> {
        let key = p256::ecdsa::SigningKey::from(&self.scalar);
        let signature: p256::ecdsa::Signature = key.try_sign(message).map_err(|_| CryptoError::Unavailable)?;
        Ok(signature.to_bytes().into())
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey(..)")
    }
}

/// The public half of a signing key: a point that has been checked to lie on the curve.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "Coordinates", into = "Coordinates")]
pub struct PublicKey {
    x: [u8; 32],
    y: [u8; 32],
}

/// How a public key is stored and published: base64url without padding.
#[derive(Serialize, Deserialize)]
struct Coordinates {
    x: String,
    y: String,
}

impl PublicKey {
    /// The key with these big-endian coordinates.
    ///
    /// # Errors
    /// [`CryptoError::InvalidKey`] when the point is not on the curve.
    pub fn from_coordinates(x: [u8; 32], y: [u8; 32]) -> Result<Self, CryptoError> {
        let key = Self { x, y };
        p256::PublicKey::from_sec1_bytes(&key.point()).map_err(|_| CryptoError::InvalidKey)?;
        Ok(key)
    }

    /// The key with these coordinates in base64url without padding, as a JWK holds them.
    ///
    /// # Errors
    /// [`CryptoError::InvalidKey`] when they are not 32 bytes each or not a point of the curve.
    pub fn from_base64url(x: &str, y: &str) -> Result<Self, CryptoError> {
        let coordinate = |text: &str| -> Result<[u8; 32], CryptoError> {
            let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| CryptoError::InvalidKey)?;
            bytes.try_into().map_err(|_| CryptoError::InvalidKey)
        };
        Self::from_coordinates(coordinate(x)?, coordinate(y)?)
    }

    fn from_point(point: &[u8]) -> Result<Self, CryptoError> {
        let (x, y) = match point.split_first() {
            Some((4, coordinates)) => coordinates.split_at_checked(32).ok_or(CryptoError::InvalidKey)?,
            _ => return Err(CryptoError::InvalidKey),
        };
        let coordinate = |bytes: &[u8]| <[u8; 32]>::try_from(bytes).map_err(|_| CryptoError::InvalidKey);
        Self::from_coordinates(coordinate(x)?, coordinate(y)?)
    }

    fn point(&self) -> [u8; POINT_BYTES] {
        let mut point = [4; POINT_BYTES];
        // The first byte stays 4, the mark of an uncompressed point.
        for (to, from) in point.iter_mut().skip(1).zip(self.x.iter().chain(&self.y)) {
            *to = *from;
        }
        point
    }

    /// The coordinates, big-endian.
    pub const fn coordinates(&self) -> (&[u8; 32], &[u8; 32]) {
        (&self.x, &self.y)
    }

    /// The x coordinate in base64url without padding.
    pub fn x_base64url(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.x)
    }

    /// The y coordinate in base64url without padding.
    pub fn y_base64url(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.y)
    }

    /// The key as PEM (RFC 7468) of a `SubjectPublicKeyInfo`, with a final line feed.
    pub fn pem(&self) -> String {
        let mut pem = String::from("-----BEGIN PUBLIC KEY-----\n");
        let der: Vec<u8> = SPKI_PREFIX.into_iter().chain(self.point()).collect();
        // 48 bytes are the 64 characters of one line.
        for line in der.chunks(48) {
            STANDARD.encode_string(line, &mut pem);
            pem.push('\n');
        }
        pem.push_str("-----END PUBLIC KEY-----\n");
        pem
    }

    /// The key as a JWK (RFC 7517).
    pub fn jwk(&self, kid: KeyId) -> Jwk {
        Jwk {
            kid,
            kty: "EC",
            crv: "P-256",
            x: self.x_base64url(),
            y: self.y_base64url(),
            r#use: "sig",
            alg: "ES256",
        }
    }

    /// Whether `signature` (r‖s) is this key's over `message`.
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, self.point())
            .verify(message, signature)
            .is_ok()
    }
}

/// A public key that is kept to verify many signatures: parsed once.
pub struct VerifyingKey(ParsedPublicKey);

impl PublicKey {
    /// The key, parsed for many verifications.
    ///
    /// # Errors
    /// [`CryptoError::InvalidKey`] if the library refuses it, which it does for no point of the curve.
    pub fn verifying(&self) -> Result<VerifyingKey, CryptoError> {
        let parsed = ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, self.point());
        parsed.map(VerifyingKey).map_err(|_| CryptoError::InvalidKey)
    }
}

impl VerifyingKey {
    /// Whether `signature` (r‖s) is this key's over `message`.
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        self.0.verify_sig(message, signature).is_ok()
    }
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("VerifyingKey(..)")
    }
}

impl TryFrom<Coordinates> for PublicKey {
    type Error = CryptoError;

    fn try_from(coordinates: Coordinates) -> Result<Self, CryptoError> {
        Self::from_base64url(&coordinates.x, &coordinates.y)
    }
}

impl From<PublicKey> for Coordinates {
    fn from(key: PublicKey) -> Self {
        Self {
            x: key.x_base64url(),
            y: key.y_base64url(),
        }
    }
}

/// A public key as published (RFC 7517), its members in the order that the contract shows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Jwk {
    kid: KeyId,
    kty: &'static str,
    crv: &'static str,
    x: String,
    y: String,
    r#use: &'static str,
    alg: &'static str,
}

/// Pays what the first key and the first signature of a process cost (about 45 ms), before it says that it listens.
///
/// # Errors
/// [`CryptoError::Unavailable`] when the library cannot sign or there is no randomness: better known now than at the first request.
pub fn warm_up() -> Result<(), CryptoError> {
    let (key, public) = SigningKey::generate()?;
    let message = b"warm-up";
    let signatures = [key.sign(message)?, key.sign_deterministic(message)?];
    if signatures.iter().all(|signature| public.verify(message, signature)) {
        Ok(())
    } else {
        Err(CryptoError::Unavailable)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use p256::ecdsa::signature::Verifier;
    use p256::ecdsa::{Signature, VerifyingKey};
    use p256::pkcs8::DecodePublicKey;
    use uuid::Uuid;

    use super::*;

    /// The key of RFC 6979, appendix A.2.5.
    pub(crate) fn rfc_6979_key() -> SigningKey {
        let scalar: Vec<u8> = hex("c9afa9d845ba75166b5c215767b1d6934e50c3db36e89b127b8a622b120f6721");
        let der = p256::SecretKey::from_slice(&scalar).unwrap().to_pkcs8_der().unwrap();
        SigningKey::from_pkcs8(der.as_bytes()).unwrap()
    }

    fn hex(text: &str) -> Vec<u8> {
        (0..text.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap())
            .collect()
    }

    #[test]
    fn deterministic_signatures_are_those_of_rfc_6979() {
        let key = rfc_6979_key();
        let sample = "efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716\
                      f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8";
        let test = "f1abb023518351cd71d881567b1ea663ed3efcf6c5132b354f28d3b0b7d38367\
                    019f4113742a2b14bd25926b49c649155f267e60d3814b4c0cc84250e46f0083";
        assert_eq!(key.sign_deterministic(b"sample").unwrap().to_vec(), hex(sample));
        assert_eq!(key.sign_deterministic(b"test").unwrap().to_vec(), hex(test));
        let public = key.public_key().unwrap();
        assert!(public.verify(b"sample", &hex(sample)));
        assert!(!public.verify(b"test", &hex(sample)));
    }

    #[test]
    fn the_two_libraries_accept_each_others_signatures() {
        let (key, public) = SigningKey::generate().unwrap();
        let theirs = VerifyingKey::from_public_key_pem(&public.pem()).unwrap();
        for message in [&b""[..], b"a", &[0x5a; 5_000]] {
            let fast = key.sign(message).unwrap();
            theirs.verify(message, &Signature::from_slice(&fast).unwrap()).unwrap();
            assert!(public.verify(message, &fast) && public.verifying().unwrap().verify(message, &fast));
            assert!(public.verify(message, &key.sign_deterministic(message).unwrap()));
        }
    }

    #[test]
    fn fast_signatures_differ_and_deterministic_ones_do_not() {
        let (key, _) = SigningKey::generate().unwrap();
        assert_ne!(key.sign(b"m").unwrap(), key.sign(b"m").unwrap());
        assert_eq!(
            key.sign_deterministic(b"m").unwrap(),
            key.sign_deterministic(b"m").unwrap()
        );
    }

    #[test]
    fn a_signature_is_one_keys_over_one_message() {
        let (key, public) = SigningKey::generate().unwrap();
        let (_, other) = SigningKey::generate().unwrap();
        let mut signature = key.sign(b"message").unwrap();
        assert!(!other.verify(b"message", &signature));
        assert!(!public.verify(b"messagf", &signature));
        assert!(!public.verifying().unwrap().verify(b"messagf", &signature));
        assert!(!public.verify(b"message", &signature[..63]));
        assert!(!public.verify(b"message", &[0; 64]), "r = s = 0 must not verify");
        signature[40] ^= 1;
        assert!(!public.verify(b"message", &signature));
    }

    #[test]
    fn a_key_survives_pkcs8() {
        let (key, public) = SigningKey::generate().unwrap();
        let again = SigningKey::from_pkcs8(&key.to_pkcs8().unwrap()).unwrap();
        assert_eq!(again.public_key().unwrap(), public);
        assert_eq!(
            again.sign_deterministic(b"m").unwrap(),
            key.sign_deterministic(b"m").unwrap()
        );
        assert!(public.verify(b"m", &again.sign(b"m").unwrap()));
        assert_eq!(
            SigningKey::from_pkcs8(b"not a key").unwrap_err(),
            CryptoError::InvalidKey
        );
        let der = key.to_pkcs8().unwrap();
        assert_eq!(
            SigningKey::from_pkcs8(&der[..der.len() - 1]).unwrap_err(),
            CryptoError::InvalidKey
        );
    }

    #[test]
    fn pem_is_what_p256_writes_and_reads_back() {
        use p256::pkcs8::{EncodePublicKey, LineEnding};

        let (_, public) = SigningKey::generate().unwrap();
        let theirs = p256::PublicKey::from_public_key_pem(&public.pem()).unwrap();
        assert_eq!(theirs.to_public_key_pem(LineEnding::LF).unwrap(), public.pem());
        assert_eq!(theirs.to_sec1_bytes().as_ref()[..33], [&[4], &public.x[..]].concat());
    }

    #[test]
    fn the_jwk_has_the_contracts_members_in_its_order() {
        let public = rfc_6979_key().public_key().unwrap();
        let kid = KeyId::new(Uuid::from_u128(0x3f25_04e0_4f89_41d3_9a0c_0305_e82c_3301));
        // x and y: RFC 6979, appendix A.2.5, Ux and Uy.
        let expected = r#"{"kid":"3f2504e0-4f89-41d3-9a0c-0305e82c3301","kty":"EC","crv":"P-256","x":"YP7UuiVanTHJYet0xjVtaMBJuJI7Yfps5mliLmDyn7Y","y":"eQP-EAi4vJmkGunpVii8ZPLxsgwtfp9Rd6PClNRGIpk","use":"sig","alg":"ES256"}"#;
        assert_eq!(serde_json::to_string(&public.jwk(kid)).unwrap(), expected);
    }

    #[test]
    fn a_public_key_is_stored_as_two_coordinates_and_checked_when_read() {
        let (_, public) = SigningKey::generate().unwrap();
        let json = serde_json::to_string(&public).unwrap();
        assert_eq!(
            json,
            format!(r#"{{"x":"{}","y":"{}"}}"#, public.x_base64url(), public.y_base64url())
        );
        assert_eq!(serde_json::from_str::<PublicKey>(&json).unwrap(), public);
        let mut off_curve = public.y;
        off_curve[31] ^= 1;
        assert_eq!(
            PublicKey::from_coordinates(public.x, off_curve),
            Err(CryptoError::InvalidKey)
        );
        assert_eq!(
            PublicKey::from_coordinates([0; 32], [0; 32]),
            Err(CryptoError::InvalidKey)
        );
        assert_eq!(
            PublicKey::from_base64url(&public.x_base64url(), "AA"),
            Err(CryptoError::InvalidKey)
        );
        assert!(serde_json::from_str::<PublicKey>(r#"{"x":"AA","y":"AA"}"#).is_err());
    }

    #[test]
    fn warming_up_succeeds() {
        warm_up().unwrap();
    }

    #[test]
    fn a_signing_key_is_not_shown() {
        assert_eq!(
            format!("{:?} {:#?}", rfc_6979_key(), rfc_6979_key()),
            "SigningKey(..) SigningKey(..)"
        );
    }
}
