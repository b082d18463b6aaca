//! A customer's secrets as its state holds them: sealed, and opened by whoever first needs them.
//!
//! Opening happens off the actor's turn, on the thread that wants the signature. What was opened is kept, and erased when the
//! last owner drops it.

use std::fmt;
use std::sync::OnceLock;

use super::CryptoError;
use super::digest::OverrideSecret;
use super::keys::{PublicKey, SigningKey};
use super::seal::{Purpose, Sealer};
use crate::id::{CustomerId, KeyId};

/// A signing key: its public half in the open, its private half sealed until the first signature.
pub struct SealedKey {
    kid: KeyId,
    customer: CustomerId,
    public: PublicKey,
    sealed: Box<[u8]>,
    opened: OnceLock<SigningKey>,
}

impl SealedKey {
    /// A fresh key, sealed for this customer under this id.
    ///
    /// # Errors
    /// [`CryptoError::Unavailable`] when the library fails or there is no randomness to be had.
    pub fn generate(sealer: &Sealer, customer: CustomerId, kid: KeyId) -> Result<Self, CryptoError> {
        let (key, public) = SigningKey::generate()?;
        let sealed = sealer.seal(customer, kid.as_bytes(), Purpose::SigningKey, &key.to_pkcs8()?)?;
        Ok(Self {
            kid,
            customer,
            public,
            sealed: sealed.into(),
            opened: OnceLock::from(key),
        })
    }

    /// A key as it was stored. Nothing is opened yet, and nothing is checked.
    pub fn from_parts(kid: KeyId, customer: CustomerId, public: PublicKey, sealed: Box<[u8]>) -> Self {
        Self {
            kid,
            customer,
            public,
            sealed,
            opened: OnceLock::new(),
        }
    }

    /// The key's id.
    pub fn kid(&self) -> KeyId {
        self.kid
    }

    /// The customer whose tokens it signs.
    pub fn customer(&self) -> CustomerId {
        self.customer
    }

    /// Its public half.
    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    /// The sealed private half, as stored.
    pub fn sealed(&self) -> &[u8] {
        &self.sealed
    }

    /// The private half, opened once and then kept.
    ///
    /// # Errors
    /// [`CryptoError::SealBroken`] when it does not open, [`CryptoError::KeyMismatch`] when what it holds belongs to another public key.
    pub fn open(&self, sealer: &Sealer) -> Result<&SigningKey, CryptoError> {
        if let Some(key) = self.opened.get() {
            return Ok(key);
        }
        let der = sealer.open(self.customer, self.kid.as_bytes(), Purpose::SigningKey, &self.sealed)?;
        let key = SigningKey::from_pkcs8(&der)?;
        if key.public_key()? != self.public {
            return Err(CryptoError::KeyMismatch);
        }
        Ok(self.opened.get_or_init(|| key))
    }

    /// The same key sealed under another master key, for `rekey`.
    ///
    /// # Errors
    /// As [`Self::open`] with the old sealer, or [`CryptoError::Unavailable`].
    pub fn resealed(&self, old: &Sealer, new: &Sealer) -> Result<Self, CryptoError> {
        let der = self.open(old)?.to_pkcs8()?;
        let sealed = new.seal(self.customer, self.kid.as_bytes(), Purpose::SigningKey, &der)?;
        Ok(Self::from_parts(self.kid, self.customer, self.public, sealed.into()))
    }
}

impl fmt::Debug for SealedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SealedKey")
            .field("kid", &self.kid)
            .field("customer", &self.customer)
            .finish_non_exhaustive()
    }
}

/// A customer's override secret, sealed until the first cosignature.
pub struct SealedSecret {
    customer: CustomerId,
    sealed: Box<[u8]>,
    opened: OnceLock<OverrideSecret>,
}

impl SealedSecret {
    /// A fresh secret, sealed for this customer.
    ///
    /// # Errors
    /// [`CryptoError::Unavailable`] when the library fails or there is no randomness to be had.
    pub fn generate(sealer: &Sealer, customer: CustomerId) -> Result<Self, CryptoError> {
        Self::seal(sealer, customer, OverrideSecret::generate()?)
    }

    fn seal(sealer: &Sealer, customer: CustomerId, secret: OverrideSecret) -> Result<Self, CryptoError> {
        let sealed = sealer.seal(
            customer,
            customer.as_bytes(),
            Purpose::OverrideSecret,
            secret.as_bytes(),
        )?;
        Ok(Self {
            customer,
            sealed: sealed.into(),
            opened: OnceLock::from(secret),
        })
    }

    /// A secret as it was stored. Nothing is opened yet, and nothing is checked.
    pub fn from_parts(customer: CustomerId, sealed: Box<[u8]>) -> Self {
        Self {
            customer,
            sealed,
            opened: OnceLock::new(),
        }
    }

    /// The customer whose decisions it cosigns.
    pub fn customer(&self) -> CustomerId {
        self.customer
    }

    /// The sealed secret, as stored.
    pub fn sealed(&self) -> &[u8] {
        &self.sealed
    }

    /// The secret, opened once and then kept.
    ///
    /// # Errors
    /// [`CryptoError::SealBroken`] when it does not open.
    pub fn open(&self, sealer: &Sealer) -> Result<&OverrideSecret, CryptoError> {
        if let Some(secret) = self.opened.get() {
            return Ok(secret);
        }
        let secret = self.open_fresh(sealer)?;
        Ok(self.opened.get_or_init(|| secret))
    }

    fn open_fresh(&self, sealer: &Sealer) -> Result<OverrideSecret, CryptoError> {
        let bytes = sealer.open(
            self.customer,
            self.customer.as_bytes(),
            Purpose::OverrideSecret,
            &self.sealed,
        )?;
        let bytes = <&[u8; 32]>::try_from(bytes.as_slice()).map_err(|_| CryptoError::SealBroken)?;
        Ok(OverrideSecret::from_bytes(*bytes))
    }

    /// The same secret sealed under another master key, for `rekey`.
    ///
    /// # Errors
    /// As [`Self::open`] with the old sealer, or [`CryptoError::Unavailable`].
    pub fn resealed(&self, old: &Sealer, new: &Sealer) -> Result<Self, CryptoError> {
        Self::seal(new, self.customer, self.open_fresh(old)?)
    }
}

impl fmt::Debug for SealedSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SealedSecret")
            .field("customer", &self.customer)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use uuid::Uuid;

    use super::super::seal::MasterKey;
    use super::*;

    fn sealer(fill: u8) -> Sealer {
        Sealer::new(&MasterKey::from_bytes(&[fill; 32]).unwrap())
    }

    fn customer(number: u128) -> CustomerId {
        CustomerId::new(Uuid::from_u128(number))
    }

    #[test]
    fn a_sealed_key_is_opened_once_and_kept() {
        let kid = KeyId::new(Uuid::from_u128(5));
        let made = SealedKey::generate(&sealer(1), customer(1), kid).unwrap();
        let stored = SealedKey::from_parts(kid, customer(1), *made.public(), made.sealed().into());
        assert!(matches!(stored.open(&sealer(2)), Err(CryptoError::SealBroken)));
        let opened = stored.open(&sealer(1)).unwrap();
        assert!(made.public().verify(b"m", &opened.sign(b"m").unwrap()));
        assert!(
            std::ptr::eq(opened, stored.open(&sealer(2)).unwrap()),
            "the second opening needs no unsealing"
        );
    }

    #[test]
    fn a_sealed_key_that_belongs_to_another_public_key_or_id_is_refused() {
        let kid = KeyId::new(Uuid::from_u128(5));
        let one = SealedKey::generate(&sealer(1), customer(1), kid).unwrap();
        let two = SealedKey::generate(&sealer(1), customer(1), kid).unwrap();
        let crossed = SealedKey::from_parts(kid, customer(1), *two.public(), one.sealed().into());
        assert!(matches!(crossed.open(&sealer(1)), Err(CryptoError::KeyMismatch)));
        let renamed = SealedKey::from_parts(
            KeyId::new(Uuid::from_u128(6)),
            customer(1),
            *one.public(),
            one.sealed().into(),
        );
        assert!(matches!(renamed.open(&sealer(1)), Err(CryptoError::SealBroken)));
    }

    #[test]
    fn rekeying_keeps_the_secrets_and_changes_what_opens_them() {
        let key = SealedKey::generate(&sealer(1), customer(1), KeyId::new(Uuid::from_u128(5))).unwrap();
        let moved = key.resealed(&sealer(1), &sealer(2)).unwrap();
        assert!(matches!(moved.open(&sealer(1)), Err(CryptoError::SealBroken)));
        assert_eq!(moved.open(&sealer(2)).unwrap().public_key().unwrap(), *key.public());
        let secret = SealedSecret::generate(&sealer(1), customer(1)).unwrap();
        let moved = SealedSecret::from_parts(
            customer(1),
            secret.resealed(&sealer(1), &sealer(2)).unwrap().sealed().into(),
        );
        assert!(matches!(moved.open(&sealer(1)), Err(CryptoError::SealBroken)));
        assert_eq!(
            moved.open(&sealer(2)).unwrap().as_bytes(),
            secret.open(&sealer(1)).unwrap().as_bytes()
        );
    }

    #[test]
    fn a_sealed_secret_is_its_customers_alone() {
        let made = SealedSecret::generate(&sealer(1), customer(1)).unwrap();
        let stored = SealedSecret::from_parts(customer(1), made.sealed().into());
        assert_eq!(
            stored.open(&sealer(1)).unwrap().as_bytes(),
            made.open(&sealer(1)).unwrap().as_bytes()
        );
        let stolen = SealedSecret::from_parts(customer(2), made.sealed().into());
        assert!(matches!(stolen.open(&sealer(1)), Err(CryptoError::SealBroken)));
    }

    #[test]
    fn no_debug_shows_a_secret() {
        let sealer = sealer(0xa7);
        let key = SealedKey::generate(&sealer, customer(1), KeyId::new(Uuid::from_u128(5))).unwrap();
        let secret = SealedSecret::generate(&sealer, customer(1)).unwrap();
        let shown = format!(
            "{sealer:?} {key:?} {secret:?} {:?} {:?}",
            key.open(&sealer),
            secret.open(&sealer)
        );
        let scalar = key.open(&sealer).unwrap().to_pkcs8().unwrap();
        let secrets: [&[u8]; 4] = [
            &[0xa7; 32],
            &scalar[36..68],
            secret.open(&sealer).unwrap().as_bytes(),
            &key.sealed()[13..],
        ];
        for bytes in secrets {
            // The usual ways in which bytes reach a text; four in a row do not occur by chance.
            let hex: String = bytes[..4].iter().map(|byte| format!("{byte:02x}")).collect();
            let list = format!("{:?}", &bytes[..4]).replace(['[', ']'], "");
            for form in [
                hex.clone(),
                hex.to_uppercase(),
                list,
                URL_SAFE_NO_PAD.encode(&bytes[..3]),
            ] {
                assert!(!shown.contains(&form), "{form} in {shown}");
            }
        }
    }
}
