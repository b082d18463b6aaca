//! Secrets at rest: AES-256-GCM under keys derived from the master key by HKDF-SHA256 (RFC 5869).
//!
//! Every owner and purpose has a key of its own, so that a random nonce can only ever meet the few others of one secret; the
//! owner and purpose are authenticated besides, and a sealed value moved to another place does not open.

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Prk, Salt};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use zeroize::Zeroizing;

use super::CryptoError;
use super::digest::random_bytes;
use crate::id::CustomerId;
use crate::limits::MASTER_KEY_BYTES_MIN;

/// The form of a sealed value: this byte, the nonce, the ciphertext, the tag.
const VERSION: u8 = 1;
const SALT: &[u8] = b"countersign sealing v1";
const SEAL_LABEL: &[u8] = b"countersign/v1/seal";
const CHECK_LABEL: &[u8] = b"countersign/v1/master-key-check";

/// Stands for the owner of what belongs to no customer; its purpose tells it from everything that does.
const NOBODY: CustomerId = CustomerId::from_bytes([0; 16]);

/// Bytes of [`Sealer::check_value`].
pub const CHECK_VALUE_BYTES: usize = 32;

/// The operator's master key, erased when dropped.
pub struct MasterKey(Zeroizing<Vec<u8>>);

impl MasterKey {
    /// The master key with exactly these bytes.
    ///
    /// # Errors
    /// [`CryptoError::MasterKeyTooShort`] below [`MASTER_KEY_BYTES_MIN`] bytes.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, CryptoError> {
        if bytes.len() < MASTER_KEY_BYTES_MIN {
            return Err(CryptoError::MasterKeyTooShort);
        }
        Ok(Self(Zeroizing::new(bytes.to_vec())))
    }

    /// The same key once more.
    pub(crate) fn duplicate(&self) -> Self {
        Self(self.0.clone())
    }

    /// The master key in the content of a key file or an environment variable: its bytes without line breaks at the end.
    ///
    /// Nothing is decoded, so any text or bytes may serve. Editors and `echo` add a line break; a key must not depend on it.
    ///
    /// # Errors
    /// [`CryptoError::MasterKeyTooShort`] when fewer than [`MASTER_KEY_BYTES_MIN`] bytes are left.
    pub fn from_content(content: &[u8]) -> Result<Self, CryptoError> {
        let end = content
            .iter()
            .rposition(|byte| !matches!(byte, b'\n' | b'\r'))
            .map_or(0, |last| last + 1);
        Self::from_bytes(content.get(..end).unwrap_or_default())
    }

    /// A fresh master key, and the content for its file: 32 random bytes in base64url, which [`Self::from_content`] reads back.
    ///
    /// # Errors
    /// [`CryptoError::Unavailable`] when there is no randomness to be had.
    pub fn generate() -> Result<(Self, Zeroizing<String>), CryptoError> {
        let bytes = Zeroizing::new(random_bytes::<32>()?);
        // Room for the line break too: growing would leave a copy of the key behind in freed memory.
        let mut content = Zeroizing::new(String::with_capacity(64));
        URL_SAFE_NO_PAD.encode_string(bytes.as_slice(), &mut content);
        content.push('\n');
        let key = Self::from_content(content.as_bytes())?;
        Ok((key, content))
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MasterKey(..)")
    }
}

/// What a sealed value is for. One cannot be opened as the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// The private half of a signing key; its id is the key's.
    SigningKey,
    /// The secret behind a customer's cosignatures; its id is the customer's.
    OverrideSecret,
    /// The master key from before, while secrets are sealed anew; it belongs to no customer.
    PreviousMasterKey,
}

impl Purpose {
    const fn tag(self) -> u8 {
        match self {
            Self::SigningKey => 1,
            Self::OverrideSecret => 2,
            Self::PreviousMasterKey => 3,
        }
    }
}

/// Seals and opens secrets with keys derived from one master key.
pub struct Sealer {
    prk: Prk,
    /// What also opens, while the secrets of a master key from before are being sealed anew.
    previous: Option<Prk>,
}

impl Sealer {
    /// A sealer for this master key.
    pub fn new(master: &MasterKey) -> Self {
        Self {
            prk: Salt::new(HKDF_SHA256, SALT).extract(&master.0),
            previous: None,
        }
    }

    /// The same, which also opens what was sealed under a master key from before.
    #[must_use]
    pub fn after(self, previous: &MasterKey) -> Self {
        Self {
            previous: Some(Self::new(previous).prk),
            ..self
        }
    }

    /// Whether it also opens what was sealed under a master key from before.
    pub const fn has_previous(&self) -> bool {
        self.previous.is_some()
    }

    /// Seals the master key from before under this one.
    ///
    /// # Errors
    /// [`CryptoError::Unavailable`] when the library fails or there is no randomness to be had.
    pub(crate) fn seal_previous(&self, previous: &MasterKey) -> Result<Vec<u8>, CryptoError> {
        self.seal(NOBODY, NOBODY.as_bytes(), Purpose::PreviousMasterKey, &previous.0)
    }

    /// Opens what [`Self::seal_previous`] made.
    ///
    /// # Errors
    /// [`CryptoError::SealBroken`] if it was sealed under another master key.
    pub(crate) fn open_previous(&self, sealed: &[u8]) -> Result<MasterKey, CryptoError> {
        let opened = self.open(NOBODY, NOBODY.as_bytes(), Purpose::PreviousMasterKey, sealed)?;
        MasterKey::from_bytes(&opened)
    }

    /// Seals `plaintext` for one owner, id and purpose.
    ///
    /// # Errors
    /// [`CryptoError::Unavailable`] when the library fails or there is no randomness to be had.
    pub fn seal(
        &self,
        customer: CustomerId,
        id: &[u8; 16],
        purpose: Purpose,
        plaintext: &[u8],
    ) -> Result<Vec<u8>, CryptoError> {
        let context = Context { customer, id, purpose }.bytes();
        let nonce: [u8; NONCE_LEN] = random_bytes()?;
        let mut body = Zeroizing::new(plaintext.to_vec());
        let tag = key_for(&self.prk, &context)?.seal_in_place_separate_tag(
            Nonce::assume_unique_for_key(nonce),
            Aad::from(context),
            &mut body,
        )?;
        let mut sealed = Vec::with_capacity(1 + NONCE_LEN + body.len() + tag.as_ref().len());
        sealed.push(VERSION);
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(&body);
        sealed.extend_from_slice(tag.as_ref());
        Ok(sealed)
    }

    /// Opens what [`Self::seal`] made for the same owner, id and purpose.
    ///
    /// # Errors
    /// [`CryptoError::SealBroken`] for every other value, owner, id, purpose or master key.
    pub fn open(
        &self,
        customer: CustomerId,
        id: &[u8; 16],
        purpose: Purpose,
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, CryptoError> {
        let (nonce, body) = match sealed.split_first() {
            Some((&VERSION, rest)) => rest.split_first_chunk::<NONCE_LEN>().ok_or(CryptoError::SealBroken)?,
            _ => return Err(CryptoError::SealBroken),
        };
        let context = Context { customer, id, purpose }.bytes();
        match (open_with(&self.prk, context, nonce, body), &self.previous) {
            (Err(CryptoError::SealBroken), Some(previous)) => open_with(previous, context, nonce, body),
            (outcome, _) => outcome,
        }
    }

    /// A constant that only this master key gives, to be kept beside the data so that a wrong one is noticed before any write.
    ///
    /// It is derived, not encrypted: it tells nothing about the sealing keys, and is the same every time.
    ///
    /// # Errors
    /// [`CryptoError::Unavailable`] when the library fails.
    pub fn check_value(&self) -> Result<[u8; CHECK_VALUE_BYTES], CryptoError> {
        let mut value = [0; CHECK_VALUE_BYTES];
        self.prk.expand(&[CHECK_LABEL], CheckValueLength)?.fill(&mut value)?;
        Ok(value)
    }

    /// Whether `stored` is this master key's [`Self::check_value`].
    ///
    /// # Errors
    /// [`CryptoError::Unavailable`] when the library fails, so that a failure is not taken for a wrong key.
    pub fn matches_check_value(&self, stored: &[u8]) -> Result<bool, CryptoError> {
        Ok(verify_slices_are_equal(&self.check_value()?, stored).is_ok())
    }
}

fn key_for(prk: &Prk, context: &[u8]) -> Result<LessSafeKey, CryptoError> {
    let info = [SEAL_LABEL, context];
    let okm = prk.expand(&info, &AES_256_GCM)?;
    Ok(LessSafeKey::new(UnboundKey::from(okm)))
}

fn open_with(
    prk: &Prk,
    context: [u8; 34],
    nonce: &[u8; NONCE_LEN],
    body: &[u8],
) -> Result<Zeroizing<Vec<u8>>, CryptoError> {
    let mut buffer = Zeroizing::new(body.to_vec());
    let length = key_for(prk, &context)?
        .open_in_place(Nonce::assume_unique_for_key(*nonce), Aad::from(context), &mut buffer)
        .map_err(|_| CryptoError::SealBroken)?
        .len();
    buffer.truncate(length);
    Ok(buffer)
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sealer(..)")
    }
}

struct CheckValueLength;

impl KeyType for CheckValueLength {
    fn len(&self) -> usize {
        CHECK_VALUE_BYTES
    }
}

/// Where a sealed value belongs: both the derivation of its key and its additional data.
struct Context<'a> {
    customer: CustomerId,
    id: &'a [u8; 16],
    purpose: Purpose,
}

impl Context<'_> {
    /// Every part has a fixed length, so no two contexts share their bytes.
    fn bytes(&self) -> [u8; 34] {
        let mut bytes = [0; 34];
        let parts = [VERSION, self.purpose.tag()]
            .into_iter()
            .chain(*self.customer.as_bytes())
            .chain(*self.id);
        for (to, from) in bytes.iter_mut().zip(parts) {
            *to = from;
        }
        bytes
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn sealer(fill: u8) -> Sealer {
        Sealer::new(&MasterKey::from_bytes(&[fill; 32]).unwrap())
    }

    fn customer(number: u128) -> CustomerId {
        CustomerId::new(Uuid::from_u128(number))
    }

    const ID: [u8; 16] = [9; 16];
    const SECRET: &[u8] = b"a secret to be kept";

    fn sealed() -> Vec<u8> {
        sealer(1).seal(customer(1), &ID, Purpose::SigningKey, SECRET).unwrap()
    }

    #[test]
    fn what_was_sealed_opens_for_its_owner_and_purpose() {
        let opened = sealer(1)
            .open(customer(1), &ID, Purpose::SigningKey, &sealed())
            .unwrap();
        assert_eq!(opened.as_slice(), SECRET);
        let empty = sealer(1).seal(customer(1), &ID, Purpose::OverrideSecret, b"").unwrap();
        assert!(
            sealer(1)
                .open(customer(1), &ID, Purpose::OverrideSecret, &empty)
                .unwrap()
                .is_empty()
        );
    }

    #[test]
    fn it_opens_for_no_other_owner_id_purpose_or_master_key() {
        let sealed = sealed();
        let refused = Err(CryptoError::SealBroken);
        assert_eq!(sealer(1).open(customer(2), &ID, Purpose::SigningKey, &sealed), refused);
        assert_eq!(
            sealer(1).open(customer(1), &[8; 16], Purpose::SigningKey, &sealed),
            refused
        );
        assert_eq!(
            sealer(1).open(customer(1), &ID, Purpose::OverrideSecret, &sealed),
            refused
        );
        assert_eq!(sealer(2).open(customer(1), &ID, Purpose::SigningKey, &sealed), refused);
    }

    #[test]
    fn it_does_not_open_with_any_bit_flipped_or_any_byte_missing() {
        let sealed = sealed();
        for at in 0..sealed.len() {
            for bit in 0..8 {
                let mut changed = sealed.clone();
                changed[at] ^= 1 << bit;
                assert!(
                    sealer(1).open(customer(1), &ID, Purpose::SigningKey, &changed).is_err(),
                    "byte {at} bit {bit}"
                );
            }
            assert!(
                sealer(1)
                    .open(customer(1), &ID, Purpose::SigningKey, &sealed[..at])
                    .is_err(),
                "{at} bytes"
            );
        }
        let longer = [&sealed[..], &[0]].concat();
        assert!(sealer(1).open(customer(1), &ID, Purpose::SigningKey, &longer).is_err());
    }

    #[test]
    fn sealing_twice_gives_different_bytes_without_the_secret_in_them() {
        let (first, second) = (sealed(), sealed());
        assert_ne!(first, second);
        assert_eq!(first.len(), 1 + 12 + SECRET.len() + 16);
        assert!(!first.windows(SECRET.len()).any(|window| window == SECRET));
    }

    #[test]
    fn the_check_value_tells_master_keys_apart() {
        let value = sealer(1).check_value().unwrap();
        assert!(sealer(1).matches_check_value(&value).unwrap());
        assert!(!sealer(2).matches_check_value(&value).unwrap());
        assert!(!sealer(1).matches_check_value(&value[..31]).unwrap());
        assert!(!sealer(1).matches_check_value(b"").unwrap());
    }

    #[test]
    fn the_derivations_are_pinned_so_that_stored_data_stays_readable() {
        // Python: HKDF-SHA256 with salt b"countersign sealing v1", master bytes 01 × 32, and the label as info.
        let expected = "5506b23420d67083d59abad1bfc247fa06059dc65388ec74b4c5f567db2ea17f";
        let shown: String = sealer(1)
            .check_value()
            .unwrap()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        assert_eq!(shown, expected);
        // Python's `cryptography`: AES-256-GCM with nonce 00 to 0b; additional data 01 01, customer 1, id 09 × 16; key by the same HKDF.
        let stored = [
            0x01, 0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, 0x09, 0x0a, 0x0b, 0xdb, 0xe0, 0x26, 0xc8, 0x8a,
            0x60, 0xc0, 0xb4, 0xf2, 0x74, 0xa5, 0xb3, 0x20, 0xf6, 0x8e, 0x4c, 0x9d, 0xd7, 0x11, 0x5c, 0x67, 0xf3,
        ];
        assert_eq!(
            *sealer(1).open(customer(1), &ID, Purpose::SigningKey, &stored).unwrap(),
            b"golden"
        );
    }

    #[test]
    fn a_master_key_has_at_least_32_bytes_not_counting_line_breaks_at_its_end() {
        assert_eq!(
            MasterKey::from_bytes(&[7; 31]).unwrap_err(),
            CryptoError::MasterKeyTooShort
        );
        assert!(MasterKey::from_bytes(&[7; 32]).is_ok());
        assert_eq!(
            MasterKey::from_content(&[b"k".repeat(31), b"\n".to_vec()].concat()).unwrap_err(),
            CryptoError::MasterKeyTooShort
        );
        assert_eq!(
            MasterKey::from_content(b"").unwrap_err(),
            CryptoError::MasterKeyTooShort
        );
        assert_eq!(
            MasterKey::from_content(&b"\n".repeat(40)).unwrap_err(),
            CryptoError::MasterKeyTooShort
        );
        let plain = Sealer::new(&MasterKey::from_content(&b"k".repeat(40)).unwrap())
            .check_value()
            .unwrap();
        for line_break in ["\n", "\r\n", "\n\n"] {
            let content = [&b"k".repeat(40)[..], line_break.as_bytes()].concat();
            let key = MasterKey::from_content(&content).unwrap();
            assert_eq!(Sealer::new(&key).check_value().unwrap(), plain);
        }
    }

    #[test]
    fn a_generated_master_key_reads_back_from_its_file() {
        let (key, content) = MasterKey::generate().unwrap();
        assert_eq!(content.len(), 44);
        let again = MasterKey::from_content(content.as_bytes()).unwrap();
        assert_eq!(
            Sealer::new(&key).check_value().unwrap(),
            Sealer::new(&again).check_value().unwrap()
        );
        assert_ne!(*MasterKey::generate().unwrap().1, *content);
    }

    #[test]
    fn no_debug_shows_the_master_key() {
        let master = MasterKey::from_bytes(&[0xa7; 32]).unwrap();
        assert_eq!(
            format!("{master:?} {:?}", Sealer::new(&master)),
            "MasterKey(..) Sealer(..)"
        );
    }
}
