//! A tenant's tokens in memory: a slab of records, linked as the tree of who was derived from whom.
//!
//! Links are slab positions, not identifiers, so that a record stays small and a walk up to the root touches a handful of
//! records. A child never outlives its parent, so whatever has expired has only expired descendants and records leave in the
//! order of their expiry, the deepest first.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

pub use super::record::{AgentDetails, Details, Revoked, Token};
use crate::clock::UnixSeconds;
use crate::id::{EventId, Jti, KeyId};
use crate::metrics::PerKind;
use crate::token::TokenHashDigest;

/// A position in the slab.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Slot(u32);

/// Where a record stands in the tree.
#[derive(Clone, Debug, Default)]
pub(super) struct Links {
    /// Ancestors above this token.
    level: u8,
    parent: Option<Slot>,
    first_child: Option<Slot>,
    next_sibling: Option<Slot>,
    previous_sibling: Option<Slot>,
}

/// What a new token's record is made of.
#[derive(Clone, Debug)]
pub struct NewToken {
    /// Its identifier.
    pub jti: Jti,
    /// The token it was derived from.
    pub parent: Option<Jti>,
    /// The key that signs it.
    pub kid: KeyId,
    /// `iat`.
    pub issued_at: UnixSeconds,
    /// `exp`.
    pub expires_at: UnixSeconds,
    /// The sequence number of its minting.
    pub sequence: u64,
    /// What only its kind has.
    pub details: Details,
}

/// A tenant's tokens.
#[derive(Debug, Default)]
pub struct Tokens {
    slab: Vec<Option<Token>>,
    free: Vec<Slot>,
    by_jti: BTreeMap<Jti, Slot>,
    by_hash: BTreeMap<TokenHashDigest, Slot>,
    by_event: BTreeSet<(EventId, Jti)>,
    /// Deepest first among those that expire together, so that a parent leaves after its children.
    by_expiry: BTreeSet<(UnixSeconds, Reverse<u8>, Slot)>,
    counts: PerKind<u64>,
}

impl Tokens {
    /// How many records there are, expired ones that are still readable among them.
    pub fn len(&self) -> usize {
        self.by_jti.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.by_jti.is_empty()
    }

    /// How many records there are of each kind.
    pub const fn counts(&self) -> &PerKind<u64> {
        &self.counts
    }

    /// The token of this identifier.
    pub fn get(&self, jti: Jti) -> Option<&Token> {
        self.at(*self.by_jti.get(&jti)?)
    }

    /// The app token that this digest of a `token_hash` names.
    pub fn get_by_hash(&self, hash: &TokenHashDigest) -> Option<&Token> {
        self.at(*self.by_hash.get(hash)?)
    }

    /// The token that `token` was derived from.
    pub fn parent_of(&self, token: &Token) -> Option<&Token> {
        self.at(token.links.parent?)
    }

    /// The token itself, then its parent, and so on to the root. At most `max_delegation_depth` + 4 steps.
    pub fn lineage<'a>(&'a self, token: &'a Token) -> impl Iterator<Item = &'a Token> {
        std::iter::successors(Some(token), |below| self.parent_of(below))
    }

    /// The tokens derived directly from `token`, the youngest first.
    pub fn children_of<'a>(&'a self, token: &'a Token) -> impl Iterator<Item = &'a Token> {
        let first = token.links.first_child.and_then(|slot| self.at(slot));
        std::iter::successors(first, |child| child.links.next_sibling.and_then(|slot| self.at(slot)))
    }

    /// The token after `token` in a walk of the subtree under `root` that visits parents before their children.
    pub fn next_in_subtree<'a>(&'a self, root: &'a Token, token: &'a Token) -> Option<&'a Token> {
        if let Some(child) = token.links.first_child {
            return self.at(child);
        }
        let mut current = token;
        while current.jti != root.jti {
            if let Some(sibling) = current.links.next_sibling {
                return self.at(sibling);
            }
            current = self.parent_of(current)?;
        }
        None
    }

    /// The override tokens of an event, oldest first.
    pub fn of_event<'a>(&'a self, event_id: &'a EventId) -> impl Iterator<Item = &'a Token> {
        let from = (event_id.clone(), Jti::from_bytes([0; 16]));
        self.by_event
            .range(from..)
            .take_while(move |(event, _)| event == event_id)
            .filter_map(|(_, jti)| self.get(*jti))
    }

    /// The events that have override tokens, each once.
    pub fn events(&self) -> impl Iterator<Item = &EventId> {
        let mut last = None;
        self.by_event
            .iter()
            .map(|(event_id, _)| event_id)
            .filter(move |event_id| last.replace(*event_id) != Some(*event_id))
    }

    /// Marks a token as revoked. `false` if it is not here.
    #[must_use]
    pub(super) fn revoke(&mut self, jti: Jti, revoked: Revoked) -> bool {
        let token = self.by_jti.get(&jti).copied().and_then(|slot| self.at_mut(slot));
        match token {
            None => false,
            Some(token) => {
                // A cascade is never taken back.
                if token.revoked != Some(Revoked::Cascade) {
                    token.revoked = Some(revoked);
                }
                true
            }
        }
    }

    /// Notes how many events a session has counted; never fewer than it had. `false` if there is no such session.
    #[must_use]
    pub(super) fn note_used(&mut self, jti: Jti, counted: u32) -> bool {
        let token = self.by_jti.get(&jti).copied().and_then(|slot| self.at_mut(slot));
        match token.map(|token| &mut token.details) {
            Some(Details::Session { used, .. }) => {
                *used = counted.max(*used);
                true
            }
            _ => false,
        }
    }

    /// All tokens after `after`, in the order of their identifiers.
    pub fn after(&self, after: Option<Jti>) -> impl Iterator<Item = &Token> {
        use std::ops::Bound::{Excluded, Unbounded};
        let from = after.map_or(Unbounded, Excluded);
        self.by_jti
            .range((from, Unbounded))
            .filter_map(|(_, slot)| self.at(*slot))
    }

    /// Adds a record. `false`, and nothing changes, if its identifier is taken, its parent is not here, or the slab is full.
    #[must_use]
    pub fn insert(&mut self, new: NewToken) -> bool {
        if self.by_jti.contains_key(&new.jti) {
            return false;
        }
        let parent = match new.parent {
            None => None,
            Some(jti) => match self.by_jti.get(&jti) {
                None => return false,
                Some(slot) => Some(*slot),
            },
        };
        let Some(slot) = self.vacant_slot() else { return false };
        let (level, eldest) = parent.and_then(|slot| self.at(slot)).map_or((0, None), |parent| {
            (parent.links.level.saturating_add(1), parent.links.first_child)
        });
        match &new.details {
            Details::App { hash, .. } => {
                self.by_hash.insert(*hash, slot);
            }
            Details::Override { event_id, .. } => {
                self.by_event.insert((event_id.clone(), new.jti));
            }
            _ => {}
        }
        if let Some(count) = self.counts.get_mut(new.details.kind()) {
            *count += 1;
        }
        self.by_jti.insert(new.jti, slot);
        self.by_expiry.insert((new.expires_at, Reverse(level), slot));
        let links = Links {
            level,
            parent,
            next_sibling: eldest,
            ..Links::default()
        };
        if let Some(place) = self.slab.get_mut(slot.0 as usize) {
            *place = Some(Token {
                jti: new.jti,
                kid: new.kid,
                issued_at: new.issued_at,
                expires_at: new.expires_at,
                sequence: new.sequence,
                details: new.details,
                revoked: None,
                links,
            });
        }
        if let Some(eldest) = eldest.and_then(|slot| self.at_mut(slot)) {
            eldest.links.previous_sibling = Some(slot);
        }
        if let Some(parent) = parent.and_then(|slot| self.at_mut(slot)) {
            parent.links.first_child = Some(slot);
        }
        true
    }

    /// When the first of them expires.
    pub(super) fn first_until(&self) -> Option<UnixSeconds> {
        self.by_expiry.first().map(|(expires_at, ..)| *expires_at)
    }

    /// Removes up to `at_most` of the tokens that expired at or before `expired_by`, and returns the sessions among them that have
    /// counted: each has a row of its own.
    pub fn purge(&mut self, expired_by: UnixSeconds, at_most: usize) -> Vec<Jti> {
        let mut counted = Vec::new();
        for _ in 0..at_most {
            let Some(&(expires_at, level, slot)) = self.by_expiry.first() else {
                break;
            };
            if expires_at > expired_by {
                break;
            }
            self.by_expiry.remove(&(expires_at, level, slot));
            if let Some(Token {
                jti,
                details: Details::Session { used: 1.., .. },
                ..
            }) = self.remove(slot)
            {
                counted.push(jti);
            }
        }
        if self.by_jti.is_empty() {
            self.slab = Vec::new();
            self.free = Vec::new();
        }
        counted
    }

    fn remove(&mut self, slot: Slot) -> Option<Token> {
        let token = self.slab.get_mut(slot.0 as usize)?.take()?;
        self.free.push(slot);
        if let Some(count) = self.counts.get_mut(token.kind()) {
            *count = count.saturating_sub(1);
        }
        self.by_jti.remove(&token.jti);
        match &token.details {
            Details::App { hash, .. } => {
                self.by_hash.remove(hash);
            }
            Details::Override { event_id, .. } => {
                self.by_event.remove(&(event_id.clone(), token.jti));
            }
            _ => {}
        }
        let Links {
            parent,
            next_sibling,
            previous_sibling,
            ..
        } = token.links;
        if let Some(next) = next_sibling.and_then(|slot| self.at_mut(slot)) {
            next.links.previous_sibling = previous_sibling;
        }
        match previous_sibling {
            Some(previous) => {
                if let Some(previous) = self.at_mut(previous) {
                    previous.links.next_sibling = next_sibling;
                }
            }
            None => {
                if let Some(parent) = parent.and_then(|slot| self.at_mut(slot)) {
                    parent.links.first_child = next_sibling;
                }
            }
        }
        Some(token)
    }

    fn vacant_slot(&mut self) -> Option<Slot> {
        if let Some(slot) = self.free.pop() {
            return Some(slot);
        }
        let slot = Slot(u32::try_from(self.slab.len()).ok()?);
        self.slab.push(None);
        Some(slot)
    }

    fn at(&self, slot: Slot) -> Option<&Token> {
        self.slab.get(slot.0 as usize)?.as_ref()
    }

    fn at_mut(&mut self, slot: Slot) -> Option<&mut Token> {
        self.slab.get_mut(slot.0 as usize)?.as_mut()
    }
}
