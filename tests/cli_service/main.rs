//! The commands that call a service, as a shell drives them: what is printed, what is told, and with which code they end.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

#[path = "../common/program.rs"]
mod program;

mod connection;
mod customers;
mod documents;
mod keys;
mod lineage;
mod mint;
mod offline;
mod overrides;
mod support;
