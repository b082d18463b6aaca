//! `/revocation`, `/revoke`, `DELETE /tokens/{jti}`, `/revocations`: revoking, and following what was revoked.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use countersign_actors::clock::UnixMillis;
use countersign_actors::commands::{ListRevocations, RevokeMany, RevokeToken, Selector};
use countersign_actors::id::{AgentId, CustomerId, Jti, KeyId};
use countersign_actors::limits::FEED_WAIT_SECONDS_MAX;
use countersign_actors::tenant::Rejection;
use countersign_actors::token::TokenKind;

use crate::app::App;
use crate::error::ApiError;
use crate::extract::{Body, Fields, path_uuid};
use crate::identity::Identity;
use crate::wire::fields::reason;
use crate::wire::json;
use crate::wire::revocation::{Cascade, Feed, Revoked, RevokedCount};

/// `DELETE /revocation/{jti}`, `DELETE /tokens/{jti}`
///
/// # Errors
/// 404 for an unknown token, or one of another kind than the body names.
pub async fn revoke(request: HttpRequest, app: Data<App>, body: Body) -> Result<HttpResponse, ApiError> {
    let identity = Identity::of(&request, &app).await?;
    let (customer, command) = read(&request, &identity, body, false).await?;
    let jti = command.jti;
    app.engine.execute(customer, identity.call(command)).await?;
    json(&Revoked::of(jti))
}

/// `POST /revocation/cascade/{jti}`, `POST /revoke/cascade/{jti}`
///
/// # Errors
/// As [`revoke`].
pub async fn cascade(request: HttpRequest, app: Data<App>, body: Body) -> Result<HttpResponse, ApiError> {
    let identity = Identity::of(&request, &app).await?;
    let (customer, command) = read(&request, &identity, body, true).await?;
    let cascaded = app.engine.cascade(customer, identity.call(command)).await?;
    json(&Cascade::of(&cascaded))
}

async fn read(
    request: &HttpRequest,
    identity: &Identity,
    body: Body,
    cascade: bool,
) -> Result<(CustomerId, RevokeToken), ApiError> {
    let jti = path_uuid(request, "jti", Jti::parse)?;
    let content = body.json_or_empty().await?;
    let mut fields = content.fields()?;
    let in_body = fields.optional_uuid("customer_id", CustomerId::parse);
    let kind = fields.optional_parsed("token_type", |text| TokenKind::parse(text).ok_or("is no type of token"));
    let reason = reason(&mut fields);
    fields.finish(|| Some(()))?;
    let mut query = Fields::from_query(request.query_string())?;
    let in_query = query.optional_uuid("customer_id", CustomerId::parse);
    query.finish(|| Some(()))?;
    if in_body.is_some() && in_query.is_some() && in_body != in_query {
        return Err(Rejection::UnknownCustomer.into());
    }
    let customer = identity.customer(in_body.or(in_query))?;
    Ok((
        customer,
        RevokeToken {
            jti,
            kind,
            cascade,
            reason,
        },
    ))
}

/// `POST /revocation/bulk`
///
/// # Errors
/// 422 unless exactly one of `agent_id` and `issued_before` is given.
pub async fn bulk(request: HttpRequest, app: Data<App>, body: Body) -> Result<HttpResponse, ApiError> {
    let identity = Identity::of(&request, &app).await?;
    let content = body.json().await?;
    let mut fields = content.fields()?;
    let named = identity.take_customer(&mut fields);
    let agent = fields.optional_parsed("agent_id", AgentId::parse);
    let before = fields.optional_parsed("issued_before", |text| {
        UnixMillis::parse_rfc3339(text).ok_or("must be an RFC 3339 time with a zone")
    });
    let selector = match (agent, before) {
        (Some(agent_id), None) => Some(Selector::Agent(agent_id)),
        (None, Some(before)) => Some(Selector::IssuedBefore(before.seconds())),
        (Some(_), Some(_)) => {
            fields.reject("issued_before", "must not be given beside `agent_id`");
            None
        }
        (None, None) => {
            fields.reject(
                "agent_id",
                "or `issued_before` is required: nothing named never means everything",
            );
            None
        }
    };
    let reason = reason(&mut fields);
    let selector = fields.finish(|| selector)?;
    let customer = identity.customer(named)?;
    let command = RevokeMany { selector, reason };
    json(&RevokedCount {
        revoked_count: app.engine.revoke_many(customer, identity.call(command)).await?,
    })
}

/// `POST /keys/{key_id}/revoke`
///
/// # Errors
/// 404 for an unknown key.
pub async fn revoke_key(request: HttpRequest, app: Data<App>, body: Body) -> Result<HttpResponse, ApiError> {
    let identity = Identity::of(&request, &app).await?;
    let kid = path_uuid(&request, "key_id", KeyId::parse)?;
    let content = body.json().await?;
    let mut fields = content.fields()?;
    let named = identity.take_customer(&mut fields);
    let reason = reason(&mut fields);
    fields.finish(|| Some(()))?;
    let customer = identity.customer(named)?;
    let command = RevokeMany {
        selector: Selector::Key(kid),
        reason,
    };
    json(&RevokedCount {
        revoked_count: app.engine.revoke_many(customer, identity.call(command)).await?,
    })
}

/// `GET /revocations`
///
/// # Errors
/// 422 for a parameter out of range.
pub async fn feed(request: HttpRequest, app: Data<App>) -> Result<HttpResponse, ApiError> {
    let identity = Identity::of(&request, &app).await?;
    let mut query = Fields::from_query(request.query_string())?;
    let named = identity.take_customer(&mut query);
    let after = query.optional_integer("after", 0..=i64::MAX).unwrap_or(0);
    let wait = query.optional_integer("wait", 0..=FEED_WAIT_SECONDS_MAX).unwrap_or(0);
    query.finish(|| Some(()))?;
    let customer = identity.customer(named)?;
    let after = u64::try_from(after).unwrap_or_default();
    let found = app
        .engine
        .revocations(customer, identity.call(ListRevocations { after }), wait)
        .await?;
    json(&Feed::of(&found, after))
}
