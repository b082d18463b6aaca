//! Everything that is written to standard output. The log goes to standard error.
//!
//! `println!` panics when the reader has gone away; here that is an error like any other.

use std::io::{self, BufWriter, Write};

/// Writes one line and makes sure that it is out: a script may be waiting for it.
///
/// # Errors
/// The output is closed or full.
pub fn line(text: impl std::fmt::Display) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{text}")?;
    out.flush()
}

/// Standard output for many lines: what is written is out once it is flushed.
pub fn buffered() -> impl Write {
    BufWriter::new(io::stdout().lock())
}

/// Writes one line to standard error, for failures before the log is set up.
pub fn error_line(text: impl std::fmt::Display) {
    // Nothing can be done about a closed standard error.
    let _ = writeln!(io::stderr().lock(), "{text}");
}
