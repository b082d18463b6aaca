//! The HTTP border, driven over real sockets: what every request passes before and after its handler.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod failures;
mod open_mode;
mod process;
mod requests;
mod support;
mod unix_socket;
