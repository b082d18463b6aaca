//! The whole URL table. A path that begins like another stands after it if it is the more general one.

use actix_web::web::ServiceConfig;

use crate::endpoint::at;

pub mod health;

/// Every endpoint of the service.
pub fn configure(app: &mut ServiceConfig) {
    app.service(at("/health").get(health::health))
        .service(at("/ready").get(health::ready));
}
