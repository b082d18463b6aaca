//! Backups through the program itself: taken while it serves, read back elsewhere, and what is true there.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod cut_off;
mod damaged;
#[path = "../common/program.rs"]
mod program;
mod refused;
mod rekeyed;
mod restored;
mod support;
mod taking;
