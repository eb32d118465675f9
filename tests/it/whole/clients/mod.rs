//! Clients in other languages and shells, as their users run them, against the real server.
//!
//! - `examples`: the scripts of `examples/` in Perl, Ruby and Ansible, and a client as strict as Go's
//!   (`strict.py`). Those in Python and curl are in `whole::scripts`.
//! - `commands`: our own commands that talk to a server, when something is wrong.
//! - `tls`: the same commands over https; `waiting`: interrupted waiting.
//! - `spacecmd`: the commands of `contrib/spacecmd`, in a stand-in for spacecmd's shell.
//!
//! This file: a process with a timeout.

mod commands;
mod examples;
mod spacecmd;
mod tls;
mod waiting;

use std::process::Command;
use std::time::Duration;

/// Ansible starts a process for each of its 15 tasks.
const BOUND: Duration = Duration::from_mins(3);

/// Runs a command to its end with `input` on standard input: exit code, output, errors.
fn ended(command: Command, input: &str) -> (i32, String, String) {
    let mut bounded = assert_cmd::Command::from_std(command);
    let output = bounded.timeout(BOUND).write_stdin(input).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let code = output.status.code().expect("an exit code within the bound");
    (code, text(output.stdout), text(output.stderr))
}
