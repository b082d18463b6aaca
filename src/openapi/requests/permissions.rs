//! What callers of the permission family send. Unknown fields are ignored there, and empty text is absent.

use countersign_actors::limits::{CAPABILITIES_PER_ROLE_MAX, CHECKS_PER_CALL_MAX, NAME_CHARS_MAX, ROLES_PER_USER_MAX};
use serde_json::json;
use utoipa::ToSchema;
use utoipa::openapi::schema::{ArrayBuilder, ObjectBuilder, Ref, Schema, SchemaType, Type};

use crate::wire::kinds::{
    AdminId, AnyTime, CapabilityText, EffectWord, Name, OverrideReason, PermissionAction, PermissionActionPattern,
    PermissionPath, PermissionPathPattern, Reason, RoleId,
};

/// Overrides what a user may do.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CreateOverride {
    pub admin_id: AdminId,
    pub path: PermissionPathPattern,
    pub action: PermissionActionPattern,
    pub effect: EffectWord,
    pub reason: OverrideReason,
    /// When it ends; it never does by default.
    pub expires_at: Option<AnyTime>,
}

/// Asks whether a user may do something.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CheckPermission {
    pub admin_id: AdminId,
    pub path: PermissionPath,
    pub action: PermissionAction,
    #[schema(schema_with = resource)]
    pub resource: Option<String>,
    #[schema(schema_with = context)]
    pub context: Option<serde_json::Value>,
    /// Whether to say why; needs a key that may manage permissions or read their audit.
    pub explain: Option<bool>,
}

/// Asks several such questions.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CheckPermissions {
    /// Whom the questions are about that do not say it themselves.
    pub admin_id: Option<AdminId>,
    #[schema(schema_with = questions)]
    pub checks: Vec<Question>,
}

/// One of several questions.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Question {
    /// Whom it is about; required if the call does not say it for all.
    pub admin_id: Option<AdminId>,
    pub path: PermissionPath,
    pub action: PermissionAction,
    #[schema(schema_with = resource)]
    pub resource: Option<String>,
}

/// Describes a new role.
#[derive(ToSchema)]
pub struct CreateRole {
    pub name: Name,
    /// What it is for.
    pub description: Option<Reason>,
    #[schema(schema_with = some_capabilities)]
    pub capabilities: Option<Vec<CapabilityText>>,
}

/// Says what to change of a role; what is left out stays.
#[derive(ToSchema)]
pub struct ChangeRole {
    pub name: Option<Name>,
    /// What it is for.
    pub description: Option<Reason>,
    #[schema(schema_with = some_capabilities)]
    pub capabilities: Option<Vec<CapabilityText>>,
}

/// All that a role permits.
#[derive(ToSchema)]
pub struct Capabilities {
    #[schema(schema_with = capabilities)]
    pub capabilities: Vec<CapabilityText>,
}

/// All roles of a user.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct UserRoles {
    #[schema(schema_with = role_ids)]
    pub role_ids: Vec<RoleId>,
}

fn list(item: &str, min: usize, max: usize) -> ArrayBuilder {
    ArrayBuilder::new()
        .items(Ref::from_schema_name(item))
        .min_items(Some(min))
        .max_items(Some(max))
}

fn questions() -> Schema {
    list(&Question::name(), 1, CHECKS_PER_CALL_MAX)
        .description(Some("The questions, in the order in which they are answered."))
        .into()
}

fn capabilities() -> Schema {
    list(&CapabilityText::name(), 0, CAPABILITIES_PER_ROLE_MAX)
        .description(Some("In the order given."))
        .into()
}

fn some_capabilities() -> Schema {
    list(&CapabilityText::name(), 0, CAPABILITIES_PER_ROLE_MAX)
        .schema_type(SchemaType::from_iter([Type::Array, Type::Null]))
        .description(Some("What it permits."))
        .into()
}

fn role_ids() -> Schema {
    list(&RoleId::name(), 0, ROLES_PER_USER_MAX)
        .description(Some("In the order given."))
        .into()
}

fn resource() -> ObjectBuilder {
    ObjectBuilder::new()
        .schema_type(SchemaType::from_iter([Type::String, Type::Null]))
        .max_length(Some(NAME_CHARS_MAX))
        .examples([json!("invoice-2026-117")])
        .description(Some("On what, for the record."))
}

fn context() -> ObjectBuilder {
    ObjectBuilder::new()
        .schema_type(SchemaType::from_iter([Type::Object, Type::Null]))
        .examples([json!({})])
        .description(Some("What surrounds the question; no rule looks at it."))
}
