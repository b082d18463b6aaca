//! A tenant's signing keys: which one signs, which are published, and until when.

use crate::clock::{UnixMillis, UnixSeconds};
use crate::crypto::keys::PublicKey;
use crate::id::KeyId;

/// A signing key as its tenant remembers it. Its private part is in the vault.
#[derive(Clone, Debug, PartialEq)]
pub struct SigningKeyRecord {
    /// Its identifier.
    pub kid: KeyId,
    /// What verifiers need.
    pub public: PublicKey,
    /// When it was made.
    pub created_at: UnixMillis,
    /// When it starts to sign; until then it is only published.
    pub signs_from: UnixMillis,
    /// When another key takes over from it.
    pub signs_until: Option<UnixMillis>,
    /// The latest `exp` among the tokens it signed.
    pub last_expiry: Option<UnixSeconds>,
    /// Whether it was revoked, with every token it signed.
    pub revoked: bool,
}

impl SigningKeyRecord {
    fn is_active(&self, now: UnixMillis) -> bool {
        !self.revoked && self.signs_from <= now && self.signs_until.is_none_or(|until| now < until)
    }

    fn is_upcoming(&self, now: UnixMillis) -> bool {
        !self.revoked && now < self.signs_from
    }

    /// A key that no longer signs stays published until the last token it signed has expired.
    fn is_retired_and_needed(&self, now: UnixMillis) -> bool {
        !self.revoked
            && self.signs_until.is_some_and(|until| until <= now)
            && self.last_expiry.is_some_and(|expiry| now < expiry.millis())
    }
}

/// A tenant's signing keys, in the order they were made.
#[derive(Debug, Default)]
pub struct Keys {
    records: Vec<SigningKeyRecord>,
    /// Spares the usual walk up a lineage the look at every key.
    any_revoked: bool,
}

impl Keys {
    /// The key that signs now.
    pub fn active(&self, now: UnixMillis) -> Option<&SigningKeyRecord> {
        self.records.iter().rev().find(|key| key.is_active(now))
    }

    /// The key that is published and will sign later.
    pub fn upcoming(&self, now: UnixMillis) -> Option<&SigningKeyRecord> {
        self.records.iter().rev().find(|key| key.is_upcoming(now))
    }

    /// The key of this identifier, published or not.
    pub fn get(&self, kid: KeyId) -> Option<&SigningKeyRecord> {
        self.records.iter().find(|key| key.kid == kid)
    }

    /// The keys that verifiers need: the active one, then the upcoming one, then those retired keys that signed a token which
    /// has not expired.
    pub fn published(&self, now: UnixMillis) -> Vec<&SigningKeyRecord> {
        let retired = self.records.iter().rev().filter(|key| key.is_retired_and_needed(now));
        self.active(now)
            .into_iter()
            .chain(self.upcoming(now))
            .chain(retired)
            .collect()
    }

    /// The keys that were not revoked, published or not.
    pub fn unrevoked(&self) -> impl Iterator<Item = &SigningKeyRecord> {
        self.records.iter().filter(|key| !key.revoked)
    }

    /// Adds a key.
    pub(super) fn insert(&mut self, kid: KeyId, public: PublicKey, created_at: UnixMillis, signs_from: UnixMillis) {
        self.records.push(SigningKeyRecord {
            kid,
            public,
            created_at,
            signs_from,
            signs_until: None,
            last_expiry: None,
            revoked: false,
        });
    }

    /// Whether the key was revoked.
    pub fn is_revoked(&self, kid: KeyId) -> bool {
        self.any_revoked && self.get(kid).is_some_and(|key| key.revoked)
    }

    /// Revokes a key. One that was published and waits takes over at once; if it is the one that waits, the active one signs on.
    /// `false` if there is no such key.
    #[must_use]
    pub(super) fn revoke(&mut self, kid: KeyId, at: UnixMillis) -> bool {
        let active = self.active(at).map(|key| key.kid);
        let waiting = self.upcoming(at).map(|key| key.kid);
        let Some(key) = self.get_mut(kid) else { return false };
        key.revoked = true;
        key.signs_until = Some(key.signs_until.map_or(at, |until| until.min(at)));
        self.any_revoked = true;
        if active == Some(kid)
            && let Some(waiting) = waiting
        {
            self.promote(waiting, at);
        }
        if waiting == Some(kid)
            && let Some(active) = active.and_then(|active| self.get_mut(active))
        {
            active.signs_until = None;
        }
        true
    }

    /// Lets `kid` sign until `until`.
    pub(super) fn retire(&mut self, kid: KeyId, until: UnixMillis) {
        if let Some(key) = self.get_mut(kid) {
            key.signs_until = Some(until);
        }
    }

    /// Lets `kid` sign from `from`.
    pub(super) fn promote(&mut self, kid: KeyId, from: UnixMillis) {
        if let Some(key) = self.get_mut(kid) {
            key.signs_from = from;
        }
    }

    /// Notes that `kid` signed a token that expires at `expiry`.
    pub(super) fn note_signature(&mut self, kid: KeyId, expiry: UnixSeconds) {
        if let Some(key) = self.get_mut(kid) {
            key.last_expiry = key.last_expiry.max(Some(expiry));
        }
    }

    fn get_mut(&mut self, kid: KeyId) -> Option<&mut SigningKeyRecord> {
        // The newest keys are the busiest.
        self.records.iter_mut().rev().find(|key| key.kid == kid)
    }
}
