//! The border where strings end: credentials, paths, queries and bodies become typed values, or an
//! [`ApiError`](crate::error::ApiError).
//!
//! - [`credential`]: `Authorization` and `x-api-key`
//! - [`body`]: media type, size and time of a body
//! - [`fields`]: typed, error-collecting takers over a JSON object, a query or a form
//! - [`path`]: parameters of the matched route
//! - `percent`: percent-decoding, strictly UTF-8

pub mod body;
pub mod credential;
pub mod fields;
pub mod path;
mod percent;

pub use body::{Body, BodyLimits, Content};
pub use credential::Credential;
pub use fields::{Fields, Form};
pub use path::{check_path, path_text, path_uuid};
