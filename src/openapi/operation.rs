//! One endpoint's method as it is being described, in the words that its file under `paths` uses.

use std::collections::BTreeMap;

use countersign_actors::limits::IDEMPOTENCY_KEY_CHARS_MAX;
use countersign_actors::token::Scope;
use serde_json::json;
use utoipa::ToSchema;
use utoipa::openapi::path::{OperationBuilder, ParameterBuilder, ParameterIn};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::openapi::{
    ContentBuilder, HttpMethod, PathItem, Ref, RefOr, Required, Response, ResponseBuilder, SecurityRequirement,
};

use super::refusals;
use crate::error::Family;

/// Who may call.
#[derive(Clone, Copy)]
pub(super) enum Access {
    /// Everyone.
    Everyone,
    /// Everyone on a loopback address; elsewhere, whoever has a credential.
    Reader,
    /// The operator.
    Operator,
    /// The operator, or an app token of the customer with this scope.
    Scope(Scope),
    /// As `Scope(TokensMint)`, or the token that the new one is derived from or that the call is about.
    Parent,
    /// An app token, as the key of the permission family, with this scope if one is needed.
    Key(Option<Scope>),
}

/// The names of the security schemes.
pub(super) const OPERATOR_SCHEME: &str = "operator";
pub(super) const APP_TOKEN_SCHEME: &str = "app_token";
pub(super) const PARENT_TOKEN_SCHEME: &str = "parent_token";
pub(super) const API_KEY_SCHEME: &str = "api_key";
pub(super) const API_KEY_BEARER_SCHEME: &str = "api_key_bearer";

/// A path and a method, and all that is said about them.
pub(super) struct Operation {
    pub(super) path: &'static str,
    pub(super) method: HttpMethod,
    access: Access,
    inner: OperationBuilder,
    description: String,
    answers: BTreeMap<u16, Response>,
    codes: Vec<&'static str>,
    pub(super) schemas: Vec<(String, RefOr<Schema>)>,
}

pub(super) fn get(path: &'static str, id: &str, summary: &str) -> Operation {
    Operation::new(HttpMethod::Get, path, id, summary)
}

pub(super) fn post(path: &'static str, id: &str, summary: &str) -> Operation {
    Operation::new(HttpMethod::Post, path, id, summary)
}

pub(super) fn put(path: &'static str, id: &str, summary: &str) -> Operation {
    Operation::new(HttpMethod::Put, path, id, summary)
}

pub(super) fn patch(path: &'static str, id: &str, summary: &str) -> Operation {
    Operation::new(HttpMethod::Patch, path, id, summary)
}

pub(super) fn delete(path: &'static str, id: &str, summary: &str) -> Operation {
    Operation::new(HttpMethod::Delete, path, id, summary)
}

impl Operation {
    fn new(method: HttpMethod, path: &'static str, id: &str, summary: &str) -> Self {
        Self {
            path,
            method,
            access: Access::Everyone,
            inner: OperationBuilder::new().operation_id(Some(id)).summary(Some(summary)),
            description: String::new(),
            answers: BTreeMap::new(),
            codes: refusals::ANY.to_vec(),
            schemas: Vec::new(),
        }
    }

    /// Under which heading it stands.
    pub(super) fn tag(mut self, tag: &str) -> Self {
        self.inner = self.inner.tag(tag);
        self
    }

    /// What the summary leaves open.
    pub(super) fn told(mut self, description: &str) -> Self {
        self.description = description.to_owned();
        self
    }

    /// Who may call.
    pub(super) fn access(mut self, access: Access) -> Self {
        self.access = access;
        if matches!(access, Access::Everyone) {
            return self;
        }
        self.refuses(refusals::CREDENTIAL).refuses(refusals::TENANT)
    }

    /// Concerns one customer, whoever calls.
    pub(super) fn of_a_customer(self) -> Self {
        self.refuses(refusals::TENANT).refuses(&["unknown_customer"])
    }

    /// Changes something.
    pub(super) fn writes(self) -> Self {
        self.refuses(&["storage_low"])
    }

    /// A part of the path; what cannot be one is not found.
    pub(super) fn path<T: ToSchema>(self, name: &str, description: &str) -> Self {
        self.parameter::<T>(ParameterIn::Path, Required::True, name, description)
            .refuses(refusals::PATH)
            .refuses(&["not_found"])
    }

    /// A parameter of the query that may be left out.
    pub(super) fn query<T: ToSchema>(self, name: &str, description: &str) -> Self {
        self.parameter::<T>(ParameterIn::Query, Required::False, name, description)
            .refuses(refusals::QUERY)
    }

    /// A header that may be left out.
    pub(super) fn header<T: ToSchema>(self, name: &str, description: &str) -> Self {
        self.parameter::<T>(ParameterIn::Header, Required::False, name, description)
    }

    fn parameter<T: ToSchema>(mut self, place: ParameterIn, required: Required, name: &str, description: &str) -> Self {
        self.register::<T>();
        self.inner = self.inner.parameter(
            ParameterBuilder::new()
                .name(name)
                .parameter_in(place)
                .required(required)
                .description(Some(description))
                .schema(Some(Ref::from_schema_name(T::name()))),
        );
        self
    }

    /// The customer as a parameter of the query.
    pub(super) fn customer_in_query(self) -> Self {
        self.query::<crate::wire::kinds::Uuid>(
            "customer_id",
            "The customer. Required of the operator; a token's holder may leave it out.",
        )
    }

    /// The number of entries of a page.
    pub(super) fn limit(mut self, max: usize, default: usize) -> Self {
        let count = ObjectBuilder::new()
            .schema_type(Type::Integer)
            .minimum(Some(1))
            .maximum(Some(u32::try_from(max).unwrap_or(u32::MAX)))
            .default(Some(json!(default)));
        self.inner = self.inner.parameter(
            ParameterBuilder::new()
                .name("limit")
                .parameter_in(ParameterIn::Query)
                .required(Required::False)
                .description(Some("How many entries, at most."))
                .schema(Some(count)),
        );
        self.refuses(refusals::QUERY)
    }

    /// A JSON body.
    pub(super) fn body<T: ToSchema>(self) -> Self {
        self.body_of::<T>(&["application/json"], Required::True)
    }

    /// A JSON body that may be left out.
    pub(super) fn optional_body<T: ToSchema>(self) -> Self {
        self.body_of::<T>(&["application/json"], Required::False)
    }

    /// A body in one of these media types.
    pub(super) fn body_of<T: ToSchema>(mut self, media: &[&str], required: Required) -> Self {
        self.register::<T>();
        let content = || {
            ContentBuilder::new()
                .schema(Some(Ref::from_schema_name(T::name())))
                .build()
        };
        let body = media
            .iter()
            .fold(RequestBodyBuilder::new(), |body, media| body.content(*media, content()));
        self.inner = self.inner.request_body(Some(body.required(Some(required)).build()));
        self.refuses(refusals::BODY)
    }

    /// May be repeated with an idempotency key.
    pub(super) fn keyed(mut self) -> Self {
        let name = match Family::of_path(self.path) {
            Family::Tokens => "Idempotency-Key",
            Family::Permissions => "X-Idempotency-Key",
        };
        let key = ObjectBuilder::new()
            .schema_type(Type::String)
            .min_length(Some(1))
            .max_length(Some(IDEMPOTENCY_KEY_CHARS_MAX))
            .pattern(Some("^[!-~]([ -~]*[!-~])?$"));
        let told = "For 24 hours, the same key with the same request is answered as before, and nothing happens again.";
        self.inner = self.inner.parameter(
            ParameterBuilder::new()
                .name(name)
                .parameter_in(ParameterIn::Header)
                .required(Required::False)
                .description(Some(told))
                .schema(Some(key)),
        );
        self.refuses(refusals::KEYED)
    }

    /// Succeeds with a JSON body.
    pub(super) fn answers<T: ToSchema>(self, description: &str) -> Self {
        self.answers_as::<T>("application/json", description)
    }

    /// Succeeds with a body of this media type.
    pub(super) fn answers_as<T: ToSchema>(mut self, media: &str, description: &str) -> Self {
        self.register::<T>();
        let content = ContentBuilder::new()
            .schema(Some(Ref::from_schema_name(T::name())))
            .build();
        let response = ResponseBuilder::new().description(description).content(media, content);
        self.response(200, response)
    }

    /// Succeeds with the permission family's envelope round this.
    pub(super) fn envelopes<T: ToSchema>(mut self, status: u16, description: &str) -> Self {
        self.register::<T>();
        let envelope = envelope(Ref::from_schema_name(T::name()));
        let content = ContentBuilder::new().schema(Some(envelope)).build();
        let limit = |what| refusals::header(what);
        let response = ResponseBuilder::new()
            .description(description)
            .content("application/json", content)
            .header("X-RateLimit-Limit", limit("Calls that the key may make in its hour."))
            .header("X-RateLimit-Remaining", limit("Calls that are left."))
            .header(
                "X-RateLimit-Reset",
                limit("When the hour is over, in seconds since 1970."),
            );
        self.response(status, response)
    }

    /// Answers with this status.
    pub(super) fn response(mut self, status: u16, response: ResponseBuilder) -> Self {
        self.answers.insert(status, response.build());
        self
    }

    /// May be refused with these codes.
    pub(super) fn refuses(mut self, codes: &[&'static str]) -> Self {
        self.codes.extend_from_slice(codes);
        self
    }

    /// Has the schemas of a type registered that is only named within another.
    pub(super) fn with<T: ToSchema>(mut self) -> Self {
        self.register::<T>();
        self
    }

    /// Has the schemas of a type registered.
    fn register<T: ToSchema>(&mut self) {
        self.schemas.push((T::name().into_owned(), T::schema()));
        T::schemas(&mut self.schemas);
    }

    /// The finished description, for a service in open mode or not. What it may be refused with is named in `shared`.
    pub(super) fn finish(mut self, is_open: bool, shared: &mut BTreeMap<String, RefOr<Response>>) -> PathItem {
        let family = Family::of_path(self.path);
        if is_open {
            self.codes.extend_from_slice(refusals::OPEN_MODE);
        }
        let mut responses: BTreeMap<u16, RefOr<Response>> = BTreeMap::new();
        for (status, name, response) in refusals::responses(family, &self.codes) {
            responses.insert(status, Ref::from_response_name(&name).into());
            shared.insert(name, response.into());
        }
        responses.extend(self.answers.into_iter().map(|(status, answer)| (status, answer.into())));
        let mut operation = self
            .inner
            .description(Some([self.description.as_str(), &told(self.access)].join(" ").trim()))
            .securities(Some(securities(self.access, is_open)));
        for (status, response) in responses {
            operation = operation.response(status.to_string(), response);
        }
        PathItem::new(self.method, operation)
    }
}

/// `{"success":true,"data":…}`.
pub(super) fn envelope(data: Ref) -> ObjectBuilder {
    let success = ObjectBuilder::new()
        .schema_type(Type::Boolean)
        .enum_values(Some([true]));
    ObjectBuilder::new()
        .schema_type(Type::Object)
        .property("success", success)
        .required("success")
        .property("data", data)
        .required("data")
}

fn told(access: Access) -> String {
    match access {
        Access::Everyone => "Open to everyone.".to_owned(),
        Access::Reader => "Open to everyone on a loopback address; elsewhere it needs a credential.".to_owned(),
        Access::Operator => "For the operator.".to_owned(),
        Access::Scope(scope) => {
            format!("For the operator, and for app tokens of the customer with the scope `{scope}`.")
        }
        Access::Parent => {
            let scope = Scope::TokensMint;
            format!(
                "For the operator, for app tokens of the customer with the scope `{scope}`, and for the parent token itself."
            )
        }
        Access::Key(Some(scope)) => format!("The key needs the scope `{scope}`."),
        Access::Key(None) => "Any key will do.".to_owned(),
    }
}

fn securities(access: Access, is_open: bool) -> Vec<SecurityRequirement> {
    let schemes: &[&str] = match access {
        Access::Everyone => &[],
        Access::Operator => &[OPERATOR_SCHEME],
        Access::Scope(_) => &[OPERATOR_SCHEME, APP_TOKEN_SCHEME],
        Access::Parent | Access::Reader => &[OPERATOR_SCHEME, APP_TOKEN_SCHEME, PARENT_TOKEN_SCHEME],
        Access::Key(_) => &[API_KEY_SCHEME, API_KEY_BEARER_SCHEME],
    };
    let mut securities: Vec<_> = schemes
        .iter()
        .map(|scheme| SecurityRequirement::new(*scheme, Vec::<String>::new()))
        .collect();
    // Without a credential, for whom it is open.
    let is_key = matches!(access, Access::Key(_));
    if matches!(access, Access::Reader) || (is_open && !is_key && !schemes.is_empty()) {
        securities.push(SecurityRequirement::default());
    }
    securities
}
