//! Keeping browsers and proxies out of open mode (tokens.md section 3).
//!
//! Without an admin credential, being on this machine is the credential. A web page in a local browser (DNS rebinding,
//! a form that posts across origins) and a proxy that forwards for others are on this machine too, so a request has to
//! look like one from a local program.

use actix_web::dev::RequestHead;
use actix_web::http::header::{self, HeaderValue};

use crate::error::ApiError;

/// Judges the head of a request that came in open mode.
///
/// # Errors
/// 403 `open_mode_refused` naming the header at fault.
pub fn check_open_mode(head: &RequestHead) -> Result<(), ApiError> {
    // An absolute request target replaces `Host` (RFC 9112 section 3.2.2), so both have to be local. HTTP/1.0 may leave
    // `Host` out; nothing local does, so that is refused as well.
    let host = head.headers.get(header::HOST).and_then(as_text);
    let target = head.uri.authority().map(|authority| authority.as_str());
    if !host.is_some_and(is_local) || !target.is_none_or(is_local) {
        return Err(ApiError::open_mode_refused(
            "`Host` must be localhost, 127.0.0.1 or [::1]",
        ));
    }
    let is_local_origin = |origin: &HeaderValue| {
        as_text(origin)
            .and_then(|o| o.strip_prefix("http://"))
            .is_some_and(is_local)
    };
    if !head.headers.get_all(header::ORIGIN).all(is_local_origin) {
        return Err(ApiError::open_mode_refused("`Origin` must be absent or local"));
    }
    // Header names arrive in lower case.
    let is_forwarded = |name: &str| name == "forwarded" || name.starts_with("x-forwarded-");
    if head.headers.keys().any(|name| is_forwarded(name.as_str())) {
        return Err(ApiError::open_mode_refused(
            "requests forwarded for others need an admin credential",
        ));
    }
    Ok(())
}

fn as_text(value: &HeaderValue) -> Option<&str> {
    value.to_str().ok()
}

/// `localhost`, `127.0.0.1` or `[::1]` with any port. Names are not resolved: whose answer would that be?
fn is_local(authority: &str) -> bool {
    let (host, port) = match authority.rfind(':') {
        Some(at) if !authority.ends_with(']') => authority.split_at(at),
        _ => (authority, ""),
    };
    let port = port.strip_prefix(':').unwrap_or(port);
    (host.eq_ignore_ascii_case("localhost") || host == "127.0.0.1" || host == "[::1]")
        && port.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn passes(request: TestRequest) -> bool {
        check_open_mode(request.to_http_request().head()).is_ok()
    }

    fn from(host: &str) -> TestRequest {
        TestRequest::get().insert_header(("host", host))
    }

    #[test]
    fn only_local_hosts_pass_on_any_port() {
        for host in [
            "localhost",
            "LocalHost:8001",
            "127.0.0.1",
            "127.0.0.1:1",
            "[::1]",
            "[::1]:8001",
        ] {
            assert!(passes(from(host)), "{host}");
        }
        for host in [
            "",
            "example.org",
            "localhost.example.org",
            "127.0.0.1.nip.io",
            "localhost:80@evil.example",
            "127.0.0.2",
            "::1",
            "[::1]evil",
            "localhost.",
            "0.0.0.0",
            "user@localhost",
            "localhost:8001x",
            "[::2]:1",
        ] {
            assert!(!passes(from(host)), "{host}");
        }
        assert!(!passes(TestRequest::get()), "no host");
        assert!(
            !passes(from("localhost").uri("http://evil.example/health")),
            "absolute target"
        );
        assert!(passes(from("localhost").uri("http://localhost:8001/health")));
    }

    #[test]
    fn only_local_origins_pass() {
        assert!(passes(
            from("localhost").insert_header(("origin", "http://localhost:3000"))
        ));
        assert!(passes(from("localhost").insert_header(("origin", "http://[::1]"))));
        for origin in [
            "null",
            "http://evil.example",
            "https://localhost",
            "http://localhost.evil.example",
            "",
        ] {
            assert!(!passes(from("localhost").insert_header(("origin", origin))), "{origin}");
        }
        let two = from("localhost").append_header(("origin", "http://localhost"));
        assert!(!passes(two.append_header(("origin", "http://evil.example"))));
    }

    #[test]
    fn forwarded_requests_do_not_pass() {
        for name in [
            "Forwarded",
            "X-Forwarded-For",
            "x-forwarded-host",
            "X-Forwarded-Proto",
            "x-forwarded-anything",
        ] {
            assert!(!passes(from("localhost").insert_header((name, "127.0.0.1"))), "{name}");
        }
    }
}
