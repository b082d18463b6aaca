//! Serving over TLS: certificates, client certificates, and replacing both while the service runs.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

#[path = "../common/client.rs"]
mod client;
#[path = "../common/program.rs"]
mod program;

mod clients;
mod commands;
mod refused;
mod reload;
mod serving;
mod support;
