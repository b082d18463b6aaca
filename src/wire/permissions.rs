//! What is answered about permissions: `{"success":true,"data":…}`, the documented fields first.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::ContentType;
use countersign_actors::clock::UnixMillis;
use countersign_actors::commands::permissions::{
    CheckAnswer, Explanation, KeyDescription, Layer, OverridePage, OverrideView, Resolution, RolePage, RoleView,
};
use countersign_actors::id::CustomerId;
use countersign_actors::permissions::{ActionPattern, AdminId, Capability, OverrideId, PathPattern, RoleId};
use countersign_actors::token::Scopes;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa::openapi::ObjectBuilder;

use super::kinds;
use crate::error::ApiError;

mod audit;

pub use audit::{AuditAnswer, AuditEntryAnswer};

const PAST_EXPIRY_WARNING: &str = "expiresAt is in the past; this override has no effect";

#[derive(Serialize)]
struct Success<T> {
    success: bool,
    data: T,
}

/// A 200.
///
/// # Errors
/// As [`super::json`].
pub fn success(data: impl Serialize) -> Result<HttpResponse, ApiError> {
    respond(StatusCode::OK, data)
}

/// A 201.
///
/// # Errors
/// As [`super::json`].
pub fn created(data: impl Serialize) -> Result<HttpResponse, ApiError> {
    respond(StatusCode::CREATED, data)
}

fn respond(status: StatusCode, data: impl Serialize) -> Result<HttpResponse, ApiError> {
    let bytes = super::to_json(&Success { success: true, data })?;
    Ok(HttpResponse::build(status)
        .content_type(ContentType::json())
        .body(bytes))
}

/// An override.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct OverrideAnswer<'a> {
    #[schema(value_type = kinds::OverrideId)]
    id: OverrideId,
    #[schema(value_type = kinds::AdminId)]
    admin_id: &'a AdminId,
    #[schema(value_type = kinds::PermissionPathPattern)]
    path: &'a PathPattern,
    #[schema(value_type = kinds::PermissionActionPattern)]
    action: &'a ActionPattern,
    #[schema(value_type = kinds::EffectWord)]
    effect: &'static str,
    #[schema(value_type = kinds::OverrideReason)]
    reason: &'a str,
    /// When it ends; null if it never does.
    #[schema(value_type = Option<kinds::TimeMillis>, required)]
    expires_at: Option<String>,
    /// When it was made.
    #[schema(value_type = kinds::TimeMillis)]
    created_at: String,
    #[schema(schema_with = override_statuses)]
    status: &'static str,
    /// The organisation that it belongs to.
    #[schema(value_type = kinds::Uuid)]
    organization_id: CustomerId,
    /// The key that made it.
    #[schema(value_type = Option<kinds::Uuid>, required)]
    created_by: Option<String>,
    /// Only there while it waits for somebody to confirm it, after the organisation was restored from a backup.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[schema(value_type = bool, required = false)]
    suspended: bool,
    /// Only there if something about it is worth a warning.
    #[schema(value_type = Vec<String>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    warnings: Option<[&'static str; 1]>,
}

impl<'a> OverrideAnswer<'a> {
    /// An override as it is listed.
    pub fn listed(customer: CustomerId, view: &'a OverrideView) -> Self {
        let rule = &view.rule;
        Self {
            id: rule.id,
            admin_id: &rule.admin_id,
            path: &rule.path,
            action: &rule.action,
            effect: rule.effect.as_str(),
            reason: rule.reason.as_str(),
            expires_at: rule.expiry.moment().map(UnixMillis::to_rfc3339),
            created_at: rule.created_at.to_rfc3339(),
            status: match (view.is_live, rule.suspended) {
                (false, _) => "expired",
                (true, true) => "suspended",
                (true, false) => "active",
            },
            organization_id: customer,
            created_by: rule.created_by.map(|jti| jti.to_string()),
            suspended: rule.suspended,
            warnings: None,
        }
    }

    /// An override as it was created: whoever creates one that has no effect is told.
    pub fn created(customer: CustomerId, view: &'a OverrideView) -> Self {
        Self {
            warnings: (!view.is_live).then_some([PAST_EXPIRY_WARNING]),
            ..Self::listed(customer, view)
        }
    }
}

/// Some of a user's overrides.
#[derive(Serialize, ToSchema)]
pub struct OverridesAnswer<'a> {
    /// In the order in which they were made.
    overrides: Vec<OverrideAnswer<'a>>,
    /// Where to go on; only there if there are more.
    #[schema(value_type = kinds::OverrideCursor)]
    #[serde(skip_serializing_if = "Option::is_none")]
    cursor: Option<String>,
}

impl<'a> OverridesAnswer<'a> {
    /// About a page.
    pub fn of(customer: CustomerId, page: &'a OverridePage) -> Self {
        let listed = page.overrides.iter().map(|view| OverrideAnswer::listed(customer, view));
        Self {
            overrides: listed.collect(),
            cursor: page.more_after.map(|place| place.to_string()),
        }
    }
}

/// That something is gone.
#[derive(Serialize)]
pub struct DeletedAnswer<T> {
    deleted: bool,
    id: T,
}

impl<T> DeletedAnswer<T> {
    /// About this identifier.
    pub const fn of(id: T) -> Self {
        Self { deleted: true, id }
    }
}

/// The answer to a check.
#[derive(Serialize, ToSchema)]
pub struct CheckedAnswer<'a> {
    /// Whether it is allowed.
    allowed: bool,
    #[schema(value_type = kinds::CheckSource)]
    source: &'static str,
    /// Only there if it was asked for.
    #[schema(value_type = ExplanationAnswer<'static>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    explain: Option<ExplanationAnswer<'a>>,
}

/// Why a check came out as it did; what does not apply is null.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Explanation)]
struct ExplanationAnswer<'a> {
    #[schema(schema_with = layers)]
    layer: &'static str,
    #[schema(value_type = Option<kinds::OverrideId>, required)]
    override_id: Option<OverrideId>,
    #[schema(value_type = Option<kinds::EffectWord>, required)]
    effect: Option<&'static str>,
    #[schema(value_type = Option<kinds::OverrideReason>, required)]
    reason: Option<&'a str>,
    #[schema(value_type = Option<kinds::TimeMillis>, required)]
    expires_at: Option<String>,
    #[schema(value_type = Option<kinds::PermissionPathPattern>, required)]
    matched_path: Option<&'a PathPattern>,
    #[schema(value_type = Option<kinds::RoleId>, required)]
    role_id: Option<RoleId>,
}

impl<'a> CheckedAnswer<'a> {
    /// About this answer.
    pub fn of(answer: &'a CheckAnswer) -> Self {
        Self {
            allowed: answer.allowed,
            source: answer.source.as_str(),
            explain: answer.explanation.as_ref().map(ExplanationAnswer::of),
        }
    }
}

impl<'a> ExplanationAnswer<'a> {
    fn of(explanation: &'a Explanation) -> Self {
        Self {
            layer: match explanation.layer {
                Layer::Override => "override",
                Layer::Role => "role",
                Layer::None => "none",
            },
            override_id: explanation.override_id,
            effect: explanation.effect.map(|effect| effect.as_str()),
            reason: explanation.reason.as_deref(),
            expires_at: explanation.expires_at.map(UnixMillis::to_rfc3339),
            matched_path: explanation.matched_path.as_ref(),
            role_id: explanation.role_id,
        }
    }
}

/// One answer of a batch.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct BatchItemAnswer {
    /// Who was asked about.
    #[schema(value_type = kinds::AdminId)]
    pub admin_id: AdminId,
    /// The path.
    #[schema(value_type = kinds::PermissionPath)]
    pub path: String,
    /// The action.
    #[schema(value_type = kinds::PermissionAction)]
    pub action: String,
    /// Whether it is allowed.
    pub allowed: bool,
    /// What decided.
    #[schema(value_type = kinds::CheckSource)]
    pub source: &'static str,
}

/// All that is in force for a user.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ResolvedAnswer<'a> {
    #[schema(value_type = kinds::AdminId)]
    admin_id: &'a AdminId,
    /// The user's roles.
    #[schema(value_type = Vec<kinds::RoleId>)]
    roles: &'a [RoleId],
    /// What the user may do.
    #[schema(value_type = Vec<kinds::CapabilityText>)]
    capabilities: &'a [Capability],
    /// What the user may not do, whatever the capabilities say.
    #[schema(value_type = Vec<kinds::CapabilityText>)]
    denied: &'a [Capability],
    /// The overrides that are in force.
    overrides: Vec<OverrideAnswer<'a>>,
    /// Seconds for which this may be used.
    #[schema(minimum = 0)]
    ttl: i64,
}

impl<'a> ResolvedAnswer<'a> {
    /// About this user.
    pub fn of(customer: CustomerId, admin_id: &'a AdminId, resolution: &'a Resolution) -> Self {
        let listed = resolution.overrides.iter();
        Self {
            admin_id,
            roles: &resolution.roles,
            capabilities: &resolution.capabilities,
            denied: &resolution.denied,
            overrides: listed.map(|view| OverrideAnswer::listed(customer, view)).collect(),
            ttl: resolution.ttl_seconds,
        }
    }
}

/// A role.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RoleAnswer<'a> {
    #[schema(value_type = kinds::RoleId)]
    id: RoleId,
    #[schema(value_type = kinds::Name)]
    name: &'a str,
    /// What it is for, if that was said.
    #[schema(value_type = Option<kinds::Reason>, required)]
    description: Option<&'a str>,
    /// What it permits.
    #[schema(value_type = Vec<kinds::CapabilityText>)]
    capabilities: &'a [Capability],
    /// Whether it is one of those that never change.
    built_in: bool,
    /// When it was made; null for a built-in one.
    #[schema(value_type = Option<kinds::TimeMillis>, required)]
    created_at: Option<String>,
    /// When it was changed last; null for a built-in one.
    #[schema(value_type = Option<kinds::TimeMillis>, required)]
    updated_at: Option<String>,
}

impl<'a> RoleAnswer<'a> {
    /// About this role.
    pub fn of(role: &'a RoleView) -> Self {
        Self {
            id: role.id,
            name: &role.name,
            description: role.description.as_deref(),
            capabilities: &role.capabilities,
            built_in: role.id.is_built_in(),
            created_at: role.created_at.map(UnixMillis::to_rfc3339),
            updated_at: role.updated_at.map(UnixMillis::to_rfc3339),
        }
    }
}

/// Some roles.
#[derive(Serialize, ToSchema)]
pub struct RolesAnswer<'a> {
    /// The built-in ones first.
    roles: Vec<RoleAnswer<'a>>,
    /// Where to go on; only there if there are more.
    #[schema(value_type = kinds::RoleId)]
    #[serde(skip_serializing_if = "Option::is_none")]
    cursor: Option<RoleId>,
}

impl<'a> RolesAnswer<'a> {
    /// About a page.
    pub fn of(page: &'a RolePage) -> Self {
        Self {
            roles: page.roles.iter().map(RoleAnswer::of).collect(),
            cursor: page.more_after,
        }
    }
}

/// The key that calls.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct WhoamiAnswer<'a> {
    /// The key's identifier.
    #[schema(value_type = kinds::Uuid)]
    key_id: String,
    /// The organisation that it belongs to.
    #[schema(value_type = kinds::Uuid)]
    organization_id: CustomerId,
    /// What it may be used for.
    #[schema(value_type = Vec<kinds::ScopeWord>)]
    scopes: Scopes,
    /// When its time is over.
    #[schema(value_type = kinds::TimeMillis)]
    expires_at: String,
    #[schema(value_type = kinds::Name)]
    name: &'a str,
    /// When it was made.
    #[schema(value_type = kinds::TimeMillis)]
    created_at: String,
}

impl<'a> WhoamiAnswer<'a> {
    /// About this key.
    pub fn of(customer: CustomerId, key: &'a KeyDescription) -> Self {
        Self {
            key_id: key.jti.to_string(),
            organization_id: customer,
            scopes: key.scopes,
            expires_at: key.expires_at.millis().to_rfc3339(),
            name: key.name.as_str(),
            created_at: key.issued_at.millis().to_rfc3339(),
        }
    }
}

fn override_statuses() -> ObjectBuilder {
    kinds::words(["active", "suspended", "expired"]).description(Some("Whether it is in force."))
}

fn layers() -> ObjectBuilder {
    kinds::words(["override", "role", "none"]).description(Some("What decided."))
}
