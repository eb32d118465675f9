//! Starts the role that the arguments name.

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    registrysync::cli::run().await
}
