//! A registry that accepts connections and says nothing.

use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::process::Stdio;

use super::Desk;
use crate::support::registry::Registry;

/// The first line on standard error of a command, which is ended then.
fn first_line(words: &[&str]) -> String {
    let desk = Desk::new();
    let mut command = desk.command();
    let piped = command
        .args(words)
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    let mut child = piped.spawn().unwrap();
    let mut line = String::new();
    let mut lines = BufReader::new(child.stderr.take().unwrap());
    lines.read_line(&mut line).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    line
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_registry_is_named() {
    // The system accepts its connections.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = silent.local_addr().unwrap().to_string();
    let other = Registry::start().await;
    let (to, from) = (
        format!("http://{}", other.address()),
        format!("http://{silent}"),
    );
    let repository = format!("{from}/app");
    let ends = ["--from", &from, "--to", &to, "--repository", "app"];
    let pattern = ["--from", &from, "--to", &to, "--repository-regex", "."];
    for words in [
        [&["sync"], &ends[..]].concat(),
        [&["sync", "--json"], &ends[..]].concat(),
        [&["sync"], &pattern[..]].concat(),
        [&["plan"], &ends[..]].concat(),
        vec!["list-tags", &repository],
    ] {
        let line = first_line(&words);
        let start = format!("waiting for `{silent}`: no response for ");
        assert!(line.starts_with(&start), "{words:?}: {line}");
    }
}
