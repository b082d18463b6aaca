//! The running service, as a client sees it.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use countersign_actors::{CustomerId, Name};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use ureq::Agent;
use ureq::http::StatusCode;
use zeroize::Zeroizing;

use crate::config::Config;

/// Time for one call, from connecting to the whole answer.
const CALL_TIMEOUT: Duration = Duration::from_secs(30);

/// Why the service did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub(super) enum ServiceError {
    /// The configuration does not say where it is.
    #[error(
        "the data directory is in use, and the configuration does not say where its service is: set server.port (AUTH_PORT) to the port it took"
    )]
    NoPort,
    /// Nothing answers.
    #[error("the data directory is in use, but no service answers at {address}: {reason}")]
    Unreachable { address: String, reason: String },
    /// It wants a credential.
    #[error(
        "the service at {address} refuses {presented} (401): set AUTH_ADMIN_TOKEN or auth.admin_token_file to the admin token it was started with"
    )]
    Unauthorized { address: String, presented: &'static str },
    /// It said no.
    #[error("the service at {address} refuses `{call}` ({status}): {detail}")]
    Refused {
        address: String,
        call: &'static str,
        status: u16,
        detail: String,
    },
    /// It is something else.
    #[error("what answers `{call}` at {address} is no Countersign service")]
    Foreign { address: String, call: &'static str },
}

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
    address: String,
    authorization: Option<Zeroizing<String>>,
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.address)
    }
}

impl Service {
    /// The service that this configuration describes.
    pub(super) fn configured(config: &Config) -> Result<Self, ServiceError> {
        let address = config.server.address().filter(|address| address.port() != 0);
        let address = reachable(address.ok_or(ServiceError::NoPort)?);
        let agent = Agent::config_builder()
            // A proxy or a redirect must not see the admin token.
            .proxy(None)
            .max_redirects(0)
            .http_status_as_error(false)
            .timeout_global(Some(CALL_TIMEOUT))
            .build()
            .into();
        let token = config.secrets.admin_token.as_ref();
        let authorization = token.map(|token| {
            let text = Zeroizing::new(String::from_utf8_lossy(token.expose()).into_owned());
            Zeroizing::new(format!("Bearer {}", text.as_str()))
        });
        Ok(Self {
            agent,
            address: format!("http://{address}"),
            authorization,
        })
    }

    /// The id of the customer's signing key, made if there is none.
    pub(super) fn signing_key(&self, customer: CustomerId) -> Result<String, ServiceError> {
        const CALL: &str = "POST /keys/signing";
        let (status, answer) = self.post(CALL, "/keys/signing", &json!({"customer_id": customer}))?;
        let exists = status == StatusCode::CONFLICT && member(&answer, "code") == Some("signing_key_exists");
        if !exists {
            self.refuse_failure(CALL, status, &answer)?;
        }
        member(&answer, "key_id")
            .map(str::to_owned)
            .ok_or_else(|| self.foreign(CALL))
    }

    /// A new app token that covers everything.
    pub(super) fn app_token(&self, customer: CustomerId, name: &Name) -> Result<AppToken, ServiceError> {
        const CALL: &str = "POST /tokens/app";
        let (status, answer) = self.post(CALL, "/tokens/app", &json!({"customer_id": customer, "name": name}))?;
        self.refuse_failure(CALL, status, &answer)?;
        self.read(CALL, answer)
    }

    /// Overrides that were forgotten, in all customers.
    pub(super) fn purge(&self) -> Result<u64, ServiceError> {
        const CALL: &str = "POST /admin/purge";
        let (status, answer) = self.post(CALL, "/admin/purge", &json!({}))?;
        self.refuse_failure(CALL, status, &answer)?;
        answer
            .get("purged")
            .and_then(Value::as_u64)
            .ok_or_else(|| self.foreign(CALL))
    }

    /// Whether it answers 200 there, and what it says. Presents no credential.
    pub(super) fn looks_well(&self, path: &'static str) -> Result<(bool, Value), ServiceError> {
        let request = self.agent.get(format!("{}{path}", self.address));
        let mut response = request.call().map_err(|error| self.unreachable(&error))?;
        let answer = response.body_mut().read_json().map_err(|_| self.foreign(path))?;
        Ok((response.status() == StatusCode::OK, answer))
    }

    fn unreachable(&self, error: &ureq::Error) -> ServiceError {
        ServiceError::Unreachable {
            address: self.address.clone(),
            reason: error.to_string(),
        }
    }

    fn post(&self, call: &'static str, path: &str, body: &Value) -> Result<(StatusCode, Value), ServiceError> {
        let mut request = self.agent.post(format!("{}{path}", self.address));
        if let Some(authorization) = &self.authorization {
            request = request.header("authorization", authorization.as_str());
        }
        let mut response = request.send_json(body).map_err(|error| self.unreachable(&error))?;
        let answer = response.body_mut().read_json().map_err(|_| self.foreign(call))?;
        Ok((response.status(), answer))
    }

    fn refuse_failure(&self, call: &'static str, status: StatusCode, answer: &Value) -> Result<(), ServiceError> {
        let address = self.address.clone();
        if status.is_success() {
            return Ok(());
        }
        if status == StatusCode::UNAUTHORIZED {
            let presented = match self.authorization {
                Some(_) => "the configured admin token",
                None => "calls without a credential",
            };
            return Err(ServiceError::Unauthorized { address, presented });
        }
        Err(ServiceError::Refused {
            address,
            call,
            status: status.as_u16(),
            detail: member(answer, "detail").unwrap_or("it does not say why").to_owned(),
        })
    }

    fn read<T: DeserializeOwned>(&self, call: &'static str, answer: Value) -> Result<T, ServiceError> {
        serde_json::from_value(answer).map_err(|_| self.foreign(call))
    }

    fn foreign(&self, call: &'static str) -> ServiceError {
        ServiceError::Foreign {
            address: self.address.clone(),
            call,
        }
    }
}

fn member<'a>(answer: &'a Value, name: &str) -> Option<&'a str> {
    answer.get(name)?.as_str()
}

/// Where to reach what is bound to this address: "any address" is none to connect to.
fn reachable(bound: SocketAddr) -> SocketAddr {
    let ip = match bound.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, bound.port())
}
