//! Minting, and the judging of tokens.

use countersign_actors::token::Scope;
use utoipa::PartialSchema;
use utoipa::ToSchema;
use utoipa::openapi::schema::{OneOfBuilder, Ref, Schema};
use utoipa::openapi::{RefOr, Required};

use super::super::answers::minted::{
    BatchResult, BatchResults, MintedAgent, MintedApp, MintedBearer, MintedOverride, MintedSession, MintedSubagent,
};
use super::super::answers::{ActiveToken, EventsCounted, Inactive};
use super::super::operation::{Access, Operation, post};
use super::super::requests::{
    Authorize, BatchItem, CountEvents, MintAgent, MintApp, MintBatch, MintBearer, MintOverride, MintSession,
    MintSubagent, PresentToken,
};
use crate::wire::introspection::AuthorizationAnswer;
use crate::wire::kinds::Uuid;

const TAG: &str = "Minting";
const JUDGING: &str = "Judging";
/// A client that presents the parent token sends this form.
const FORMS: &str = "The parent is named in the body or presented as the credential; both must agree. Where the credential is the parent, `0` and empty text in the body are the same as absent.";

pub(super) fn operations() -> Vec<Operation> {
    let mut operations = minting();
    operations.extend(judging());
    operations
}

fn minting() -> Vec<Operation> {
    vec![
        mints("/tokens/app", "mintApp", "Mints an app token")
            .access(Access::Operator)
            .body::<MintApp>()
            .answers::<MintedApp>("The token."),
        under_a_parent("/tokens/bearer", "mintBearer", "Mints a bearer token")
            .body::<MintBearer>()
            .answers::<MintedBearer>("The token."),
        under_a_parent("/tokens/agent", "mintAgent", "Mints an agent token")
            .body::<MintAgent>()
            .answers::<MintedAgent>("The token.")
            .refuses(POLICY),
        under_a_parent("/tokens/subagent", "mintSubagent", "Mints a subagent token, whose policy is within its parent's")
            .body::<MintSubagent>()
            .answers::<MintedSubagent>("The token.")
            .refuses(POLICY)
            .refuses(&["permission_escalation", "delegation_depth_exceeded"]),
        under_a_parent("/tokens/session", "mintSession", "Mints a session token")
            .body::<MintSession>()
            .answers::<MintedSession>("The token."),
        mints("/tokens/override", "mintOverride", "Mints an override token for one decision on one flagged event")
            .told("An agent, subagent or session token may be the credential; then it is the parent.")
            .access(Access::Parent)
            .body::<MintOverride>()
            .answers::<MintedOverride>("The token.")
            .refuses(&["parent_not_found", "parent_revoked", "parent_expired", "event_decided", "event_barred"]),
        post("/tokens/batch", "mintBatch", "Mints up to 100 tokens, app tokens excepted")
            .tag(TAG)
            .told("All are recorded in one commit. Each has a result of its own: what is wrong with one does not touch the others.")
            .access(Access::Parent)
            .body::<MintBatch>()
            .with::<BatchItem>()
            .with::<BatchResult>()
            .keyed()
            .of_a_customer()
            .writes()
            .answers::<BatchResults>("What became of each."),
    ]
}

const POLICY: &[&str] = &["conflicting_fields", "empty_allowed_list", "policy_too_large"];

fn mints(path: &'static str, id: &str, summary: &str) -> Operation {
    post(path, id, summary)
        .tag(TAG)
        .keyed()
        .of_a_customer()
        .writes()
        .refuses(&["no_active_key", "token_limit"])
}

fn under_a_parent(path: &'static str, id: &str, summary: &str) -> Operation {
    mints(path, id, summary).told(FORMS).access(Access::Parent).refuses(&[
        "parent_not_found",
        "parent_disagrees",
        "parent_revoked",
        "parent_expired",
    ])
}

/// What introspection answers.
struct Introspected;

impl PartialSchema for Introspected {
    fn schema() -> RefOr<Schema> {
        OneOfBuilder::new()
            .item(Ref::from_schema_name(ActiveToken::name()))
            .item(Ref::from_schema_name(Inactive::name()))
            .into()
    }
}

impl ToSchema for Introspected {
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push((ActiveToken::name().into_owned(), ActiveToken::schema()));
        schemas.push((Inactive::name().into_owned(), Inactive::schema()));
        ActiveToken::schemas(schemas);
    }
}

fn judging() -> Vec<Operation> {
    let read = Access::Scope(Scope::TokensRead);
    vec![
        post("/tokens/introspect", "introspect", "Whether a token is active, and its claims (RFC 7662)")
            .tag(JUDGING)
            .told("Everything that is wrong with a token is answered alike.")
            .access(read)
            .body_of::<PresentToken>(
                &["application/json", "application/x-www-form-urlencoded"],
                Required::True,
            )
            .answers::<Introspected>("What the token is worth."),
        post("/tokens/authorize", "authorize", "Whether a token may do an action on a resource, and which step decided")
            .tag(JUDGING)
            .access(read)
            .body::<Authorize>()
            .answers::<AuthorizationAnswer<'static>>("What the token may do."),
        post("/sessions/{session_jti}/events", "countEvents", "Counts events of a session, up to its `max_events`")
            .tag(JUDGING)
            .told("More than are left are refused, and none of them is counted. The session token itself may be the credential.")
            .access(Access::Parent)
            .path::<Uuid>("session_jti", "The session token.")
            .optional_body::<CountEvents>()
            .keyed()
            .of_a_customer()
            .writes()
            .answers::<EventsCounted>("Where the session stands now.")
            .refuses(&["token_not_found", "session_inactive", "session_exhausted"]),
    ]
}
