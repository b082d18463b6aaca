//! The API document (OpenAPI 3.1), made from the types of the wire and from a description of every endpoint.
//!
//! - `paths`: the endpoints, one file per noun; `operation`: the words they are described in
//! - `requests` and `answers`: bodies that have no type of their own on the wire; the others are described where they are written
//! - `refusals`: which failures a call may meet; `failures`: their two forms
//! - `example`: whole examples from those of the parts

use utoipa::openapi::path::PathsBuilder;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::tag::TagBuilder;
use utoipa::openapi::{
    Components, ComponentsBuilder, Content, InfoBuilder, License, OpenApi, OpenApiBuilder, PathItem, RefOr, Response,
    Tag,
};

use crate::error::Family;
use operation::{API_KEY_BEARER_SCHEME, API_KEY_SCHEME, APP_TOKEN_SCHEME, OPERATOR_SCHEME, PARENT_TOKEN_SCHEME};

pub mod answers;
mod example;
pub mod failures;
mod operation;
mod paths;
mod refusals;
pub mod requests;

const DESCRIPTION: &str = "\
A token authority for AI agents. Answers are durable before they are sent.

**Who may call.** With an admin credential configured, every call needs a credential but health, readiness and public keys. \
Without one the service is in open mode: it serves loopback only, every local program is the operator, and requests that look \
as if they came from a browser's foreign page or through a proxy are refused with 403 `open_mode_refused`. A credential that is \
presented is verified even then. The permission family under `/api/v1` always needs a key.

**Failures** of the token family are problem details (RFC 9457) with a stable `code`; those of the permission family are \
`{\"success\":false,\"error\":…}`. A path that does not exist is 404 `route_not_found`, another method 405 \
`method_not_allowed` with `Allow`.

**Everywhere.** `HEAD` is served wherever `GET` is. Every answer has an `x-request-id`: the caller's own if it sent a harmless \
one. `null` in a request is the same as absent. Unknown fields are refused by the token family and ignored by the permission \
family. Bodies may have 64 KiB, batches 1 MiB, unless the configuration says otherwise.";

/// The document of a service that is in open mode, or not.
pub fn document(is_open: bool) -> OpenApi {
    let mut components = components();
    let mut paths = PathsBuilder::new();
    for mut operation in paths::all() {
        for (name, schema) in std::mem::take(&mut operation.schemas) {
            components.schemas.insert(name, schema);
        }
        paths = paths.path(operation.path, operation.finish(is_open, &mut components.responses));
    }
    let mut paths = paths.build();
    for item in paths.paths.values_mut() {
        show_examples(item, &components);
    }
    OpenApiBuilder::new()
        .info(
            InfoBuilder::new()
                .title("Countersign")
                .version(env!("CARGO_PKG_VERSION"))
                .license(Some(License::new("Apache-2.0")))
                .description(Some(DESCRIPTION)),
        )
        .tags(Some(tags()))
        .paths(paths)
        .components(Some(components))
        .build()
}

fn components() -> Components {
    let bearer = |description: &str| {
        let http = HttpBuilder::new().scheme(HttpAuthScheme::Bearer);
        SecurityScheme::Http(http.description(Some(description)).build())
    };
    let mut components = ComponentsBuilder::new()
        .security_scheme(OPERATOR_SCHEME, bearer("The admin credential."))
        .security_scheme(
            APP_TOKEN_SCHEME,
            bearer("An app token (`qt_app_…`) of the customer, whose scopes cover the call."),
        )
        .security_scheme(
            PARENT_TOKEN_SCHEME,
            bearer("The token that the new one is derived from, or that the call is about."),
        )
        .security_scheme(
            API_KEY_SCHEME,
            SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::with_description(
                "x-api-key",
                "An app token (`qt_app_…`) whose scopes cover the call.",
            ))),
        )
        .security_scheme(
            API_KEY_BEARER_SCHEME,
            bearer("The same app token as a bearer credential."),
        )
        .build();
    let mut schemas = Vec::new();
    refusals::schemas(Family::Tokens, &mut schemas);
    refusals::schemas(Family::Permissions, &mut schemas);
    components.schemas.extend(schemas);
    components
}

fn tags() -> Vec<Tag> {
    [
        ("Keys", "A customer's signing keys."),
        ("Minting", "Tokens of six types, each within its parent's bounds."),
        ("Judging", "What a presented token is worth."),
        ("Looking up", "What there is; never token strings."),
        ("Revoking", "A token, or everything derived from it."),
        (
            "Human decisions",
            "Decisions on flagged events, each taken at most once.",
        ),
        ("Customers", "Customers as a whole."),
        (
            "Permissions of users",
            "Overrides, roles and checks, for the holders of keys.",
        ),
        ("Health", "Whether the service works."),
        ("Documentation", "This document."),
    ]
    .into_iter()
    .map(|(name, description)| TagBuilder::new().name(name).description(Some(description)).build())
    .collect()
}

/// Gives every body that has none an example.
fn show_examples(item: &mut PathItem, components: &Components) {
    let methods = [
        &mut item.get,
        &mut item.post,
        &mut item.put,
        &mut item.patch,
        &mut item.delete,
    ];
    for operation in methods.into_iter().flatten() {
        if let Some(RefOr::T(body)) = &mut operation.request_body {
            show_each(body.content.values_mut(), components);
        }
        for response in operation.responses.responses.values_mut() {
            if let RefOr::T(Response { content, .. }) = response {
                show_each(content.values_mut(), components);
            }
        }
    }
}

fn show_each<'a>(contents: impl Iterator<Item = &'a mut RefOr<Content>>, components: &Components) {
    for content in contents {
        if let RefOr::T(content) = content
            && content.example.is_none()
            && let Some(schema) = &content.schema
        {
            content.example = Some(example::of(schema, components));
        }
    }
}
