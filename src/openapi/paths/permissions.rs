//! The permission family: overrides, checks, the audit.

use countersign_actors::limits::{OVERRIDES_PER_PAGE_MAX, PAGE_DEFAULT, PAGE_MAX};
use countersign_actors::token::Scope;
use utoipa::openapi::schema::{ObjectBuilder, Ref, Schema, Type};
use utoipa::openapi::{ContentBuilder, RefOr, ResponseBuilder};
use utoipa::{PartialSchema, ToSchema};

use super::super::answers::{AuditExport, OverrideDeleted, PermissionsChecked};
use super::super::operation::{Access, Operation, delete, envelope, get, post};
use super::super::refusals::header;
use super::super::requests::permissions::{CheckPermission, CheckPermissions, CreateOverride, Question};
use crate::wire::kinds::{AdminId, AuditCursor, OverrideCursor, OverrideId, words};
use crate::wire::permissions::{
    AuditAnswer, CheckedAnswer, OverrideAnswer, OverridesAnswer, ResolvedAnswer, WhoamiAnswer,
};

const TAG: &str = "Permissions of users";

pub(super) fn operations() -> Vec<Operation> {
    let mut operations = overrides();
    operations.extend(checks());
    operations.extend(audit());
    operations
}

/// A call of this family.
pub(super) fn with_key(operation: Operation, scope: Option<Scope>) -> Operation {
    operation.tag(TAG).access(Access::Key(scope)).refuses(&["rate_limited"])
}

fn overrides() -> Vec<Operation> {
    let manages = |operation| with_key(operation, Some(Scope::PermissionsManage));
    vec![
        manages(post(
            "/api/v1/permissions/overrides",
            "createOverride",
            "Grants or denies one user one action",
        ))
        .told("A live DENY beats every GRANT, and a GRANT beats what roles say.")
        .body::<CreateOverride>()
        .keyed()
        .writes()
        .envelopes::<OverrideAnswer<'static>>(201, "The override.")
        .refuses(&["conflict"]),
        manages(get(
            "/api/v1/permissions/overrides/{admin_id}",
            "listOverrides",
            "A user's overrides",
        ))
        .path::<AdminId>("admin_id", "The user; one that is not known has none.")
        .query::<StatusFilter>("status", "Which; all by default.")
        .query::<OverrideCursor>("cursor", "The `cursor` of an earlier answer.")
        .limit(OVERRIDES_PER_PAGE_MAX, OVERRIDES_PER_PAGE_MAX)
        .envelopes::<OverridesAnswer<'static>>(200, "The overrides."),
        manages(post(
            "/api/v1/permissions/overrides/{id}/confirm",
            "confirmOverride",
            "Lets an override grant again that a restoration has suspended",
        ))
        .path::<OverrideId>("id", "The override.")
        .keyed()
        .writes()
        .envelopes::<OverrideAnswer<'static>>(200, "The override, in force again unless it is over."),
        manages(delete(
            "/api/v1/permissions/overrides/remove/{id}",
            "deleteOverride",
            "Deletes an override",
        ))
        .path::<OverrideId>("id", "The override.")
        .keyed()
        .writes()
        .envelopes::<OverrideDeleted>(200, "It is deleted."),
    ]
}

fn checks() -> Vec<Operation> {
    let checks = |operation| with_key(operation, Some(Scope::PermissionsCheck));
    vec![
        checks(post(
            "/api/v1/permissions/check",
            "checkPermission",
            "Whether a user may do something",
        ))
        .body::<CheckPermission>()
        .envelopes::<CheckedAnswer<'static>>(200, "Whether it is allowed."),
        checks(post(
            "/api/v1/permissions/check-batch",
            "checkPermissions",
            "Up to 100 such questions",
        ))
        .body::<CheckPermissions>()
        .with::<Question>()
        .envelopes::<PermissionsChecked>(200, "The answers, in order."),
        checks(get(
            "/api/v1/permissions/resolve/{admin_id}",
            "resolvePermissions",
            "All that is in force for a user",
        ))
        .path::<AdminId>("admin_id", "The user; one that is not known may do nothing.")
        .envelopes::<ResolvedAnswer<'static>>(200, "What is in force."),
        with_key(get("/api/v1/whoami", "whoami", "What a key is"), None)
            .envelopes::<WhoamiAnswer<'static>>(200, "The key."),
    ]
}

fn audit() -> Vec<Operation> {
    let reads = |operation| with_key(operation, Some(Scope::PermissionsAudit));
    let page = |operation: Operation| {
        reads(operation)
            .query::<AuditCursor>("cursor", "The `cursor` of an earlier answer.")
            .limit(PAGE_MAX, PAGE_DEFAULT)
            .envelopes::<AuditAnswer<'static>>(200, "A page, the newest entry first.")
    };
    vec![
        page(get(
            "/api/v1/permissions/audit",
            "permissionAudit",
            "Changes and decisions of the last 90 days",
        )),
        page(get(
            "/api/v1/permissions/audit/changes",
            "permissionChanges",
            "Changes of the last 90 days",
        )),
        export(reads(get(
            "/api/v1/permissions/audit/export",
            "exportPermissionAudit",
            "All of it, as JSON or CSV",
        ))),
    ]
}

fn export(operation: Operation) -> Operation {
    let operation = operation
        .query::<ExportFormat>("format", "The form; JSON by default.")
        .with::<AuditExport>();
    let json = envelope(Ref::from_schema_name(AuditExport::name()));
    let csv = ObjectBuilder::new()
        .schema_type(Type::String)
        .description(Some("A line of column names, then a line for each entry."));
    let content = |schema: ObjectBuilder| ContentBuilder::new().schema(Some(schema)).build();
    operation.response(
        200,
        ResponseBuilder::new()
            .description("The oldest entry first. What fails on the way breaks the transfer off.")
            .header("Content-Disposition", header("A name for the file."))
            .content("application/json", content(json))
            .content("text/csv", content(csv)),
    )
}

/// Declares parameters that are one of a few words.
macro_rules! choices {
    ($($(#[doc = $doc:literal])+ $name:ident $words:expr;)+) => {$(
        $(#[doc = $doc])+
        struct $name;

        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                words($words).into()
            }
        }

        impl ToSchema for $name {}
    )+};
}

choices! {
    /// Which overrides to list.
    StatusFilter ["active", "expired", "suspended", "all"];
    /// How to write an export.
    ExportFormat ["json", "csv"];
}
