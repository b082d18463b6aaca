//! The whole URL table. A path that begins like another stands after it if it is the more general one.

use actix_web::web::ServiceConfig;

use crate::endpoint::at;

pub mod health;
pub mod keys;
pub mod permissions;
pub mod tokens;

/// Every endpoint of the service.
pub fn configure(app: &mut ServiceConfig) {
    app.service(at("/health").get(health::health))
        .service(at("/ready").get(health::ready))
        .service(at("/keys/signing").post(keys::create))
        .service(at("/keys/{key_id}/rotate").post(keys::rotate))
        .service(at("/keys/public/{customer_id}").get(keys::public))
        .service(at("/keys/public/{customer_id}/jwks.json").get(keys::jwks))
        .service(at("/tokens/app").post(tokens::app))
        .service(at("/tokens/bearer").post(tokens::bearer))
        .service(at("/tokens/agent").post(tokens::agent))
        .service(at("/tokens/subagent").post(tokens::subagent))
        .service(at("/tokens/session").post(tokens::session))
        .service(at("/tokens/override").post(tokens::override_token))
        .configure(permissions::configure);
}
