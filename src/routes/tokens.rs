//! `/tokens`: minting.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use countersign_actors::commands::{MintBatch, MintCommand};
use countersign_actors::id::Jti;
use countersign_actors::limits::BATCH_MAX;
use countersign_actors::token::TokenKind;

use crate::app::App;
use crate::error::ApiError;
use crate::extract::{Body, Fields};
use crate::idempotency::{Keyed, of_item};
use crate::identity::Identity;
use crate::serving::Serving;
use crate::wire::mint;
use crate::wire::tokens::{BatchAnswer, minted};

/// `POST /tokens/app`
///
/// # Errors
/// 404 if the customer has no key that signs.
pub async fn app(request: HttpRequest, app: Data<App>, body: Body) -> Result<HttpResponse, ApiError> {
    let identity = Identity::of(&request, &app).await?;
    let content = body.json().await?;
    let mut fields = content.fields()?;
    let named = identity.take_customer(&mut fields);
    let new = mint::app(fields)?;
    let customer = identity.customer(named)?;
    let call = identity.keyed_call(&request, &content, new)?;
    minted(&app.engine.mint_app(customer, call).await?)
}

/// `POST /tokens/bearer`
///
/// # Errors
/// 404 for an unknown app token, 409 if it is revoked or has expired.
pub async fn bearer(request: HttpRequest, app: Data<App>, body: Body) -> Result<HttpResponse, ApiError> {
    mint_one(request, app, body, TokenKind::Bearer, mint::bearer).await
}

/// `POST /tokens/agent`
///
/// # Errors
/// 404 for an unknown bearer token, 409 if it is revoked or has expired, 400 for a policy that breaks a rule.
pub async fn agent(request: HttpRequest, app: Data<App>, body: Body) -> Result<HttpResponse, ApiError> {
    mint_one(request, app, body, TokenKind::Agent, mint::agent).await
}

/// `POST /tokens/subagent`
///
/// # Errors
/// As [`agent`]; 400 also for a policy that is wider than the parent's, or too deep a delegation.
pub async fn subagent(request: HttpRequest, app: Data<App>, body: Body) -> Result<HttpResponse, ApiError> {
    mint_one(request, app, body, TokenKind::Subagent, mint::subagent).await
}

/// `POST /tokens/session`
///
/// # Errors
/// 404 for an unknown agent or subagent token, 409 if it is revoked or has expired.
pub async fn session(request: HttpRequest, app: Data<App>, body: Body) -> Result<HttpResponse, ApiError> {
    mint_one(request, app, body, TokenKind::Session, mint::session).await
}

/// `POST /tokens/override`
///
/// # Errors
/// 404 if the customer has no key that signs, 409 for an event that is decided.
pub async fn override_token(request: HttpRequest, app: Data<App>, body: Body) -> Result<HttpResponse, ApiError> {
    mint_one(request, app, body, TokenKind::Override, mint::override_token).await
}

async fn mint_one<C: MintCommand>(
    request: HttpRequest,
    app: Data<App>,
    body: Body,
    kind: TokenKind,
    read: impl FnOnce(Fields<'_>, &Identity, Jti) -> Result<C, ApiError>,
) -> Result<HttpResponse, ApiError> {
    let identity = Identity::of(&request, &app).await?;
    let content = body.json().await?;
    let mut fields = content.fields()?.in_form(identity.form(kind));
    let named = identity.take_customer(&mut fields);
    identity.agrees(named)?;
    let command = read(fields, &identity, app.engine.fresh_jti())?;
    let customer = identity.customer(named)?;
    let call = identity.keyed_call(&request, &content, command)?;
    minted(&app.engine.mint(customer, call).await?)
}

/// `POST /tokens/batch`
///
/// # Errors
/// 422 for a batch that is none; what is wrong with an item stands in the item's result.
pub async fn batch(
    request: HttpRequest,
    app: Data<App>,
    serving: Data<Serving>,
    body: Body,
) -> Result<HttpResponse, ApiError> {
    let identity = Identity::of(&request, &app).await?;
    let content = body.batch_json().await?;
    let mut fields = content.fields()?;
    let named = identity.take_customer(&mut fields);
    let items = fields.required_raw_list("requests", 1..=BATCH_MAX);
    let items = fields.finish(|| items)?;
    let customer = identity.customer(named)?;
    let key = identity.keyed_call(&request, &content, ())?.idempotency;
    let mut results: Vec<Option<Result<_, ApiError>>> = Vec::with_capacity(items.len());
    let mut commands = Vec::with_capacity(items.len());
    for (place, item) in items.into_iter().enumerate() {
        let read =
            Fields::from_raw(item).and_then(|fields| mint::batch_item(fields, &identity, app.engine.fresh_jti()));
        match read {
            Ok(command) => {
                commands.push((command, of_item(key, place)));
                results.push(None);
            }
            Err(error) => results.push(Some(Err(error))),
        }
    }
    // Also without an item that could be minted: who may not mint is told so, and nothing else.
    let mint = MintBatch {
        items: commands,
        presented: identity.presented(),
    };
    let mut minted = app.engine.mint_batch(customer, identity.call(mint)).await?.into_iter();
    for result in results.iter_mut().filter(|result| result.is_none()) {
        let Some(minted) = minted.next() else { break };
        *result = Some(minted.map_err(ApiError::from));
    }
    let results = results.into_iter().flatten().inspect(|result| {
        if let Err(error) = result {
            serving.metrics.refused(error.code);
        }
    });
    BatchAnswer::of(results).respond()
}
