//! The whole URL table. A path that begins like another stands after it if it is the more general one, and what is asked for most
//! stands first.

use actix_web::web::ServiceConfig;

use crate::endpoint::at;

pub mod backup;
pub mod customers;
pub mod docs;
pub mod health;
pub mod introspection;
pub mod keys;
pub mod look_up;
pub mod overrides;
pub mod permissions;
pub mod revocation;
pub mod sessions;
pub mod tokens;

/// Every endpoint of the service.
pub fn configure(app: &mut ServiceConfig) {
    app.service(at("/tokens/app").post(tokens::app))
        .service(at("/tokens/bearer").post(tokens::bearer))
        .service(at("/tokens/agent").post(tokens::agent))
        .service(at("/tokens/subagent").post(tokens::subagent))
        .service(at("/tokens/session").post(tokens::session))
        .service(at("/tokens/override").post(tokens::override_token))
        .service(at("/tokens/batch").post(tokens::batch))
        .service(at("/tokens/introspect").post(introspection::introspect))
        .service(at("/tokens/authorize").post(introspection::authorize))
        .service(at("/health").get(health::health))
        .service(at("/ready").get(health::ready))
        .service(at("/metrics").get(health::metrics))
        .service(at("/keys/signing").post(keys::create))
        .service(at("/keys/{key_id}/rotate").post(keys::rotate))
        .service(at("/keys/{key_id}/revoke").post(revocation::revoke_key))
        .service(at("/keys/public/{customer_id}").get(keys::public))
        .service(at("/keys/public/{customer_id}/jwks.json").get(keys::jwks))
        .service(at("/tokens").get(look_up::tokens))
        .service(at("/tokens/{jti}").get(look_up::token).delete(revocation::revoke))
        .service(at("/tokens/{jti}/lineage").get(look_up::lineage))
        .service(at("/revocation/bulk").post(revocation::bulk))
        .service(at("/revocation/{jti}").delete(revocation::revoke))
        .service(at("/revocation/cascade/{jti}").post(revocation::cascade))
        .service(at("/revoke/cascade/{jti}").post(revocation::cascade))
        .service(at("/revocations").get(revocation::feed))
        .service(at("/overrides/{event_id}").get(overrides::find))
        .service(at("/overrides/{event_id}/decide").post(overrides::decide))
        .service(at("/overrides/{event_id}/verify").post(overrides::verify))
        .service(at("/sessions/{session_jti}/events").post(sessions::count))
        .service(at("/customers").get(customers::list))
        .service(at("/customers/{id}").get(customers::find).delete(customers::erase))
        .service(at("/customers/{id}/suspend").post(customers::suspend))
        .service(at("/customers/{id}/resume").post(customers::resume))
        .service(at("/audit").get(look_up::audit))
        .service(at("/admin/backup").get(backup::backup))
        .service(at("/admin/purge").post(health::purge))
        .service(at("/admin/clock/confirm").post(health::confirm_clock))
        .service(at("/openapi.json").get(docs::document))
        .service(at("/docs").get(docs::page))
        .service(at("/docs/{file}").get(docs::file))
        .configure(permissions::configure);
}
