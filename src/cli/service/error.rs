//! Why the service did not do what it was asked.

use std::fmt;

use serde_json::Value;
use ureq::http::StatusCode;

use super::super::output::printable;
use crate::tls::PemError;

/// Fields at fault that are shown.
const FIELDS_SHOWN_MAX: usize = 64;

/// Why the service did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub(in crate::cli) enum ServiceError {
    /// The configuration does not say where it is.
    #[error(
        "the configuration does not say where the service is: set server.port (AUTH_PORT) to the port it took, or name it with client.service_url"
    )]
    NoPort,
    /// That is no address. It is not repeated: there may be a password in it.
    #[error("the address of a service is http:// or https:// with a host and perhaps a port, and nothing else")]
    InvalidAddress,
    /// Whoever listens in would get the credential.
    #[error(
        "{address} would be spoken to in plain HTTP: use https, or permit it with --allow-plain-http (client.allow_plain_http)"
    )]
    PlainHttp { address: String },
    /// A certificate or key for speaking to it is not usable.
    #[error(transparent)]
    Pem(#[from] PemError),
    /// The files for speaking to it do not belong together, or there is nothing to trust.
    #[error("{0}")]
    Tls(&'static str),
    /// Nothing answers, or not to the end.
    #[error("no service answers at {address}: {reason}")]
    Unreachable { address: String, reason: String },
    /// It said no.
    #[error("the service at {address} refuses {}", Told(call, *presented, refusal))]
    Refused {
        address: String,
        call: String,
        presented: bool,
        refusal: Box<Refusal>,
    },
    /// It is something else.
    #[error("what answers `{call}` at {address} is no Countersign service")]
    Foreign { address: String, call: String },
}

impl ServiceError {
    /// What the service said, if it said no.
    pub(in crate::cli) fn refusal(&self) -> Option<&Refusal> {
        match self {
            Self::Refused { refusal, .. } => Some(refusal),
            _ => None,
        }
    }
}

/// What the service says when it says no.
#[derive(Debug)]
pub(in crate::cli) struct Refusal {
    pub(in crate::cli) status: u16,
    pub(in crate::cli) code: String,
    pub(in crate::cli) detail: String,
    /// Fields at fault, and what is wrong with each.
    pub(in crate::cli) fields: Vec<(String, String)>,
    /// All of it.
    pub(in crate::cli) body: Value,
}

impl Refusal {
    /// Reads either family's form: problem details, or the envelope of the permission family.
    pub(super) fn read(status: StatusCode, body: &[u8]) -> Option<Self> {
        let body: Value = serde_json::from_slice(body).ok()?;
        let (within, detail, errors) = match body.get("error") {
            Some(error) => (error, "message", error.pointer("/details/errors")),
            None => (&body, "detail", body.get("errors")),
        };
        let text = |value: &Value, name: &str| value.get(name).and_then(Value::as_str).map(printable);
        let fields = errors.and_then(Value::as_array).into_iter().flatten();
        let fields = fields.filter_map(|error| Some((text(error, "field")?, text(error, "message")?)));
        let (code, detail) = (text(within, "code")?, text(within, detail));
        Some(Self {
            status: status.as_u16(),
            code,
            detail: detail.unwrap_or_else(|| "it does not say why".to_owned()),
            fields: fields.take(FIELDS_SHOWN_MAX).collect(),
            body,
        })
    }
}

/// A refusal as people read it.
struct Told<'a>(&'a str, bool, &'a Refusal);

impl fmt::Display for Told<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(call, presented, refusal) = self;
        let Refusal {
            status, code, detail, ..
        } = refusal;
        match (status, presented) {
            (401, true) => write!(f, "the presented credential (401 {code}): {detail}")?,
            (401, false) => write!(
                f,
                "calls without a credential (401 {code}): give one with --credential-file, AUTH_CLIENT_CREDENTIAL or \
                 AUTH_ADMIN_TOKEN"
            )?,
            _ => write!(f, "`{call}` ({status} {code}): {detail}")?,
        }
        for (field, message) in &refusal.fields {
            write!(f, "\n  {field}: {message}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_of_a_refusal_are_read() {
        let problem = br#"{"code":"invalid_request","detail":"`a` is required","errors":[{"field":"a","message":"is required"}]}"#;
        let envelope = br#"{"success":false,"error":{"code":"BAD_REQUEST","message":"`a` is required",
            "details":{"errors":[{"field":"a","message":"is required"}]}}}"#;
        for (body, code) in [(&problem[..], "invalid_request"), (&envelope[..], "BAD_REQUEST")] {
            let refusal = Refusal::read(StatusCode::BAD_REQUEST, body).unwrap();
            assert_eq!(
                (refusal.code.as_str(), refusal.detail.as_str()),
                (code, "`a` is required")
            );
            assert_eq!(refusal.fields, [("a".to_owned(), "is required".to_owned())]);
        }
        assert!(Refusal::read(StatusCode::BAD_GATEWAY, b"<html>").is_none());
        assert!(Refusal::read(StatusCode::BAD_GATEWAY, b"{}").is_none());
    }
}
