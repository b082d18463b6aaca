//! The keys that verifiers need.

use super::{Access, Command, Decided, KeyInfo, Moment};
use crate::crypto::keys::PublicKey;
use crate::id::KeyId;
use crate::tenant::{Rejection, State};

/// Asks for a customer's published keys.
#[derive(Clone, Copy, Debug)]
pub struct PublicKeys;

/// A customer's published keys: the active one first, then the upcoming one, then those retired ones that still matter.
#[derive(Clone, Debug, PartialEq)]
pub struct PublishedKeys {
    /// All of them, in that order.
    pub keys: Vec<KeyInfo>,
    /// Whether the first of them is the one that signs.
    pub first_is_active: bool,
}

impl PublishedKeys {
    /// The keys in the form that [`verify_offline`](crate::token::offline::verify_offline) takes.
    pub fn for_verifying(&self) -> Vec<(KeyId, PublicKey)> {
        self.keys.iter().map(|key| (key.kid, key.public)).collect()
    }
}

impl Command for PublicKeys {
    type Reply = PublishedKeys;

    fn access(&self) -> Access {
        Access::Public
    }

    fn decide(self, state: &State, moment: &Moment<'_>) -> Result<Decided<PublishedKeys>, Rejection> {
        let keys = state.keys.published(moment.now).into_iter().map(KeyInfo::from);
        let first_is_active = state.keys.active(moment.now).is_some();
        Ok(Decided::answer(PublishedKeys {
            keys: keys.collect(),
            first_is_active,
        }))
    }
}
