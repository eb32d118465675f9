//! A user who follows a page: a home, a shell, and the addresses that replace those of the page.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use super::blocks::Block;

/// No block may take longer.
const BOUND: Duration = Duration::from_mins(3);

pub(super) struct Reader {
    home: TempDir,
    /// What the page contains, and its replacement.
    instead: Vec<(String, String)>,
    environment: Vec<(String, String)>,
    background: Vec<Child>,
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.background_end();
    }
}

impl Reader {
    pub(super) fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        for folder in ["examples", "contrib"] {
            std::os::unix::fs::symlink(root.join(folder), home.path().join(folder)).unwrap();
        }
        Self {
            home,
            instead: Vec::new(),
            environment: Vec::new(),
            background: Vec::new(),
        }
    }

    /// Where the page has `from`, the reader writes `to`; earlier replacements come first.
    pub(super) fn instead(&mut self, from: &str, to: impl Into<String>) {
        self.instead.push((from.to_owned(), to.into()));
    }

    pub(super) fn variable(&mut self, name: &str, value: impl Into<String>) {
        self.environment.push((name.to_owned(), value.into()));
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    pub(super) fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    /// The text as the reader writes it.
    pub(super) fn own(&self, text: &str) -> String {
        let replace = |text: String, (from, to): &(String, String)| text.replace(from, to);
        self.instead.iter().fold(text.to_owned(), replace)
    }

    fn command(&self, program: &str) -> Command {
        let bin = Path::new(env!("CARGO_BIN_EXE_registrysync"))
            .parent()
            .unwrap();
        let path = std::env::var("PATH").unwrap_or_default();
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("PATH", format!("{}:{path}", bin.display()))
            .env("HOME", self.home.path())
            .env("LC_ALL", "C.UTF-8")
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .current_dir(self.home.path())
            .stdin(Stdio::null());
        command
    }

    /// Runs a console block, as one shell; returns its output.
    pub(super) fn types(&mut self, block: &Block) -> String {
        let commands: Vec<String> = block.commands().iter().map(|one| self.own(one)).collect();
        assert!(!commands.is_empty(), "no command in {block:?}");
        if let [command] = &commands[..]
            && (command.starts_with("registrysync serve")
                || command.starts_with("registrysync worker"))
        {
            return self.serves(command);
        }
        self.runs("bash", &["-euo", "pipefail", "-c", &commands.join("\n")])
    }

    /// Runs a program, which must succeed; returns its output.
    pub(super) fn runs(&self, program: &str, arguments: &[&str]) -> String {
        let mut command = self.command(program);
        command.args(arguments);
        let mut bounded = assert_cmd::Command::from_std(command);
        let output = bounded.timeout(BOUND).output().unwrap();
        let (out, err) = (
            String::from_utf8_lossy(&output.stdout).into_owned(),
            String::from_utf8_lossy(&output.stderr).into_owned(),
        );
        assert!(
            output.status.success(),
            "{arguments:?}: {:?}\n{out}\n{err}",
            output.status
        );
        out
    }

    /// Starts a long-running program until the page is done; returns its first line.
    pub(super) fn serves(&mut self, command: &str) -> String {
        let mut shell = self.command("bash");
        shell.args(["-c", &format!("exec {command}")]);
        let mut child = shell.stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        let out = child.stdout.as_mut().unwrap();
        BufReader::new(out).read_line(&mut line).unwrap();
        self.background.push(child);
        assert!(!line.is_empty(), "`{command}` ended");
        line
    }

    /// Starts a program without output.
    pub(super) fn starts(&mut self, program: &str, arguments: &[&str]) {
        let mut command = self.command(program);
        self.background
            .push(command.args(arguments).spawn().unwrap());
    }

    /// Ends what was started.
    pub(super) fn background_end(&mut self) {
        for mut child in self.background.drain(..) {
            // An error only means that it has ended already.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// A port that was free a moment ago.
pub(super) fn port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}
