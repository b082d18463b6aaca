//! Parameters of the matched route. What cannot be an id looks like what does not exist.

use std::borrow::Cow;

use actix_web::HttpRequest;

use super::percent;
use crate::error::ApiError;

/// That the path of a request is UTF-8 once its percent escapes are decoded. The router puts U+FFFD for what is not, so that two
/// different paths would be the same.
///
/// # Errors
/// 400 otherwise.
pub fn check_path(path: &str) -> Result<(), ApiError> {
    let readable = percent::decode(path, false).is_some();
    let refused = || ApiError::malformed_request("a percent escape in the path is broken or not UTF-8");
    readable.then_some(()).ok_or_else(refused)
}

/// A parameter that must be a UUID; anything else is 404.
///
/// # Errors
/// 404, whatever is wrong with the text.
pub fn path_uuid<T>(request: &HttpRequest, name: &str, parse: fn(&str) -> Option<T>) -> Result<T, ApiError> {
    request
        .match_info()
        .get(name)
        .and_then(parse)
        .ok_or_else(|| ApiError::not_found("there is nothing with this id"))
}

/// A parameter that a caller chose as a name; what its type refuses is 404.
///
/// # Errors
/// 404, whatever is wrong with the text.
pub fn path_text<T, E>(
    request: &HttpRequest,
    name: &str,
    parse: impl FnOnce(&str) -> Result<T, E>,
) -> Result<T, ApiError> {
    // The router leaves `%2F` and `%25` encoded so that segments stay apart; the rest is decoded already.
    let text: Option<Cow<'_, str>> = request
        .match_info()
        .get(name)
        .and_then(|raw| percent::decode(raw, false));
    text.and_then(|text| parse(&text).ok())
        .ok_or_else(|| ApiError::not_found("there is nothing with this name"))
}
