//! Starts the role that the arguments name.

use std::process::ExitCode;

/// Returns memory after a peak; measured in `bench/README.md`.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

#[tokio::main]
async fn main() -> ExitCode {
    registrysync::cli::run().await
}
