//! The same `skopeo sync` files with the distribution's skopeo and with the binary: the same
//! repositories, tags and digests. The files avoid what skopeo accepts and we refuse (two sources of
//! one tag, unknown keys).

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::process::{Command, Output};

use serde_json::Value;

use super::{digest_at, tags_at};
use crate::support::docker_registry::DockerRegistry;
use crate::support::images::{AMD64, ARM64, Blob, Format, Image, client};
use crate::support::tools::installed;

const CASES: u64 = 20;
/// Namespaces and names; names are unique, since flat placement drops the namespace.
const REPOSITORIES: [&str; 6] = [
    "alpha",
    "team/beta",
    "team/gamma",
    "a/b/delta",
    "x/eps-1",
    "x/zeta_2",
];
const PATTERNS: [&str; 7] = [
    "^1\\.",
    "2$",
    "^v?[0-9]+\\.[0-9]+$",
    ".*",
    "alpine",
    "^(1|2)\\.0",
    "rc[0-9]",
];
const TAGS: [&str; 9] = [
    "1.0",
    "1.1",
    "1.10",
    "2.0",
    "v3.0",
    "latest",
    "2.0-alpine",
    "3.0-rc1",
    "007",
];

/// A small generator: the same seed gives the same files everywhere.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % limit as u64).unwrap()
    }

    fn some<'a, T>(&mut self, all: &'a [T]) -> Vec<&'a T> {
        let first = self.below(all.len());
        let count = 1 + self.below(3);
        let picked = all.iter().cycle().skip(first).take(count.min(all.len()));
        picked.collect()
    }
}

/// Tags and digests of each source repository.
type Source = BTreeMap<&'static str, Vec<(String, String)>>;

async fn source_fill(random: &mut Random, address: &str) -> Source {
    let mut source = Source::new();
    for (number, path) in REPOSITORIES.into_iter().enumerate() {
        for tag in TAGS {
            // The last tag is in every repository, the others in most.
            if random.below(3) == 0 && tag != "007" {
                continue;
            }
            let seed = number as u64 * 10 + random.below(6) as u64;
            let image = match random.below(4) {
                0 => Image::multi(Format::Oci, seed, 2000),
                1 => Image::multi(Format::Docker, seed, 2000),
                2 => Image::single(Format::Docker, AMD64, &[Blob::layer(seed, 3000)]),
                _ => Image::single(Format::Oci, ARM64, &[Blob::layer(seed, 3000)]),
            };
            image.push(address, path, Some(tag)).await;
            let entry = (tag.to_owned(), image.digest().to_owned());
            source.entry(path).or_default().push(entry);
        }
    }
    source
}

/// A file over some of the repositories, and the digests that it selects.
fn file(random: &mut Random, host: &str, source: &Source) -> (String, Vec<(&'static str, String)>) {
    let mut text = format!("\"{host}\":\n  tls-verify: false\n");
    let mut digests = Vec::new();
    let paths: Vec<&'static str> = source.keys().copied().collect();
    text.push_str("  images:\n");
    for path in random.some(&paths) {
        let tags = &source[*path];
        let kind = random.below(4);
        let picked = if kind == 0 {
            Vec::new()
        } else {
            random.some(tags)
        };
        let mut entries = Vec::new();
        for (tag, digest) in picked {
            if kind == 1 {
                digests.push((*path, digest.clone()));
            }
            entries.push(if kind == 1 { digest } else { tag });
        }
        let quoted: Vec<String> = entries.iter().map(|entry| format!("\"{entry}\"")).collect();
        let _ = writeln!(text, "    {path}: [{}]", quoted.join(", "));
    }
    if random.below(2) == 0 {
        text.push_str("  images-by-tag-regex:\n");
        for path in random.some(&paths) {
            let pattern = PATTERNS[random.below(PATTERNS.len())];
            let _ = writeln!(text, "    {path}: '{pattern}'");
        }
    }
    (text, digests)
}

fn worked(tool: &str, file: &str, output: &Output) {
    assert!(
        output.status.success(),
        "{tool}: {}\n{file}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

/// Repository (without the first part) -> tag -> digest, of all repositories whose path begins like
/// this.
async fn below(address: &str, prefix: &str) -> BTreeMap<String, BTreeMap<String, String>> {
    let url = format!("http://{address}/v2/_catalog?n=1000");
    let answer = client().get(url).send().await.unwrap();
    let catalog: Value = serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap();
    let mut found = BTreeMap::new();
    for path in catalog["repositories"].as_array().unwrap() {
        let path = path.as_str().unwrap();
        if let Some(rest) = path.strip_prefix(prefix) {
            found.insert(rest.to_owned(), tags_at(address, path).await);
        }
    }
    found
}

/// Copies each file with both tools, below two paths of one registry, and compares.
async fn compare(seed: u64, host: &str, address: &str, scoped: bool, cases: u64) {
    let Some(target) = DockerRegistry::start().await else {
        return;
    };
    let mut random = Random(seed);
    let source = source_fill(&mut random, address).await;
    let directory = tempfile::tempdir().unwrap();
    for case in 0..cases {
        let (text, digests) = file(&mut random, host, &source);
        let path = directory.path().join(format!("{case}.yml"));
        std::fs::write(&path, &text).unwrap();

        let mut skopeo = Command::new("skopeo");
        skopeo.args([
            "--insecure-policy",
            "sync",
            "--all",
            "--src",
            "yaml",
            "--dest",
            "docker",
        ]);
        skopeo
            .args(["--dest-tls-verify=false"])
            .args(scoped.then_some("--scoped"));
        skopeo
            .arg(&path)
            .arg(format!("{}/theirs{case}", target.address()));
        worked("skopeo", &text, &skopeo.output().unwrap());

        let mut ours = Command::new(env!("CARGO_BIN_EXE_registrysync"));
        ours.arg("sync").arg(&path).args(["--plain-http", "--to"]);
        ours.arg(format!("{}/ours{case}", target.address()));
        ours.args(["--placement", if scoped { "scoped" } else { "flat" }]);
        worked("registrysync", &text, &ours.output().unwrap());

        let theirs = below(target.address(), &format!("theirs{case}/")).await;
        let ours = below(target.address(), &format!("ours{case}/")).await;
        assert!(!theirs.is_empty(), "{text}");
        assert_eq!(ours, theirs, "{text}");
        for (path, digest) in digests {
            let name = path.rsplit('/').next().unwrap();
            let placed = if scoped {
                format!("{host}/{path}")
            } else {
                name.to_owned()
            };
            for tool in ["theirs", "ours"] {
                let path = format!("{tool}{case}/{placed}");
                let found = digest_at(target.address(), &path, &digest).await;
                assert_eq!(found.as_ref(), Some(&digest), "{path}\n{text}");
            }
        }
    }
}

#[tokio::test]
async fn flat_files_leave_what_skopeo_leaves() {
    if !installed(&["skopeo"]) {
        return;
    }
    if let Some(source) = DockerRegistry::start().await {
        compare(1, source.address(), source.address(), false, CASES / 2).await;
    }
}

/// This skopeo can't place a source below its name if that has a port, so the source is at port 80.
#[tokio::test]
async fn scoped_files_leave_what_skopeo_leaves() {
    if !installed(&["skopeo"]) {
        return;
    }
    // A separate loopback address, so that others at port 80 don't interfere.
    let id = std::process::id();
    let host = format!(
        "127.{}.{}.{}",
        1 + id % 200,
        (id >> 8) % 250,
        2 + (id >> 16) % 250
    );
    if let Some(source) = DockerRegistry::start_at(&format!("{host}:80")).await {
        compare(2, &host, source.address(), true, CASES / 2).await;
    }
}
