//! `/overrides`: decisions on flagged events.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use countersign_actors::commands::{DecideEvent, FindEvent};
use countersign_actors::id::{EventId, Jti, Name};
use countersign_actors::token::Decision;
use serde_json::json;

use crate::app::App;
use crate::error::ApiError;
use crate::extract::{Body, Fields, path_text};
use crate::idempotency::Keyed;
use crate::identity::Identity;
use crate::wire::fields::reason;
use crate::wire::json as answer;
use crate::wire::overrides::{DecisionTaken, EventAnswer};

/// Characters of a cosignature: more than any has, so that a wrong one is just not valid.
const COSIGNATURE_CHARS_MAX: usize = 256;

/// `POST /overrides/{event_id}/decide`
///
/// # Errors
/// 404 for an unknown token, 400 if it is bound to another event or does not permit the decision, 409 if the event is decided,
/// 403 if the token is revoked, 410 if it has expired.
pub async fn decide(request: HttpRequest, app: Data<App>, body: Body) -> Result<HttpResponse, ApiError> {
    let identity = Identity::of(&request, &app).await?;
    let event_id = path_text(&request, "event_id", EventId::parse)?;
    let content = body.json().await?;
    let mut fields = content.fields()?;
    let override_jti = fields.required_uuid("override_jti", Jti::parse);
    let named = identity.take_customer(&mut fields);
    let decision = fields.required_parsed("decision", parse_decision);
    let reason = reason(&mut fields);
    let decided_by = fields
        .optional_parsed("decided_by", Name::parse)
        .map(|name| name.as_str().into());
    let (override_jti, decision) = fields.finish(|| override_jti.zip(decision))?;
    let customer = identity.customer(named)?;
    let command = DecideEvent {
        event_id,
        override_jti,
        decision,
        decided_by,
        reason,
    };
    let call = identity.keyed_call(&request, &content, command)?;
    let cosigned = app.engine.decide_event(customer, call).await?;
    answer(&DecisionTaken::of(&cosigned))
}

/// `GET /overrides/{event_id}`
///
/// # Errors
/// 404 for an event of which nothing is known.
pub async fn find(request: HttpRequest, app: Data<App>) -> Result<HttpResponse, ApiError> {
    let identity = Identity::of(&request, &app).await?;
    let event_id = path_text(&request, "event_id", EventId::parse)?;
    let mut query = Fields::from_query(request.query_string())?;
    let named = identity.take_customer(&mut query);
    query.finish(|| Some(()))?;
    let customer = identity.customer(named)?;
    let call = identity.call(FindEvent {
        event_id: event_id.clone(),
    });
    let (file, cosigned) = app.engine.find_event(customer, call).await?;
    answer(&EventAnswer::of(&event_id, &file, cosigned.as_ref()))
}

/// `POST /overrides/{event_id}/verify`
///
/// # Errors
/// 404 for an unknown customer.
pub async fn verify(request: HttpRequest, app: Data<App>, body: Body) -> Result<HttpResponse, ApiError> {
    let identity = Identity::of(&request, &app).await?;
    let event_id = path_text(&request, "event_id", EventId::parse)?;
    let content = body.json().await?;
    let mut fields = content.fields()?;
    let named = identity.take_customer(&mut fields);
    let override_jti = fields.required_uuid("override_jti", Jti::parse);
    let decision = fields.required_parsed("decision", parse_decision);
    let cosignature = fields.required_text("cosignature");
    let checked = || Some((override_jti?, decision?, cosignature?));
    let (override_jti, decision, cosignature) = fields.finish(checked)?;
    let customer = identity.customer(named)?;
    if cosignature.len() > COSIGNATURE_CHARS_MAX {
        return answer(&json!({"valid": false}));
    }
    let call = identity.call((event_id, decision, override_jti));
    let valid = app.engine.verify_cosignature(customer, call, &cosignature).await?;
    answer(&json!({"valid": valid}))
}

fn parse_decision(text: &str) -> Result<Decision, &'static str> {
    Decision::parse(text).ok_or("must be `approve` or `reject`")
}
