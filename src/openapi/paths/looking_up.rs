//! Looking up tokens and the audit.

use countersign_actors::limits::{PAGE_DEFAULT, PAGE_MAX};
use countersign_actors::token::Scope;

use super::super::operation::{Access, Operation, get};
use crate::wire::kinds::{AgentId, AuditCursor, Kind, TokenStatus, Uuid};
use crate::wire::look_up::{AuditAnswer, LineageAnswer, TokenAnswer, TokensAnswer};

const TAG: &str = "Looking up";

pub(super) fn operations() -> Vec<Operation> {
    let reads = |operation: Operation| {
        operation
            .tag(TAG)
            .access(Access::Scope(Scope::TokensRead))
            .customer_in_query()
            .of_a_customer()
    };
    vec![
        reads(get(
            "/tokens",
            "listTokens",
            "Tokens by type, agent or status; never their strings",
        ))
        .told("A page may be short although there are more: only `cursor` says whether there are.")
        .query::<Kind>("type", "Only those of this type.")
        .query::<AgentId>("agent_id", "Only those of this agent.")
        .query::<TokenStatus>("status", "Only those that stand so.")
        .query::<Uuid>("cursor", "The `cursor` of an earlier answer.")
        .limit(PAGE_MAX, PAGE_DEFAULT)
        .answers::<TokensAnswer<'static>>("A page."),
        reads(get("/tokens/{jti}", "findToken", "One token; never its string"))
            .path::<Uuid>("jti", "The token.")
            .answers::<TokenAnswer<'static>>("The token.")
            .refuses(&["token_not_found"]),
        reads(get(
            "/tokens/{jti}/lineage",
            "lineage",
            "A token's ancestors and descendants",
        ))
        .path::<Uuid>("jti", "The token.")
        .answers::<LineageAnswer<'static>>("Where it stands.")
        .refuses(&["token_not_found"]),
        reads(get(
            "/audit",
            "audit",
            "Who did what, when and why, within the last 90 days",
        ))
        .query::<AuditCursor>("after", "The `cursor` of an earlier answer.")
        .limit(PAGE_MAX, PAGE_DEFAULT)
        .answers::<AuditAnswer<'static>>("A page, the oldest entry first."),
    ]
}
