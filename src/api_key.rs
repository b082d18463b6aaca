//! The keys of the permission family: app tokens, whose customer is the organisation that a call is for.
//!
//! Who calls is settled before anything of the request is read: 401, then 403, then 429. The operator's credential is no key.

use std::sync::Arc;

use actix_web::HttpRequest;
use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderName, HeaderValue};
use countersign_actors::commands::permissions::{DescribeKey, KeyDescription};
use countersign_actors::commands::{Call, Caller, PresentedToken};
use countersign_actors::crypto::digest::sha256;
use countersign_actors::id::{CustomerId, Jti};
use countersign_actors::limits::IDEMPOTENCY_KEY_CHARS_MAX;
use countersign_actors::tenant::idempotency::{Digest, Idempotency};
use countersign_actors::token::{Scope, TokenKind};

use crate::app::App;
use crate::border::{AnswerHeaders, RequestId};
use crate::error::ApiError;
use crate::extract::Credential;
use crate::rate_limit::{Class, Standing};

static X_IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("x-idempotency-key");
static X_IDEMPOTENCY_REPLAYED: HeaderName = HeaderName::from_static("x-idempotency-replayed");
static X_RATELIMIT_LIMIT: HeaderName = HeaderName::from_static("x-ratelimit-limit");
static X_RATELIMIT_REMAINING: HeaderName = HeaderName::from_static("x-ratelimit-remaining");
static X_RATELIMIT_RESET: HeaderName = HeaderName::from_static("x-ratelimit-reset");

/// A live key that may make the call.
pub struct ApiKey {
    customer: CustomerId,
    presented: PresentedToken,
    description: KeyDescription,
    request_id: Arc<str>,
    headers: AnswerHeaders,
}

impl ApiKey {
    /// The key of a call of this class that needs this scope; any key if it needs none. Its rate is counted, and every answer
    /// from here on says where the key stands.
    ///
    /// # Errors
    /// 401 without a live key, 403 if its scopes do not cover the call, 429 if it has made too many.
    pub async fn admit(request: &HttpRequest, app: &App, class: Class, scope: Option<Scope>) -> Result<Self, ApiError> {
        let key = Self::authenticate(request, app).await?;
        let (jti, now) = (key.presented.jti, app.engine.now());
        if let Some(scope) = scope.filter(|scope| !key.covers(*scope)) {
            key.tell(&app.limiter.peek(jti, class, now));
            return Err(ApiError::forbidden(format!(
                "the key needs the scope `{}`",
                scope.as_str()
            )));
        }
        let standing = app.limiter.count(jti, class, now);
        key.tell(&standing);
        if standing.is_exceeded {
            return Err(rate_limited(&standing));
        }
        Ok(key)
    }

    async fn authenticate(request: &HttpRequest, app: &App) -> Result<Self, ApiError> {
        let Credential::Bearer(text) = Credential::of_api_key(request)? else {
            return Err(ApiError::unauthenticated());
        };
        let refused = || ApiError::invalid_credential("the key is not valid");
        if TokenKind::from_prefix(text.expose()).is_none_or(|(kind, _)| kind != TokenKind::App) {
            return Err(refused());
        }
        let (customer, presented) = app.engine.authenticate(text.expose()).await?;
        let request_id: Arc<str> = RequestId::of(request).as_str().into();
        let call = Call {
            caller: Caller::Token(presented.clone()),
            request_id: Some(Arc::clone(&request_id)),
            idempotency: None,
            command: DescribeKey {
                presented: presented.clone(),
            },
        };
        Ok(Self {
            customer,
            presented,
            description: app.engine.execute(customer, call).await?,
            request_id,
            headers: AnswerHeaders::of(request),
        })
    }

    /// The organisation that the key belongs to.
    pub const fn customer(&self) -> CustomerId {
        self.customer
    }

    /// The key's identifier.
    pub const fn jti(&self) -> Jti {
        self.presented.jti
    }

    /// What the key is.
    pub const fn description(&self) -> &KeyDescription {
        &self.description
    }

    /// Whether the key's scopes cover this one.
    pub const fn covers(&self, scope: Scope) -> bool {
        self.description.scopes.covers(scope)
    }

    /// A command in the key's name.
    pub fn call<C>(&self, command: C) -> Call<C> {
        Call {
            caller: Caller::Token(self.presented.clone()),
            request_id: Some(Arc::clone(&self.request_id)),
            idempotency: None,
            command,
        }
    }

    /// A command in the key's name that takes effect once for each `x-idempotency-key`, if the request has one. `body` is the same
    /// for all spellings of the same request.
    ///
    /// # Errors
    /// 400 for an idempotency key that is none.
    pub fn call_once<C>(&self, request: &HttpRequest, body: &str, command: C) -> Result<Call<C>, ApiError> {
        Ok(Call {
            idempotency: idempotency(request, body)?,
            ..self.call(command)
        })
    }

    /// Says in the answer that it was given before.
    pub fn tell_repetition(&self, is_repetition: bool) {
        if is_repetition {
            self.headers
                .set(X_IDEMPOTENCY_REPLAYED.clone(), HeaderValue::from_static("true"));
        }
    }

    fn tell(&self, standing: &Standing) {
        self.headers.set(X_RATELIMIT_LIMIT.clone(), standing.limit.into());
        self.headers
            .set(X_RATELIMIT_REMAINING.clone(), standing.remaining.into());
        self.headers.set(X_RATELIMIT_RESET.clone(), standing.reset.into());
    }
}

fn rate_limited(standing: &Standing) -> ApiError {
    let title = "The key has made too many calls";
    let detail = format!("the key may make {} such calls an hour", standing.limit);
    ApiError::new(StatusCode::TOO_MANY_REQUESTS, "rate_limited", title, detail).with_retry_after(standing.reset_after)
}

fn idempotency(request: &HttpRequest, body: &str) -> Result<Option<Idempotency>, ApiError> {
    let mut values = request.headers().get_all(&X_IDEMPOTENCY_KEY);
    let Some(value) = values.next() else { return Ok(None) };
    let text = value.to_str().ok().filter(|text| {
        let is_visible = |byte: u8| (b' '..=b'~').contains(&byte);
        (1..=IDEMPOTENCY_KEY_CHARS_MAX).contains(&text.len()) && text.bytes().all(is_visible)
    });
    let (Some(text), None) = (text, values.next()) else {
        return Err(ApiError::malformed_request(format!(
            "`x-idempotency-key` must be given once and have 1 to {IDEMPOTENCY_KEY_CHARS_MAX} visible characters"
        )));
    };
    // No method or path has a line break, so the parts cannot run into each other.
    let scope = format!("{}\n{}\n{text}", request.method(), request.path());
    Ok(Some(Idempotency {
        scope: Digest::of_sha256(sha256(scope.as_bytes())),
        request: Digest::of_sha256(sha256(body.as_bytes())),
    }))
}
