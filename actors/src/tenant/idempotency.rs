//! Calls that were made with an idempotency key, so that a repetition has the effect, and the answer, of the first.

use std::collections::{BTreeMap, VecDeque};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::clock::{UnixMillis, UnixSeconds};
use crate::id::{EventId, Jti, KeyId};
use crate::limits::{IDEMPOTENCY_RECORDS_MAX, IDEMPOTENCY_SECONDS};
use crate::tenant::Rejection;

/// Sixteen bytes of a SHA-256: enough to tell calls apart, half the memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest([u8; 16]);

impl Digest {
    /// The bytes.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// The first half of a SHA-256.
    pub fn of_sha256(hash: [u8; 32]) -> Self {
        let mut half = [0; 16];
        for (to, from) in half.iter_mut().zip(hash) {
            *to = from;
        }
        Self(half)
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        let bytes = URL_SAFE_NO_PAD
            .decode(text.as_bytes())
            .map_err(serde::de::Error::custom)?;
        bytes
            .try_into()
            .map(Self)
            .map_err(|_| serde::de::Error::custom("a digest has 16 bytes"))
    }
}

/// Which call a repetition repeats, and whether it is the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Idempotency {
    /// Digest of method, path and key.
    pub scope: Digest,
    /// Digest of what is asked.
    pub request: Digest,
}

/// What a call with an idempotency key came to: enough to give the answer again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// A token was minted.
    Minted(Jti),
    /// A signing key was made or promoted.
    Key(KeyId),
    /// An event was decided.
    Decided(EventId),
    /// What was asked for is done, and there is nothing to tell about it.
    Done,
    /// Events of a session were counted.
    Counted {
        /// Counted in all, this call's included.
        used: u32,
        /// What may still be counted.
        remaining: u32,
    },
    /// Something with an identifier of its own was made, changed or deleted.
    Thing(Box<str>),
}

/// The record of a call with an idempotency key; part of its event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdempotencyRecord {
    /// Digest of method, path and key.
    pub scope: Digest,
    /// Digest of what was asked.
    pub request: Digest,
    /// What it came to.
    pub outcome: Outcome,
}

impl IdempotencyRecord {
    /// The record of a call.
    pub const fn of(Idempotency { scope, request }: Idempotency, outcome: Outcome) -> Self {
        Self {
            scope,
            request,
            outcome,
        }
    }
}

/// A record as memory keeps it.
#[derive(Debug)]
struct Kept {
    at: UnixMillis,
    request: Digest,
    outcome: Outcome,
}

impl Kept {
    /// Whether it is over a day old: then it is as good as forgotten, even if it is still here.
    fn is_over(&self, now: UnixMillis) -> bool {
        self.at.plus_seconds(IDEMPOTENCY_SECONDS) <= now
    }
}

/// A tenant's records of the last day.
#[derive(Debug, Default)]
pub struct IdempotencyRecords {
    by_scope: BTreeMap<Digest, Kept>,
    by_age: VecDeque<(UnixMillis, Digest)>,
}

impl IdempotencyRecords {
    /// What the first call with this key came to, if this is not the first.
    ///
    /// # Errors
    /// [`Rejection::IdempotencyMismatch`] if the first was for something else, [`Rejection::IdempotencyLimit`] if this would be the
    /// first and there is no room for its record.
    pub fn consult(&self, key: &Idempotency, now: UnixMillis) -> Result<Option<&Outcome>, Rejection> {
        match self.by_scope.get(&key.scope) {
            Some(known) if known.is_over(now) => Ok(None),
            Some(known) if known.request != key.request => Err(Rejection::IdempotencyMismatch),
            Some(known) => Ok(Some(&known.outcome)),
            None if self.by_scope.len() >= IDEMPOTENCY_RECORDS_MAX => Err(Rejection::IdempotencyLimit),
            None => Ok(None),
        }
    }

    /// How many are kept.
    pub fn len(&self) -> usize {
        self.by_scope.len()
    }

    /// Whether none is kept.
    pub fn is_empty(&self) -> bool {
        self.by_scope.is_empty()
    }

    pub(super) fn insert(&mut self, at: UnixMillis, record: IdempotencyRecord) {
        let IdempotencyRecord {
            scope,
            request,
            outcome,
        } = record;
        self.by_age.push_back((at, scope));
        self.by_scope.insert(scope, Kept { at, request, outcome });
    }

    /// The record of a key, with the moment of its call.
    pub(super) fn get(&self, scope: &Digest) -> Option<(UnixMillis, IdempotencyRecord)> {
        let kept = self.by_scope.get(scope)?;
        let record = IdempotencyRecord {
            scope: *scope,
            request: kept.request,
            outcome: kept.outcome.clone(),
        };
        Some((kept.at, record))
    }

    /// When the oldest is forgotten.
    pub(super) fn first_until(&self) -> Option<UnixSeconds> {
        let (at, _) = self.by_age.front()?;
        Some(at.plus_seconds(IDEMPOTENCY_SECONDS).seconds())
    }

    /// Forgets up to `at_most` records that are over a day old.
    pub(super) fn purge(&mut self, now: UnixMillis, at_most: usize) {
        for _ in 0..at_most {
            match self.by_age.front() {
                Some((at, scope)) if at.plus_seconds(IDEMPOTENCY_SECONDS) <= now => {
                    // The key may have been used again since.
                    if self.by_scope.get(scope).is_some_and(|kept| kept.is_over(now)) {
                        self.by_scope.remove(scope);
                    }
                    self.by_age.pop_front();
                }
                _ => break,
            }
        }
    }
}
