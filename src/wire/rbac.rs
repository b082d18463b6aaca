//! The `rbac` object of a mint request.

use countersign_actors::limits::{PATTERNS_PER_LIST_MAX, SENSITIVITY_LEVEL_MAX};
use countersign_actors::rbac::{Pattern, PolicyRequest};

use crate::error::ApiError;
use crate::extract::Fields;

/// What the `rbac` field asked for, its alias not yet compared.
#[derive(Debug, Default)]
pub struct RbacBody {
    request: PolicyRequest,
    alias: Option<u8>,
}

impl RbacBody {
    /// Takes the field `rbac`; without it, everything is inherited.
    pub fn take(fields: &mut Fields<'_>) -> Self {
        fields.optional_object("rbac", Self::read).unwrap_or_default()
    }

    fn read(fields: &mut Fields<'_>) -> Self {
        let levels = 0..=SENSITIVITY_LEVEL_MAX;
        let mut patterns = |name| fields.optional_parsed_list(name, PATTERNS_PER_LIST_MAX, Pattern::parse);
        let request = PolicyRequest {
            allowed_actions: patterns("allowed_actions"),
            denied_actions: patterns("denied_actions"),
            allowed_resources: patterns("allowed_resources"),
            denied_resources: patterns("denied_resources"),
            max_sensitivity_level: fields.optional_integer("max_sensitivity_level", levels.clone()),
            max_risk_score: fields.optional_raw("max_risk_score").and_then(|raw| {
                let number = serde_json::from_str(raw.get()).ok();
                if number.is_none() {
                    fields.reject("max_risk_score", "must be a number");
                }
                number
            }),
        };
        // Existing clients know the level by this name, and by 0 they mean that they set none.
        let alias = fields
            .optional_integer("sensitivity_level", levels)
            .filter(|level| *level != 0);
        Self { request, alias }
    }

    /// The request, both names of the level brought together.
    ///
    /// # Errors
    /// 400 if both are given and differ.
    pub fn into_request(self) -> Result<PolicyRequest, ApiError> {
        let Self { mut request, alias } = self;
        match (request.max_sensitivity_level, alias) {
            (Some(level), Some(alias)) if level != alias => Err(ApiError::conflicting_fields(
                "rbac.sensitivity_level",
                "differs from `rbac.max_sensitivity_level`",
            )),
            (level, alias) => {
                request.max_sensitivity_level = level.or(alias);
                Ok(request)
            }
        }
    }
}
