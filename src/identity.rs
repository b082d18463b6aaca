//! Who calls, and for which customer.

use std::sync::Arc;

use actix_web::HttpRequest;
use countersign_actors::commands::{Access, Call, Caller, PresentedToken};
use countersign_actors::id::{CustomerId, Jti};
use countersign_actors::tenant::Rejection;
use countersign_actors::token::TokenKind;
use countersign_actors::token::hash::token_hash;

use crate::app::App;
use crate::border::RequestId;
use crate::error::ApiError;
use crate::extract::{Credential, Fields, Form};
use crate::tls::Operator;

/// A caller whose credential was verified and is live. Whether a token still is when the call is decided, and covers it, is for its
/// tenant to say.
pub struct Identity {
    holder: Option<Holder>,
    /// The name of the certificate by which an operator is known.
    operator: Option<Arc<str>>,
    request_id: Option<Arc<str>>,
}

/// The holder of a token.
struct Holder {
    customer: CustomerId,
    token: PresentedToken,
    hash: Option<String>,
}

impl Identity {
    /// Reads and verifies the credential in `Authorization`; without one, the connection's client certificate counts.
    ///
    /// # Errors
    /// 401 for a credential that is missing, malformed, signed by no key of its customer, or dead; 503 if the engine has no room.
    pub async fn of(request: &HttpRequest, app: &App) -> Result<Self, ApiError> {
        let request_id = Some(RequestId::of(request).as_str().into());
        let mut identity = Self {
            holder: None,
            operator: None,
            request_id,
        };
        match Credential::of(request)? {
            Credential::None => {
                identity.operator = operator(request, app);
                if identity.operator.is_none() && !app.is_open() {
                    return Err(ApiError::unauthenticated());
                }
            }
            Credential::Bearer(text) if app.is_admin(text.expose()) => {}
            Credential::Bearer(text) => identity.holder = Some(Holder::of(text.expose(), app).await?),
        }
        Ok(identity)
    }

    /// Reads and verifies the credential of whoever reads about the service itself, which nobody needs on a loopback address.
    ///
    /// # Errors
    /// As [`Self::of`], but a missing credential is none on a loopback address.
    pub async fn of_reader(request: &HttpRequest, app: &App) -> Result<(), ApiError> {
        if app.is_local(request) && Credential::of(request)? == Credential::None {
            return Ok(());
        }
        Self::of(request, app).await.map(|_| ())
    }

    /// The token that the caller presented, if a token of kind `child` may be derived from it.
    pub fn parent_of(&self, child: TokenKind) -> Option<Jti> {
        let holder = self.holder.as_ref()?;
        child.may_descend_from(holder.token.kind).then_some(holder.token.jti)
    }

    /// The customer that the caller's token belongs to; the operator belongs to none.
    pub fn own_customer(&self) -> Option<CustomerId> {
        self.holder.as_ref().map(|holder| holder.customer)
    }

    /// That the caller is the operator.
    ///
    /// # Errors
    /// 403 for the holder of a live token, 401 for that of a dead one.
    pub async fn require_operator(&self, app: &App) -> Result<(), ApiError> {
        match self.own_customer() {
            None => Ok(()),
            Some(own) => Ok(app.engine.check_access(own, self.call(Access::Admin)).await?),
        }
    }

    /// The kind of the token that the caller presented.
    pub fn presented_kind(&self) -> Option<TokenKind> {
        self.holder.as_ref().map(|holder| holder.token.kind)
    }

    /// The token that the caller presented.
    pub fn presented(&self) -> Option<Jti> {
        self.holder.as_ref().map(|holder| holder.token.jti)
    }

    /// The `token_hash` of the app token that the caller presented.
    pub fn presented_hash(&self) -> Option<&str> {
        self.holder.as_ref()?.hash.as_deref()
    }

    /// How the body of a request for a token of kind `child` is to be read: a client that presents the parent leaves fields out by
    /// sending `0` or an empty text.
    pub fn form(&self, child: TokenKind) -> Form {
        if self.parent_of(child).is_some() {
            Form::Authorization
        } else {
            Form::Documented
        }
    }

    /// Takes `customer_id`, which only the holder of a token may leave out.
    pub fn take_customer(&self, fields: &mut Fields<'_>) -> Option<CustomerId> {
        match self.holder {
            Some(_) => fields.optional_uuid("customer_id", CustomerId::parse),
            None => fields.required_uuid("customer_id", CustomerId::parse),
        }
    }

    /// That a request names no other customer than the credential's.
    ///
    /// # Errors
    /// 404 if it does, as for a customer that does not exist.
    pub fn agrees(&self, named: Option<CustomerId>) -> Result<(), ApiError> {
        match (self.own_customer(), named) {
            (Some(own), Some(named)) if own != named => Err(Rejection::UnknownCustomer.into()),
            _ => Ok(()),
        }
    }

    /// The customer that a call is for: the one the credential belongs to, or else the one the request names.
    ///
    /// # Errors
    /// 404 if the two differ, as for a customer that does not exist; 422 if neither is there.
    pub fn customer(&self, named: Option<CustomerId>) -> Result<CustomerId, ApiError> {
        self.agrees(named)?;
        self.own_customer()
            .or(named)
            .ok_or_else(|| ApiError::invalid_field("customer_id", "is required"))
    }

    /// The parent of a new token: the one that the request names, or else the one that was presented.
    ///
    /// # Errors
    /// 400 if the two differ; 422 if neither is there.
    pub fn parent(&self, child: TokenKind, field: &'static str, named: Option<Jti>) -> Result<Jti, ApiError> {
        match (self.parent_of(child), named) {
            (Some(presented), Some(named)) if presented != named => Err(Rejection::ParentDisagrees { field }.into()),
            (Some(jti), _) | (None, Some(jti)) => Ok(jti),
            (None, None) => Err(ApiError::invalid_field(field, "is required")),
        }
    }

    /// A command in this caller's name.
    pub fn call<C>(&self, command: C) -> Call<C> {
        let caller = match (&self.holder, &self.operator) {
            (Some(holder), _) => Caller::Token(holder.token.clone()),
            (None, Some(name)) => Caller::Operator(Arc::clone(name)),
            (None, None) => Caller::Management,
        };
        Call {
            caller,
            request_id: self.request_id.clone(),
            idempotency: None,
            command,
        }
    }
}

/// The name of the operator's certificate on this connection, while the certificate is valid: a connection may outlive it.
fn operator(request: &HttpRequest, app: &App) -> Option<Arc<str>> {
    let operator = request.conn_data::<Operator>()?;
    let is_valid = app.engine.now().seconds().get() <= operator.valid_until;
    is_valid.then(|| Arc::clone(&operator.name))
}

impl Holder {
    async fn of(text: &str, app: &App) -> Result<Self, ApiError> {
        let (customer, token) = app.engine.authenticate(text).await?;
        let hash = (token.kind == TokenKind::App).then(|| token_hash(text));
        Ok(Self { customer, token, hash })
    }
}
