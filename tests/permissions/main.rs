//! Permission overrides over HTTP: the documents' own calls, the rules sentence by sentence, and what a crash leaves.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod agents;
mod audit;
mod checks;
mod crash;
#[path = "../common/documented.rs"]
mod documented;
mod keys;
mod overrides;
mod roles;
mod seed;
#[path = "../common/service.rs"]
mod service;
mod support;
