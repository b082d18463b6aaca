//! What folded state looks like as rows: keys that sort into the order of a recovery, and JSON as events are.
//!
//! | key | value |
//! |---|---|
//! | `h` | how far the fold reaches, and what is one for the whole customer |
//! | `k` sequence | a signing key |
//! | `p` sequence | a permission override |
//! | `q` sequence | a user's roles |
//! | `r` identifier | a role |
//! | `s` fold, until | a segment: one entry a line |
//! | `u` jti | what a session has counted; written by each count, see [`RowChange`](crate::tenant::rows::RowChange) |
//!
//! As with events, fields are only ever added, with a default.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::clock::{UnixMillis, UnixSeconds};
use crate::id::EventId;
use crate::journal::{SideChange, Space};
use crate::limits::{DECISIONS_KEPT_SECONDS, IDEMPOTENCY_SECONDS};
use crate::permissions::event::{NewOverride, RoleContent};
use crate::permissions::{AdminId, Role, RoleId};
use crate::tenant::decisions::DecisionRecord;
use crate::tenant::event::Mint;
use crate::tenant::idempotency::IdempotencyRecord;
use crate::tenant::revocations::Revocation;

const HEAD: u8 = b'h';
const KEY: u8 = b'k';
const OVERRIDE: u8 = b'p';
const ASSIGNMENT: u8 = b'q';
const ROLE: u8 = b'r';
const SEGMENT: u8 = b's';

/// Which folded row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FoldedRow {
    /// How far the fold reaches.
    Head,
    /// The signing key that this event made.
    Key(u64),
    /// The permission override that this event created.
    Override(u64),
    /// The roles that this event assigned to a user.
    Assignment(u64),
    /// A role.
    Role(RoleId),
    /// A segment.
    Segment(Segment),
}

/// A segment's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Segment {
    /// Nothing in it is relevant after this second.
    pub until: UnixSeconds,
    /// The number of the last event that its fold covers.
    pub fold: u64,
}

/// What is one for the whole customer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// The last event that is covered.
    pub up_to: u64,
    /// The tenant's time at the fold.
    pub at: UnixMillis,
    /// Whether the customer is suspended.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub suspended: bool,
    /// What was relevant until then is forgotten, and skipped where a segment still tells of it.
    pub forgotten: UnixSeconds,
}

/// A permission override.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FoldedOverride {
    /// When it was created.
    pub at: UnixMillis,
    /// What it is.
    pub new: NewOverride,
    /// Whether it waits for somebody to confirm it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub suspended: bool,
}

/// A user's roles.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Assignment {
    /// The user.
    pub admin_id: AdminId,
    /// All of the user's roles.
    pub roles: Vec<RoleId>,
}

/// A role.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FoldedRole {
    /// When it was made.
    pub created_at: UnixMillis,
    /// When it was last changed.
    pub updated_at: UnixMillis,
    /// What it is.
    pub content: RoleContent,
}

impl FoldedRole {
    pub(super) fn of(role: &Role) -> Self {
        Self {
            created_at: role.created_at,
            updated_at: role.updated_at,
            content: role.into(),
        }
    }
}

/// A line of a segment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Entry {
    /// A token.
    Token(FoldedToken),
    /// A revocation.
    Revocation(Revocation),
    /// A decision on a flagged event.
    Decision(FoldedDecision),
    /// A flagged event that nothing decides.
    Bar(FoldedBar),
    /// A call with an idempotency key.
    Call(FoldedCall),
}

/// A token.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FoldedToken {
    /// The number of the event that minted it.
    pub sequence: u64,
    /// What it is.
    pub mint: Mint,
}

/// A decision on a flagged event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FoldedDecision {
    /// The event.
    pub event_id: EventId,
    /// What was decided.
    pub record: DecisionRecord,
}

impl FoldedDecision {
    /// The last second in which it counts.
    pub(super) const fn until(&self) -> UnixSeconds {
        self.record.decided_at.plus_seconds(DECISIONS_KEPT_SECONDS).seconds()
    }
}

/// A flagged event that nothing decides.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FoldedBar {
    /// The event.
    pub event_id: EventId,
    /// Since when.
    pub at: UnixMillis,
}

impl FoldedBar {
    /// The last second in which it counts.
    pub(super) const fn until(&self) -> UnixSeconds {
        self.at.plus_seconds(DECISIONS_KEPT_SECONDS).seconds()
    }
}

/// A call with an idempotency key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FoldedCall {
    /// When it was made.
    pub at: UnixMillis,
    /// What it came to.
    pub record: IdempotencyRecord,
}

impl FoldedCall {
    /// The last second in which a repetition is recognised.
    pub(super) const fn until(&self) -> UnixSeconds {
        self.at.plus_seconds(IDEMPOTENCY_SECONDS).seconds()
    }
}

impl FoldedRow {
    /// The row of this key; `None` if it is no folded row's.
    pub fn of_key(key: &[u8]) -> Option<Self> {
        let (kind, rest) = key.split_first()?;
        let number = |bytes: &[u8]| Some(u64::from_be_bytes(bytes.try_into().ok()?));
        Some(match *kind {
            HEAD if rest.is_empty() => Self::Head,
            KEY => Self::Key(number(rest)?),
            OVERRIDE => Self::Override(number(rest)?),
            ASSIGNMENT => Self::Assignment(number(rest)?),
            ROLE => Self::Role(RoleId::Made(Uuid::from_bytes(rest.try_into().ok()?))),
            SEGMENT => {
                let (fold, until) = rest.split_at_checked(8)?;
                let until = UnixSeconds::new(i64::try_from(number(until)?).ok()?);
                Self::Segment(Segment {
                    until,
                    fold: number(fold)?,
                })
            }
            _ => return None,
        })
    }

    /// The row's key. Segments sort by their fold, and what has to be known first comes first.
    pub fn key(&self) -> Vec<u8> {
        let with = |kind: u8, rest: &[u8]| [&[kind], rest].concat();
        match self {
            Self::Head => vec![HEAD],
            Self::Key(sequence) => with(KEY, &sequence.to_be_bytes()),
            Self::Override(sequence) => with(OVERRIDE, &sequence.to_be_bytes()),
            Self::Assignment(sequence) => with(ASSIGNMENT, &sequence.to_be_bytes()),
            Self::Role(RoleId::Made(id)) => with(ROLE, id.as_bytes()),
            Self::Role(RoleId::SuperAdmin | RoleId::Viewer) => with(ROLE, &[]),
            Self::Segment(Segment { until, fold }) => {
                let until = u64::try_from(until.get()).unwrap_or_default();
                with(SEGMENT, &[fold.to_be_bytes(), until.to_be_bytes()].concat())
            }
        }
    }

    pub(super) fn put<T: Serialize + ?Sized>(&self, value: &T) -> Result<SideChange, serde_json::Error> {
        Ok(self.put_bytes(serde_json::to_vec(value)?))
    }

    pub(super) fn put_bytes(&self, value: Vec<u8>) -> SideChange {
        self.change(Some(value))
    }

    pub(super) fn delete(&self) -> SideChange {
        self.change(None)
    }

    fn change(&self, value: Option<Vec<u8>>) -> SideChange {
        SideChange {
            space: Space::Row,
            key: self.key(),
            value,
        }
    }
}
