//! The HTTP border, driven over real sockets: what every request passes before and after its handler.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

#[path = "../common/client.rs"]
mod client;
mod draining;
mod failures;
mod logs;
mod metrics;
#[path = "../common/metrics.rs"]
mod metrics_page;
mod open_mode;
#[cfg(feature = "otlp")]
mod otlp;
mod process;
#[path = "../common/program.rs"]
mod program;
mod requests;
mod support;
mod traces;
mod unix_socket;
