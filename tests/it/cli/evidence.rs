//! The file of `--evidence`: its form, and standard output.

use serde_json::Value;

use super::{Desk, Said};
use crate::support::images::{Format, Image};
use crate::support::registry::Registry;

#[tokio::test(flavor = "multi_thread")]
async fn the_form_is_what_is_given_or_what_the_name_says() {
    let (source, target) = (Registry::start().await, Registry::start().await);
    Image::multi(Format::Oci, 1, 1000).store(&source, "app", Some("1"));
    let [from, to] = [&source, &target].map(|at| format!("http://{}", at.address()));
    let desk = Desk::new();
    let sync = |more: &[&str], code: i32| -> Said {
        let words = ["sync", "--from", &from, "--to", &to, "--repository", "app"];
        desk.run(&[&words[..], more].concat()).ended(code)
    };
    let said = sync(&["--evidence", "-"], 0);
    let document: Value = serde_json::from_str(&said.out).expect("nothing else is printed");
    assert_eq!(document["results"][0]["tag"], "1");
    assert!(said.err.contains("copied  app:1 -> "), "{said:?}");
    let said = sync(&["--evidence", "-", "--evidence-format", "csv"], 0);
    let head = "run_id,project,source,target,";
    assert!(
        said.out.starts_with(head) && said.out.ends_with("\r\n"),
        "{said:?}"
    );
    let read = |name: &str| std::fs::read_to_string(desk.path(name)).unwrap();
    sync(&["--evidence", "done.json", "--evidence-format", "csv"], 0);
    assert!(read("done.json").starts_with(head));
    // What is there is replaced.
    sync(&["--evidence", "done.json"], 0);
    assert!(read("done.json").starts_with('{'));
    let refused = sync(&["--evidence", "done"], 2);
    let words = "`--evidence`: `done`: expected a name that ends with `.json` or `.csv`";
    assert!(
        refused.err.contains(words) && refused.err.contains("`--evidence-format`"),
        "{refused:?}"
    );
    let refused = sync(&["--evidence", "-", "--json"], 2);
    assert!(
        refused.err.contains("`-` is standard output"),
        "{refused:?}"
    );
    assert!(!desk.path("-").exists());
}

/// No file may have any content: the tags are overwritten, and nothing else says what they were.
#[tokio::test(flavor = "multi_thread")]
async fn evidence_that_the_disk_does_not_take_is_printed() {
    let (source, target) = (Registry::start().await, Registry::start().await);
    for seed in 1..=30 {
        let tag = format!("v{seed}");
        Image::artifact(seed, "a/b").store(&source, "app", Some(&tag));
    }
    let before = Image::artifact(99, "a/b");
    before.store(&target, "app", Some("v1"));
    let [from, to] = [&source, &target].map(|at| format!("http://{}", at.address()));
    let desk = Desk::new();
    let sync = |file: &str| -> (String, String) {
        // Without the `trap`, the signal of a file that is too large would end the process.
        let limited = "trap '' XFSZ; ulimit -f 0; exec \"$0\" \"$@\"";
        let mut command = desk.command_of("sh");
        command.args(["-c", limited, env!("CARGO_BIN_EXE_registrysync")]);
        command.args(["sync", "--from", &from, "--to", &to, "--repository", "app"]);
        let told = super::said(command.args(["--evidence", file])).ended(1);
        let parts = told.err.split_once("; the evidence follows:\n");
        let (message, evidence) = parts.expect("evidence");
        let words = format!("`--evidence`: `{file}` wasn't written: ");
        assert!(message.contains(&words), "{message}");
        assert!(!desk.path(file).exists());
        (message.to_owned(), evidence.to_owned())
    };
    let (message, evidence) = sync("done.json");
    assert!(message.contains("1 updated"), "{message}");
    let evidence: Value = serde_json::from_str(&evidence).expect("nothing else follows");
    assert_eq!(evidence["complete"], true);
    let results = evidence["results"].as_array().expect("results");
    assert_eq!(results.len(), 30);
    let updated = results.iter().find(|result| result["tag"] == "v1");
    let previous = &updated.expect("its result")["previous_digest"];
    assert_eq!(previous, before.digest());
    let (_, evidence) = sync("done.csv");
    assert!(evidence.starts_with("run_id,project,"), "{evidence}");
    assert_eq!(evidence.lines().count(), 31);
}
