//! Whether a user may do something: an override that denies, then one that grants, then a role, then not.

use std::fmt;
use std::sync::Arc;

use super::action::ANY;
use super::path::EVERYTHING;
use super::{Action, Effect, Override, Path, PathPattern, Role, Subject};
use crate::clock::UnixMillis;

/// What is asked. Text that is no path or no action is covered by `*` alone.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// What it is about.
    pub path: Option<&'a Path>,
    /// What is done to that.
    pub action: Option<&'a Action>,
}

impl Question<'_> {
    /// Offers each pair of patterns that covers the question, the narrowest path first, until `find` has found something.
    pub(super) fn each_covering<T>(&self, mut find: impl FnMut(&str, &str) -> Option<T>) -> Option<T> {
        let named = self.action.map(Action::as_str);
        let mut find_with = |path: &str| named.and_then(|action| find(path, action)).or_else(|| find(path, ANY));
        match self.path {
            Some(path) => path.covering().find_map(|pattern| find_with(&pattern)),
            None => find_with(EVERYTHING),
        }
    }
}

/// What decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// An override that denies.
    OverrideDeny,
    /// An override that grants.
    OverrideGrant,
    /// A role.
    Role,
    /// Nothing permits it.
    None,
}

impl Source {
    /// The word that callers know.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OverrideDeny => "override_deny",
            Self::OverrideGrant => "override_grant",
            Self::Role => "role",
            Self::None => "none",
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// An answer, and what it rests on.
#[derive(Clone, Copy, Debug)]
pub enum Verdict<'a> {
    /// This override denies.
    Denied(&'a Arc<Override>),
    /// This override grants, and none denies.
    Granted(&'a Arc<Override>),
    /// This role has a capability for this pattern, and no override says anything.
    Capable(&'a Role, &'a PathPattern),
    /// Nothing says anything.
    Nothing,
}

impl Verdict<'_> {
    /// Whether it is allowed.
    pub const fn allowed(&self) -> bool {
        matches!(self, Self::Granted(_) | Self::Capable(..))
    }

    /// What decided.
    pub const fn source(&self) -> Source {
        match self {
            Self::Denied(_) => Source::OverrideDeny,
            Self::Granted(_) => Source::OverrideGrant,
            Self::Capable(..) => Source::Role,
            Self::Nothing => Source::None,
        }
    }
}

/// The verdict of a user's overrides and roles at one moment. Any override in force that denies beats all that grant, whatever
/// their order, and whichever of them is narrower.
pub fn evaluate<'a>(
    subject: Option<&'a Subject>,
    roles: impl IntoIterator<Item = &'a Role>,
    question: &Question<'_>,
    now: UnixMillis,
) -> Verdict<'a> {
    let deciding = |effect| subject.and_then(|subject| subject.deciding(effect, question, now));
    if let Some(rule) = deciding(Effect::Deny) {
        return Verdict::Denied(rule);
    }
    if let Some(rule) = deciding(Effect::Grant) {
        return Verdict::Granted(rule);
    }
    roles
        .into_iter()
        .find_map(|role| Some(Verdict::Capable(role, role.capabilities.covering(question)?)))
        .unwrap_or(Verdict::Nothing)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{ActionPattern, AdminId, CapabilitySet, Expiry, OverrideId, Reason, RoleId};
    use super::*;

    #[derive(Clone, Debug)]
    struct Draft {
        path: &'static str,
        action: &'static str,
        effect: Effect,
        expiry: Expiry,
    }

    fn drafts() -> impl Strategy<Value = Vec<Draft>> {
        let path = prop_oneof![
            Just("*"),
            Just("a"),
            Just("a.*"),
            Just("a.b"),
            Just("a.b.*"),
            Just("a/*"),
            Just("a/b"),
            Just("a.b/c"),
            Just("b")
        ];
        let action = prop_oneof![Just("*"), Just("read"), Just("write")];
        let effect = prop_oneof![Just(Effect::Deny), Just(Effect::Grant)];
        let expiry = prop_oneof![Just(None), (0_i64..6).prop_map(|at| Some(UnixMillis::new(at)))];
        let draft = (path, action, effect, expiry).prop_map(|(path, action, effect, expiry)| Draft {
            path,
            action,
            effect,
            expiry: expiry.into(),
        });
        proptest::collection::vec(draft, 0..12)
    }

    fn rule(draft: &Draft) -> Arc<Override> {
        static SEQUENCE: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(1);
        Arc::new(Override {
            id: OverrideId::fresh(UnixMillis::new(1)),
            sequence: SEQUENCE.fetch_add(1, std::sync::atomic::Ordering::Relaxed),
            admin_id: AdminId::parse("user").unwrap(),
            path: PathPattern::parse(draft.path).unwrap(),
            action: ActionPattern::parse(draft.action).unwrap(),
            effect: draft.effect,
            reason: Reason::parse("a reason of some length").unwrap(),
            expiry: draft.expiry,
            created_at: UnixMillis::new(0),
            created_by: None,
            suspended: false,
        })
    }

    fn role(capabilities: &[&str]) -> Role {
        let list = capabilities
            .iter()
            .map(|text| super::super::Capability::parse(text).unwrap());
        Role {
            id: RoleId::Viewer,
            name: "role".into(),
            description: None,
            capabilities: CapabilitySet::compile(list.collect()).unwrap(),
            created_at: UnixMillis::new(0),
            updated_at: UnixMillis::new(0),
        }
    }

    /// Ten lines that say what is meant.
    fn model(drafts: &[Draft], capabilities: &[&str], path: &str, action: &str, now: i64) -> Source {
        let covers = |pattern: &str, asked: &str| match pattern.strip_suffix('*') {
            Some(parent) => asked.starts_with(parent) && asked.len() > parent.len(),
            None => pattern == asked,
        };
        let fits = |draft: &&Draft| covers(draft.path, path) && (draft.action == "*" || draft.action == action);
        let live = |draft: &&Draft| draft.expiry.moment().is_none_or(|end| now < end.get());
        let effects: Vec<_> = drafts
            .iter()
            .filter(fits)
            .filter(live)
            .map(|draft| draft.effect)
            .collect();
        let role = capabilities.iter().map(|text| text.rsplit_once(':').unwrap());
        let has_role = role
            .into_iter()
            .any(|(pattern, done)| covers(pattern, path) && (done == "*" || done == action));
        match (
            effects.contains(&Effect::Deny),
            effects.contains(&Effect::Grant),
            has_role,
        ) {
            (true, ..) => Source::OverrideDeny,
            (_, true, _) => Source::OverrideGrant,
            (_, _, true) => Source::Role,
            _ => Source::None,
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn the_verdict_is_the_models(
            drafts in drafts(),
            order in any::<u64>(),
            path in prop_oneof![Just("a"), Just("a.b"), Just("a.b.c"), Just("a/b"), Just("a.b/c"), Just("b"), Just("c")],
            action in prop_oneof![Just("read"), Just("write"), Just("list")],
            now in 0_i64..7,
            capabilities in proptest::sample::subsequence(vec!["a:read", "a.*:*", "*:list", "a/b:write"], 0..=4),
            removed in proptest::collection::vec(any::<bool>(), 12),
        ) {
            let mut subject = Subject::default();
            let mut rules: Vec<_> = drafts.iter().map(rule).collect();
            // Another order of creation, the same verdict.
            let by = usize::try_from(order % 13).unwrap() % rules.len().max(1);
            rules.rotate_left(by);
            for rule in &rules {
                prop_assert!(subject.insert(rule));
            }
            let mut kept = drafts.clone();
            kept.rotate_left(by);
            let mut index = 0;
            kept.retain(|_| {
                let gone = removed[index];
                if gone {
                    subject.remove(&rules[index]);
                }
                index += 1;
                !gone
            });
            let role = role(&capabilities);
            let (asked, done) = (Path::parse(path).unwrap(), Action::parse(action).unwrap());
            let question = Question { path: Some(&asked), action: Some(&done) };
            let verdict = evaluate(Some(&subject), [&role], &question, UnixMillis::new(now));
            prop_assert_eq!(verdict.source(), model(&kept, &capabilities, path, action, now));
            if let Verdict::Denied(rule) | Verdict::Granted(rule) = verdict {
                prop_assert!(rule.is_live(UnixMillis::new(now)), "no decision from an expired override");
            }
            let live = kept.iter().filter(|draft| draft.expiry.is_live(UnixMillis::new(now))).count();
            prop_assert_eq!(subject.live_count(UnixMillis::new(now)), live);
            prop_assert_eq!(subject.len(), kept.len());
        }
    }

    #[test]
    fn what_is_no_path_or_no_action_is_covered_by_a_star_alone() {
        let everything = Draft {
            path: "*",
            action: "*",
            effect: Effect::Deny,
            expiry: Expiry::Never,
        };
        let mut subject = Subject::default();
        assert!(subject.insert(&rule(&Draft {
            path: "a",
            action: "read",
            ..everything.clone()
        })));
        let nothing = Question {
            path: None,
            action: None,
        };
        let now = UnixMillis::new(0);
        assert!(subject.deciding(Effect::Deny, &nothing, now).is_none());
        assert!(subject.insert(&rule(&everything)));
        assert!(subject.deciding(Effect::Deny, &nothing, now).is_some());
    }
}
