//! `sync --evidence`, ended by a signal while a tag is being written.

use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::Desk;
use crate::support::images::Image;
use crate::support::registry::Registry;
use crate::support::registry::faults::{Action, Fault};
use crate::support::registry::log::Kind;
use crate::whole::server::end_asked;

fn image(seed: u64) -> Image {
    Image::artifact(seed, "a/b")
}

/// What was said on standard error, and the evidence.
async fn ended(write: Action, look: Option<Action>) -> (Registry, String, Value) {
    let (source, target) = (Registry::start().await, Registry::start().await);
    image(2).store(&source, "app", Some("1"));
    image(1).store(&target, "app", Some("1"));
    target.fault_add(Fault::on("PUT", "/manifests/1$", write));
    let desk = Desk::new();
    let mut command = desk.command();
    let [from, to] = [&source, &target].map(|at| format!("http://{}", at.address()));
    command.args(["sync", "--from", &from, "--to", &to, "--repository", "app"]);
    command.args(["--evidence", "done.json"]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().unwrap();
    let start = Instant::now();
    while target.requests().count("PUT", Kind::Manifest) == 0 {
        assert!(start.elapsed() < super::BOUND, "the tag is written");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // The registry has what it was sent, and does what it does with it.
    tokio::time::sleep(Duration::from_millis(500)).await;
    if let Some(look) = look {
        target.fault_add(Fault::on("HEAD", "/manifests/1$", look));
    }
    let ending = tokio::task::spawn_blocking(move || end_asked(child));
    let output = tokio::time::timeout(super::BOUND, ending).await;
    let output = output.expect("it ends").unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(130), "{text}");
    let evidence = std::fs::read_to_string(desk.path("done.json")).expect("evidence");
    let evidence: Value = serde_json::from_str(&evidence).expect("JSON");
    assert_eq!(evidence["run"]["status"], "INTERRUPTED");
    assert_eq!(evidence["complete"], false);
    (target, text, evidence)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tag_that_was_overwritten_without_an_answer_is_in_the_evidence() {
    let (target, text, evidence) = ended(Action::AnswerHeld, None).await;
    assert_eq!(target.tags("app")["1"], image(2).digest());
    let results = evidence["results"].as_array().expect("results");
    assert_eq!(results.len(), 1, "{evidence}");
    let result = &results[0];
    assert_eq!(
        [&result["action"], &result["status"]],
        [&json!("update"), &json!("done")]
    );
    assert_eq!(result["previous_digest"], image(1).digest());
    assert_eq!(result["target_digest"], image(2).digest());
    let reason = result["reason"].as_str().unwrap_or_default();
    assert!(reason.contains("the run was interrupted"), "{reason}");
    assert_eq!(evidence["totals"]["updated"], 1);
    assert!(!text.contains("may have been written"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tag_that_may_have_been_overwritten_is_named_with_both_digests() {
    let was = format!("it has `{}` now", image(1).digest());
    for (write, look, words) in [
        (Action::AnswerHeld, Some(Action::Hang), "no response within"),
        (Action::Hang, None, was.as_str()),
    ] {
        let (target, text, evidence) = ended(write, look).await;
        let warning = format!(
            "warning: `{}/app:1` may have been written: `{}` in place of `{}`; ",
            target.address(),
            image(2).digest(),
            image(1).digest()
        );
        assert!(text.contains(&warning) && text.contains(words), "{text}");
        assert_eq!(evidence["results"], json!([]));
        assert_eq!(evidence["totals"]["warnings"], 1);
    }
}
