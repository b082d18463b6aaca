//! Revoking, and following what was revoked.

use countersign_actors::limits::FEED_WAIT_SECONDS_MAX;
use countersign_actors::token::Scope;
use serde_json::json;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

use super::super::operation::{Access, Operation, delete, get, post};
use super::super::requests::{Revoke, RevokeMany};
use crate::wire::kinds::Uuid;
use crate::wire::revocation::{Cascade, Feed, Revoked, RevokedCount};

const TAG: &str = "Revoking";

pub(super) fn operations() -> Vec<Operation> {
    vec![
        one(delete(
            "/tokens/{jti}",
            "revokeToken",
            "Revokes a token; what was derived from it stays",
        ))
        .answers::<Revoked>("It is revoked."),
        one(delete(
            "/revocation/{jti}",
            "revoke",
            "The same as `DELETE /tokens/{jti}`",
        ))
        .answers::<Revoked>("It is revoked."),
        one(post(
            "/revocation/cascade/{jti}",
            "cascade",
            "Revokes a token and everything derived from it, in one durable step",
        ))
        .answers::<Cascade<'static>>("What it reached."),
        one(post(
            "/revoke/cascade/{jti}",
            "revokeCascade",
            "The same as `POST /revocation/cascade/{jti}`",
        ))
        .answers::<Cascade<'static>>("What it reached."),
        post(
            "/revocation/bulk",
            "revokeMany",
            "Revokes everything of one agent, or issued before a time",
        )
        .tag(TAG)
        .told("Exactly one of `agent_id` and `issued_before` is to be given: nothing named never means everything.")
        .access(Access::Operator)
        .body::<RevokeMany>()
        .of_a_customer()
        .writes()
        .answers::<RevokedCount>("They are revoked."),
        get(
            "/revocations",
            "followRevocations",
            "The revocations of a customer since a place in its feed",
        )
        .tag(TAG)
        .access(Access::Scope(Scope::TokensRead))
        .customer_in_query()
        .query::<Place>("after", "The `cursor` of an earlier answer; the beginning by default.")
        .query::<Wait>(
            "wait",
            "Seconds to wait for the next one if there are none; none by default.",
        )
        .of_a_customer()
        .answers::<Feed<'static>>("What was revoked."),
    ]
}

fn one(operation: Operation) -> Operation {
    operation
        .tag(TAG)
        .told("To revoke what is revoked already changes nothing.")
        .access(Access::Scope(Scope::TokensRevoke))
        .path::<Uuid>("jti", "The token.")
        .query::<Uuid>(
            "customer_id",
            "The customer, unless the body names it. Required of the operator; a token's holder may leave it out.",
        )
        .optional_body::<Revoke>()
        .of_a_customer()
        .writes()
        .refuses(&["token_not_found"])
}

/// A place in the feed.
struct Place;

impl PartialSchema for Place {
    fn schema() -> RefOr<Schema> {
        whole(i64::MAX, 0)
    }
}

impl ToSchema for Place {
    fn name() -> std::borrow::Cow<'static, str> {
        "FeedPlace".into()
    }
}

/// Seconds to wait.
struct Wait;

impl PartialSchema for Wait {
    fn schema() -> RefOr<Schema> {
        whole(FEED_WAIT_SECONDS_MAX.into(), 0)
    }
}

impl ToSchema for Wait {
    fn name() -> std::borrow::Cow<'static, str> {
        "FeedWait".into()
    }
}

fn whole(max: i64, default: i64) -> RefOr<Schema> {
    ObjectBuilder::new()
        .schema_type(Type::Integer)
        .minimum(Some(0))
        .maximum(Some(max))
        .default(Some(json!(default)))
        .examples([json!(default)])
        .into()
}
