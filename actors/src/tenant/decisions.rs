//! Decisions that humans took on flagged events: at most one an event, whatever tokens it has; and the events that nothing decides,
//! because a restoration cannot know whether they were decided.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::rejection::StandingDecision;
use super::tokens::{Details, Token};
use crate::clock::{UnixMillis, UnixSeconds};
use crate::id::{EventId, Jti};
use crate::limits::DECISIONS_KEPT_SECONDS;
use crate::token::Decision;

/// A decision that stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DecisionRecord {
    /// The token it was taken with.
    pub override_jti: Jti,
    /// What was decided.
    pub decision: Decision,
    /// Who decided, as the caller said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decided_by: Option<Box<str>>,
    /// Why, as the caller said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Box<str>>,
    /// When.
    pub decided_at: UnixMillis,
}

/// A tenant's decisions of the last 90 days.
#[derive(Debug, Default)]
pub struct Decisions {
    by_event: BTreeMap<EventId, DecisionRecord>,
    by_age: BTreeSet<(UnixMillis, EventId)>,
    /// Events that nothing decides, since when.
    barred: BTreeMap<EventId, UnixMillis>,
    barred_by_age: BTreeSet<(UnixMillis, EventId)>,
}

impl Decisions {
    /// The decision that stands on an event.
    pub fn get(&self, event_id: &EventId) -> Option<&DecisionRecord> {
        self.by_event.get(event_id)
    }

    /// The decision that stands on an event, as a refusal tells it.
    pub fn standing(&self, event_id: &EventId) -> Option<StandingDecision> {
        let record = self.get(event_id)?;
        Some(StandingDecision {
            event_id: event_id.clone(),
            override_jti: record.override_jti,
            decision: record.decision,
            decided_by: record.decided_by.clone(),
            decided_at: record.decided_at,
        })
    }

    /// Whether this is an override token whose event is decided, with it or with another.
    pub fn is_used(&self, token: &Token) -> bool {
        matches!(&token.details, Details::Override { event_id, .. } if self.get(event_id).is_some())
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.by_event.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.by_event.is_empty()
    }

    /// Adds a decision. `false`, and nothing changes, if the event has one that was not kept long enough yet: when a journal is
    /// read back, nothing has been forgotten in between.
    #[must_use]
    pub(super) fn insert(&mut self, event_id: EventId, record: DecisionRecord) -> bool {
        if let Some(known) = self.by_event.get(&event_id) {
            if record.decided_at < known.decided_at.plus_seconds(DECISIONS_KEPT_SECONDS) {
                return false;
            }
            self.by_age.remove(&(known.decided_at, event_id.clone()));
        }
        self.by_age.insert((record.decided_at, event_id.clone()));
        self.by_event.insert(event_id, record);
        true
    }

    /// Since when nothing decides this event, if nothing does.
    pub(super) fn barred_at(&self, event_id: &EventId) -> Option<UnixMillis> {
        self.barred.get(event_id).copied()
    }

    /// Whether nothing decides this event: it was undecided in a backup that the customer was restored from.
    pub fn is_barred(&self, event_id: &EventId) -> bool {
        self.barred.contains_key(event_id)
    }

    /// Lets nothing decide an event, for as long as a decision on it would be kept.
    pub(super) fn bar(&mut self, event_id: EventId, at: UnixMillis) {
        if let Some(earlier) = self.barred.insert(event_id.clone(), at) {
            self.barred_by_age.remove(&(earlier, event_id.clone()));
        }
        self.barred_by_age.insert((at, event_id));
    }

    /// When the oldest decision or bar is forgotten.
    pub(super) fn first_until(&self) -> Option<UnixSeconds> {
        let first = [self.by_age.first(), self.barred_by_age.first()];
        let (at, _) = first.into_iter().flatten().min()?;
        Some(at.plus_seconds(DECISIONS_KEPT_SECONDS).seconds())
    }

    /// Forgets up to `at_most` decisions that were kept long enough, and as many bars.
    pub(super) fn purge(&mut self, now: UnixMillis, at_most: usize) {
        for _ in 0..at_most {
            match self.by_age.first() {
                Some((at, _)) if at.plus_seconds(DECISIONS_KEPT_SECONDS) <= now => {
                    if let Some((_, event_id)) = self.by_age.pop_first() {
                        self.by_event.remove(&event_id);
                    }
                }
                _ => break,
            }
        }
        for _ in 0..at_most {
            match self.barred_by_age.first() {
                Some((at, _)) if at.plus_seconds(DECISIONS_KEPT_SECONDS) <= now => {
                    if let Some((_, event_id)) = self.barred_by_age.pop_first() {
                        self.barred.remove(&event_id);
                    }
                }
                _ => break,
            }
        }
    }
}
