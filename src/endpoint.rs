//! One path of the URL table with its methods.
//!
//! Over actix's `Resource` it adds what every path owes: `HEAD` wherever there is `GET` (RFC 9110 section 9.1), and 405
//! with `Allow` for every other method.

use std::future::ready;
use std::sync::Arc;

use actix_web::dev::{AppService, HttpServiceFactory};
use actix_web::{FromRequest, Handler, HttpResponse, Resource, Responder, Route, guard, web};

use crate::error::ApiError;
use crate::metrics::RouteSlot;

/// A path whose methods are being listed.
pub struct Endpoint {
    resource: Resource,
    allow: String,
}

/// Begins the endpoint of a path.
pub fn at(path: &'static str) -> Endpoint {
    Endpoint {
        resource: web::resource(path).app_data(RouteSlot::default()),
        allow: String::new(),
    }
}

impl Endpoint {
    /// Serves `GET`, and `HEAD` without the body.
    #[must_use]
    pub fn get<F, Args>(self, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.route(
            "GET, HEAD",
            web::route()
                .guard(guard::Any(guard::Get()).or(guard::Head()))
                .to(handler),
        )
    }

    /// Serves `POST`.
    #[must_use]
    pub fn post<F, Args>(self, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.route("POST", web::post().to(handler))
    }

    /// Serves `PUT`.
    #[must_use]
    pub fn put<F, Args>(self, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.route("PUT", web::put().to(handler))
    }

    /// Serves `PATCH`.
    #[must_use]
    pub fn patch<F, Args>(self, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.route("PATCH", web::patch().to(handler))
    }

    /// Serves `DELETE`.
    #[must_use]
    pub fn delete<F, Args>(self, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.route("DELETE", web::delete().to(handler))
    }

    fn route(mut self, methods: &str, route: Route) -> Self {
        if !self.allow.is_empty() {
            self.allow.push_str(", ");
        }
        self.allow.push_str(methods);
        self.resource = self.resource.route(route);
        self
    }
}

impl HttpServiceFactory for Endpoint {
    fn register(self, app: &mut AppService) {
        let allow: Arc<str> = self.allow.into();
        let refuse = move || ready(Err::<HttpResponse, _>(ApiError::method_not_allowed(Arc::clone(&allow))));
        self.resource.default_service(web::to(refuse)).register(app);
    }
}
