//! Where a service is: a scheme and an authority, and nothing else.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use ureq::http::Uri;
use ureq::http::uri::Scheme;

use super::ServiceError;
use crate::config::Config;

/// `http://127.0.0.1:8001`, or the like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::cli) struct Address {
    is_tls: bool,
    authority: String,
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.is_tls { "https" } else { "http" };
        write!(f, "{scheme}://{}", self.authority)
    }
}

impl Address {
    /// Reads the address of a service.
    pub(in crate::cli) fn parse(url: &str, allow_plain_http: bool) -> Result<Self, ServiceError> {
        let (address, path) = Self::split(url, allow_plain_http)?;
        if path != "/" {
            return Err(ServiceError::InvalidAddress);
        }
        Ok(address)
    }

    /// Reads a whole URL: where to ask, and for what path and query.
    pub(in crate::cli) fn split(url: &str, allow_plain_http: bool) -> Result<(Self, String), ServiceError> {
        let uri: Uri = url.parse().map_err(|_| ServiceError::InvalidAddress)?;
        let is_tls = match uri.scheme() {
            Some(scheme) if *scheme == Scheme::HTTPS => true,
            Some(scheme) if *scheme == Scheme::HTTP => false,
            _ => return Err(ServiceError::InvalidAddress),
        };
        let authority = uri.authority().ok_or(ServiceError::InvalidAddress)?;
        // A name and a password in an address would stand in the process list, and in every message about it.
        if authority.as_str().contains('@') || authority.host().is_empty() {
            return Err(ServiceError::InvalidAddress);
        }
        let address = Self {
            is_tls,
            authority: authority.as_str().to_ascii_lowercase(),
        };
        if !is_tls && !allow_plain_http && !is_loopback(authority.host()) {
            return Err(ServiceError::PlainHttp {
                address: address.to_string(),
            });
        }
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        Ok((address, path.to_owned()))
    }

    /// Where the service that this configuration describes can be reached from its own machine.
    pub(in crate::cli) fn served(config: &Config) -> Option<Self> {
        let address = config.server.address().filter(|address| address.port() != 0)?;
        Some(Self {
            is_tls: config.tls.is_enabled(),
            authority: reachable(address).to_string(),
        })
    }

    /// Whether it is spoken to over TLS.
    pub(in crate::cli) const fn is_tls(&self) -> bool {
        self.is_tls
    }
}

/// Names are not resolved: whose answer would that be?
fn is_loopback(host: &str) -> bool {
    let literal = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost") || literal.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
}

/// "Any address" is none to connect to.
fn reachable(bound: SocketAddr) -> SocketAddr {
    let ip = match bound.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, bound.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_scheme_and_an_authority() {
        for (url, shown) in [
            ("https://Auth.example.org", "https://auth.example.org"),
            ("https://auth.example.org:8001/", "https://auth.example.org:8001"),
            ("http://127.0.0.1:8001", "http://127.0.0.1:8001"),
            ("http://[::1]:8001", "http://[::1]:8001"),
            ("http://LOCALHOST", "http://localhost"),
        ] {
            assert_eq!(Address::parse(url, false).unwrap().to_string(), shown);
        }
        for url in [
            "",
            "auth.example.org",
            "/path",
            "ftp://auth.example.org",
            "https://",
            "https://user:hush@auth.example.org",
            "https://auth.example.org/path",
            "https://auth.example.org?x=1",
        ] {
            let refused = Address::parse(url, true).unwrap_err();
            assert!(matches!(refused, ServiceError::InvalidAddress), "{url}");
            assert!(!refused.to_string().contains("hush"));
        }
    }

    #[test]
    fn plain_http_goes_to_loopback_only_unless_it_is_permitted() {
        for url in [
            "http://auth.example.org",
            "http://192.0.2.1:8001",
            "http://127.0.0.1.example.org",
            "http://localhost.example.org",
            "http://[2001:db8::1]",
            "http://0.0.0.0:8001",
        ] {
            let refused = Address::parse(url, false);
            assert!(matches!(refused, Err(ServiceError::PlainHttp { .. })), "{url}");
            assert!(Address::parse(url, true).is_ok());
        }
    }
}
