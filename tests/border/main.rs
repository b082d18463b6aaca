//! The HTTP border, driven over real sockets: what every request passes before and after its handler.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

#[path = "../common/client.rs"]
mod client;
mod failures;
mod open_mode;
mod process;
mod requests;
mod support;
mod unix_socket;
