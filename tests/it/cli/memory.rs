//! Memory doesn't grow with the amount of copied data.

use std::fmt::Write as _;
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use super::Desk;
use crate::support::images::{AMD64, Blob, Format, Image, OCI_INDEX, OCI_MANIFEST};
use crate::support::registry::Registry;
use crate::support::registry::content::digest_of;
use crate::support::registry::faults::{Action, Fault, Quirk};

/// The layer's size, and the process's memory limit.
const LAYER: u64 = 2 << 30;
const PEAK_MAX_KIB: u64 = 100 * 1024;

/// The process's peak memory so far, in KiB; `None` once it has ended.
pub(crate) fn peak(process: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

/// A child's peak memory, in KiB, and how it ended.
async fn watched(mut command: Command) -> (ExitStatus, u64) {
    let mut child = command
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let start = Instant::now();
    let mut most = 0;
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return (status, most);
        }
        if start.elapsed() > Duration::from_mins(5) {
            child.kill().unwrap();
            child.wait().unwrap();
            panic!("the copy takes too long");
        }
        most = peak(child.id()).unwrap_or(0).max(most);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn sync(desk: &Desk, source: &Registry, target: &Registry, more: &[&str]) -> Command {
    let mut command = desk.command();
    let address = |registry: &Registry| format!("http://{}", registry.address());
    let (from, to) = (address(source), address(target));
    command.args(["sync", "--from", &from, "--to", &to, "--repository", "app"]);
    command.args(more);
    command
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
    let (status, most) = watched(sync(&desk, &source, &target, &[])).await;
    assert!(status.success());
    assert_eq!(target.blob_size("app", &layer.digest), Some(LAYER));
    assert_eq!(target.tags("app"), source.tags("app"));
    assert!((1..PEAK_MAX_KIB).contains(&most), "{most} KiB at most");
}

/// Descriptors of nonexistent content, with these members.
fn descriptors(count: u64, more: impl Fn(u64) -> String) -> String {
    let one = |number: u64| {
        let digest = digest_of(&number.to_le_bytes());
        format!("{{\"digest\":\"{digest}\",\"size\":1000{}}}", more(number))
    };
    (0..count).map(one).collect::<Vec<_>>().join(",")
}

/// Far below what one task per entry needs.
const LARGE_PEAK_MAX_KIB: u64 = 128 * 1024;

/// Several such tags at once need the memory of one, and the work for each only grows with its
/// size.
#[tokio::test]
async fn manifests_with_tens_of_thousands_of_entries_end_within_128_mib() {
    let platform = |number: u64| {
        let architecture = ["amd64", "arm64"][usize::from(number.is_multiple_of(2))];
        format!(
            ",\"mediaType\":\"{OCI_MANIFEST}\",\"platform\":{{\"os\":\"linux\",\"architecture\":\"{architecture}\"}}"
        )
    };
    let index = format!(
        "{{\"schemaVersion\":2,\"mediaType\":\"{OCI_INDEX}\",\"manifests\":[{}]}}",
        descriptors(35_000, platform)
    );
    let config = Blob::layer(1, 10);
    let image = format!(
        "{{\"schemaVersion\":2,\"mediaType\":\"{OCI_MANIFEST}\",\"config\":{{\"digest\":\"{}\",\"size\":10}},\"layers\":[{}]}}",
        config.digest,
        descriptors(80_000, |_| String::new())
    );
    for (media_type, manifest, more) in [
        (OCI_INDEX, index, ["--architecture", "amd64"].as_slice()),
        (OCI_MANIFEST, image, &[]),
    ] {
        let (source, target) = (Registry::start().await, Registry::start().await);
        source.content_put("app", &config.digest, config.content.clone());
        for tag in ["1", "2"] {
            // Another digest each.
            let manifest = manifest.replacen('{', &format!("{{\"tag\":\"{tag}\","), 1);
            source.manifest_put("app", Some(tag), media_type, manifest);
        }
        let desk = Desk::new();
        let (status, most) = watched(sync(&desk, &source, &target, more)).await;
        // Their entries don't exist.
        assert_eq!(status.code(), Some(1));
        assert!(target.tags("app").is_empty());
        assert!(
            (1..LARGE_PEAK_MAX_KIB).contains(&most),
            "{media_type}: {most} KiB at most"
        );
    }
}

/// A registry's statement of a manifest's size, or its absence, changes nothing.
#[tokio::test]
async fn large_manifests_that_are_called_small_end_within_128_mib() {
    let child = |number: u64| {
        let arm = ["amd64", "arm64"][usize::from(number.is_multiple_of(2))];
        format!(
            ",\"mediaType\":\"{OCI_MANIFEST}\",\"platform\":{{\"os\":\"linux\",\"architecture\":\"{arm}\"}}"
        )
    };
    let index = |children: &str| {
        format!("{{\"schemaVersion\":2,\"mediaType\":\"{OCI_INDEX}\",\"manifests\":[{children}]}}")
    };
    let large = index(&descriptors(25_000, child));
    for quirk in [
        Some(Quirk::HeadWithoutDigest),
        Some(Quirk::HeadWithoutLength),
        // Children with a stated size of 1000 bytes.
        None,
    ] {
        let mut source = Registry::builder();
        if let Some(quirk) = quirk {
            source = source.quirk(quirk);
        }
        let (source, target) = (source.start().await, Registry::start().await);
        for tag in 0..8 {
            let of_tag = |text: &str| text.replacen('{', &format!("{{\"tag\":\"{tag}\","), 1);
            let manifest = if quirk.is_some() {
                of_tag(&large)
            } else {
                let children = (0..8).map(|number| {
                    let child = large.replacen('{', &format!("{{\"child\":\"{tag}.{number}\","), 1);
                    let digest = source.manifest_put("app", None, OCI_INDEX, child);
                    format!(
                        "{{\"digest\":\"{digest}\",\"size\":1000,\"mediaType\":\"{OCI_INDEX}\"}}"
                    )
                });
                of_tag(&index(&children.collect::<Vec<_>>().join(",")))
            };
            source.manifest_put("app", Some(&tag.to_string()), OCI_INDEX, manifest);
        }
        let desk = Desk::new();
        let (status, most) = watched(sync(&desk, &source, &target, &[])).await;
        assert_eq!(status.code(), Some(1));
        assert!(target.tags("app").is_empty());
        assert!(
            (1..LARGE_PEAK_MAX_KIB).contains(&most),
            "{quirk:?}: {most} KiB at most"
        );
    }
}

/// As maps, the annotations of each such list would take ten times its size.
#[tokio::test]
async fn lists_of_referrers_with_many_annotations_end_within_128_mib() {
    let (source, target) = (Registry::start().await, Registry::start().await);
    for number in 0..8 {
        let image = Image::single(Format::Oci, AMD64, &[Blob::layer(number, 10)]);
        image.store(&source, "app", Some(&number.to_string()));
    }
    let annotations: Vec<String> = (0..700).map(|key| format!("\"{key:x}\":\"\"")).collect();
    let more = format!(
        ",\"mediaType\":\"{OCI_MANIFEST}\",\"artifactType\":\"a/other\",\"annotations\":{{{}}}",
        annotations.join(",")
    );
    let entries = descriptors(1000, |_| more.clone());
    let list = Action::Answer {
        status: 200,
        headers: Vec::new(),
        body: format!("{{\"schemaVersion\":2,\"manifests\":[{entries}]}}"),
    };
    source.fault_add(Fault::on("GET", "/referrers/", list));
    let desk = Desk::new();
    let command = sync(&desk, &source, &target, &["--referrers=a/wanted"]);
    let (status, most) = watched(command).await;
    assert!(status.success());
    assert_eq!(target.tags("app"), source.tags("app"));
    assert!(
        (1..LARGE_PEAK_MAX_KIB).contains(&most),
        "{most} KiB at most"
    );
}

/// Of many items, one at a time has its patterns compiled: each of these needs most of a MiB.
#[tokio::test]
async fn many_items_with_large_patterns_are_no_more_than_one() {
    let (source, target) = (Registry::start().await, Registry::start().await);
    let desk = Desk::new();
    let mut file = format!(
        "{}:\n  tls-verify: false\n  images-by-tag-regex:\n",
        source.address()
    );
    for number in 0..40 {
        let _ = writeln!(file, "    r{number}: ^{number}\\pL{{20}}");
    }
    desk.file("many.yaml", &file);
    let mut command = desk.command();
    let to = format!("http://{}", target.address());
    command.args(["sync", "many.yaml", "--to", &to]);
    let (status, most) = watched(command).await;
    // None of the repositories exists.
    assert!(!status.success());
    assert!((1..72 * 1024).contains(&most), "{most} KiB at most");
}
