//! The program itself, killed and stopped under load: what it acknowledged is there afterwards.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking, and says what it did so that it can be repeated"
)]

#[path = "../common/client.rs"]
mod client;
mod contested;
mod full;
mod killed;
mod life;
mod load;
#[path = "../common/program.rs"]
mod program;
mod refused;
mod stopped;
