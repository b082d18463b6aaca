//! A tenant's signing keys: which one signs, which are published, and until when.

use serde::{Deserialize, Serialize};

use super::event::KeyMade;
use crate::clock::{UnixMillis, UnixSeconds};
use crate::crypto::keys::PublicKey;
use crate::id::KeyId;
use crate::limits::KEYS_PER_TENANT_MAX;

/// A signing key as its tenant remembers it. Its private part is in the vault.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SigningKeyRecord {
    /// The number of the event that made it: its place in the order of keys.
    pub sequence: u64,
    /// Its identifier.
    pub kid: KeyId,
    /// What verifiers need.
    pub public: PublicKey,
    /// When it was made.
    pub created_at: UnixMillis,
    /// When it starts to sign; until then it is only published.
    pub signs_from: UnixMillis,
    /// When another key takes over from it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signs_until: Option<UnixMillis>,
    /// The latest `exp` among the tokens it signed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_expiry: Option<UnixSeconds>,
    /// Whether it was revoked, with every token it signed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
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
    pub(super) fn insert(&mut self, sequence: u64, made: &KeyMade, created_at: UnixMillis) {
        self.records.push(SigningKeyRecord {
            sequence,
            kid: made.kid,
            public: made.public,
            created_at,
            signs_from: made.signs_from,
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

    /// Forgets keys that sign no more and whose last token expired at or before `expired_by`; returns them.
    pub(super) fn purge(&mut self, expired_by: UnixSeconds) -> Vec<SigningKeyRecord> {
        let is_over = |key: &SigningKeyRecord| {
            let signs_no_more = key.signs_until.is_some_and(|until| until <= expired_by.millis());
            signs_no_more && key.last_expiry.is_none_or(|expiry| expiry <= expired_by)
        };
        // Nearly always there is none, and this is asked every turn.
        if !self.records.iter().any(is_over) {
            return Vec::new();
        }
        let forgotten = self.records.extract_if(.., |key| is_over(key)).collect();
        self.any_revoked = self.records.iter().any(|key| key.revoked);
        forgotten
    }

    /// All of them, in the order in which they were made.
    pub(super) fn records(&self) -> &[SigningKeyRecord] {
        &self.records
    }

    /// Takes over what was kept of a key that was made after those that are here.
    pub(super) fn restore(&mut self, record: SigningKeyRecord) {
        self.any_revoked |= record.revoked;
        self.records.push(record);
    }

    /// Whether there are as many as there may be.
    pub fn is_full(&self) -> bool {
        self.records.len() >= KEYS_PER_TENANT_MAX
    }

    fn get_mut(&mut self, kid: KeyId) -> Option<&mut SigningKeyRecord> {
        // The newest keys are the busiest.
        self.records.iter_mut().rev().find(|key| key.kid == kid)
    }
}
