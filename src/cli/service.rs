//! The running service, as a client sees it.

use std::fmt;
use std::io::Read;
use std::time::Duration;

use countersign_actors::{CustomerId, Name};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use serde_json::{Value, json};
use ureq::http::{Method, Response, StatusCode};
use ureq::{Agent, Body};
use zeroize::Zeroizing;

use crate::config::{Config, Secret};

mod address;
mod error;
mod tls;

pub(super) use address::Address;
pub(super) use error::{Refusal, ServiceError};
pub(super) use tls::Tls;

use super::connection::Connection;

mod backup;

/// Time for one call, from connecting to the whole answer.
const CALL_TIMEOUT: Duration = Duration::from_secs(30);
/// Bytes of an answer; the list of what a cascade revoked has up to 4 MB.
const ANSWER_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// An app token as the service answers it.
#[derive(Deserialize)]
pub(super) struct AppToken {
    pub(super) token: String,
    pub(super) token_hash: String,
    pub(super) jti: String,
    pub(super) expires_at: String,
}

/// A service at an address, and what to present to it.
pub(super) struct Service {
    agent: Agent,
    address: Address,
    authorization: Option<Zeroizing<String>>,
}

/// One call.
pub(super) struct Call {
    method: Method,
    path: String,
    query: Vec<(&'static str, String)>,
    body: Option<Value>,
    key: Option<String>,
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.address.fmt(f)
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.path)
    }
}

impl Call {
    fn new(method: Method, path: impl Into<String>) -> Self {
        Self {
            method,
            path: path.into(),
            query: Vec::new(),
            body: None,
            key: None,
        }
    }

    pub(super) fn get(path: impl Into<String>) -> Self {
        Self::new(Method::GET, path)
    }

    pub(super) fn post(path: impl Into<String>, body: Value) -> Self {
        Self::new(Method::POST, path).body(body)
    }

    pub(super) fn delete(path: impl Into<String>) -> Self {
        Self::new(Method::DELETE, path)
    }

    pub(super) fn body(self, body: Value) -> Self {
        Self {
            body: Some(body),
            ..self
        }
    }

    /// Adds a parameter to the query, if it has a value.
    pub(super) fn query(mut self, name: &'static str, value: Option<impl ToString>) -> Self {
        self.query.extend(value.map(|value| (name, value.to_string())));
        self
    }

    /// Makes repetitions of the call with this key take effect once.
    pub(super) fn once(self, key: Option<&str>) -> Self {
        Self {
            key: key.map(str::to_owned),
            ..self
        }
    }

    fn target(&self) -> String {
        let mut target = self.path.clone();
        for (place, (name, value)) in self.query.iter().enumerate() {
            let before = if place == 0 { '?' } else { '&' };
            target.push_str(&format!("{before}{name}={}", segment(value)));
        }
        target
    }
}

fn read_whole(response: &mut Response<Body>) -> std::io::Result<Vec<u8>> {
    let mut body = Vec::new();
    let mut reader = response.body_mut().with_config().limit(ANSWER_BYTES_MAX).reader();
    reader.read_to_end(&mut body)?;
    Ok(body)
}

/// A text as one segment of a path, or as a value in a query.
pub(super) fn segment(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

impl Service {
    /// A service at an address.
    pub(super) fn new(address: Address, tls: &Tls, credential: Option<Secret>) -> Result<Self, ServiceError> {
        let mut config = Agent::config_builder()
            // A proxy or a redirect must not see the credential.
            .proxy(None)
            .max_redirects(0)
            .http_status_as_error(false)
            .timeout_global(Some(CALL_TIMEOUT));
        if address.is_tls() {
            config = config.tls_config(tls.config()?);
        }
        let authorization = credential.map(|credential| {
            let text = Zeroizing::new(String::from_utf8_lossy(credential.expose()).into_owned());
            Zeroizing::new(format!("Bearer {}", text.as_str()))
        });
        Ok(Self {
            agent: config.build().into(),
            address,
            authorization,
        })
    }

    /// The service that this configuration describes.
    pub(super) fn configured(config: &Config) -> Result<Self, Box<dyn std::error::Error>> {
        Connection::default().open(config)
    }

    /// The id of the customer's signing key, made if there is none.
    pub(super) fn signing_key(&self, customer: CustomerId) -> Result<String, ServiceError> {
        let call = Call::post("/keys/signing", json!({"customer_id": customer}));
        let answer = match self.call(&call) {
            Err(ServiceError::Refused { refusal, .. }) if refusal.code == "signing_key_exists" => refusal.body,
            other => other?,
        };
        self.member(&call, &answer, "key_id")
    }

    /// A new app token that covers everything.
    pub(super) fn app_token(&self, customer: CustomerId, name: &Name) -> Result<AppToken, ServiceError> {
        let call = Call::post("/tokens/app", json!({"customer_id": customer, "name": name}));
        serde_json::from_value(self.call(&call)?).map_err(|_| self.foreign(&call))
    }

    /// Overrides that were forgotten, in all customers.
    pub(super) fn purge(&self) -> Result<u64, ServiceError> {
        let call = Call::post("/admin/purge", json!({}));
        let answer = self.call(&call)?;
        let purged = answer.get("purged").and_then(Value::as_u64);
        purged.ok_or_else(|| self.foreign(&call))
    }

    /// Makes a call and returns what is answered.
    pub(super) fn call(&self, call: &Call) -> Result<Value, ServiceError> {
        let (status, body) = self.send(call)?;
        if status.is_success() {
            return serde_json::from_slice(&body).map_err(|_| self.foreign(call));
        }
        Err(self.refused(call, status, &body))
    }

    /// What the service says of a call that it did not carry out.
    fn refused(&self, call: &Call, status: StatusCode, body: &[u8]) -> ServiceError {
        Refusal::read(status, body).map_or_else(
            || self.foreign(call),
            |refusal| ServiceError::Refused {
                address: self.address.to_string(),
                call: call.to_string(),
                presented: self.authorization.is_some(),
                refusal: Box::new(refusal),
            },
        )
    }

    /// A call of the permission family: what stands in `data`.
    pub(super) fn call_for_data(&self, call: &Call) -> Result<Value, ServiceError> {
        let mut answer = self.call(call)?;
        let data = answer.get_mut("data").map(Value::take);
        data.ok_or_else(|| self.foreign(call))
    }

    /// A member of an answer that has to be there.
    pub(super) fn member(&self, call: &Call, answer: &Value, name: &str) -> Result<String, ServiceError> {
        let found = answer.get(name).and_then(Value::as_str);
        found.map(str::to_owned).ok_or_else(|| self.foreign(call))
    }

    /// That what answers is something else.
    pub(super) fn foreign(&self, call: &Call) -> ServiceError {
        ServiceError::Foreign {
            address: self.address.to_string(),
            call: call.to_string(),
        }
    }

    fn send(&self, call: &Call) -> Result<(StatusCode, Vec<u8>), ServiceError> {
        let unreachable = |reason: String| ServiceError::Unreachable {
            address: self.address.to_string(),
            reason,
        };
        let mut response = self.request(call).map_err(|error| unreachable(error.to_string()))?;
        let body = read_whole(&mut response).map_err(|error| unreachable(error.to_string()))?;
        Ok((response.status(), body))
    }

    fn request(&self, call: &Call) -> Result<Response<Body>, ureq::Error> {
        let url = format!("{}{}", self.address, call.target());
        let headers = self.authorization.iter().map(|text| ("authorization", text.as_str()));
        // Each family has its own name for the key of a call that may be repeated.
        let keys = call.key.iter().map(|key| key.as_str());
        let keys = keys.flat_map(|key| [("idempotency-key", key), ("x-idempotency-key", key)]);
        let headers = headers.chain(keys);
        if call.method == Method::GET {
            let request = self.agent.get(url);
            return headers
                .fold(request, |request, (name, value)| request.header(name, value))
                .call();
        }
        let request = if call.method == Method::DELETE {
            self.agent.delete(url).force_send_body()
        } else {
            self.agent.post(url)
        };
        let request = headers.fold(request, |request, (name, value)| request.header(name, value));
        match &call.body {
            Some(body) => request.send_json(body),
            None => request.send_empty(),
        }
    }
}
