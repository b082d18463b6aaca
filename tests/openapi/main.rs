//! The API document is true: every route stands in it and nothing else, its examples are what it says, and the running program
//! keeps to it, limit by limit and answer by answer.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod access;
mod answers;
mod document;
mod examples;
mod limits;
mod page;
#[path = "../common/program.rs"]
mod program;
mod routes;
mod service;
