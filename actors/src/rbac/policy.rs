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
