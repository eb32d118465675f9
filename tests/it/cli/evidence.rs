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
