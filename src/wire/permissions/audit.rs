//! What is answered about the audit of permissions.

use countersign_actors::permissions::audit::Kind;
use countersign_actors::tenant::audit::AuditEntry;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use utoipa::openapi::ObjectBuilder;

use crate::wire::kinds;

/// An entry of the audit.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = PermissionAuditEntry)]
pub struct AuditEntryAnswer<'a> {
    #[schema(value_type = kinds::AuditId)]
    id: &'a str,
    #[schema(schema_with = audit_kinds)]
    kind: &'static str,
    /// What was done.
    action: &'a str,
    /// Who: the kind and identifier of a token, or `management`.
    actor: &'a str,
    /// What it was done to.
    target: &'a str,
    /// Why, if that was said.
    #[schema(required)]
    reason: Option<&'a str>,
    /// How it was before; null if it was not there.
    #[schema(required)]
    before: Option<&'a Value>,
    /// How it is since; null if it is gone.
    #[schema(required)]
    after: Option<&'a Value>,
    /// The `x-request-id` of the call; null for what the service did by itself.
    #[schema(required)]
    request_id: Option<&'a str>,
    /// When.
    #[schema(value_type = kinds::TimeMillis)]
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
#[derive(Serialize, ToSchema)]
#[schema(as = PermissionAuditAnswer)]
pub struct AuditAnswer<'a> {
    /// The newest first.
    pub entries: Vec<AuditEntryAnswer<'a>>,
    /// Where to go on; null at the end.
    #[schema(value_type = Option<kinds::AuditCursor>, required)]
    pub cursor: Option<String>,
}

fn audit_kinds() -> ObjectBuilder {
    kinds::words(["change", "decision"]).description(Some("Whether something changed or was decided."))
}
