//! Starts the role that the arguments name.

use std::process::ExitCode;

/// Gives memory back after a peak, which the system's keeps for the thread that once had it; see
/// `bench/README.md`.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> ExitCode {
    registrysync::cli::run().await
}
