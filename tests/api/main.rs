//! The service from outside: a real server on a free port, a directory of its own, and a clock that tests move.
//!
//! The modules follow the URL table, then what holds across it.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod batch;
mod customers;
mod decisions;
mod feed;
mod health;
mod introspection;
mod keys;
mod lifecycle;
mod look_up;
mod metrics;
mod sessions;
mod tokens;

mod access;
mod any_request;
mod concurrency;
mod durability;
mod go_client;
mod golden;
mod idempotency;
mod narrowing;
mod requests;
mod secrets;
mod seeds;

mod chain;
#[path = "../common/client.rs"]
mod client;
#[path = "../common/documented.rs"]
mod documented;
#[path = "../common/metrics.rs"]
mod metrics_page;
#[path = "../common/program.rs"]
mod program;
#[path = "../common/service.rs"]
mod service;
mod support;
