//! The prototype's call sequences, with Python's client, between registries.

use std::path::Path;
use std::process::Command;

use super::server::Server;
use crate::support::images::{AMD64, Blob, Format, Image};
use crate::support::registry::Registry;
use crate::support::tools::installed;

#[tokio::test(flavor = "multi_thread")]
async fn scripts_of_the_prototype_run_unchanged() {
    if !installed(&["python3"]) {
        return;
    }
    let (source, target) = (Registry::start().await, Registry::start().await);
    for (seed, repository, tag) in [
        (1, "library/nginx", "1.25"),
        (2, "library/nginx", "1.26"),
        (3, "library/nginx", "latest"),
        (4, "tools/busybox", "1.36"),
        (5, "tools/busybox", "2.0"),
    ] {
        let image = Image::single(Format::Oci, AMD64, &[Blob::layer(seed, 5000)]);
        image.store(&source, repository, Some(tag));
    }
    let server = Server::start(None);
    let password = std::fs::read_to_string(server.password_file()).unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scripts/image_sync.py");
    let output = Command::new("python3")
        .arg(script)
        .args([&server.url, "admin", password.trim()])
        .args([&source, &target].map(|registry| format!("http://{}", registry.address())))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{said}{}",
        String::from_utf8_lossy(&output.stderr)
    );

    let run = server
        .login()
        .await
        .run_ended(said.trim().parse().unwrap())
        .await;
    assert_eq!(run["status"], "FINISHED");
    // Scoped: below the source's host, with a port as skopeo can't write it.
    let below = |path: &str| format!("{}/{path}", source.address().replace(':', "_"));
    assert_eq!(target.tags(&below("library/nginx")).len(), 2);
    assert_eq!(
        target
            .tags(&below("tools/busybox"))
            .keys()
            .collect::<Vec<_>>(),
        ["1.36"]
    );
}
