//! The policy of one token. There are three doors to one: a root request, a request narrowed under a parent, and the journal.

use std::sync::{Arc, LazyLock};

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Number;
use serde_json::value::RawValue;

use super::narrowing::Budget;
use super::pattern::Pattern;
use super::rules::{Rules, StoredRules};
use crate::limits::{NARROWING_STEPS_MAX, PATTERNS_PER_LIST_MAX, POLICY_BYTES_MAX, SENSITIVITY_LEVEL_MAX};

pub(super) const ALLOWED_ACTIONS: &str = "allowed_actions";
pub(super) const DENIED_ACTIONS: &str = "denied_actions";
pub(super) const ALLOWED_RESOURCES: &str = "allowed_resources";
pub(super) const DENIED_RESOURCES: &str = "denied_resources";
pub(super) const MAX_SENSITIVITY_LEVEL: &str = "max_sensitivity_level";
pub(super) const MAX_RISK_SCORE: &str = "max_risk_score";

/// What a token may do. It never changes: a child that inherits everything shares its parent's.
#[derive(Clone, Debug)]
pub struct Policy {
    rules: Rules,
    /// The `rbac` claim, written once.
    claim: Box<RawValue>,
}

/// Equal rules make an equal claim.
impl PartialEq for Policy {
    fn eq(&self, other: &Self) -> bool {
        self.rules == other.rules
    }
}

/// What a caller asks for. A field that is `None` is inherited: from the parent, or from the defaults where there is none.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PolicyRequest {
    /// Actions that may be done; `*:*:*` by default.
    pub allowed_actions: Option<Vec<Pattern>>,
    /// Actions that must not be done, whatever allows them; none by default.
    pub denied_actions: Option<Vec<Pattern>>,
    /// Resources that may be touched; `*` by default.
    pub allowed_resources: Option<Vec<Pattern>>,
    /// Resources that must not be touched, whatever allows them; none by default.
    pub denied_resources: Option<Vec<Pattern>>,
    /// The highest sensitivity level, 0 to 4; 4 by default.
    pub max_sensitivity_level: Option<u8>,
    /// A bound that is carried for those who read it and only narrows; 0 is the same as `None`, and there is none by default.
    pub max_risk_score: Option<Number>,
}

/// Why a request describes no policy at all.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPolicy {
    /// The claims would have more than [`POLICY_BYTES_MAX`] bytes.
    #[error("the policy has {bytes} bytes as JSON, at most {POLICY_BYTES_MAX} are allowed")]
    TooLarge {
        /// The bytes of the claims.
        bytes: usize,
    },
    /// A list has more than [`PATTERNS_PER_LIST_MAX`] patterns.
    #[error("`{field}` must have at most {PATTERNS_PER_LIST_MAX} patterns")]
    TooManyPatterns {
        /// The request's name of the list.
        field: &'static str,
    },
    /// A list of what is allowed is there but empty: "nothing" to this service, "everything" to others that read the token.
    #[error("`{field}` must not be empty: leave it out to inherit, or deny `*` to allow nothing")]
    EmptyAllowed {
        /// The request's name of the list.
        field: &'static str,
    },
    /// The level is above [`SENSITIVITY_LEVEL_MAX`].
    #[error("`max_sensitivity_level` must be 0 to {SENSITIVITY_LEVEL_MAX}")]
    SensitivityOutOfRange,
    /// The risk score is below 0.
    #[error("`max_risk_score` must not be negative")]
    NegativeRiskScore,
}

impl InvalidPolicy {
    /// The request's name of the field at fault; `None` when it is the whole policy.
    pub const fn field(&self) -> Option<&'static str> {
        match self {
            Self::TooLarge { .. } => None,
            Self::TooManyPatterns { field } | Self::EmptyAllowed { field } => Some(field),
            Self::SensitivityOutOfRange => Some(MAX_SENSITIVITY_LEVEL),
            Self::NegativeRiskScore => Some(MAX_RISK_SCORE),
        }
    }
}

/// Why a child cannot have the policy it asks for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NarrowError {
    /// It would be no policy under any parent.
    #[error(transparent)]
    Invalid(#[from] InvalidPolicy),
    /// It reaches further than the parent's.
    #[error("{}", escalation_message(field, pattern, example.as_deref()))]
    Escalation {
        /// The request's name of the field.
        field: &'static str,
        /// The child's pattern that the parent does not cover, the parent's deny that the child drops, or the value that is too high.
        pattern: String,
        /// A text that the child could use there and its parent could not; it may hold any character.
        example: Option<String>,
    },
    /// It may reach further: the work that one decision may take ended first. The request is refused like an escalation.
    #[error(
        "whether `{field}` stays within the parent's policy at `{pattern}` takes too much work to decide, so it is refused: use simpler patterns"
    )]
    Undecided {
        /// The request's name of the field.
        field: &'static str,
        /// The pattern at which the work ended.
        pattern: String,
    },
}

fn escalation_message(field: &str, pattern: &str, example: Option<&str>) -> String {
    let example = example
        .map(|text| format!(", for example `{}`", text.escape_debug()))
        .unwrap_or_default();
    match field {
        DENIED_ACTIONS | DENIED_RESOURCES => {
            format!("`{field}` must deny everything that the parent denies with `{pattern}`{example}")
        }
        ALLOWED_ACTIONS | ALLOWED_RESOURCES => {
            format!("`{field}` must not allow more than the parent: `{pattern}` matches more{example}")
        }
        _ => format!("`{field}` must not be above the parent's: `{pattern}` is"),
    }
}

impl Policy {
    /// The policy of a token that has no parent with one: what is not asked for is allowed.
    ///
    /// # Errors
    ///
    /// When the request is outside the limits of a policy.
    pub fn root(request: PolicyRequest) -> Result<Self, InvalidPolicy> {
        let rules = Rules::unrestricted();
        match rules.amended(&request) {
            Some(amended) => Self::checked(amended, &request),
            None => Ok(Self::new(rules)),
        }
    }

    /// The policy of a child: never more than this one, and this very one when nothing else is asked for.
    ///
    /// # Errors
    ///
    /// When the request is outside the limits of a policy, reaches further than this policy, or may do so for all that can be
    /// found out in [`NARROWING_STEPS_MAX`] steps.
    pub fn narrow(self: &Arc<Self>, request: PolicyRequest) -> Result<Arc<Self>, NarrowError> {
        // Before any limit or budget: what is good enough for the parent is for the child.
        let Some(amended) = self.rules.amended(&request) else {
            return Ok(Arc::clone(self));
        };
        let child = Self::checked(amended, &request)?;
        child
            .rules
            .check_within(&self.rules, &mut Budget::new(NARROWING_STEPS_MAX))?;
        Ok(Arc::new(child))
    }

    /// Actions that may be done.
    pub fn allowed_actions(&self) -> &[Pattern] {
        &self.rules.allowed_actions
    }

    /// Actions that must not be done.
    pub fn denied_actions(&self) -> &[Pattern] {
        &self.rules.denied_actions
    }

    /// Resources that may be touched.
    pub fn allowed_resources(&self) -> &[Pattern] {
        &self.rules.allowed_resources
    }

    /// Resources that must not be touched.
    pub fn denied_resources(&self) -> &[Pattern] {
        &self.rules.denied_resources
    }

    /// The highest sensitivity level.
    pub const fn max_sensitivity_level(&self) -> u8 {
        self.rules.max_sensitivity_level
    }

    /// The highest risk score, if one is set: above 0.
    pub const fn max_risk_score(&self) -> Option<&Number> {
        self.rules.max_risk_score.as_ref()
    }

    /// The policy of an agent for which nothing is asked, shared by all that have it.
    pub fn default_shared() -> Arc<Self> {
        static DEFAULT: LazyLock<Arc<Policy>> = LazyLock::new(|| Arc::new(Policy::new(Rules::unrestricted())));
        Arc::clone(&DEFAULT)
    }

    /// The `rbac` claim as JSON, written once.
    pub fn json(&self) -> &str {
        self.claim.get()
    }

    /// The `rbac` claim, to stand in a token's claims as it is.
    pub const fn claim(&self) -> &RawValue {
        &self.claim
    }

    fn new(rules: Rules) -> Self {
        // Rules always make valid JSON. If they ever did not, a claim that allows nothing would be the safe one.
        let claim = RawValue::from_string(rules.claims()).unwrap_or_else(|_| RawValue::NULL.to_owned());
        Self { rules, claim }
    }

    /// The policy of these rules, if they and what was asked for are within the limits.
    fn checked(rules: Rules, request: &PolicyRequest) -> Result<Self, InvalidPolicy> {
        request.check_counts()?;
        rules.check()?;
        let policy = Self::new(rules);
        match policy.json().len() {
            bytes if bytes > POLICY_BYTES_MAX => Err(InvalidPolicy::TooLarge { bytes }),
            _ => Ok(policy),
        }
    }
}

impl PolicyRequest {
    fn check_counts(&self) -> Result<(), InvalidPolicy> {
        let lists = [
            (ALLOWED_ACTIONS, &self.allowed_actions),
            (DENIED_ACTIONS, &self.denied_actions),
            (ALLOWED_RESOURCES, &self.allowed_resources),
            (DENIED_RESOURCES, &self.denied_resources),
        ];
        let too_long =
            |list: &Option<Vec<Pattern>>| list.as_ref().is_some_and(|list| list.len() > PATTERNS_PER_LIST_MAX);
        match lists.into_iter().find(|(_, list)| too_long(list)) {
            Some((field, _)) => Err(InvalidPolicy::TooManyPatterns { field }),
            None => Ok(()),
        }
    }
}

/// For the journal: the rules under short names. The claims are written anew when they are read back.
impl Serialize for Policy {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        StoredRules::from(&self.rules).serialize(serializer)
    }
}

/// From the journal: everything is checked again but sizes, which were within the limits of their day.
/// A field that is not known is refused, because leaving out a rule could only widen the policy.
impl<'de> Deserialize<'de> for Policy {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let rules = StoredRules::deserialize(deserializer)?
            .restore()
            .map_err(serde::de::Error::custom)?;
        Ok(Self::new(rules))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn list(texts: &[&str]) -> Option<Vec<Pattern>> {
        Some(texts.iter().flat_map(|text| Pattern::parse(text)).collect())
    }

    fn root(request: PolicyRequest) -> Arc<Policy> {
        Arc::new(Policy::root(request).unwrap_or_else(|why| unreachable!("{why}")))
    }

    fn parent() -> Arc<Policy> {
        root(PolicyRequest {
            allowed_actions: list(&["data:*:*", "code:read:*"]),
            denied_actions: list(&["data:delete:*"]),
            allowed_resources: list(&["repo:*", "é:*"]),
            denied_resources: list(&["*secret*", "repo:x"]),
            max_sensitivity_level: Some(2),
            max_risk_score: Number::from_f64(7.5),
        })
    }

    fn request_of(policy: &Policy) -> PolicyRequest {
        PolicyRequest {
            allowed_actions: Some(policy.allowed_actions().to_vec()),
            denied_actions: Some(policy.denied_actions().to_vec()),
            allowed_resources: Some(policy.allowed_resources().to_vec()),
            denied_resources: Some(policy.denied_resources().to_vec()),
            max_sensitivity_level: Some(policy.max_sensitivity_level()),
            max_risk_score: policy.max_risk_score().cloned(),
        }
    }

    #[track_caller]
    fn assert_escalates(request: PolicyRequest, expected_field: &str, expected_pattern: &str) {
        match parent().narrow(request) {
            Err(NarrowError::Escalation { field, pattern, .. }) => {
                assert_eq!((field, pattern.as_str()), (expected_field, expected_pattern));
            }
            other => unreachable!("{other:?}"),
        }
    }

    #[test]
    fn the_defaults_are_those_of_an_agent() {
        let policy = root(PolicyRequest::default());
        assert_eq!(
            policy.json(),
            r#"{"allowed_actions":["*:*:*"],"denied_actions":[],"allowed_resources":["*"],"denied_resources":[],"max_sensitivity_level":4,"sensitivity_level":4}"#
        );
        assert_eq!(Ok(policy.as_ref()), Policy::root(request_of(&policy)).as_ref());
    }

    #[test]
    fn the_claims_are_json_whatever_the_patterns_hold() -> Result<(), serde_json::Error> {
        let texts = ["a\"b", "c\\d", "é🦀", "</script>"];
        let policy = root(PolicyRequest {
            allowed_actions: list(&texts),
            max_sensitivity_level: Some(0),
            max_risk_score: Number::from_f64(0.5),
            ..PolicyRequest::default()
        });
        let expected = json!({
            "allowed_actions": texts, "denied_actions": [], "allowed_resources": ["*"], "denied_resources": [],
            "max_sensitivity_level": 0, "sensitivity_level": 0, "max_risk_score": 0.5,
        });
        assert_eq!(serde_json::from_str::<serde_json::Value>(policy.json())?, expected);
        Ok(())
    }

    #[test]
    fn a_child_that_asks_for_nothing_or_for_the_same_shares_its_parents_policy() {
        let parent = parent();
        for request in [PolicyRequest::default(), request_of(&parent)] {
            assert_eq!(
                parent.narrow(request).map(|child| Arc::ptr_eq(&child, &parent)),
                Ok(true)
            );
        }
    }

    #[test]
    fn the_same_is_granted_whatever_it_would_cost_to_decide() {
        let hostile: Vec<String> = (0..15).map(|n| format!("*[ab]{}*{n}", "?".repeat(100))).collect();
        let hostile: Vec<&str> = hostile.iter().map(String::as_str).collect();
        let parent = root(PolicyRequest {
            allowed_actions: list(&hostile),
            ..PolicyRequest::default()
        });
        assert!(
            parent
                .narrow(request_of(&parent))
                .is_ok_and(|child| Arc::ptr_eq(&child, &parent))
        );
        let lower = PolicyRequest {
            max_sensitivity_level: Some(1),
            ..request_of(&parent)
        };
        assert_eq!(parent.narrow(lower).map(|child| child.max_sensitivity_level()), Ok(1));
    }

    #[test]
    fn a_field_that_is_given_narrows_and_the_others_are_inherited() {
        let parent = parent();
        let request = PolicyRequest {
            allowed_actions: list(&["data:read:*"]),
            ..PolicyRequest::default()
        };
        let Ok(child) = parent.narrow(request) else {
            unreachable!()
        };
        assert_eq!(child.allowed_actions(), list(&["data:read:*"]).unwrap_or_default());
        assert_eq!(child.denied_actions(), parent.denied_actions());
        assert_eq!(
            child.denied_resources().as_ptr(),
            parent.denied_resources().as_ptr(),
            "inherited lists are shared"
        );
        assert_eq!(
            (child.max_sensitivity_level(), child.max_risk_score()),
            (2, parent.max_risk_score())
        );
    }

    #[test]
    fn escalations_name_the_field_and_the_pattern() {
        let none = PolicyRequest::default;
        let allowed = PolicyRequest {
            allowed_actions: list(&["data:*:*", "code:*:*"]),
            ..none()
        };
        assert_escalates(allowed, "allowed_actions", "code:*:*");
        assert_escalates(
            PolicyRequest {
                allowed_resources: list(&["*"]),
                ..none()
            },
            "allowed_resources",
            "*",
        );
        assert_escalates(
            PolicyRequest {
                denied_actions: list(&[]),
                ..none()
            },
            "denied_actions",
            "data:delete:*",
        );
        let dropped = PolicyRequest {
            denied_resources: list(&["repo:*"]),
            ..none()
        };
        assert_escalates(dropped, "denied_resources", "*secret*");
        assert_escalates(
            PolicyRequest {
                max_sensitivity_level: Some(3),
                ..none()
            },
            "max_sensitivity_level",
            "3",
        );
        assert_escalates(
            PolicyRequest {
                max_risk_score: Some(8.into()),
                ..none()
            },
            "max_risk_score",
            "8",
        );
    }

    #[test]
    fn wider_denies_are_narrower_policies() {
        let request = PolicyRequest {
            denied_actions: list(&["data:*"]),
            denied_resources: list(&["*secret*", "repo:?"]),
            ..PolicyRequest::default()
        };
        assert!(parent().narrow(request).is_ok());
    }

    #[test]
    fn messages_say_what_to_do() {
        let narrow = |request| {
            parent()
                .narrow(request)
                .map_err(|why| why.to_string())
                .err()
                .unwrap_or_default()
        };
        let none = PolicyRequest::default;
        assert_eq!(
            narrow(PolicyRequest {
                allowed_actions: list(&["code:write:*"]),
                ..none()
            }),
            "`allowed_actions` must not allow more than the parent: `code:write:*` matches more, for example `code:write:`"
        );
        assert_eq!(
            narrow(PolicyRequest {
                denied_actions: list(&["x"]),
                ..none()
            }),
            "`denied_actions` must deny everything that the parent denies with `data:delete:*`, for example `data:delete:`"
        );
        assert_eq!(
            narrow(PolicyRequest {
                max_sensitivity_level: Some(4),
                ..none()
            }),
            "`max_sensitivity_level` must not be above the parent's: `4` is"
        );
    }

    #[test]
    fn what_cannot_be_decided_is_refused() {
        let any = "?".repeat(30);
        let texts = [format!("*aa{any}"), format!("*ba{any}")];
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let parent = root(PolicyRequest {
            allowed_resources: list(&texts),
            ..PolicyRequest::default()
        });
        let both = format!("*[ab]a{any}");
        let request = PolicyRequest {
            allowed_resources: list(&[&both]),
            ..PolicyRequest::default()
        };
        let expected = NarrowError::Undecided {
            field: "allowed_resources",
            pattern: both,
        };
        assert_eq!(parent.narrow(request), Err(expected));
    }

    #[test]
    fn requests_outside_the_limits_are_invalid() {
        let none = PolicyRequest::default;
        let refused = |request: PolicyRequest| {
            let under_parent = root(none()).narrow(request.clone()).err();
            let why = Policy::root(request).err();
            assert_eq!(under_parent, why.clone().map(NarrowError::Invalid));
            why
        };
        let many = |count: usize, length: usize| {
            let texts = (0..count).map(|n| format!("{n:02}{}", ":".repeat(length - 2)));
            Some(texts.flat_map(|text| Pattern::parse(&text)).collect::<Vec<_>>())
        };
        let field = "denied_actions";
        assert_eq!(
            refused(PolicyRequest {
                denied_actions: many(65, 4),
                ..none()
            }),
            Some(InvalidPolicy::TooManyPatterns { field })
        );
        let field = "allowed_resources";
        assert_eq!(
            refused(PolicyRequest {
                allowed_resources: list(&[]),
                ..none()
            }),
            Some(InvalidPolicy::EmptyAllowed { field })
        );
        let sensitive = PolicyRequest {
            max_sensitivity_level: Some(5),
            ..none()
        };
        assert_eq!(refused(sensitive), Some(InvalidPolicy::SensitivityOutOfRange));
        let negative = PolicyRequest {
            max_risk_score: Number::from_f64(-0.5),
            ..none()
        };
        assert_eq!(refused(negative), Some(InvalidPolicy::NegativeRiskScore));
        assert!(matches!(
            refused(PolicyRequest { denied_resources: many(16, 250), ..none() }),
            Some(InvalidPolicy::TooLarge { bytes }) if bytes > POLICY_BYTES_MAX
        ));
        assert_eq!(
            refused(PolicyRequest {
                denied_resources: many(15, 250),
                ..none()
            }),
            None
        );
        assert_eq!(
            refused(PolicyRequest {
                denied_resources: many(64, 50),
                ..none()
            }),
            None
        );
    }

    #[test]
    fn a_risk_score_of_zero_is_not_set_and_a_set_one_only_narrows() {
        let scored = |score: serde_json::Value| PolicyRequest {
            max_risk_score: score.as_number().cloned(),
            ..PolicyRequest::default()
        };
        let narrowed =
            |under: &Arc<Policy>, score| under.narrow(scored(score)).map(|child| child.max_risk_score().cloned());
        let free = root(PolicyRequest::default());
        assert_eq!(root(scored(json!(0.0))), free);
        assert_eq!(narrowed(&free, json!(50)), Ok(Some(50.into())));
        let bound = root(scored(json!(50)));
        assert!(
            bound
                .narrow(scored(json!(0)))
                .is_ok_and(|child| Arc::ptr_eq(&child, &bound))
        );
        assert!(narrowed(&bound, json!(49.9)).is_ok() && narrowed(&bound, json!(50.0)).is_ok());
        assert!(narrowed(&bound, json!(50.1)).is_err() && narrowed(&bound, json!(51)).is_err());
        let huge = root(scored(json!(9_007_199_254_740_992.0)));
        assert!(
            narrowed(&huge, json!(9_007_199_254_740_993_u64)).is_err(),
            "no rounding upwards"
        );
        assert!(narrowed(&root(scored(json!(u64::MAX))), json!(18_446_744_073_709_551_616.0)).is_err());
    }

    #[test]
    fn the_journal_gives_back_what_it_was_given() -> Result<(), serde_json::Error> {
        for policy in [parent(), root(PolicyRequest::default())] {
            let stored = serde_json::to_string(&policy)?;
            let restored: Policy = serde_json::from_str(&stored)?;
            assert_eq!(restored, *policy);
            assert_eq!(restored.json(), policy.json());
        }
        let stored = serde_json::to_string(&root(PolicyRequest::default()))?;
        assert_eq!(
            stored,
            r#"{"allow_actions":["*:*:*"],"allow_resources":["*"],"sensitivity":4}"#
        );
        Ok(())
    }

    #[test]
    fn the_journal_is_not_trusted_but_may_hold_what_was_within_older_limits() {
        let restore = |text: &str| serde_json::from_str::<Policy>(text);
        let long = format!(
            r#"{{"allow_actions":["{}"],"allow_resources":["*"],"sensitivity":1}}"#,
            "a".repeat(5_000)
        );
        let Ok(older) = restore(&long).map(Arc::new) else {
            unreachable!()
        };
        assert!(older.narrow(request_of(&older)).is_ok());
        for wrong in [
            r#"{"allow_actions":[],"allow_resources":["*"],"sensitivity":1}"#,
            r#"{"allow_actions":["*"],"allow_resources":[""],"sensitivity":1}"#,
            r#"{"allow_actions":["a\nb"],"allow_resources":["*"],"sensitivity":1}"#,
            r#"{"allow_actions":["*"],"allow_resources":["*"],"sensitivity":5}"#,
            r#"{"allow_actions":["*"],"allow_resources":["*"],"sensitivity":1,"risk":-1}"#,
            r#"{"allow_actions":["*"],"allow_resources":["*"],"sensitivity":1,"deny_hours":["*"]}"#,
            r#"{"allow_actions":["*"],"sensitivity":1}"#,
        ] {
            assert!(restore(wrong).is_err(), "{wrong}");
        }
    }
}
