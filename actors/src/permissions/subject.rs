//! One user's overrides and roles, in the orders in which they are asked for.
//!
//! Three sorted lists of pointers: every question is a binary search, whether a user has one override or a thousand, and a
//! customer's millionth user costs as little memory as the first.

use std::cmp::{Ordering, Reverse};
use std::sync::Arc;

use super::{Effect, Override, Question, RoleId};
use crate::clock::UnixMillis;

/// One user.
#[derive(Debug, Default)]
pub struct Subject {
    /// In the order of creation.
    by_creation: Vec<Arc<Override>>,
    /// By path, action and effect; among equals, the one that lasts longest first. Without those that are suspended.
    by_rule: Vec<Arc<Override>>,
    /// The one that is over first, first.
    by_expiry: Vec<Arc<Override>>,
    roles: Vec<RoleId>,
    /// The event that assigned the roles.
    assigned_by: u64,
}

impl Subject {
    /// The user's roles, as they were assigned.
    pub fn roles(&self) -> &[RoleId] {
        &self.roles
    }

    /// The number of the event that assigned the roles; 0 if none did.
    pub(crate) const fn assigned_by(&self) -> u64 {
        self.assigned_by
    }

    /// Overrides, expired ones among them.
    pub fn len(&self) -> usize {
        self.by_creation.len()
    }

    /// Whether nothing is known of the user.
    pub fn is_empty(&self) -> bool {
        self.by_creation.is_empty() && self.roles.is_empty()
    }

    /// Overrides that are not over.
    pub fn live_count(&self, now: UnixMillis) -> usize {
        self.live(now).len()
    }

    /// The overrides that are not over, suspended ones among them, in the order of their expiry.
    pub fn live(&self, now: UnixMillis) -> &[Arc<Override>] {
        let expired = self.by_expiry.partition_point(|rule| !rule.is_live(now));
        self.by_expiry.get(expired..).unwrap_or_default()
    }

    /// The overrides created behind the event `after`, in the order of creation.
    pub fn after(&self, after: Option<u64>) -> &[Arc<Override>] {
        let is_before = |after| self.by_creation.partition_point(|rule| rule.sequence <= after);
        let from = after.map_or(0, is_before);
        self.by_creation.get(from..).unwrap_or_default()
    }

    /// An override in force of this effect that covers what is asked: the narrowest path first, then the action by name, then
    /// the one that lasts longest.
    pub fn deciding(&self, effect: Effect, question: &Question<'_>, now: UnixMillis) -> Option<&Arc<Override>> {
        if self.by_rule.is_empty() {
            return None;
        }
        question.each_covering(|path, action| {
            let before = |rule: &Arc<Override>| rule_key(rule) < (path, action, effect);
            let at = self.by_rule.partition_point(before);
            // The first of its kind lasts longest: if it is over, so are the others.
            let first = self.by_rule.get(at)?;
            (rule_key(first) == (path, action, effect) && first.is_live(now)).then_some(first)
        })
    }

    /// Adds an override. `false`, and nothing changes, if one was created by the same event.
    #[must_use]
    pub(crate) fn insert(&mut self, rule: &Arc<Override>) -> bool {
        let Err(at) = self
            .by_creation
            .binary_search_by_key(&rule.sequence, |other| other.sequence)
        else {
            return false;
        };
        self.by_creation.insert(at, Arc::clone(rule));
        if !rule.suspended
            && let Err(at) = self.by_rule.binary_search_by(|other| compare_rules(other, rule))
        {
            self.by_rule.insert(at, Arc::clone(rule));
        }
        if let Err(at) = self.by_expiry.binary_search_by(|other| compare_expiries(other, rule)) {
            self.by_expiry.insert(at, Arc::clone(rule));
        }
        true
    }

    /// Removes an override.
    pub(crate) fn remove(&mut self, rule: &Override) {
        if let Ok(at) = self
            .by_creation
            .binary_search_by_key(&rule.sequence, |other| other.sequence)
        {
            self.by_creation.remove(at);
        }
        if let Ok(at) = self.by_rule.binary_search_by(|other| compare_rules(other, rule)) {
            self.by_rule.remove(at);
        }
        if let Ok(at) = self.by_expiry.binary_search_by(|other| compare_expiries(other, rule)) {
            self.by_expiry.remove(at);
        }
    }

    /// Replaces the user's roles and returns the earlier ones.
    pub(crate) fn assign(&mut self, sequence: u64, roles: Vec<RoleId>) -> Vec<RoleId> {
        self.assigned_by = if roles.is_empty() { 0 } else { sequence };
        std::mem::replace(&mut self.roles, roles)
    }
}

fn rule_key(rule: &Override) -> (&str, &str, Effect) {
    (rule.path.as_str(), rule.action.as_str(), rule.effect)
}

fn compare_rules(left: &Override, right: &Override) -> Ordering {
    let key = |rule: &Override| (Reverse(rule.expiry), rule.sequence);
    rule_key(left)
        .cmp(&rule_key(right))
        .then_with(|| key(left).cmp(&key(right)))
}

fn compare_expiries(left: &Override, right: &Override) -> Ordering {
    (left.expiry, left.sequence).cmp(&(right.expiry, right.sequence))
}
