//! What a server logs when it starts and ends: the initial password, and what is dangerous or wrong.

use std::process::{Command, Output, Stdio};

use serde_json::Value;

use super::server::{end_asked, first_line};
use crate::cli::Desk;
use crate::support::tools::usable;

/// Serves with these arguments and variables until it is stopped.
fn served(desk: &Desk, arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    served_with(
        desk,
        &[&["--listen", "127.0.0.1:0"], arguments].concat(),
        environment,
    )
}

/// The same, wherever it listens.
fn served_at(desk: &Desk, arguments: &[&str]) -> Output {
    served_with(desk, arguments, &[])
}

fn served_with(desk: &Desk, arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    let mut command: Command = desk.command();
    command
        .arg("serve")
        .args(arguments)
        .envs(environment.iter().copied())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    if first_line(&mut child).is_empty() {
        return child.wait_with_output().unwrap();
    }
    end_asked(child)
}

fn said(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn the_log_is_as_loud_and_in_the_form_that_was_asked_for() {
    let desk = Desk::new();
    let trial = "--tls-self-signed";
    let stopping = |text: &str| text.contains("INFO stopping");
    let warning = |text: &str| text.contains("WARN the certificate is self-signed");
    for (arguments, environment, info, warn) in [
        (&[trial][..], &[][..], true, true),
        (&[trial, "--log-level", "warn"], &[], false, true),
        (
            &[trial],
            &[("REGISTRYSYNC_LOG_LEVEL", "error")],
            false,
            false,
        ),
        // The variable of all Rust programs wins.
        (
            &[trial, "--log-level", "error"],
            &[("RUST_LOG", "info")],
            true,
            true,
        ),
    ] {
        let output = served(&desk, arguments, environment);
        let text = said(&output);
        assert_eq!(output.status.code(), Some(0), "{text}");
        assert_eq!(
            (stopping(&text), warning(&text)),
            (info, warn),
            "{arguments:?} {environment:?}: {text}"
        );
    }
    let unreadable = served(&desk, &[], &[("RUST_LOG", "a=loud")]);
    let text = said(&unreadable);
    assert!(
        text.contains("WARN `RUST_LOG` can't be parsed") && stopping(&text),
        "{text}"
    );

    let output = served(&desk, &[trial, "--log-format", "json"], &[]);
    let text = said(&output);
    let lines: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}")))
        .collect();
    let levels: Vec<&Value> = lines.iter().map(|line| &line["level"]).collect();
    assert!(
        levels.contains(&&"WARN".into()) && levels.contains(&&"INFO".into()),
        "{text}"
    );
    for line in &lines {
        assert!(
            line["message"].is_string() && line["timestamp"].is_string(),
            "{line}"
        );
    }

    let refused = served(&desk, &["--log-level", "loud"], &[]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(said(&refused).contains("`log_level`: `loud` (from the flag)"));
}

#[test]
fn a_start_that_is_refused_creates_nothing() {
    let desk = Desk::new();
    let busy = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let busy = busy.local_addr().map(|address| (busy, address.to_string()));
    let (_busy, address) = busy.unwrap();
    for arguments in [
        &["--listen", &address][..],
        &[
            "--listen",
            "127.0.0.1:0",
            "--tls-cert",
            "no.pem",
            "--tls-key",
            "no.pem",
        ],
    ] {
        let mut command = desk.command();
        command
            .args(["serve", "--data-dir", "fresh"])
            .args(arguments);
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        assert!(!desk.path("fresh").exists(), "{arguments:?}");
    }
}

#[test]
fn the_first_password_is_shown_at_a_terminal_only() {
    let desk = Desk::new();
    let output = served(&desk, &["--data-dir", "quiet"], &[]);
    let kept = std::fs::read_to_string(desk.path("quiet/admin-password")).unwrap();
    let text = said(&output);
    assert!(
        text.contains("quiet/admin-password") && !text.contains(kept.trim()),
        "{text}"
    );
    assert!(kept.trim().len() > 10, "{kept}");
    if !usable("python3", &["--version"]) {
        return;
    }
    // On a terminal, until Ctrl-C is typed.
    let script = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/it/whole/clients/terminal.py"
    );
    let mut command = desk.command_of("python3");
    command.args([
        script,
        "--interrupt",
        "listening on",
        env!("CARGO_BIN_EXE_registrysync"),
    ]);
    command.args(["serve", "--listen", "127.0.0.1:0", "--data-dir", "shown"]);
    let screen = crate::cli::said(&mut command).ended(0).out;
    let kept = std::fs::read_to_string(desk.path("shown/admin-password")).unwrap();
    assert!(screen.contains(kept.trim()), "{screen}");
}

#[test]
fn an_address_that_others_reach_without_tls_is_warned_of() {
    let desk = Desk::new();
    let warned = |arguments: &[&str]| {
        let output = served_at(&desk, arguments);
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        said(&output).contains("without TLS: passwords can be intercepted")
    };
    for (arguments, expected) in [
        (&["--listen", "0.0.0.0:0"][..], true),
        (&["--listen", "[::]:0"], true),
        (&["--listen", "127.0.0.1:0"], false),
        (&["--listen", "[::ffff:127.0.0.1]:0"], false),
        (&["--listen", "0.0.0.0:0", "--tls-self-signed"], false),
        (
            &[
                "--listen",
                "0.0.0.0:0",
                "--public-url",
                "https://sync.example.com",
            ],
            false,
        ),
        (
            &[
                "--listen",
                "0.0.0.0:0",
                "--public-url",
                "http://sync.example.com",
            ],
            true,
        ),
    ] {
        assert_eq!(warned(arguments), expected, "{arguments:?}");
    }
}

#[test]
fn a_variable_that_looks_like_ours_and_is_none_is_refused() {
    let desk = Desk::new();
    for (words, name, near) in [
        (
            &["config"][..],
            "REGISTRYSYNC_LISTN",
            "; did you mean `REGISTRYSYNC_LISTEN`?",
        ),
        (
            &["serve"],
            "REGISTRYSYNC_DATADIR",
            "; did you mean `REGISTRYSYNC_DATA_DIR`?",
        ),
        (
            &["worker"],
            "REGISTRYSYNC_WORKERSLOTS",
            "; did you mean `REGISTRYSYNC_WORKER_SLOTS`?",
        ),
        (
            &["project", "list"],
            "REGISTRYSYNC_ULR",
            "; did you mean `REGISTRYSYNC_URL`?",
        ),
        (&["config"], "REGISTRYSYNC_NOTHING_LIKE_IT", ""),
    ] {
        let mut command = desk.command();
        let said = crate::cli::said(command.args(words).env(name, "x")).ended(2);
        let wanted = format!("registrysync: unknown variable `{name}`{near}\n");
        assert_eq!(said.err, wanted);
    }
    // Keys, what clients take, and what Kubernetes sets for a service of that name.
    let mut command = desk.command();
    command.arg("config");
    for name in [
        "REGISTRYSYNC_URL",
        "REGISTRYSYNC_USER",
        "REGISTRYSYNC_PASSWORD_FILE",
        "REGISTRYSYNC_CA_CERTIFICATE",
        "REGISTRYSYNC_MAIL_TO",
        "REGISTRYSYNC_SERVICE_HOST",
        "REGISTRYSYNC_SERVICE_PORT_HTTP",
        "REGISTRYSYNC_PORT",
        "REGISTRYSYNC_PORT_8080_TCP_ADDR",
        "MY_REGISTRYSYNC_LISTN",
    ] {
        command.env(name, "");
    }
    crate::cli::said(&mut command).ended(0);
}
