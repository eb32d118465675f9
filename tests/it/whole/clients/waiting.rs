//! `project run --wait`, interrupted by its user.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Command, Stdio};

use serde_json::json;

use super::commands::Person;
use crate::support::images::{AMD64, Blob, Format, Image};
use crate::support::registry::Registry;
use crate::support::registry::faults::{Action, Fault};
use crate::whole::server::Server;

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupt_ends_the_waiting_and_not_the_run() {
    let (source, target) = (Registry::start().await, Registry::start().await);
    let image = Image::single(Format::Oci, AMD64, &[Blob::layer(1, 2000)]);
    image.store(&source, "team/app", Some("1.0"));
    source.fault_add(Fault::on("GET", "/blobs/", Action::Hang));
    let server = Server::start(None);
    let session = server.login().await;
    let (from, to) = (source.address(), target.address());
    session.project(from, to, &["team/app"]).await;
    let person = Person::at(&server);
    person.logs_in();

    let mut command = person.command(env!("CARGO_BIN_EXE_registrysync"));
    command.args(["project", "run", "web", "--wait"]);
    let output = command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = output.spawn().unwrap();
    let mut errors = BufReader::new(child.stderr.take().unwrap());
    // It shows the run's status once it has started to wait.
    let mut first = String::new();
    errors.read_line(&mut first).unwrap();
    assert!(first.starts_with("run 1: "), "{first}");
    // The shell's own `kill`: a slim system has no other.
    let kill = Command::new("sh")
        .args(["-c", "kill -INT \"$0\"", &child.id().to_string()])
        .status();
    assert!(kill.unwrap().success());
    let mut rest = String::new();
    errors.read_to_string(&mut rest).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130), "{rest}");
    assert!(rest.ends_with("run 1 continues on the server\n"), "{rest}");

    let run = session
        .get("registrysync/getRun", &[("runId", "1")])
        .await
        .unwrap();
    assert!(
        matches!(run["status"].as_str(), Some("READY" | "RUNNING")),
        "{run}"
    );
    let cancelled = session
        .post("registrysync/cancelRun", json!({"runId": 1}))
        .await;
    assert_eq!(cancelled, Ok(json!(1)));
    assert_eq!(session.run_ended(1).await["status"], "INTERRUPTED");
}
