//! Credential helpers: programs named `docker-credential-NAME` that know the logins of registries.
//!
//! Source: the protocol of the project docker-credential-helpers (`get`), and docker-config-json(5).

use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use serde::Deserialize;

use super::credentials::Credentials;
use crate::text::{SENTENCE, readable};

/// Helpers of clouds ask a server; desktop ones may ask a person.
const PATIENCE: Duration = Duration::from_secs(30);
/// Tokens have a few KiB.
const LONGEST_ANSWER: u64 = 256 * 1024;
/// What helpers say if they know no login.
const NOT_FOUND: &str = "credentials not found";
/// The user name that marks an identity token.
const IDENTITY_TOKEN: &str = "<token>";

/// Why a helper gave no answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum HelperError {
    /// There is no such program.
    Missing,
    /// Anything else, as text.
    Failed(String),
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    username: String,
    secret: String,
}

/// The helper's login for `server`; `None` if it knows none.
pub(super) fn helper_get(name: &str, server: &str) -> Result<Option<Credentials>, HelperError> {
    if !is_name(name) {
        let detail = "its name has other characters than letters, digits, `-`, `_` and `.`";
        return Err(HelperError::Failed(detail.to_owned()));
    }
    let mut child = Command::new(format!("docker-credential-{name}"))
        .arg("get")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => HelperError::Missing,
            _ => HelperError::Failed(format!("it can't be started: {error}")),
        })?;
    let answer = exchange(&mut child, server);
    // Without effect on one that has ended.
    let _ = child.kill();
    let status = child.wait();
    let (answer, is_success) = (answer?, status.is_ok_and(|status| status.success()));
    if is_success {
        return read(&answer);
    }
    let words = String::from_utf8_lossy(&answer);
    if words.contains(NOT_FOUND) {
        return Ok(None);
    }
    let words = readable(words.trim(), SENTENCE);
    Err(HelperError::Failed(match words.as_str() {
        "" => "it failed without a message".to_owned(),
        words => format!("it says: {words}"),
    }))
}

/// Letters that can't lead to another directory.
fn is_name(name: &str) -> bool {
    let is_ordinary = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    !name.is_empty() && name.chars().all(is_ordinary)
}

/// Sends the server's name, and reads the answer until the helper ends.
fn exchange(child: &mut Child, server: &str) -> Result<Vec<u8>, HelperError> {
    let failed = |detail: &str| HelperError::Failed(detail.to_owned());
    if let Some(mut input) = child.stdin.take() {
        // One that doesn't read it has its reasons, and tells them.
        let _ = writeln!(input, "{server}");
    }
    let Some(output) = child.stdout.take() else {
        return Err(failed("its answer can't be read"));
    };
    // A helper may leave a process behind that keeps the pipe open.
    let (send, received) = mpsc::channel();
    std::thread::spawn(move || {
        let mut answer = Vec::new();
        let read = output.take(LONGEST_ANSWER + 1).read_to_end(&mut answer);
        let _ = send.send(read.map(|_| answer));
    });
    let begun = Instant::now();
    let answer = match received.recv_timeout(PATIENCE) {
        Ok(Ok(answer)) => answer,
        Ok(Err(error)) => return Err(failed(&format!("its answer can't be read: {error}"))),
        Err(_) => {
            let seconds = PATIENCE.as_secs();
            return Err(failed(&format!(
                "it gave no answer within {seconds} seconds"
            )));
        }
    };
    if answer.len() as u64 > LONGEST_ANSWER {
        return Err(failed("its answer is longer than 256 KiB"));
    }
    while begun.elapsed() < PATIENCE && child.try_wait().is_ok_and(|ended| ended.is_none()) {
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(answer)
}

/// The answer isn't shown: it may contain the secret.
fn read(answer: &[u8]) -> Result<Option<Credentials>, HelperError> {
    let Answer { username, secret } = serde_json::from_slice(answer)
        .map_err(|_| HelperError::Failed("its answer isn't the JSON of a login".to_owned()))?;
    if username == IDENTITY_TOKEN {
        return Ok(Credentials::from_identity_token(&secret));
    }
    Ok(Credentials::from_parts(&username, &secret))
}
