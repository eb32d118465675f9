//! How one-shot commands connect to registries.

use std::path::PathBuf;

use clap::Args;

/// How to connect to registries, the same for every one-shot command.
#[derive(Args, Clone, Debug, Default)]
pub struct TrustArguments {
    /// Use plain http, except for registries written with `https://`, those whose entry in FILE
    /// has `tls-verify: true`, and Docker Hub
    #[arg(long)]
    pub plain_http: bool,
    /// Also trust the certificates in this PEM file, for source and target
    #[arg(long, value_name = "FILE")]
    pub ca_certificate: Option<PathBuf>,
}
