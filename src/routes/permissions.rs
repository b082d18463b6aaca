//! `/api/v1`: permission overrides, checks, roles, their audit. The key says which organisation a call is for.
//!
//! Every handler keeps one order: key 401, scope 403, rate 429, size 413, syntax 400, fields 400, existence 404.

use actix_web::HttpRequest;
use actix_web::web::ServiceConfig;
use countersign_actors::permissions::{AdminId, PermissionRejection, RoleId};
use countersign_actors::tenant::Rejection;

use crate::endpoint::at;
use crate::error::ApiError;
use crate::extract::{Fields, path_text};

mod audit;
mod checks;
mod overrides;
mod roles;
mod whoami;

/// The endpoints of the family. Literal segments stand before the parameters that would match them.
pub fn configure(app: &mut ServiceConfig) {
    app.service(at("/api/v1/permissions/overrides").post(overrides::create))
        .service(at("/api/v1/permissions/overrides/remove/{id}").delete(overrides::delete))
        .service(at("/api/v1/permissions/overrides/{id}/confirm").post(overrides::confirm))
        .service(at("/api/v1/permissions/overrides/{admin_id}").get(overrides::list))
        .service(at("/api/v1/permissions/check").post(checks::check))
        .service(at("/api/v1/permissions/check-batch").post(checks::check_batch))
        .service(at("/api/v1/permissions/resolve/{admin_id}").get(checks::resolve))
        .service(at("/api/v1/permissions/roles").get(roles::list).post(roles::create))
        .service(
            at("/api/v1/permissions/roles/{id}")
                .get(roles::find)
                .patch(roles::change)
                .delete(roles::delete),
        )
        .service(
            at("/api/v1/permissions/roles/{id}/capabilities")
                .get(roles::capabilities)
                .put(roles::set_capabilities),
        )
        .service(
            at("/api/v1/permissions/users/{admin_id}/roles")
                .get(roles::of_user)
                .put(roles::assign),
        )
        .service(at("/api/v1/permissions/audit").get(audit::list))
        .service(at("/api/v1/permissions/audit/changes").get(audit::changes))
        .service(at("/api/v1/permissions/audit/export").get(audit::export))
        .service(at("/api/v1/whoami").get(whoami::whoami));
}

/// The user that the path names: any text is a user, unless it cannot be an identifier at all.
fn admin_id(request: &HttpRequest, fields: &mut Fields<'_>) -> Result<Option<AdminId>, ApiError> {
    let text = path_text(request, "admin_id", |text| Ok::<_, ()>(text.to_owned()))?;
    let parsed = AdminId::parse(&text);
    Ok(parsed.map_err(|error| fields.reject("adminId", error.to_string())).ok())
}

/// The role that the path names: what is no identifier looks like what does not exist, and is told as late.
fn role_id(request: &HttpRequest) -> Result<RoleId, ApiError> {
    let id = request.match_info().get("id").and_then(RoleId::parse);
    id.ok_or_else(|| Rejection::from(PermissionRejection::RoleNotFound).into())
}
