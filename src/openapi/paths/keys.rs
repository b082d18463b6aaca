//! `/keys`

use countersign_actors::token::Scope;
use utoipa::openapi::{ContentBuilder, Ref, ResponseBuilder};

use super::super::operation::{Access, Operation, get, post};
use super::super::refusals::header;
use super::super::requests::{NameCustomer, RevokeKey, RotateKey};
use crate::wire::keys::{JwkSet, KeyAnswer, PublicKeysAnswer};
use crate::wire::kinds::{EntityTags, Uuid};
use crate::wire::revocation::RevokedCount;
use utoipa::ToSchema;

const TAG: &str = "Keys";

pub(super) fn operations() -> Vec<Operation> {
    let manage = Access::Scope(Scope::KeysManage);
    vec![
        post("/keys/signing", "createSigningKey", "Makes a customer's first signing key, and with it the customer")
            .tag(TAG)
            .access(manage)
            .body::<NameCustomer>()
            .keyed()
            .writes()
            .answers::<KeyAnswer>("The key.")
            .refuses(&["unknown_customer", "signing_key_exists", "key_limit"]),
        post("/keys/{key_id}/rotate", "rotateSigningKey", "Replaces the signing key")
            .tag(TAG)
            .told("The new key is published at once and signs later, or at once if that is asked for. The old one stays published until the last token that it signed is over.")
            .access(manage)
            .path::<Uuid>("key_id", "The key that signs now.")
            .body::<RotateKey>()
            .keyed()
            .of_a_customer()
            .writes()
            .answers::<KeyAnswer>("The new key.")
            .refuses(&["key_not_found", "key_not_active", "rotation_pending", "key_limit"]),
        post("/keys/{key_id}/revoke", "revokeSigningKey", "Ends a key, every token that it signed, and everything derived from those")
            .tag(TAG)
            .access(Access::Operator)
            .path::<Uuid>("key_id", "The key.")
            .body::<RevokeKey>()
            .of_a_customer()
            .writes()
            .answers::<RevokedCount>("It is revoked.")
            .refuses(&["key_not_found"]),
        get("/keys/public/{customer_id}", "publicKeys", "The published keys, as PEM and as JWK")
            .tag(TAG)
            .path::<Uuid>("customer_id", "The customer.")
            .of_a_customer()
            .answers::<PublicKeysAnswer>("The keys."),
        key_set(),
    ]
}

fn key_set() -> Operation {
    let path = "/keys/public/{customer_id}/jwks.json";
    let operation = get(path, "keySet", "The published keys as a JWK Set (RFC 7517)")
        .tag(TAG)
        .told("Without parameters besides the path; verifiers may keep it for 300 seconds.")
        .path::<Uuid>("customer_id", "The customer.")
        .header::<EntityTags>("If-None-Match", "The `ETag` of an earlier answer.")
        .of_a_customer()
        .with::<JwkSet>();
    let content = ContentBuilder::new().schema(Some(Ref::from_schema_name(JwkSet::name())));
    let tagged = |response: ResponseBuilder| {
        response
            .header("ETag", header("Changes when the set does."))
            .header("Cache-Control", header("How long it may be kept."))
    };
    let found = ResponseBuilder::new()
        .description("The keys.")
        .content("application/jwk-set+json", content.build());
    let unchanged = ResponseBuilder::new().description("They are still those of the `ETag`.");
    operation.response(200, tagged(found)).response(304, tagged(unchanged))
}
