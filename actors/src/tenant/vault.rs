//! A tenant's sealed secrets. They lie beside the journal, not in it, so that they can be erased.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::crypto::keys::PublicKey;
use crate::crypto::sealed::{SealedKey, SealedSecret};
use crate::id::{CustomerId, KeyId};
use crate::journal::{SideChange, Space};

/// First byte of the key of a signing key's row; the key's identifier follows.
const SIGNING_KEY: u8 = 1;
/// The key of the override secret's row.
const OVERRIDE_SECRET: u8 = 2;

/// The sealed secrets: opaque here, opened only where something is signed.
#[derive(Debug, Default)]
pub struct Vault {
    signing_keys: BTreeMap<KeyId, Arc<SealedKey>>,
    override_secret: Option<Arc<SealedSecret>>,
}

/// A change to the vault; it is written in the same batch as the events it belongs to.
#[derive(Clone, Debug)]
pub enum VaultChange {
    /// Keeps the private part of a signing key.
    PutSigningKey(Arc<SealedKey>),
    /// Keeps the secret that decisions are cosigned with.
    PutOverrideSecret(Arc<SealedSecret>),
    /// Erases the private part of a signing key.
    EraseSigningKey(KeyId),
}

impl Vault {
    /// The sealed private part of a signing key.
    pub fn signing_key(&self, kid: KeyId) -> Option<&Arc<SealedKey>> {
        self.signing_keys.get(&kid)
    }

    /// The sealed secret that decisions are cosigned with.
    pub const fn override_secret(&self) -> Option<&Arc<SealedSecret>> {
        self.override_secret.as_ref()
    }

    /// Makes the change.
    pub fn apply(&mut self, change: VaultChange) {
        match change {
            VaultChange::PutSigningKey(sealed) => {
                self.signing_keys.insert(sealed.kid(), sealed);
            }
            VaultChange::PutOverrideSecret(sealed) => self.override_secret = Some(sealed),
            VaultChange::EraseSigningKey(kid) => {
                self.signing_keys.remove(&kid);
            }
        }
    }
}

/// Whether the row of this key goes into a backup: the secret behind the cosignatures does, so that decisions stay provable; signing
/// keys do not, because a restoration revokes them.
pub(crate) fn is_backed_up(key: &[u8]) -> bool {
    key == [OVERRIDE_SECRET]
}

impl VaultChange {
    /// The change as the journal writes it. A signing key's row begins with its public part, 64 bytes.
    pub(crate) fn row(&self) -> SideChange {
        let signing_key = |kid: &KeyId| [&[SIGNING_KEY], kid.as_bytes().as_slice()].concat();
        let (key, value) = match self {
            Self::PutSigningKey(sealed) => {
                let (x, y) = sealed.public().coordinates();
                (
                    signing_key(&sealed.kid()),
                    Some([x.as_slice(), y.as_slice(), sealed.sealed()].concat()),
                )
            }
            Self::PutOverrideSecret(sealed) => (vec![OVERRIDE_SECRET], Some(sealed.sealed().to_vec())),
            Self::EraseSigningKey(kid) => (signing_key(kid), None),
        };
        SideChange {
            space: Space::Vault,
            key,
            value,
        }
    }

    /// The change that put this row there.
    ///
    /// # Errors
    /// A description of what is wrong with the row.
    pub(crate) fn from_row(customer: CustomerId, key: &[u8], value: &[u8]) -> Result<Self, String> {
        match key.split_first() {
            Some((&SIGNING_KEY, kid)) => {
                let kid = KeyId::from_bytes(kid.try_into().map_err(|_| "a signing key's row has a malformed key")?);
                let (public, sealed) = value.split_at_checked(64).ok_or("a signing key's row is too short")?;
                let (x, y) = public.split_at(32);
                let coordinate = |bytes: &[u8]| bytes.try_into().map_err(|_| "a coordinate has 32 bytes");
                let public = PublicKey::from_coordinates(coordinate(x)?, coordinate(y)?);
                let public = public.map_err(|error| error.to_string())?;
                Ok(Self::PutSigningKey(Arc::new(SealedKey::from_parts(
                    kid,
                    customer,
                    public,
                    sealed.into(),
                ))))
            }
            Some((&OVERRIDE_SECRET, [])) => Ok(Self::PutOverrideSecret(Arc::new(SealedSecret::from_parts(
                customer,
                value.into(),
            )))),
            _ => Err("a row of the vault has a key of no known kind".to_owned()),
        }
    }
}
