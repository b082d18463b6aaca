//! What disks do to the journal: power cuts and damage.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, and says what it did so that it can be repeated"
)]

mod damage;
mod journal;
mod power_cut;
mod recorded;
mod support;
mod trace;
