//! Bodies, read only when the handler asks: a caller that is refused for its credential never makes the server buffer.

use std::future::{Ready, ready};
use std::time::Duration;

use actix_web::dev::Payload;
use actix_web::error::PayloadError;
use actix_web::http::header::{self, HeaderMap};
use actix_web::web::{Bytes, BytesMut};
use actix_web::{FromRequest, HttpRequest};
use futures_util::StreamExt;

use super::fields::Fields;
use crate::config::sections::ServerConfig;
use crate::error::ApiError;
use crate::idempotency::canonical;

/// How large a body may be and how long it may take; application data of the server.
#[derive(Clone, Copy, Debug)]
pub struct BodyLimits {
    /// Bytes of an ordinary body.
    pub bytes_max: usize,
    /// Bytes of a batch.
    pub batch_bytes_max: usize,
    /// Time for the whole body to arrive.
    pub timeout: Duration,
}

impl From<&ServerConfig> for BodyLimits {
    fn from(server: &ServerConfig) -> Self {
        Self {
            bytes_max: server.body_max_bytes,
            batch_bytes_max: server.batch_body_max_bytes,
            timeout: server.body_timeout(),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum MediaType {
    Absent,
    Json,
    Form,
    Other,
}

/// A body that has not been read yet.
pub struct Body {
    payload: Payload,
    media: MediaType,
    encoded: bool,
    announced: Option<u64>,
    limits: BodyLimits,
}

impl FromRequest for Body {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        // An application without limits is one that a test put together by hand.
        let limits = request.app_data::<BodyLimits>().copied();
        let headers = request.headers();
        ready(Ok(Self {
            payload: payload.take(),
            media: media_type(headers),
            encoded: headers
                .get(header::CONTENT_ENCODING)
                .is_some_and(|coding| coding != "identity"),
            announced: headers
                .get(header::CONTENT_LENGTH)
                .and_then(|length| length.to_str().ok()?.parse().ok()),
            limits: limits.unwrap_or_else(|| BodyLimits::from(&ServerConfig::default())),
        }))
    }
}

impl Body {
    /// Reads a JSON body.
    ///
    /// # Errors
    /// 413, 415, 408, or 400 when the transfer breaks off. What is in it is judged by [`Content::fields`].
    pub async fn json(self) -> Result<Content, ApiError> {
        let limit = self.limits.bytes_max;
        self.read(limit, Accepts::Json).await
    }

    /// Reads a JSON body that may be left out; then it reads as `{}` and needs no media type.
    ///
    /// # Errors
    /// As for [`Self::json`].
    pub async fn json_or_empty(self) -> Result<Content, ApiError> {
        let limit = self.limits.bytes_max;
        self.read(limit, Accepts::JsonOrNothing).await
    }

    /// Reads a JSON body or a form, as RFC 7662 section 2.1 has it.
    ///
    /// # Errors
    /// As for [`Self::json`].
    pub async fn json_or_form(self) -> Result<Content, ApiError> {
        let limit = self.limits.bytes_max;
        self.read(limit, Accepts::JsonOrForm).await
    }

    /// Reads the JSON body of a batch, which may be larger.
    ///
    /// # Errors
    /// As for [`Self::json`].
    pub async fn batch_json(self) -> Result<Content, ApiError> {
        let limit = self.limits.batch_bytes_max;
        self.read(limit, Accepts::Json).await
    }

    async fn read(mut self, limit: usize, accepts: Accepts) -> Result<Content, ApiError> {
        // Refused before a byte is read where the size is announced; the connection lingers, so the answer arrives.
        if self.announced.is_some_and(|bytes| bytes > limit as u64) {
            return Err(ApiError::payload_too_large(limit));
        }
        let collected = tokio::time::timeout(self.limits.timeout, collect(&mut self.payload, limit));
        let bytes = collected.await.map_err(|_| ApiError::request_timeout())??;
        if accepts == Accepts::JsonOrNothing && bytes.is_empty() {
            return Ok(Content {
                bytes: Bytes::from_static(b"{}"),
                is_form: false,
            });
        }
        // Only now: an answer to an unread body costs the connection.
        self.check_media(accepts)?;
        Ok(Content {
            bytes,
            is_form: self.media == MediaType::Form,
        })
    }

    fn check_media(&self, accepts: Accepts) -> Result<(), ApiError> {
        if self.encoded {
            return Err(ApiError::unsupported_media_type("`Content-Encoding` is not served"));
        }
        match (self.media, accepts) {
            (MediaType::Json, _) | (MediaType::Form, Accepts::JsonOrForm) => Ok(()),
            (_, Accepts::JsonOrForm) => Err(ApiError::unsupported_media_type(
                "`Content-Type` must be `application/json` or `application/x-www-form-urlencoded`",
            )),
            _ => Err(ApiError::unsupported_media_type(
                "`Content-Type` must be `application/json`",
            )),
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Accepts {
    Json,
    JsonOrNothing,
    JsonOrForm,
}

/// A body in memory.
#[derive(Clone)]
pub struct Content {
    bytes: Bytes,
    is_form: bool,
}

impl Content {
    /// The body as text that is the same for every spelling of the same JSON.
    ///
    /// # Errors
    /// 400 when it is not JSON.
    pub fn canonical(&self) -> Result<String, ApiError> {
        let value =
            serde_json::from_slice(&self.bytes).map_err(|_| ApiError::malformed_json("the body is not JSON"))?;
        Ok(canonical(value).to_string())
    }

    /// The fields of the body, borrowed from it.
    ///
    /// # Errors
    /// 400 when it is not a JSON object or not a form.
    pub fn fields(&self) -> Result<Fields<'_>, ApiError> {
        if self.is_form {
            Fields::from_form(&self.bytes)
        } else {
            Fields::from_json(&self.bytes)
        }
    }
}

/// Gathers the parts; a body in one part, the usual case, is not copied.
async fn collect(payload: &mut Payload, limit: usize) -> Result<Bytes, ApiError> {
    let mut first = Bytes::new();
    let mut gathered = BytesMut::new();
    while let Some(part) = payload.next().await {
        let part = part.map_err(|error| transfer_failed(&error, limit))?;
        if first.len().max(gathered.len()) + part.len() > limit {
            return Err(ApiError::payload_too_large(limit));
        }
        if first.is_empty() && gathered.is_empty() {
            first = part;
            continue;
        }
        gathered.extend_from_slice(&std::mem::take(&mut first));
        gathered.extend_from_slice(&part);
    }
    Ok(if gathered.is_empty() { first } else { gathered.freeze() })
}

fn transfer_failed(error: &PayloadError, limit: usize) -> ApiError {
    match error {
        PayloadError::Overflow => ApiError::payload_too_large(limit),
        _ => ApiError::malformed_request("the transfer of the body broke off"),
    }
}

/// Parameters such as `charset` are allowed and mean nothing: JSON is UTF-8 (RFC 8259 section 8.1).
fn media_type(headers: &HeaderMap) -> MediaType {
    let mut values = headers.get_all(header::CONTENT_TYPE);
    let (Some(value), None) = (values.next(), values.next()) else {
        return if headers.contains_key(header::CONTENT_TYPE) {
            MediaType::Other
        } else {
            MediaType::Absent
        };
    };
    let text = value.to_str().unwrap_or_default();
    let essence = text.split(';').next().unwrap_or_default().trim_matches([' ', '\t']);
    let is_suffixed_json = || {
        let suffix = essence
            .len()
            .checked_sub("+json".len())
            .and_then(|at| essence.get(at..));
        suffix.is_some_and(|suffix| suffix.eq_ignore_ascii_case("+json")) && essence.contains('/')
    };
    if essence.eq_ignore_ascii_case("application/json") || is_suffixed_json() {
        MediaType::Json
    } else if essence.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        MediaType::Form
    } else {
        MediaType::Other
    }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    async fn body(request: TestRequest) -> Body {
        let (request, mut payload) = request.to_http_parts();
        Body::from_request(&request, &mut payload).await.unwrap()
    }

    #[actix_web::test]
    async fn a_json_media_type_may_have_parameters_or_be_a_suffix() {
        for good in [
            "application/json",
            "Application/JSON; charset=utf-8",
            "application/merge-patch+json",
        ] {
            let request = TestRequest::post()
                .insert_header(("content-type", good))
                .set_payload("{}");
            assert!(body(request).await.json().await.is_ok(), "{good}");
        }
        for bad in [
            "text/plain",
            "application/jsonp",
            "+json",
            "json",
            "",
            "application/x-www-form-urlencoded",
        ] {
            let request = TestRequest::post()
                .insert_header(("content-type", bad))
                .set_payload("{}");
            assert_eq!(
                body(request).await.json().await.err().unwrap().code,
                "unsupported_media_type",
                "{bad}"
            );
        }
        let twice = TestRequest::post()
            .append_header(("content-type", "application/json"))
            .append_header(("content-type", "application/json"));
        assert!(body(twice.set_payload("{}")).await.json().await.is_err());
        let packed = TestRequest::post()
            .insert_header(("content-type", "application/json"))
            .insert_header(("content-encoding", "gzip"));
        assert_eq!(
            body(packed.set_payload("{}")).await.json().await.err().unwrap().status,
            415
        );
    }

    #[actix_web::test]
    async fn only_an_optional_body_may_be_empty() {
        assert!(
            body(TestRequest::post())
                .await
                .json_or_empty()
                .await
                .unwrap()
                .fields()
                .is_ok()
        );
        assert_eq!(
            body(TestRequest::post()).await.json().await.err().unwrap().code,
            "unsupported_media_type"
        );
        let untyped = TestRequest::post().set_payload("{}");
        assert_eq!(
            body(untyped).await.json_or_empty().await.err().unwrap().code,
            "unsupported_media_type"
        );
        let empty = TestRequest::post().insert_header(("content-type", "application/json"));
        let content = body(empty).await.json().await.unwrap();
        assert_eq!(content.fields().err().unwrap().code, "malformed_json");
    }

    #[actix_web::test]
    async fn the_limit_is_the_last_size_that_passes() {
        let limit = ServerConfig::default().body_max_bytes;
        for (size, passes) in [(limit, true), (limit + 1, false)] {
            let request = TestRequest::post().insert_header(("content-type", "application/json"));
            let read = body(request.set_payload(vec![b' '; size])).await.json().await;
            assert_eq!(read.is_ok(), passes, "{size}");
        }
        let announced = TestRequest::post().insert_header(("content-length", (limit + 1).to_string()));
        assert_eq!(
            body(announced).await.json().await.err().unwrap().code,
            "payload_too_large"
        );
    }
}
