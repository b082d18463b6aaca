//! A customer's keys at a running service, and short forms of what tests ask with them.

use std::time::Duration;

use countersign_actors::clock::Clock;
use serde_json::{Value, json};

pub(crate) use crate::service::Service;

pub(crate) const DAY: i64 = 86_400;

impl Service {
    /// The clock's time, so many seconds later, as the family writes it.
    pub(crate) fn time(&self, seconds: i64) -> String {
        self.clock.now().plus_seconds(seconds).to_rfc3339()
    }

    pub(crate) fn base(&self) -> String {
        format!("http://{}", self.running().address)
    }

    pub(crate) fn call(&self, method: &str, path: &str, headers: &[(&str, &str)], body: Option<&str>) -> Answer {
        let answer = call(&self.base(), method, path, headers, body);
        crate::documented::assert_described(&format!("{method} {path}"), answer.status, answer.text.as_bytes());
        answer
    }

    /// A fresh customer with a signing key.
    pub(crate) fn customer(&self) -> String {
        new_customer(&self.base())
    }

    /// A key of a fresh customer that may do everything.
    pub(crate) fn organisation(&self) -> Key<'_> {
        self.key(&self.customer(), &["*"])
    }

    /// A key of this customer.
    pub(crate) fn key(&self, customer: &str, scopes: &[&str]) -> Key<'_> {
        Key {
            service: self,
            text: new_key(&self.base(), customer, scopes),
        }
    }

    /// A key that was minted before.
    pub(crate) fn known_key(&self, text: &str) -> Key<'_> {
        Key {
            service: self,
            text: text.to_owned(),
        }
    }
}

/// One answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: ureq::http::HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The data of a success.
    #[track_caller]
    pub(crate) fn data(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text);
        assert_eq!(self.header("content-type"), Some("application/json"));
        let body = self.json();
        assert_eq!(body["success"], true);
        body["data"].clone()
    }

    /// Asserts the envelope of a refusal, and returns the error.
    #[track_caller]
    pub(crate) fn refused(&self, status: u16, code: &str) -> Value {
        assert_eq!(self.status, status, "{}", self.text);
        assert_eq!(self.header("content-type"), Some("application/json"));
        let body = self.json();
        assert_eq!(
            (&body["success"], &body["error"]["code"]),
            (&json!(false), &json!(code)),
            "{body}"
        );
        assert!(
            body["error"]["message"]
                .as_str()
                .is_some_and(|message| !message.is_empty())
        );
        body["error"].clone()
    }

    /// Asserts that these fields are at fault, and that the message names the first.
    #[track_caller]
    pub(crate) fn bad_fields(&self, fields: &[&str]) {
        let error = self.refused(400, "BAD_REQUEST");
        let errors = error["details"]["errors"].as_array().unwrap();
        let named: Vec<_> = errors.iter().map(|error| error["field"].as_str().unwrap()).collect();
        assert_eq!(named, fields, "{error}");
        assert!(
            error["message"].as_str().unwrap().contains(&format!("`{}`", fields[0])),
            "{error}"
        );
    }
}

/// A key at a service.
pub(crate) struct Key<'s> {
    pub(crate) service: &'s Service,
    pub(crate) text: String,
}

impl Key<'_> {
    pub(crate) fn call(&self, method: &str, path: &str, body: Option<&Value>) -> Answer {
        self.call_with(method, path, &[], body)
    }

    pub(crate) fn call_with(&self, method: &str, path: &str, headers: &[(&str, &str)], body: Option<&Value>) -> Answer {
        let mut all = vec![("x-api-key", self.text.as_str())];
        all.extend_from_slice(headers);
        let body = body.map(Value::to_string);
        self.service
            .call(method, &format!("/api/v1{path}"), &all, body.as_deref())
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        self.call("GET", path, None)
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> Answer {
        self.call("POST", path, Some(body))
    }

    /// Creates a permanent override and returns it.
    pub(crate) fn create(&self, admin_id: &str, effect: &str, what: &str) -> Value {
        self.post("/permissions/overrides", &rule(admin_id, effect, what))
            .data(201)
    }

    pub(crate) fn delete(&self, id: &Value) -> Answer {
        let path = format!("/permissions/overrides/remove/{}", id.as_str().unwrap());
        self.call("DELETE", &path, None)
    }

    pub(crate) fn list(&self, admin_id: &str) -> Vec<Value> {
        let data = self.get(&format!("/permissions/overrides/{admin_id}")).data(200);
        data["overrides"].as_array().unwrap().clone()
    }

    /// The source of a decision, after comparing it with whether it allows.
    #[track_caller]
    pub(crate) fn check(&self, admin_id: &str, what: &str) -> String {
        let (path, action) = what.rsplit_once(':').unwrap();
        let body = json!({"adminId": admin_id, "path": path, "action": action});
        let data = self.post("/permissions/check", &body).data(200);
        let source = data["source"].as_str().unwrap().to_owned();
        assert_eq!(data["allowed"], matches!(source.as_str(), "override_grant" | "role"));
        source
    }

    pub(crate) fn assign(&self, admin_id: &str, role_ids: &Value) -> Answer {
        let path = format!("/permissions/users/{admin_id}/roles");
        self.call("PUT", &path, Some(&json!({"roleIds": role_ids})))
    }
}

/// The body of a permanent override.
pub(crate) fn rule(admin_id: &str, effect: &str, what: &str) -> Value {
    let (path, action) = what.rsplit_once(':').unwrap();
    json!({"adminId": admin_id, "path": path, "action": action, "effect": effect, "reason": "because a test says so"})
}

/// The object with a member.
pub(crate) fn with(object: &Value, name: &str, value: impl Into<Value>) -> Value {
    let mut object = object.clone();
    object[name] = value.into();
    object
}

pub(crate) fn call(base: &str, method: &str, path: &str, headers: &[(&str, &str)], body: Option<&str>) -> Answer {
    try_call(base, method, path, headers, body).unwrap()
}

pub(crate) fn try_call(
    base: &str,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: Option<&str>,
) -> Result<Answer, ureq::Error> {
    let config = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .timeout_global(Some(Duration::from_secs(30)));
    let agent: ureq::Agent = config.build().into();
    let mut request = ureq::http::Request::builder()
        .method(method)
        .uri(format!("{base}{path}"));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let has_media = headers
        .iter()
        .any(|(name, _)| name.eq_ignore_ascii_case("content-type"));
    let response = match body {
        Some(body) => {
            if !has_media {
                request = request.header("content-type", "application/json");
            }
            agent.run(request.body(body.to_owned())?)?
        }
        None => agent.run(request.body(())?)?,
    };
    let (parts, mut body) = response.into_parts();
    Ok(Answer {
        status: parts.status.as_u16(),
        headers: parts.headers,
        text: body.read_to_string()?,
    })
}

pub(crate) fn new_customer(base: &str) -> String {
    let customer = uuid::Uuid::new_v4().to_string();
    let body = json!({"customer_id": customer}).to_string();
    assert_eq!(call(base, "POST", "/keys/signing", &[], Some(&body)).status, 200);
    customer
}

pub(crate) fn new_key(base: &str, customer: &str, scopes: &[&str]) -> String {
    let body = json!({"customer_id": customer, "name": "key", "scopes": scopes}).to_string();
    let answer = call(base, "POST", "/tokens/app", &[], Some(&body));
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.json()["token"].as_str().unwrap().to_owned()
}
