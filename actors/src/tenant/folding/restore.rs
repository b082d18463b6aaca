//! Reading folded rows back: the state that the fold left, before the events that follow.

use std::collections::BTreeSet;

use super::rows::{Assignment, Entry, FoldedOverride, FoldedRole, FoldedRow, Head, Segment};
use crate::tenant::revocations::{Revocation, Target};
use crate::tenant::state::State;
use crate::tenant::tokens::Revoked;

/// Rows on their way into a state. They come in the order of their keys.
#[derive(Debug, Default)]
pub(crate) struct Restoring {
    has_head: bool,
    /// The fold whose segments are being gathered. They are cut by time, so only together are they in the order of their events.
    fold: u64,
    entries: Vec<Entry>,
}

impl Restoring {
    /// Takes a row.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn row(&mut self, state: &mut State, row: FoldedRow, value: &[u8]) -> Result<(), String> {
        let malformed = |error: serde_json::Error| format!("folded row {row:?}: {error}");
        if !self.has_head && row != FoldedRow::Head {
            return Err(format!("folded row {row:?} stands without a head"));
        }
        match row {
            FoldedRow::Head => {
                let head: Head = serde_json::from_slice(value).map_err(malformed)?;
                self.has_head = true;
                state.restore_head(&head);
                return Ok(());
            }
            FoldedRow::Key(_) => state.keys.restore(serde_json::from_slice(value).map_err(malformed)?),
            FoldedRow::Override(sequence) => {
                let FoldedOverride { at, new, suspended } = serde_json::from_slice(value).map_err(malformed)?;
                let id = new.id;
                let created = state.permissions.create(sequence, at, new);
                let suspended = created.and_then(|()| match suspended {
                    true => state.permissions.set_suspended(id, true),
                    false => Ok(()),
                });
                suspended.map_err(str::to_owned)?;
            }
            FoldedRow::Assignment(sequence) => {
                let Assignment { admin_id, roles } = serde_json::from_slice(value).map_err(malformed)?;
                state.permissions.assign(sequence, admin_id, roles);
            }
            FoldedRow::Role(_) => {
                let role: FoldedRole = serde_json::from_slice(value).map_err(malformed)?;
                let FoldedRole {
                    created_at,
                    updated_at,
                    content,
                } = role;
                state
                    .permissions
                    .set_role(created_at, updated_at, content)
                    .map_err(str::to_owned)?;
            }
            FoldedRow::Segment(segment) => return self.segment(state, segment, value),
        }
        Ok(())
    }

    fn segment(&mut self, state: &mut State, segment: Segment, value: &[u8]) -> Result<(), String> {
        if segment.fold != self.fold {
            self.finish(state)?;
            self.fold = segment.fold;
        }
        state.folding.segments.insert(segment);
        for entry in serde_json::Deserializer::from_slice(value).into_iter() {
            let entry: Entry = entry.map_err(|error| format!("{segment:?}: {error}"))?;
            if entry.until() > state.folding.forgotten {
                self.entries.push(entry);
            }
        }
        Ok(())
    }

    /// There are no more segments of this fold.
    ///
    /// # Errors
    /// What does not fit.
    pub(crate) fn finish(&mut self, state: &mut State) -> Result<(), String> {
        let mut entries = std::mem::take(&mut self.entries);
        entries.sort_by_key(Entry::place);
        for entry in entries {
            state
                .restore_entry(entry)
                .map_err(|what| format!("fold {}: {what}", self.fold))?;
        }
        Ok(())
    }
}

impl Entry {
    /// The last second in which it matters.
    fn until(&self) -> crate::clock::UnixSeconds {
        match self {
            Self::Token(token) => token.mint.expires_at,
            Self::Revocation(revocation) => revocation.relevant_until,
            Self::Decision(decision) => decision.until(),
            Self::Bar(bar) => bar.until(),
            Self::Call(call) => call.until(),
        }
    }

    /// Tokens come before what revokes them, parents before their children, earlier calls before later ones.
    const fn place(&self) -> (u8, u64) {
        match self {
            Self::Token(token) => (0, token.sequence),
            Self::Revocation(revocation) => (1, revocation.sequence),
            Self::Decision(decision) => (2, decision.record.decided_at.get().unsigned_abs()),
            Self::Bar(bar) => (3, bar.at.get().unsigned_abs()),
            Self::Call(call) => (4, call.at.get().unsigned_abs()),
        }
    }
}

impl State {
    fn restore_head(&mut self, head: &Head) {
        self.restore_moment(head.up_to, head.at);
        self.suspended = head.suspended;
        self.folding.up_to = head.up_to;
        self.folding.forgotten = head.forgotten;
    }

    fn restore_entry(&mut self, entry: Entry) -> Result<(), &'static str> {
        match entry {
            Entry::Token(token) => self.add_token(token.sequence, token.mint),
            Entry::Revocation(revocation) => {
                self.restore_revocation(revocation);
                Ok(())
            }
            Entry::Decision(decision) => {
                let is_new = self.decisions.insert(decision.event_id, decision.record);
                is_new.then_some(()).ok_or("the event is decided")
            }
            Entry::Bar(bar) => {
                self.decisions.bar(bar.event_id, bar.at);
                Ok(())
            }
            Entry::Call(call) => {
                self.idempotency.insert(call.at, call.record);
                Ok(())
            }
        }
    }

    /// The keys' rows tell already which of them are revoked; a token may be forgotten earlier than its revocation.
    fn restore_revocation(&mut self, revocation: Revocation) {
        if let Target::Token { jti, cascade } = revocation.target {
            let revoked = if cascade { Revoked::Cascade } else { Revoked::Alone };
            let _ = self.tokens.revoke(jti, revoked);
        }
        self.revocations.insert(revocation);
    }
}

impl super::Folding {
    /// The last event that is covered by rows.
    pub const fn up_to(&self) -> u64 {
        self.up_to
    }

    /// The segments that are stored.
    pub const fn segments(&self) -> &BTreeSet<Segment> {
        &self.segments
    }
}
