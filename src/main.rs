//! The `countersign` program: everything is in the library.

use std::process::ExitCode;

/// A mint's small allocations are made on one thread and freed on another, which this allocator is made for.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    countersign::cli::run()
}
