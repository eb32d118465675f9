//! Serves the tests' in-memory registry until SIGTERM or Ctrl-C, for a demonstration without a real
//! registry. Pushed images are lost when it ends.

use std::net::SocketAddr;

use clap::{Parser, ValueEnum};
use tokio::signal::unix::{SignalKind, signal};

#[expect(
    dead_code,
    reason = "the tests look into it and script it; this only serves it"
)]
#[path = "../tests/it/support/images.rs"]
mod images;
#[expect(
    dead_code,
    reason = "the tests look into it and script it; this only serves it"
)]
#[path = "../tests/it/support/registry/mod.rs"]
mod registry;

use images::{Blob, Format, Image};
use registry::Registry;

/// An in-memory OCI registry.
#[derive(Parser)]
struct Arguments {
    /// Address to listen on; port 0 picks a free port.
    #[arg(long, default_value = "127.0.0.1:0", value_name = "ADDR:PORT")]
    listen: SocketAddr,
    /// Initial content.
    #[arg(long, value_name = "CONTENT")]
    seed: Option<Seed>,
}

#[derive(Clone, ValueEnum)]
enum Seed {
    /// A few small repositories with versions for several platforms.
    Demo,
}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let arguments = Arguments::parse();
    let registry = Registry::builder().listen(arguments.listen).start().await;
    if let Some(Seed::Demo) = arguments.seed {
        demo_store(&registry);
    }
    println!("registry listening on http://{}", registry.address());
    let mut terminated = signal(SignalKind::terminate())?;
    tokio::select! {
        _ = terminated.recv() => Ok(()),
        interrupted = tokio::signal::ctrl_c() => interrupted,
    }
}

fn demo_store(registry: &Registry) {
    let versions = ["1.25.5", "1.26.3", "1.27.4", "1.28.0-rc1"];
    for (seed, version) in (10..).step_by(10).zip(versions) {
        Image::multi(Format::Oci, seed, 300_000).store(registry, "library/web", Some(version));
        Image::multi(Format::Docker, seed, 80_000).store(registry, "library/cache", Some(version));
    }
    let latest = Image::multi(Format::Oci, 30, 300_000);
    latest.store(registry, "library/web", Some("latest"));
    Image::referrer(1, "application/spdx+json", &latest.top).store(registry, "library/web", None);
    Image::attested(60, 120_000).store(registry, "tools/builder", Some("2024.1"));
    let layers = [Blob::layer(70, 50_000)];
    let single = Image::single(Format::Oci, images::AMD64, &layers);
    single.store(registry, "tools/shell", Some("5.2"));
    let chart = Image::artifact(80, "application/vnd.cncf.helm.config.v1+json");
    chart.store(registry, "charts/web", Some("0.3.1_build.7"));
}
