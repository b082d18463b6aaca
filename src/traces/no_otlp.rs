//! What stands in for the exporter in a build without it.

use super::{ExportError, RequestSpan};

/// Whether this build can export spans.
pub const AVAILABLE: bool = false;

/// There is none.
#[derive(Debug)]
pub enum Exporter {}

impl Exporter {
    /// Starts none.
    ///
    /// # Errors
    /// Always.
    pub fn start(_endpoint: &str) -> Result<Self, ExportError> {
        Err(ExportError("this build has no OTLP".to_owned()))
    }

    /// Cannot be called.
    pub fn export(&self, _span: &RequestSpan<'_>) {
        match *self {}
    }

    /// Cannot be called.
    pub fn shutdown(&self) {
        match *self {}
    }
}
