//! The command line as a process: its output, exit codes and input.
//!
//! - `sync`: the one-shot copy, from flags and from files; `bad_input`: what it refuses, and how.
//! - `evidence`: its file; `interrupted`: the same after a signal; `waiting`: a registry that says nothing.
//! - `cron`: explains a cron line.
//! - `list_tags`: selectors over a listing.
//! - `surroundings`: proxies, certificates and auth files; `logins`: credential helpers and identity tokens.
//! - `terminal`: text from others controls no terminal; `trust`: private certificate authorities;
//!   `help`: its examples.
//! - `memory`: a layer that is larger than the process's memory limit.
//!
//! This file: a desk, which is a directory with files and a clean environment to start the binary in.

mod bad_input;
mod cron;
mod evidence;
mod help;
mod interrupted;
mod list_tags;
mod logins;
pub(crate) mod memory;
mod surroundings;
mod sync;
mod terminal;
mod trust;
mod waiting;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

/// No command of these tests may take longer.
const BOUND: Duration = Duration::from_mins(2);

/// Where the binary is started.
pub(crate) struct Desk {
    directory: TempDir,
}

/// Its output and exit code.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Desk {
    pub(crate) fn new() -> Self {
        Self {
            directory: tempfile::tempdir().unwrap(),
        }
    }

    /// Writes a file; returns its path.
    pub(crate) fn file(&self, name: &str, text: &str) -> String {
        let path = self.path(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// The binary, without the user's own configuration.
    pub(crate) fn command(&self) -> Command {
        self.command_of(env!("CARGO_BIN_EXE_registrysync"))
    }

    /// Another program, in the same way.
    pub(crate) fn command_of(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        let home: &Path = self.directory.path();
        command.env_clear().env("HOME", home).current_dir(home);
        let path = std::env::var_os("PATH").unwrap_or_default();
        command.env("PATH", path);
        command.stdin(Stdio::null());
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Said {
        said(self.command().args(arguments))
    }
}

/// Runs a command to its end.
pub(crate) fn said(command: &mut Command) -> Said {
    let mut bounded = assert_cmd::Command::from_std(std::mem::replace(command, Command::new("")));
    let output = bounded.timeout(BOUND).output().expect("the binary");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    Said {
        code: output.status.code().expect("an exit code"),
        out: text(output.stdout),
        err: text(output.stderr),
    }
}

impl Said {
    /// Standard output as one JSON object a line.
    pub(crate) fn lines(&self) -> Vec<Value> {
        let parse = |line: &str| serde_json::from_str(line).expect("an object in each line");
        self.out.lines().map(parse).collect()
    }

    pub(crate) fn ended(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{self:?}");
        self
    }
}
