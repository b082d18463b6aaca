//! Stopping an agent at once by an override, without another token.

use super::State;
use crate::clock::UnixMillis;
use crate::id::AgentId;
use crate::permissions::{Action, Effect, OverrideId, Path, PathPattern, Question};

/// An override that stops an agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentDenial {
    /// The override.
    pub override_id: OverrideId,
    /// The agent it is about: the one that asks, or one above it.
    pub agent_id: AgentId,
    /// The override's path.
    pub matched_path: PathPattern,
    /// Why it was made.
    pub reason: Box<str>,
}

/// Whether an override denies an action to an agent, or to any agent above it: otherwise a stopped agent would mint a subagent
/// and go on. Overrides that grant do not matter here: they never widen a signed token.
///
/// `lineage` are the agent's own identifier and those of its ancestors. The permission's action is the second part of `action`
/// between colons, or all of it; its paths are the first part, and `resource` up to its first colon.
pub fn denies_agent<'a>(
    state: &State,
    lineage: impl IntoIterator<Item = &'a AgentId>,
    action: &str,
    resource: Option<&str>,
    now: UnixMillis,
) -> Option<AgentDenial> {
    let mut parts = action.split(':');
    let first = parts.next().unwrap_or_default();
    let done = Action::parse(parts.next().unwrap_or(first)).ok();
    let resource = resource.filter(|resource| !resource.is_empty());
    let named = resource.map(|resource| resource.split(':').next().unwrap_or_default());
    // What is no path is covered by `*` alone, so it has to be asked for too.
    let candidates = [Some(first), named].map(|text| text.map(|text| Path::parse(text).ok()));
    lineage.into_iter().find_map(|agent_id| {
        let subject = state.permissions.subject(agent_id.as_str())?;
        candidates.iter().flatten().find_map(|path| {
            let question = Question {
                path: path.as_ref(),
                action: done.as_ref(),
            };
            let rule = subject.deciding(Effect::Deny, &question, now)?;
            Some(AgentDenial {
                override_id: rule.id,
                agent_id: agent_id.clone(),
                matched_path: rule.path.clone(),
                reason: rule.reason.as_str().into(),
            })
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::permissions::tests::{Given, rule, rule_until};

    fn denies(given: &Given, lineage: &[&str], action: &str, resource: Option<&str>) -> bool {
        let lineage: Vec<_> = lineage.iter().map(|id| AgentId::parse(id).unwrap()).collect();
        denies_agent(&given.state, &lineage, action, resource, given.now).is_some()
    }

    #[test]
    fn either_the_action_s_path_or_the_resource_s_is_enough() {
        for (what, action, resource, expected) in [
            ("billing:delete", "billing:delete:invoice", None, true),
            ("billing:delete", "billing:delete", Some(""), true),
            ("billing:delete", "billing:read:invoice", None, false),
            ("billing:delete", "orders:delete", None, false),
            ("billing:delete", "orders:delete", Some("billing:7"), true),
            ("billing:delete", "orders:delete", Some("billing"), true),
            ("billing:delete", "orders:delete", Some("x:billing"), false),
            ("deploy:deploy", "deploy", None, true),
            ("billing.*:*", "billing.eu:read", None, true),
            ("billing.*:*", "billing:read", None, false),
            ("*:read", "no path!:read", None, true),
            ("*:*", "a:no action!", None, true),
            ("*:read", "a:no action!", None, false),
            ("a:*", "a:no action!", None, true),
            ("*:delete", "orders:delete", Some("é"), true),
            ("*:*", "", None, true),
        ] {
            let mut given = Given::nothing();
            given.when(rule("agent", Effect::Deny, what)).unwrap();
            assert_eq!(
                denies(&given, &["agent"], action, resource),
                expected,
                "{what}, {action}, {resource:?}"
            );
        }
    }

    #[test]
    fn an_ancestor_that_is_stopped_stops_its_descendants() {
        let mut given = Given::nothing();
        given.when(rule_until("root", Effect::Deny, "*:*", 10)).unwrap();
        given.when(rule("child", Effect::Grant, "*:*")).unwrap();
        assert!(
            denies(&given, &["child", "root"], "a:read", None),
            "a grant below does not lift it"
        );
        assert!(!denies(&given, &["child"], "a:read", None) && !denies(&given, &["other"], "a:read", None));
        given.advance(10);
        assert!(!denies(&given, &["child", "root"], "a:read", None));
    }
}
