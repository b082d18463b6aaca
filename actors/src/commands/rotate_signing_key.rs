//! A new signing key that takes over from the active one: after it has been published long enough for verifiers to know it, or
//! at once.

use std::sync::Arc;

use super::{Access, Command, Decided, Moment};
use crate::clock::UnixMillis;
use crate::crypto::keys::PublicKey;
use crate::crypto::sealed::SealedKey;
use crate::id::KeyId;
use crate::tenant::audit::AuditDraft;
use crate::tenant::event::{Event, KeyMade};
use crate::tenant::idempotency::Outcome;
use crate::tenant::keys::SigningKeyRecord;
use crate::tenant::vault::VaultChange;
use crate::tenant::{Rejection, State};
use crate::token::Scope;

/// A key pair made outside, its private part sealed.
#[derive(Debug)]
pub struct NewKey {
    /// Its identifier.
    pub kid: KeyId,
    /// Its public part.
    pub public: PublicKey,
    /// Its private part.
    pub sealed: Arc<SealedKey>,
}

impl NewKey {
    pub(super) const fn made(&self, signs_from: UnixMillis) -> KeyMade {
        KeyMade {
            kid: self.kid,
            public: self.public,
            signs_from,
        }
    }
}

/// What is answered about a key.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct KeyInfo {
    /// Its identifier.
    pub kid: KeyId,
    /// Its public part.
    pub public: PublicKey,
    /// When it was made.
    pub created_at: UnixMillis,
    /// When it starts to sign.
    pub signs_from: UnixMillis,
}

impl KeyInfo {
    /// What was answered about a key that an earlier call with the same idempotency key made.
    pub(super) fn again(state: &State, outcome: &Outcome) -> Result<Self, Rejection> {
        match outcome {
            Outcome::Key(kid) => state
                .keys
                .get(*kid)
                .filter(|key| !key.revoked)
                .map(Self::from)
                .ok_or(Rejection::IdempotentResultGone),
            _ => Err(Rejection::IdempotentResultGone),
        }
    }

    pub(super) const fn of(made: &KeyMade, created_at: UnixMillis) -> Self {
        Self {
            kid: made.kid,
            public: made.public,
            created_at,
            signs_from: made.signs_from,
        }
    }
}

impl From<&SigningKeyRecord> for KeyInfo {
    fn from(key: &SigningKeyRecord) -> Self {
        Self {
            kid: key.kid,
            public: key.public,
            created_at: key.created_at,
            signs_from: key.signs_from,
        }
    }
}

/// Replaces the active signing key.
#[derive(Debug)]
pub struct RotateSigningKey {
    /// The key to replace; it must be the active one.
    pub kid: KeyId,
    /// Whether the new key signs at once. A key that is published already and waits is then the one that signs.
    pub immediate: bool,
    /// The new key.
    pub new: NewKey,
}

impl Command for RotateSigningKey {
    type Reply = KeyInfo;

    fn access(&self) -> Access {
        Access::Scope(Scope::KeysManage)
    }

    fn decide(self, state: &State, moment: &Moment<'_>) -> Result<Decided<KeyInfo>, Rejection> {
        let now = moment.now;
        let named = state.keys.get(self.kid).ok_or(Rejection::KeyNotFound)?;
        if state.keys.active(now).is_none_or(|active| active.kid != named.kid) {
            return Err(Rejection::KeyNotActive);
        }
        if let Some(waiting) = state.keys.upcoming(now) {
            if !self.immediate {
                return Err(Rejection::RotationPending {
                    kid: waiting.kid,
                    signs_from: waiting.signs_from,
                });
            }
            let reply = KeyInfo {
                signs_from: now,
                ..KeyInfo::from(waiting)
            };
            let audit = AuditDraft::new("signing_key.promoted", waiting.kid);
            let event = Event::SigningKeyPromoted {
                previous: self.kid,
                kid: waiting.kid,
            };
            return Ok(Decided::event(event, reply)
                .audited(audit)
                .coming_to(Outcome::Key(waiting.kid)));
        }
        if state.keys.is_full() {
            return Err(Rejection::KeyLimit);
        }
        let ahead = if self.immediate {
            0
        } else {
            moment.rules.key_publish_ahead_seconds
        };
        let made = self
            .new
            .made(now.plus_seconds(i64::try_from(ahead).unwrap_or(i64::MAX)));
        let reply = KeyInfo::of(&made, now);
        let audit = AuditDraft::new("signing_key.rotated", made.kid);
        let outcome = Outcome::Key(made.kid);
        let event = Event::SigningKeyRotated {
            previous: self.kid,
            new: made,
        };
        let vault = vec![VaultChange::PutSigningKey(self.new.sealed)];
        Ok(Decided {
            vault,
            ..Decided::event(event, reply).audited(audit).coming_to(outcome)
        })
    }

    fn repeat(&self, state: &State, _moment: &Moment<'_>, outcome: &Outcome) -> Result<KeyInfo, Rejection> {
        KeyInfo::again(state, outcome)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::tests::{Given, kid, new_key};

    fn rotate(of: u128, immediate: bool) -> RotateSigningKey {
        RotateSigningKey {
            kid: kid(of),
            immediate,
            new: new_key(kid(2)),
        }
    }

    fn signing(given: &Given) -> KeyId {
        given.state.keys.active(given.now).unwrap().kid
    }

    #[test]
    fn a_new_key_is_published_at_once_and_signs_when_verifiers_know_it() {
        let given = Given::customer().then(rotate(1, false));
        assert_eq!(signing(&given), kid(1));
        assert_eq!(given.state.keys.published(given.now).len(), 2);
        let given = given.after(299);
        assert_eq!(signing(&given), kid(1));
        let given = given.after(1);
        assert_eq!(signing(&given), kid(2));
    }

    #[test]
    fn an_immediate_rotation_signs_at_once() {
        assert_eq!(signing(&Given::customer().then(rotate(1, true))), kid(2));
    }

    #[test]
    fn while_a_key_waits_only_it_can_be_told_to_sign() {
        let given = Given::customer().then(rotate(1, false));
        assert!(
            matches!(given.when(rotate(1, false)), Err(Rejection::RotationPending { kid: waiting, .. }) if waiting == kid(2))
        );
        let given = given.then(rotate(1, true));
        assert_eq!(signing(&given), kid(2));
        assert_eq!(given.when(rotate(1, true)).err(), Some(Rejection::KeyNotActive));
    }

    #[test]
    fn only_the_active_key_is_rotated() {
        assert_eq!(
            Given::customer().when(rotate(9, false)).err(),
            Some(Rejection::KeyNotFound)
        );
    }

    #[test]
    fn a_retired_key_is_published_until_the_last_token_it_signed_has_expired() {
        let given = Given::hierarchy().then(rotate(1, true));
        let year = 365 * 24 * 3_600;
        let given = given.after(year - 1);
        assert_eq!(given.state.keys.published(given.now).len(), 2);
        let given = given.after(1);
        assert_eq!(given.state.keys.published(given.now).len(), 1);
    }
}
