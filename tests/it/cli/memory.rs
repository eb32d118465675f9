//! Memory doesn't grow with what is copied.

use std::process::Stdio;
use std::time::{Duration, Instant};

use super::Desk;
use crate::support::images::{AMD64, Blob, Format, Image};
use crate::support::registry::Registry;
use crate::support::registry::faults::Quirk;

/// The layer's size, and what the process may use at most.
const LAYER: u64 = 2 << 30;
const PEAK_MAX_KIB: u64 = 100 * 1024;

/// The most memory that the process has used so far, in KiB; `None` once it has ended.
pub(crate) fn peak(process: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

/// The registries are in this process, so the child's memory is the product's own.
#[tokio::test]
async fn a_layer_of_2_gib_is_copied_within_100_mib() {
    let source = Registry::start().await;
    let layer = Blob::layer(1, LAYER);
    let image = Image::single(Format::Oci, AMD64, std::slice::from_ref(&layer));
    image.store(&source, "app", Some("big"));
    let target = Registry::builder().quirk(Quirk::Sink).start().await;
    let desk = Desk::new();
    let mut command = desk.command();
    let address = |registry: &Registry| format!("http://{}", registry.address());
    command.args([
        "sync",
        "--from",
        &address(&source),
        "--to",
        &address(&target),
        "--repository",
        "app",
    ]);
    let mut child = command
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let start = Instant::now();
    let mut most = 0;
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if start.elapsed() > Duration::from_mins(5) {
            child.kill().unwrap();
            panic!("the copy takes too long");
        }
        most = peak(child.id()).unwrap_or(0).max(most);
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    assert!(status.success());
    assert_eq!(target.blob_size("app", &layer.digest), Some(LAYER));
    assert_eq!(target.tags("app"), source.tags("app"));
    assert!((1..PEAK_MAX_KIB).contains(&most), "{most} KiB at most");
}
