//! What the benchmarks share.
//!
//! - [`latency`]: times of many calls, and what to say of them
//! - [`bare`]: what bounds everything: one signature, one verification, one `fdatasync`
//! - [`grown`]: customers and hierarchies in an engine; [`remote`]: the same through HTTP
//! - [`load`]: requests over kept connections, as many as are answered or as a schedule has them
//! - [`ceiling`]: an HTTP server that answers the same without state and without a disk
//! - [`process`]: the program, or the ceiling, as a process of its own; [`usage`]: what a process has used

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a benchmark that cannot measure has nothing to report"
)]

pub mod bare;
pub mod ceiling;
pub mod grown;
pub mod latency;
pub mod load;
pub mod process;
pub mod remote;
pub mod usage;

/// The program's own allocator, so that what is measured in-process is what the program does.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
