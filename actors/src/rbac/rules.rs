//! What a policy says: how a request amends it, how it is held inside another's, and its two written forms.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Number, Value};

use super::narrowing::{Budget, Uncovered, Undecided, first_uncovered};
use super::pattern::{InvalidPattern, Pattern};
use super::policy::{
    ALLOWED_ACTIONS, ALLOWED_RESOURCES, DENIED_ACTIONS, DENIED_RESOURCES, InvalidPolicy, MAX_RISK_SCORE,
    MAX_SENSITIVITY_LEVEL, NarrowError, PolicyRequest,
};
use crate::limits::SENSITIVITY_LEVEL_MAX;

/// The rules of one policy. The lists are shared with the policies that inherit them.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Rules {
    pub(super) allowed_actions: Arc<[Pattern]>,
    pub(super) denied_actions: Arc<[Pattern]>,
    pub(super) allowed_resources: Arc<[Pattern]>,
    pub(super) denied_resources: Arc<[Pattern]>,
    pub(super) max_sensitivity_level: u8,
    /// Above 0: "none" is written as 0 elsewhere.
    pub(super) max_risk_score: Option<Number>,
}

impl Rules {
    /// The defaults of an agent.
    pub(super) fn unrestricted() -> Self {
        let only = |text: &str| Pattern::parse(text).into_iter().collect();
        Self {
            allowed_actions: only("*:*:*"),
            denied_actions: Arc::default(),
            allowed_resources: only("*"),
            denied_resources: Arc::default(),
            max_sensitivity_level: SENSITIVITY_LEVEL_MAX,
            max_risk_score: None,
        }
    }

    /// These rules with what the request asks for in their place; `None` when it asks for nothing else.
    pub(super) fn amended(&self, request: &PolicyRequest) -> Option<Self> {
        let list = |own: &Arc<[Pattern]>, asked: &Option<Vec<Pattern>>| match asked {
            Some(asked) if **own != **asked => asked.as_slice().into(),
            _ => Arc::clone(own),
        };
        let amended = Self {
            allowed_actions: list(&self.allowed_actions, &request.allowed_actions),
            denied_actions: list(&self.denied_actions, &request.denied_actions),
            allowed_resources: list(&self.allowed_resources, &request.allowed_resources),
            denied_resources: list(&self.denied_resources, &request.denied_resources),
            max_sensitivity_level: request.max_sensitivity_level.unwrap_or(self.max_sensitivity_level),
            max_risk_score: set(request.max_risk_score.clone()).or_else(|| self.max_risk_score.clone()),
        };
        (amended != *self).then_some(amended)
    }

    /// What holds of all rules, whatever their size.
    pub(super) fn check(&self) -> Result<(), InvalidPolicy> {
        if self.allowed_actions.is_empty() {
            return Err(InvalidPolicy::EmptyAllowed { field: ALLOWED_ACTIONS });
        }
        if self.allowed_resources.is_empty() {
            return Err(InvalidPolicy::EmptyAllowed {
                field: ALLOWED_RESOURCES,
            });
        }
        if self.max_sensitivity_level > SENSITIVITY_LEVEL_MAX {
            return Err(InvalidPolicy::SensitivityOutOfRange);
        }
        if self
            .max_risk_score
            .as_ref()
            .and_then(Number::as_f64)
            .is_some_and(|score| score < 0.0)
        {
            return Err(InvalidPolicy::NegativeRiskScore);
        }
        Ok(())
    }

    /// Checks that whatever these rules let through, the parent's do.
    pub(super) fn check_within(&self, parent: &Self, budget: &mut Budget) -> Result<(), NarrowError> {
        // The cheap questions first.
        if self.max_sensitivity_level > parent.max_sensitivity_level {
            return Err(too_high(MAX_SENSITIVITY_LEVEL, self.max_sensitivity_level.to_string()));
        }
        if let (Some(own), Some(parents)) = (&self.max_risk_score, &parent.max_risk_score)
            && !is_at_most(own, parents)
        {
            return Err(too_high(MAX_RISK_SCORE, own.to_string()));
        }
        // What is allowed must lie inside what the parent allows, and what the parent denies inside what is denied.
        let inclusions = [
            (ALLOWED_ACTIONS, &self.allowed_actions, &parent.allowed_actions),
            (DENIED_ACTIONS, &parent.denied_actions, &self.denied_actions),
            (ALLOWED_RESOURCES, &self.allowed_resources, &parent.allowed_resources),
            (DENIED_RESOURCES, &parent.denied_resources, &self.denied_resources),
        ];
        for (field, inner, outer) in inclusions {
            match first_uncovered(inner, outer, budget) {
                Ok(None) => {}
                Ok(Some(Uncovered { pattern, example })) => {
                    return Err(NarrowError::Escalation {
                        field,
                        pattern: pattern.to_string(),
                        example: Some(example),
                    });
                }
                Err(Undecided { pattern }) => {
                    return Err(NarrowError::Undecided {
                        field,
                        pattern: pattern.to_string(),
                    });
                }
            }
        }
        Ok(())
    }

    /// The `rbac` claim. The level stands there twice: readers of the token know it under either name.
    pub(super) fn claims(&self) -> String {
        let list = |patterns: &[Pattern]| Value::from_iter(patterns.iter().map(Pattern::as_str));
        let risk = self
            .max_risk_score
            .as_ref()
            .map(|score| format!(r#","{MAX_RISK_SCORE}":{score}"#));
        format!(
            r#"{{"{ALLOWED_ACTIONS}":{},"{DENIED_ACTIONS}":{},"{ALLOWED_RESOURCES}":{},"{DENIED_RESOURCES}":{},"{MAX_SENSITIVITY_LEVEL}":{level},"sensitivity_level":{level}{}}}"#,
            list(&self.allowed_actions),
            list(&self.denied_actions),
            list(&self.allowed_resources),
            list(&self.denied_resources),
            risk.unwrap_or_default(),
            level = self.max_sensitivity_level,
        )
    }
}

fn too_high(field: &'static str, value: String) -> NarrowError {
    NarrowError::Escalation {
        field,
        pattern: value,
        example: None,
    }
}

/// A score of 0 is one that is not set.
fn set(score: Option<Number>) -> Option<Number> {
    score.filter(|score| score.as_f64() != Some(0.0))
}

/// Compares scores that are not negative, exactly also where a whole number does not fit into a float.
fn is_at_most(score: &Number, bound: &Number) -> bool {
    const FIRST_ABOVE_U64: f64 = 18_446_744_073_709_551_616.0;
    let float = |number: &Number| number.as_f64().unwrap_or(f64::NAN);
    match (score.as_u64(), bound.as_u64()) {
        (Some(score), Some(bound)) => score <= bound,
        // Casting to an integer rounds down and stays within its range, which is what is wanted of an upper bound.
        (Some(score), None) => score <= float(bound) as u64,
        (None, Some(bound)) => float(score) < FIRST_ABOVE_U64 && float(score).ceil() as u64 <= bound,
        (None, None) => float(score) <= float(bound),
    }
}

/// Rules as the journal keeps them. The names are part of its format: a new field needs a default that keeps the old meaning.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StoredRules {
    allow_actions: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    deny_actions: Vec<String>,
    allow_resources: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    deny_resources: Vec<String>,
    sensitivity: u8,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    risk: Option<Number>,
}

/// Why stored rules cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum InvalidRules {
    #[error("the stored pattern `{}` {why}", text.escape_debug())]
    Pattern { text: String, why: InvalidPattern },
    #[error(transparent)]
    Policy(#[from] InvalidPolicy),
}

impl From<&Rules> for StoredRules {
    fn from(rules: &Rules) -> Self {
        let texts = |patterns: &[Pattern]| patterns.iter().map(Pattern::to_string).collect();
        Self {
            allow_actions: texts(&rules.allowed_actions),
            deny_actions: texts(&rules.denied_actions),
            allow_resources: texts(&rules.allowed_resources),
            deny_resources: texts(&rules.denied_resources),
            sensitivity: rules.max_sensitivity_level,
            risk: rules.max_risk_score.clone(),
        }
    }
}

impl StoredRules {
    /// Reads every pattern again and checks all but sizes.
    pub(super) fn restore(self) -> Result<Rules, InvalidRules> {
        let list = |texts: Vec<String>| -> Result<Arc<[Pattern]>, InvalidRules> {
            let pattern = |text: String| Pattern::restore(&text).map_err(|why| InvalidRules::Pattern { text, why });
            texts.into_iter().map(pattern).collect()
        };
        let rules = Rules {
            allowed_actions: list(self.allow_actions)?,
            denied_actions: list(self.deny_actions)?,
            allowed_resources: list(self.allow_resources)?,
            denied_resources: list(self.deny_resources)?,
            max_sensitivity_level: self.sensitivity,
            max_risk_score: set(self.risk),
        };
        rules.check()?;
        Ok(rules)
    }
}
