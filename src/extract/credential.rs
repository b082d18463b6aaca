//! Credentials as they travel: read from headers here, verified elsewhere.

use std::fmt;

use actix_web::HttpRequest;
use actix_web::http::header::{self, HeaderName, HeaderValue};

use crate::error::ApiError;

/// Tokens stay under 8 KiB, so nothing longer can be one.
const CREDENTIAL_BYTES_MAX: usize = 8_192;

/// The text of a credential, borrowed from the request and never shown.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct CredentialText<'r>(&'r str);

impl<'r> CredentialText<'r> {
    /// The text itself, for the one place that verifies it.
    pub fn expose(self) -> &'r str {
        self.0
    }
}

impl fmt::Debug for CredentialText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CredentialText(withheld)")
    }
}

/// What the caller presents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Credential<'r> {
    /// Nothing.
    None,
    /// A well-formed text: the admin token, a token of ours, or something wrong.
    Bearer(CredentialText<'r>),
}

impl<'r> Credential<'r> {
    /// Reads `Authorization: Bearer …` (RFC 6750 section 2.1).
    ///
    /// # Errors
    /// 401 for another scheme, an empty or over-long text, characters that no token has, or two headers.
    pub fn of(request: &'r HttpRequest) -> Result<Self, ApiError> {
        let Some(value) = only(request, &header::AUTHORIZATION)? else {
            return Ok(Self::None);
        };
        let refused = || ApiError::invalid_credential("`Authorization` must be `Bearer` and a token");
        let text = value.to_str().map_err(|_| refused())?;
        let (scheme, token) = text.split_once(' ').ok_or_else(refused)?;
        if !scheme.eq_ignore_ascii_case("bearer") {
            return Err(refused());
        }
        checked(token).map(Self::Bearer).ok_or_else(refused)
    }

    /// Reads an API key of the permission family: `x-api-key`, or else `Authorization: Bearer …`.
    ///
    /// # Errors
    /// 401 as for [`Self::of`], and when both are given and differ.
    pub fn of_api_key(request: &'r HttpRequest) -> Result<Self, ApiError> {
        let bearer = Self::of(request)?;
        let Some(value) = only(request, &HeaderName::from_static("x-api-key"))? else {
            return Ok(bearer);
        };
        let key = value.to_str().ok().and_then(checked);
        let key = key.ok_or_else(|| ApiError::invalid_credential("`x-api-key` must be a key"))?;
        match bearer {
            Self::Bearer(other) if other != key => {
                Err(ApiError::invalid_credential("`x-api-key` and `Authorization` differ"))
            }
            _ => Ok(Self::Bearer(key)),
        }
    }
}

/// The only value of a header: two credentials leave open which one counts.
fn only<'r>(request: &'r HttpRequest, name: &HeaderName) -> Result<Option<&'r HeaderValue>, ApiError> {
    let mut values = request.headers().get_all(name);
    let first = values.next();
    match values.next() {
        Some(_) => Err(ApiError::invalid_credential("a credential must be given once")),
        None => Ok(first),
    }
}

fn checked(text: &str) -> Option<CredentialText<'_>> {
    let fits = !text.is_empty() && text.len() <= CREDENTIAL_BYTES_MAX;
    (fits && text.bytes().all(|byte| byte.is_ascii_graphic())).then_some(CredentialText(text))
}

#[cfg(test)]
mod tests {
    use actix_web::http::StatusCode;
    use actix_web::test::TestRequest;

    use super::*;

    fn request(headers: &[(&'static str, &[u8])]) -> HttpRequest {
        let mut request = TestRequest::default();
        for (name, value) in headers {
            request = request.append_header((*name, HeaderValue::from_bytes(value).unwrap()));
        }
        request.to_http_request()
    }

    #[test]
    fn no_header_is_no_credential() {
        assert_eq!(Credential::of(&request(&[])).unwrap(), Credential::None);
        assert_eq!(Credential::of_api_key(&request(&[])).unwrap(), Credential::None);
    }

    #[test]
    fn the_scheme_is_bearer_in_any_case() {
        for value in ["Bearer qt_app_x", "bearer qt_app_x", "BEARER qt_app_x"] {
            let request = request(&[("authorization", value.as_bytes())]);
            assert_eq!(
                Credential::of(&request).unwrap(),
                Credential::Bearer(CredentialText("qt_app_x"))
            );
        }
    }

    #[test]
    fn whatever_is_malformed_is_401() {
        let long = [b"Bearer ".to_vec(), vec![b'x'; CREDENTIAL_BYTES_MAX + 1]].concat();
        for value in [
            &b""[..],
            b"Bearer",
            b"Bearer ",
            b"Bearer  x",
            b"Basic eDp5",
            b"x",
            b"Bearer x y",
            b"Bearer \xff",
            &long,
        ] {
            let refused = Credential::of(&request(&[("authorization", value)])).unwrap_err();
            assert_eq!(refused.status, StatusCode::UNAUTHORIZED, "{value:?}");
        }
        let twice: &[(&str, &[u8])] = &[("authorization", b"Bearer x"), ("authorization", b"Bearer x")];
        assert!(Credential::of(&request(twice)).is_err());
    }

    #[test]
    fn two_ways_to_give_a_key_must_agree() {
        let same: &[(&str, &[u8])] = &[("authorization", b"Bearer k"), ("x-api-key", b"k")];
        assert_eq!(
            Credential::of_api_key(&request(same)).unwrap(),
            Credential::Bearer(CredentialText("k"))
        );
        let other: &[(&str, &[u8])] = &[("authorization", b"Bearer k"), ("x-api-key", b"l")];
        assert!(Credential::of_api_key(&request(other)).is_err());
        let empty: &[(&str, &[u8])] = &[("authorization", b"Bearer k"), ("x-api-key", b"")];
        assert!(Credential::of_api_key(&request(empty)).is_err());
    }

    #[test]
    fn debug_shows_nothing_of_it() {
        let request = request(&[("authorization", b"Bearer hush")]);
        assert!(!format!("{:?}", Credential::of(&request)).contains("hush"));
    }
}
