//! May this policy do this action on this resource? The first step that refuses decides, and an explicit deny always wins.

use super::pattern::Pattern;
use super::policy::Policy;

/// The answer of a policy to one request, and what decided it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// No step refused.
    Allowed {
        /// The pattern that allows the action.
        action: Pattern,
        /// The pattern that allows the resource.
        resource: Pattern,
    },
    /// A step refused; those after it were not asked.
    Refused {
        /// The step.
        step: Step,
        /// The denying pattern. `None` where the refusal is that nothing allows it.
        pattern: Option<Pattern>,
    },
}

/// The steps of an evaluation, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Step {
    /// A denied pattern must not match the action.
    DeniedActions,
    /// An allowed pattern must match the action.
    AllowedActions,
    /// A denied pattern must not match the resource.
    DeniedResources,
    /// An allowed pattern must match the resource.
    AllowedResources,
    /// The request must not be more sensitive than the policy permits.
    Sensitivity,
}

impl Step {
    /// The step's name in answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::DeniedActions => "denied_actions",
            Self::AllowedActions => "allowed_actions",
            Self::DeniedResources => "denied_resources",
            Self::AllowedResources => "allowed_resources",
            Self::Sensitivity => "sensitivity",
        }
    }

    /// Why this step refuses, for a person.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::DeniedActions => "the policy denies this action",
            Self::AllowedActions => "the policy does not allow this action",
            Self::DeniedResources => "the policy denies this resource",
            Self::AllowedResources => "the policy does not allow this resource",
            Self::Sensitivity => "the request is more sensitive than the policy permits",
        }
    }
}

impl Verdict {
    /// Whether the request may be done.
    pub const fn is_allowed(&self) -> bool {
        matches!(self, Self::Allowed { .. })
    }

    /// The name of the step that decided: `allowed` when none refused.
    pub const fn step(&self) -> &'static str {
        match self {
            Self::Allowed { .. } => "allowed",
            Self::Refused { step, .. } => step.as_str(),
        }
    }

    /// Why, for a person.
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Allowed { .. } => "the policy allows this action on this resource",
            Self::Refused { step, .. } => step.reason(),
        }
    }

    /// The pattern that decided, if one did: the denying one, or the one that allows the action.
    pub const fn pattern(&self) -> Option<&Pattern> {
        match self {
            Self::Allowed { action, .. } => Some(action),
            Self::Refused { pattern, .. } => pattern.as_ref(),
        }
    }
}

/// Judges one request. An absent resource is the empty text, an absent sensitivity level is 0.
///
/// Allocates nothing. The time is bounded by the size of the policy times the length of the texts, which the caller bounds.
pub fn evaluate(policy: &Policy, action: &str, resource: &str, sensitivity_level: u8) -> Verdict {
    let refused = |step, pattern| Verdict::Refused { step, pattern };
    if let Some(pattern) = first_match(policy.denied_actions(), action) {
        return refused(Step::DeniedActions, Some(pattern));
    }
    let Some(allowed_action) = first_match(policy.allowed_actions(), action) else {
        return refused(Step::AllowedActions, None);
    };
    if let Some(pattern) = first_match(policy.denied_resources(), resource) {
        return refused(Step::DeniedResources, Some(pattern));
    }
    let Some(allowed_resource) = first_match(policy.allowed_resources(), resource) else {
        return refused(Step::AllowedResources, None);
    };
    if sensitivity_level > policy.max_sensitivity_level() {
        return refused(Step::Sensitivity, None);
    }
    Verdict::Allowed {
        action: allowed_action,
        resource: allowed_resource,
    }
}

fn first_match(patterns: &[Pattern], text: &str) -> Option<Pattern> {
    patterns.iter().find(|pattern| pattern.matches(text)).cloned()
}

#[cfg(test)]
mod tests {
    use super::super::policy::PolicyRequest;
    use super::*;

    fn list(texts: &[&str]) -> Option<Vec<Pattern>> {
        Some(texts.iter().flat_map(|text| Pattern::parse(text)).collect())
    }

    fn policy() -> Policy {
        let request = PolicyRequest {
            allowed_actions: list(&["code:*:*", "data:read:*"]),
            denied_actions: list(&["*:delete:*"]),
            allowed_resources: list(&["repo:org/*"]),
            denied_resources: list(&["*secret*"]),
            max_sensitivity_level: Some(2),
            max_risk_score: None,
        };
        Policy::root(request).unwrap_or_else(|why| unreachable!("{why}"))
    }

    #[track_caller]
    fn assert_decision(action: &str, resource: &str, level: u8, step: &str, pattern: Option<&str>) {
        let verdict = evaluate(&policy(), action, resource, level);
        assert_eq!(
            (verdict.step(), verdict.pattern().map(Pattern::as_str)),
            (step, pattern)
        );
        assert_eq!(verdict.is_allowed(), step == "allowed");
    }

    #[test]
    fn the_first_step_that_refuses_decides() {
        assert_decision(
            "code:delete:x",
            "repo:other/secret",
            4,
            "denied_actions",
            Some("*:delete:*"),
        );
        assert_decision("mail:send:x", "repo:other/secret", 4, "allowed_actions", None);
        assert_decision(
            "code:read:x",
            "repo:other/secret",
            4,
            "denied_resources",
            Some("*secret*"),
        );
        assert_decision("code:read:x", "repo:other/x", 4, "allowed_resources", None);
        assert_decision("code:read:x", "repo:org/x", 3, "sensitivity", None);
        assert_decision("data:read:x", "repo:org/x", 2, "allowed", Some("data:read:*"));
    }

    #[test]
    fn an_explicit_deny_wins_over_an_exact_allow() {
        let request = PolicyRequest {
            allowed_actions: list(&["data:delete:x"]),
            denied_actions: list(&["*delete*"]),
            ..PolicyRequest::default()
        };
        let verdict = Policy::root(request).map(|policy| evaluate(&policy, "data:delete:x", "", 0).step());
        assert_eq!(verdict, Ok("denied_actions"));
    }

    #[test]
    fn an_absent_resource_is_the_empty_text() {
        assert_decision("code:read:x", "", 0, "allowed_resources", None);
        let everything = Policy::root(PolicyRequest::default()).map(|policy| evaluate(&policy, "a:b:c", "", 4));
        assert_eq!(everything.map(|verdict| verdict.is_allowed()), Ok(true));
    }

    #[test]
    fn every_step_has_its_own_name_and_reason() {
        let steps = [
            Step::DeniedActions,
            Step::AllowedActions,
            Step::DeniedResources,
            Step::AllowedResources,
            Step::Sensitivity,
        ];
        let texts: std::collections::HashSet<_> =
            steps.iter().flat_map(|step| [step.as_str(), step.reason()]).collect();
        assert_eq!(texts.len(), 10);
        assert!(steps.is_sorted());
    }
}
