//! Something to verify against: a file or a URL.

use std::error::Error;
use std::path::PathBuf;
use std::str::FromStr;

use serde_json::Value;

use super::super::connection::Connection;
use super::super::service::Call;
use super::file_text;
use crate::config::Config;

/// Bytes of a file with keys or revocations.
const FILE_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// A file or a URL.
#[derive(Clone, Debug)]
pub(in crate::cli) enum Source {
    File(PathBuf),
    Url(String),
}

impl FromStr for Source {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_url = text.starts_with("http://") || text.starts_with("https://");
        Ok(if is_url {
            Self::Url(text.to_owned())
        } else {
            Self::File(text.into())
        })
    }
}

/// What the source holds.
pub(super) fn text(source: &Source, connection: &Connection, config: &Config) -> Result<String, Box<dyn Error>> {
    match source {
        Source::File(path) => Ok(file_text(path, FILE_BYTES_MAX)?),
        Source::Url(url) => Ok(answer(url, None, connection, config)?.to_string()),
    }
}

/// What is answered at a URL, to which `after` is added if it is given.
pub(super) fn answer(
    url: &str,
    after: Option<u64>,
    connection: &Connection,
    config: &Config,
) -> Result<Value, Box<dyn Error>> {
    let (service, path) = connection.open_at(url, config)?;
    let path = match after {
        None => path,
        Some(after) if path.contains('?') => format!("{path}&after={after}"),
        Some(after) => format!("{path}?after={after}"),
    };
    Ok(service.call(&Call::get(path))?)
}
