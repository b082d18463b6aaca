//! Folding: what a state adds up to, written as rows, so that the events that made it can be deleted.
//!
//! A fold covers everything up to the state's own sequence number: rows are the state at that number, and the events that follow are
//! applied to it as to any other. Entities that never change and are forgotten at a known time (tokens, revocations, decisions,
//! idempotency records) are packed into *segments*, grouped by that time, and a segment is deleted as a whole when all of it is
//! forgotten. What changes or is deleted has a row of its own.
//!
//! So what a customer takes on disk, and what its recovery reads, follows what it has and not what has happened to it.

pub(crate) mod restore;
pub mod rows;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rows::{
    Assignment, FoldedBar, FoldedCall, FoldedDecision, FoldedOverride, FoldedRole, FoldedRow, FoldedToken, Head,
    Segment,
};

use super::event::{Event, Mint, MintDetails, Recorded};
use super::idempotency::Digest;
use super::keys::SigningKeyRecord;
use super::restoration::Restoration;
use super::rows::RowChange;
use super::state::State;
use super::tokens::{Details, Token};
use crate::clock::{UnixMillis, UnixSeconds};
use crate::id::{EventId, Jti, KeyId};
use crate::journal::SideChange;
use crate::limits::{EXPIRED_READABLE_SECONDS, FOLD_BYTES, SEGMENTS_DROPPED_PER_FOLD_MAX};
use crate::permissions::{AdminId, OverrideId, PermissionEvent, RoleId};
use crate::placement::phase_of;
use crate::rbac::Policy;

/// Seconds to which the end of a segment is rounded up, at least.
const SEGMENT_SECONDS_MIN: i64 = 600;
/// How much longer than its shortest-lived entity a segment may be kept, as a part of that entity's remaining life.
const SEGMENT_PARTS: i64 = 8;

/// What a tenant writes to fold.
#[derive(Clone, Debug)]
pub struct Fold {
    /// The last event that is covered.
    pub up_to: u64,
    /// The rows, put and deleted.
    pub rows: Vec<SideChange>,
}

/// What was folded, and what has happened since.
#[derive(Debug, Default)]
pub struct Folding {
    /// The last event that is covered by rows.
    up_to: u64,
    /// Everything that was relevant until this second, or an earlier one, is forgotten; rows may still tell of it.
    forgotten: UnixSeconds,
    /// The segments that are stored: until when, and by which fold.
    segments: BTreeSet<Segment>,
    since: Since,
}

/// What has happened since the last fold.
#[derive(Debug, Default)]
struct Since {
    bytes: usize,
    keys: BTreeSet<KeyId>,
    tokens: Vec<Jti>,
    counted: BTreeSet<Jti>,
    decisions: BTreeSet<EventId>,
    barred: BTreeSet<EventId>,
    calls: BTreeSet<Digest>,
    overrides: Vec<OverrideId>,
    roles: BTreeSet<RoleId>,
    assigned: BTreeSet<AdminId>,
    /// Rows that tell of what is gone.
    obsolete: Vec<FoldedRow>,
}

impl Folding {
    /// Notes that nothing is left of a key.
    pub(super) fn note_forgotten_key(&mut self, key: &SigningKeyRecord) {
        self.since.keys.remove(&key.kid);
        if key.sequence <= self.up_to {
            self.since.obsolete.push(FoldedRow::Key(key.sequence));
        }
    }
}

impl State {
    /// Notes what an event is about, before it is applied.
    pub(super) fn note_unfolded(&mut self, recorded: &Recorded) {
        let (folding, permissions) = (&mut self.folding, &self.permissions);
        let since = &mut folding.since;
        if let Some(record) = &recorded.idempotency {
            since.calls.insert(record.scope);
        }
        match &recorded.event {
            Event::TokenMinted(mint) => {
                since.tokens.push(mint.jti);
                since.keys.insert(mint.kid);
            }
            Event::SigningKeyCreated(made) => _ = since.keys.insert(made.kid),
            Event::SigningKeyRotated { previous, new } => since.keys.extend([*previous, new.kid]),
            Event::SigningKeyPromoted { previous, kid } => since.keys.extend([*previous, *kid]),
            // It may promote the one that waits, or let the active one go on.
            Event::SigningKeyRevoked { .. } => since.keys.extend(self.keys.records().iter().map(|key| key.kid)),
            Event::SessionCounted { jti, .. } => _ = since.counted.insert(*jti),
            Event::EventDecided { event_id, .. } => _ = since.decisions.insert(event_id.clone()),
            Event::Restoration(Restoration::EventsBarred { event_ids }) => {
                since.barred.extend(event_ids.iter().cloned());
            }
            // The suspension is written with every fold, and revocations are found by their numbers.
            Event::Restoration(Restoration::CustomerRestored { .. })
            | Event::TokenRevoked { .. }
            | Event::AgentRevoked { .. }
            | Event::IssuedBeforeRevoked { .. }
            | Event::CustomerSuspended { .. }
            | Event::CustomerResumed { .. } => {}
            Event::Permission(event) => {
                let mut gone = |id: &OverrideId| {
                    let sequence = permissions.kept(*id).map_or(0, |rule| rule.sequence);
                    if sequence <= folding.up_to {
                        since.obsolete.push(FoldedRow::Override(sequence));
                    }
                };
                match event {
                    PermissionEvent::OverrideCreated(new) => since.overrides.push(new.id),
                    PermissionEvent::OverrideDeleted { id } => gone(id),
                    PermissionEvent::OverridesPurged { ids } => ids.iter().for_each(gone),
                    PermissionEvent::GrantsSuspended { ids } => since.overrides.extend(ids),
                    PermissionEvent::GrantConfirmed { id } => since.overrides.push(*id),
                    PermissionEvent::RoleCreated(content) | PermissionEvent::RoleChanged(content) => {
                        since.roles.insert(content.id);
                    }
                    PermissionEvent::RoleDeleted { id } => _ = since.roles.insert(*id),
                    PermissionEvent::RolesAssigned { admin_id, .. } => {
                        let earlier = permissions.subject(admin_id.as_str());
                        let earlier = earlier.map_or(0, |subject| subject.assigned_by());
                        if earlier > 0 && earlier <= folding.up_to {
                            since.obsolete.push(FoldedRow::Assignment(earlier));
                        }
                        since.assigned.insert(admin_id.clone());
                    }
                }
            }
        }
    }

    /// Notes how large an event was as it is written.
    pub(crate) fn note_unfolded_bytes(&mut self, bytes: usize) {
        self.folding.since.bytes += bytes;
    }

    /// Whether so much has happened since the last fold that the next is due. The first comes up to half as early, for each customer at
    /// another time: many under the same load would else fold at once, and all who call meanwhile would wait for that.
    pub(crate) fn is_fold_due(&self, fold_events: usize) -> bool {
        let ahead = match self.folding.up_to {
            0 => phase_of(self.customer(), fold_events / 2),
            _ => 0,
        };
        let events = usize::try_from(self.sequence() - self.folding.up_to).unwrap_or(usize::MAX);
        events.saturating_add(self.folding.since.obsolete.len()) + ahead >= fold_events
            || self.folding.since.bytes >= FOLD_BYTES
    }

    /// Whether a fold would make the customer smaller, or its recovery shorter.
    pub(crate) fn is_fold_useful(&self, now: UnixMillis) -> bool {
        let forgotten = self.forgotten_by(now);
        self.sequence() > self.folding.up_to
            || self
                .folding
                .segments
                .first()
                .is_some_and(|segment| segment.until <= forgotten)
    }

    /// Whether something is still here, in memory or in a segment, that nobody needs any more.
    pub(crate) fn has_more_to_forget(&self, now: UnixMillis) -> bool {
        self.forgotten_by(now) < now.seconds().plus(-EXPIRED_READABLE_SECONDS) || self.is_fold_useful(now)
    }

    /// Folds everything that is not. The state's time is `now` from then on; with `may_forget`, segments go that are forgotten.
    ///
    /// # Errors
    /// If a row cannot be written as JSON, which would be a defect; the state is of no use then.
    pub(crate) fn fold(&mut self, now: UnixMillis, may_forget: bool) -> Result<Fold, serde_json::Error> {
        self.advance_to(now);
        let since = std::mem::take(&mut self.folding.since);
        let mut rows = self.segments_of(&since, now)?;
        for (id, rule) in since
            .overrides
            .iter()
            .filter_map(|id| Some((id, self.permissions.kept(*id)?)))
        {
            let row = FoldedOverride {
                at: rule.created_at,
                new: rule.as_ref().into(),
                suspended: rule.suspended,
            };
            debug_assert_eq!(*id, rule.id);
            rows.push(FoldedRow::Override(rule.sequence).put(&row)?);
        }
        for key in self.keys.records().iter().filter(|key| since.keys.contains(&key.kid)) {
            rows.push(FoldedRow::Key(key.sequence).put(key)?);
        }
        for id in &since.roles {
            let row = FoldedRow::Role(*id);
            rows.push(match self.permissions.role(*id) {
                Some(role) => row.put(&FoldedRole::of(role))?,
                None => row.delete(),
            });
        }
        for admin_id in &since.assigned {
            let subject = self.permissions.subject(admin_id.as_str());
            if let Some(subject) = subject.filter(|subject| !subject.roles().is_empty()) {
                let (admin_id, roles) = (admin_id.clone(), subject.roles().to_vec());
                rows.push(FoldedRow::Assignment(subject.assigned_by()).put(&Assignment { admin_id, roles })?);
            }
        }
        for token in since.counted.iter().filter_map(|jti| self.tokens.get(*jti)) {
            if let Details::Session { used, .. } = token.details {
                rows.push(RowChange::SessionUsed { jti: token.jti, used }.row());
            }
        }
        rows.extend(since.obsolete.iter().map(FoldedRow::delete));
        self.folding.up_to = self.sequence();
        if may_forget {
            self.folding.forgotten = self.forgotten_by(now);
            rows.extend(self.forgotten_segments());
        }
        rows.push(FoldedRow::Head.put(&self.head())?);
        Ok(Fold {
            up_to: self.folding.up_to,
            rows,
        })
    }

    fn head(&self) -> Head {
        Head {
            up_to: self.folding.up_to,
            at: self.last_at(),
            suspended: self.suspended,
            forgotten: self.folding.forgotten,
        }
    }

    /// Everything that was relevant until this second is gone from memory, by `now`.
    fn forgotten_by(&self, now: UnixMillis) -> UnixSeconds {
        let first_kept = [
            self.tokens.first_until(),
            self.revocations.first_until(),
            self.decisions.first_until(),
            self.idempotency.first_until(),
        ];
        let expired_by = now.seconds().plus(-EXPIRED_READABLE_SECONDS);
        let before = |first: UnixSeconds| first.plus(-1);
        let gone = first_kept.into_iter().flatten().map(before).min();
        gone.unwrap_or(expired_by).min(expired_by).max(self.folding.forgotten)
    }

    /// The oldest segments of which nothing is needed any more, as deletions.
    fn forgotten_segments(&mut self) -> Vec<SideChange> {
        let mut deleted = Vec::new();
        while deleted.len() < SEGMENTS_DROPPED_PER_FOLD_MAX
            && let Some(first) = self.folding.segments.first().copied()
            && first.until <= self.folding.forgotten
        {
            self.folding.segments.remove(&first);
            deleted.push(FoldedRow::Segment(first).delete());
        }
        deleted
    }

    /// What has come since the last fold and is forgotten at a known time, in segments.
    fn segments_of(&mut self, since: &Since, now: UnixMillis) -> Result<Vec<SideChange>, serde_json::Error> {
        let mut parts = Parts::new(now.seconds());
        // In the order of their events, which recovery needs: parents before children.
        for token in since.tokens.iter().filter_map(|jti| self.tokens.get(*jti)) {
            let mint = self.folded_mint(token);
            let folded = FoldedToken {
                sequence: token.sequence,
                mint,
            };
            parts.add(token.expires_at, &rows::Entry::Token(folded))?;
        }
        for revocation in self.revocations.after(self.folding.up_to) {
            parts.add(revocation.relevant_until, &rows::Entry::Revocation(revocation.clone()))?;
        }
        for event_id in &since.decisions {
            if let Some(record) = self.decisions.get(event_id) {
                let folded = FoldedDecision {
                    event_id: event_id.clone(),
                    record: record.clone(),
                };
                parts.add(folded.until(), &rows::Entry::Decision(folded))?;
            }
        }
        for event_id in &since.barred {
            if let Some(at) = self.decisions.barred_at(event_id) {
                let event_id = event_id.clone();
                let folded = FoldedBar { event_id, at };
                parts.add(folded.until(), &rows::Entry::Bar(folded))?;
            }
        }
        let mut calls: Vec<_> = since
            .calls
            .iter()
            .filter_map(|scope| self.idempotency.get(scope))
            .collect();
        calls.sort_by_key(|(at, _)| *at);
        for (at, record) in calls {
            let folded = FoldedCall { at, record };
            parts.add(folded.until(), &rows::Entry::Call(folded))?;
        }
        let fold = self.sequence();
        let segment = |(until, bytes)| {
            let segment = Segment { until, fold };
            (segment, FoldedRow::Segment(segment).put_bytes(bytes))
        };
        let (segments, rows): (Vec<_>, Vec<_>) = parts.by_end.into_iter().map(segment).unzip();
        self.folding.segments.extend(segments);
        Ok(rows)
    }

    /// A token as it was minted; a policy that is the default one, or its parent's, is not written again.
    fn folded_mint(&self, token: &Token) -> Mint {
        let parent = self.tokens.parent_of(token);
        let mut mint = token.to_mint(parent);
        match &mut mint.details {
            MintDetails::Agent { policy, .. } => {
                policy.take_if(|policy| Arc::ptr_eq(policy, &Policy::default_shared()));
            }
            MintDetails::Subagent { policy, .. } => {
                let inherited = parent.and_then(|parent| parent.details.agent());
                policy.take_if(|policy| inherited.is_some_and(|agent| Arc::ptr_eq(policy, &agent.policy)));
            }
            MintDetails::App { .. }
            | MintDetails::Bearer { .. }
            | MintDetails::Session { .. }
            | MintDetails::Override { .. } => {}
        }
        mint
    }
}

/// The segments of one fold, while they are filled.
struct Parts {
    now: UnixSeconds,
    by_end: BTreeMap<UnixSeconds, Vec<u8>>,
}

impl Parts {
    const fn new(now: UnixSeconds) -> Self {
        Self {
            now,
            by_end: BTreeMap::new(),
        }
    }

    fn add(&mut self, until: UnixSeconds, entry: &rows::Entry) -> Result<(), serde_json::Error> {
        let bytes = self.by_end.entry(segment_end(until, self.now)).or_default();
        serde_json::to_writer(&mut *bytes, entry)?;
        bytes.push(b'\n');
        Ok(())
    }
}

/// When the segment ends that something goes into which is relevant until `until`. What lives long may wait long for the others.
fn segment_end(until: UnixSeconds, now: UnixSeconds) -> UnixSeconds {
    let left = until.get().saturating_sub(now.get()).max(1);
    let step = left
        .unsigned_abs()
        .checked_next_power_of_two()
        .map_or(i64::MAX, |power| i64::try_from(power).unwrap_or(i64::MAX));
    let step = (step / SEGMENT_PARTS).max(SEGMENT_SECONDS_MIN);
    let parts = until.get().saturating_add(step - 1).div_euclid(step);
    UnixSeconds::new(parts.saturating_mul(step))
}

#[cfg(test)]
mod tests;
