//! What this machine needs for some tests: servers and programs. Where one is missing the tests that need it
//! are skipped.
//!
//! Each skip goes through [`found`]: it prints one line for each missing tool and process, past the test
//! harness, which hides what a test that passes prints; and it fails where `CI=true`.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::sync::Mutex;

/// Whether a test can go on; `missing` says what it lacks otherwise: "`skopeo` isn't installed".
pub(crate) fn found(is_found: bool, missing: &str) -> bool {
    if is_found {
        return true;
    }
    let is_ci = std::env::var("CI").is_ok_and(|ci| ci == "true");
    assert!(!is_ci, "CI=true allows no skip: {missing}");
    skipped(missing);
    false
}

/// Says that tests are skipped, and why; once in this process for each reason.
pub(crate) fn skipped(reason: &str) {
    static SAID: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
    let is_new = SAID.lock().expect("no panic").insert(reason.to_owned());
    if is_new {
        // Not `eprintln!`, which the test harness captures.
        let _ = writeln!(std::io::stderr(), "skipped: {reason}");
    }
}

/// Whether these programs can be run.
pub(crate) fn installed(programs: &[&str]) -> bool {
    programs.iter().all(|program| {
        let is_there = Command::new(program).arg("--version").output().is_ok();
        found(is_there, &format!("`{program}` isn't installed"))
    })
}

/// Whether `program` runs with these arguments, which load what it needs.
pub(crate) fn usable(program: &str, arguments: &[&str]) -> bool {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null());
    let works = command.output().is_ok_and(|output| output.status.success());
    let line = format!("{program} {}", arguments.join(" "));
    found(works, &format!("`{line}` doesn't work here"))
}
