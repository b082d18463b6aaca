//! Listing a user's overrides.

use std::sync::Arc;

use super::{Access, Command, Decided, Moment, OverrideView};
use crate::clock::UnixMillis;
use crate::limits::OVERRIDES_PER_PAGE_MAX;
use crate::permissions::{AdminId, Override, Subject};
use crate::tenant::{Rejection, State};
use crate::token::Scope;

/// Which overrides to list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StatusFilter {
    /// Those in force.
    Active,
    /// Those that are over.
    Expired,
    /// Those that wait for somebody to confirm them.
    Suspended,
    /// All.
    #[default]
    All,
}

impl StatusFilter {
    /// Reads the word that callers know.
    ///
    /// # Errors
    /// The message for the field.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        match text {
            "active" => Ok(Self::Active),
            "expired" => Ok(Self::Expired),
            "suspended" => Ok(Self::Suspended),
            "all" => Ok(Self::All),
            _ => Err("must be `active`, `expired`, `suspended` or `all`"),
        }
    }
}

/// Lists a user's overrides in the order of their creation. A user of whom nothing is known has none.
#[derive(Clone, Debug)]
pub struct ListOverrides {
    /// Whose.
    pub admin_id: AdminId,
    /// Which.
    pub status: StatusFilter,
    /// Those behind this place, from an earlier page.
    pub after: Option<u64>,
    /// At most so many, and [`OVERRIDES_PER_PAGE_MAX`].
    pub limit: usize,
}

/// Some of a user's overrides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OverridePage {
    /// The overrides.
    pub overrides: Vec<OverrideView>,
    /// Where to go on, if there are more.
    pub more_after: Option<u64>,
}

impl Command for ListOverrides {
    type Reply = OverridePage;

    fn access(&self) -> Access {
        Access::Scope(Scope::PermissionsManage)
    }

    fn decide(self, state: &State, moment: &Moment<'_>) -> Result<Decided<OverridePage>, Rejection> {
        let limit = self.limit.clamp(1, OVERRIDES_PER_PAGE_MAX);
        let now = moment.now;
        let subject = state.permissions.subject(self.admin_id.as_str());
        // One more than asked for tells whether there are more.
        let mut found = subject.map_or_else(Vec::new, |subject| self.find(subject, limit + 1, now));
        let has_more = found.len() > limit;
        found.truncate(limit);
        let last = found.last().map(|rule| rule.sequence);
        Ok(Decided::answer(OverridePage {
            overrides: found.into_iter().map(|rule| OverrideView::of(rule, now)).collect(),
            more_after: last.filter(|_| has_more),
        }))
    }
}

impl ListOverrides {
    /// Those in force are few and in the order of their expiry; those that are over may be many, but between them stand only few
    /// that are not.
    fn find<'a>(&self, subject: &'a Subject, count: usize, now: UnixMillis) -> Vec<&'a Arc<Override>> {
        match self.status {
            StatusFilter::Active | StatusFilter::Suspended => {
                let suspended = self.status == StatusFilter::Suspended;
                let is_wanted = |rule: &&Arc<Override>| {
                    rule.suspended == suspended && self.after.is_none_or(|after| rule.sequence > after)
                };
                let mut live: Vec<_> = subject.live(now).iter().filter(is_wanted).collect();
                live.sort_unstable_by_key(|rule| rule.sequence);
                live
            }
            StatusFilter::Expired | StatusFilter::All => {
                let is_listed = |rule: &&Arc<Override>| {
                    !rule.is_forgotten(now) && (self.status == StatusFilter::All || !rule.is_live(now))
                };
                subject.after(self.after).iter().filter(is_listed).take(count).collect()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{Given, admin, rule, rule_until};
    use super::*;
    use crate::permissions::Effect;

    fn list(status: StatusFilter, after: Option<u64>, limit: usize) -> ListOverrides {
        ListOverrides {
            admin_id: admin("user"),
            status,
            after,
            limit,
        }
    }

    #[test]
    fn the_unknown_have_none() {
        let page = Given::nothing().when(list(StatusFilter::All, None, 10)).unwrap();
        assert_eq!((page.overrides.len(), page.more_after), (0, None));
    }

    #[test]
    fn pages_join_without_gap_in_the_order_of_creation() {
        let mut given = Given::nothing();
        let mut ids = Vec::new();
        for seconds in [50, 10, 40, 20, 30] {
            let created = given.when(rule_until("user", Effect::Deny, "a:b", seconds)).unwrap();
            ids.push(created.answer.rule.id);
        }
        given.when(rule("other", Effect::Deny, "a:b")).unwrap();
        given.advance(30);
        let all = [
            (StatusFilter::All, vec![0, 1, 2, 3, 4]),
            (StatusFilter::Active, vec![0, 2]),
        ];
        for (status, expected) in all.into_iter().chain([(StatusFilter::Expired, vec![1, 3, 4])]) {
            for limit in 1..7 {
                let (mut seen, mut after) = (Vec::new(), None);
                loop {
                    let page = given.when(list(status, after, limit)).unwrap();
                    assert!(page.overrides.len() <= limit);
                    assert!(
                        page.overrides
                            .iter()
                            .all(|view| view.is_live == view.rule.is_live(given.now))
                    );
                    seen.extend(page.overrides.iter().map(|view| view.rule.id));
                    after = page.more_after;
                    if after.is_none() {
                        break;
                    }
                }
                let expected: Vec<_> = expected.iter().map(|at| ids[*at]).collect();
                assert_eq!(seen, expected, "{status:?} by {limit}");
            }
        }
    }

    #[test]
    fn what_is_over_is_listed_for_90_days() {
        let mut given = Given::nothing();
        given.when(rule_until("user", Effect::Deny, "a:b", 0)).unwrap();
        given.advance(90 * 86_400 - 1);
        assert_eq!(given.when(list(StatusFilter::All, None, 9)).unwrap().overrides.len(), 1);
        given.advance(1);
        assert_eq!(given.when(list(StatusFilter::All, None, 9)).unwrap().overrides.len(), 0);
    }
}
