//! The service from outside: a real server on a free port, a directory of its own, and a clock that tests move.
//!
//! The modules follow the URL table, then what holds across it.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod health;
mod keys;
mod tokens;

mod access;
mod concurrency;
mod durability;
mod go_client;
mod narrowing;
mod requests;
mod secrets;
mod seeds;

mod chain;
#[path = "../common/client.rs"]
mod client;
#[path = "../common/program.rs"]
mod program;
mod support;
