//! The running program, and one request to it.

use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::program::{Program, countersign};

pub(crate) const ADMIN: &str = "an-admin-credential-of-some-forty-characters";

/// The program on a free port and a directory of its own. It is told to stop at the end of the test.
pub(crate) struct Service {
    program: Program,
    agent: ureq::Agent,
    _directory: TempDir,
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: ureq::http::HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }
}

impl Service {
    /// In open mode.
    pub(crate) fn open() -> Self {
        Self::with(&[])
    }

    /// With [`ADMIN`] as its admin credential.
    pub(crate) fn credentialed() -> Self {
        Self::with(&[("AUTH_ADMIN_TOKEN", ADMIN)])
    }

    pub(crate) fn with(settings: &[(&str, &str)]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut command = countersign(&directory.path().join("data"));
        command.env("AUTH_PERMISSIONS_MANAGEMENT_PER_HOUR", "1000000");
        command.envs(settings.iter().copied());
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .allow_non_standard_methods(true)
            .timeout_global(Some(Duration::from_secs(30)));
        Self {
            program: Program::start(command),
            agent: config.build().into(),
            _directory: directory,
        }
    }

    pub(crate) fn call(&self, method: &str, path: &str, headers: &[(&str, &str)], body: Option<&str>) -> Answer {
        let uri = format!("http://{}{path}", self.program.address);
        let mut request = ureq::http::Request::builder().method(method).uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = match body {
            Some(body) => self.agent.run(request.body(body.to_owned()).unwrap()),
            None => self.agent.run(request.body(()).unwrap()),
        };
        let (parts, mut body) = answer.unwrap().into_parts();
        Answer {
            status: parts.status.as_u16(),
            headers: parts.headers,
            body: body.read_to_vec().unwrap(),
        }
    }

    /// As the operator, with a JSON body.
    pub(crate) fn post(&self, path: &str, body: &Value) -> Answer {
        let authorization = format!("Bearer {ADMIN}");
        let headers = [
            ("authorization", authorization.as_str()),
            ("content-type", "application/json"),
        ];
        self.call("POST", path, &headers, Some(&body.to_string()))
    }

    /// A fresh customer with a signing key.
    pub(crate) fn customer(&self) -> String {
        let customer = uuid::Uuid::new_v4().to_string();
        let made = self.post("/keys/signing", &json!({"customer_id": customer}));
        assert_eq!(made.status, 200, "{}", made.text());
        customer
    }

    /// An app token of a customer, as it was answered.
    pub(crate) fn app(&self, customer: &str, scopes: &[&str]) -> Value {
        let minted = self.post(
            "/tokens/app",
            &json!({"customer_id": customer, "name": "app", "scopes": scopes}),
        );
        assert_eq!(minted.status, 200, "{}", minted.text());
        minted.json()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.program.terminate();
        let ended = self.program.wait();
        assert!(ended.success() || std::thread::panicking(), "it ended with {ended}");
    }
}
