//! What is answered about permissions: `{"success":true,"data":…}`, the documented fields first.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::ContentType;
use countersign_actors::clock::UnixMillis;
use countersign_actors::commands::permissions::{
    CheckAnswer, Explanation, KeyDescription, Layer, OverridePage, OverrideView, Resolution, RolePage, RoleView,
};
use countersign_actors::id::CustomerId;
use countersign_actors::permissions::audit::Kind;
use countersign_actors::permissions::{ActionPattern, AdminId, Capability, OverrideId, PathPattern, RoleId};
use countersign_actors::tenant::audit::AuditEntry;
use countersign_actors::token::Scopes;
use serde::Serialize;
use serde_json::Value;

use crate::error::ApiError;

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
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OverrideAnswer<'a> {
    id: OverrideId,
    admin_id: &'a AdminId,
    path: &'a PathPattern,
    action: &'a ActionPattern,
    effect: &'static str,
    reason: &'a str,
    expires_at: Option<String>,
    created_at: String,
    status: &'static str,
    organization_id: CustomerId,
    created_by: Option<String>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    suspended: bool,
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
#[derive(Serialize)]
pub struct OverridesAnswer<'a> {
    overrides: Vec<OverrideAnswer<'a>>,
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
#[derive(Serialize)]
pub struct CheckedAnswer<'a> {
    allowed: bool,
    source: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    explain: Option<ExplanationAnswer<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ExplanationAnswer<'a> {
    layer: &'static str,
    override_id: Option<OverrideId>,
    effect: Option<&'static str>,
    reason: Option<&'a str>,
    expires_at: Option<String>,
    matched_path: Option<&'a PathPattern>,
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
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BatchItemAnswer {
    /// Who was asked about.
    pub admin_id: AdminId,
    /// The path.
    pub path: String,
    /// The action.
    pub action: String,
    /// Whether it is allowed.
    pub allowed: bool,
    /// What decided.
    pub source: &'static str,
}

/// All that is in force for a user.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ResolvedAnswer<'a> {
    admin_id: &'a AdminId,
    roles: &'a [RoleId],
    capabilities: &'a [Capability],
    denied: &'a [Capability],
    overrides: Vec<OverrideAnswer<'a>>,
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
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RoleAnswer<'a> {
    id: RoleId,
    name: &'a str,
    description: Option<&'a str>,
    capabilities: &'a [Capability],
    built_in: bool,
    created_at: Option<String>,
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
#[derive(Serialize)]
pub struct RolesAnswer<'a> {
    roles: Vec<RoleAnswer<'a>>,
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
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct WhoamiAnswer<'a> {
    key_id: String,
    organization_id: CustomerId,
    scopes: Scopes,
    expires_at: String,
    name: &'a str,
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

/// An entry of the audit.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AuditEntryAnswer<'a> {
    id: &'a str,
    kind: &'static str,
    action: &'a str,
    actor: &'a str,
    target: &'a str,
    reason: Option<&'a str>,
    before: Option<&'a Value>,
    after: Option<&'a Value>,
    request_id: Option<&'a str>,
    created_at: String,
}

impl<'a> AuditEntryAnswer<'a> {
    /// About this entry.
    pub fn of(entry: &'a AuditEntry) -> Self {
        Self {
            id: &entry.id,
            kind: Kind::of_action(&entry.action).map_or("", Kind::as_str),
            action: &entry.action,
            actor: &entry.actor,
            target: &entry.target,
            reason: entry.reason.as_deref(),
            before: entry.before.as_ref(),
            after: entry.after.as_ref(),
            request_id: entry.request_id.as_deref(),
            created_at: entry.at.to_rfc3339(),
        }
    }

    /// The columns of an export.
    pub const COLUMNS: [&'static str; 10] = [
        "id",
        "createdAt",
        "kind",
        "action",
        "actor",
        "target",
        "reason",
        "requestId",
        "before",
        "after",
    ];

    /// The cells of a row, in the order of [`Self::COLUMNS`]; what was before and after as JSON.
    pub fn cells(&self) -> [String; 10] {
        let text = |cell: Option<&str>| cell.unwrap_or_default().to_owned();
        let json = |cell: Option<&Value>| cell.map(Value::to_string).unwrap_or_default();
        [
            self.id.to_owned(),
            self.created_at.clone(),
            self.kind.to_owned(),
            self.action.to_owned(),
            self.actor.to_owned(),
            self.target.to_owned(),
            text(self.reason),
            text(self.request_id),
            json(self.before),
            json(self.after),
        ]
    }
}

/// Some entries of the audit.
#[derive(Serialize)]
pub struct AuditAnswer<'a> {
    /// The entries.
    pub entries: Vec<AuditEntryAnswer<'a>>,
    /// Where to go on; null at the end.
    pub cursor: Option<String>,
}
