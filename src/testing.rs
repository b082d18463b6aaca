//! What must hold of any request whatever. The property tests and the fuzz targets call [`Requests::check`] with a service of their own.
//!
//! The bytes of an input are choices: an endpoint, who calls, and what is done to a request that would be right. What a body may
//! hold is spelled out in [`schema`] once more, from the contract and not from the code that reads it.

#![expect(clippy::indexing_slicing, reason = "a member that is not there reads as null")]

use serde_json::Value;

pub mod endpoints;
mod made;
pub mod mutation;
pub mod schema;

pub use endpoints::{ENDPOINTS, Endpoint};
pub use made::Made;
use mutation::Choices;

/// One request as it is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Method and path.
    pub line: String,
    /// Header lines besides those of the connection and of the body's length.
    pub headers: Vec<String>,
    /// The body.
    pub body: Vec<u8>,
}

/// What came back.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The body, which is always JSON.
    pub body: Value,
}

/// Who calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// The operator, who names everything in the body.
    Documented,
    /// The holder of the token that the new one is derived from, who may leave out what that says, and sends zeros for what is unset.
    Presented,
    /// The holder of an API key.
    Permissions,
}

/// A service under test.
pub trait Service {
    /// Sends a request on a connection and reads the answer; a broken connection fails the test.
    fn send(&mut self, request: &Request) -> Answer;

    /// Events that all customers have recorded so far.
    fn events(&self) -> u64;
}

/// Requests to one service, about customers made for them.
pub struct Requests<S> {
    service: S,
    made: Made,
}

impl<S: Service> Requests<S> {
    /// Makes the customers. `admin` is the service's admin credential.
    pub fn new(mut service: S, admin: &str) -> Self {
        let made = Made::by(admin, &mut |request| service.send(request));
        Self { service, made }
    }

    /// The service.
    pub const fn service(&self) -> &S {
        &self.service
    }

    /// Sends the request that these bytes choose and checks what comes of it; returns the endpoint's line and the status.
    pub fn check(&mut self, input: &[u8]) -> (&'static str, u16) {
        let mut choices = Choices::new(input);
        let endpoint = &choices.of(ENDPOINTS);
        let form = choices.of(endpoint.forms);
        let right = (endpoint.body)(&self.made);
        let (body, is_untouched) = mutation::body(&right, &mut choices);
        let request = self.made.request(endpoint, form, body);
        let before = self.service.events();
        let answer = self.service.send(&request);
        let shown = || {
            let body = String::from_utf8_lossy(&request.body);
            format!("{} {form:?}: {body}\n{answer:?}", request.line)
        };
        let judged = schema::judge(endpoint, form, &request.body);
        match answer.status {
            200 | 201 => assert_eq!(judged, Ok(()), "it must not be accepted: {}", shown()),
            400..500 => {
                assert_eq!(
                    self.service.events(),
                    before,
                    "what is refused changes nothing: {}",
                    shown()
                );
                assert!(is_refusal(endpoint, &answer), "{}", shown());
                // Refused for what it names or finds, but not for its form.
                let about_fields = matches!(answer.status, 413 | 415 | 422) || is_bad_request(&answer);
                assert!(
                    !(is_untouched && about_fields),
                    "it is as the contract has it: {}",
                    shown()
                );
            }
            _ => assert!(endpoint.may_fail.contains(&answer.status), "{}", shown()),
        }
        (endpoint.line, answer.status)
    }
}

/// Whether a refusal has the form of its family, and names the fields if it is about fields.
fn is_refusal(endpoint: &Endpoint, answer: &Answer) -> bool {
    let body = &answer.body;
    let is_text = |value: &Value| value.as_str().is_some_and(|text| !text.is_empty());
    let names_fields = |errors: &Value| {
        let errors = errors.as_array().map(Vec::as_slice).unwrap_or_default();
        // An unknown field may have no name at all.
        let named = errors
            .iter()
            .all(|error| error["field"].is_string() && is_text(&error["message"]));
        !errors.is_empty() && named
    };
    if endpoint.forms.contains(&Form::Permissions) {
        let error = &body["error"];
        let about_fields = answer.status == 400 && !error["details"].is_null();
        return body["success"] == false
            && is_text(&error["code"])
            && is_text(&error["message"])
            && (!about_fields || names_fields(&error["details"]["errors"]));
    }
    // A policy as a whole has no field of its own beside `rbac`, and its code says what is wrong.
    let about_fields = answer.status == 422 && body["code"] == "invalid_request";
    body["status"] == answer.status
        && is_text(&body["code"])
        && is_text(&body["detail"])
        && (!about_fields || names_fields(&body["errors"]))
}

fn is_bad_request(answer: &Answer) -> bool {
    answer.status == 400 && answer.body["code"] != "parent_disagrees" && answer.body["code"] != "permission_escalation"
}
