//! `registrysync list-tags`: the selectors of `sync` over a listing.

use super::Desk;
use crate::support::images::Image;
use crate::support::registry::Registry;
use crate::sync::selecting::nobody;

#[tokio::test]
async fn every_tag_says_what_put_it_in_or_out() {
    let registry = Registry::start().await;
    for tag in ["1.9.0", "1.10.0", "2.0.0-rc1", "latest"] {
        Image::artifact(1, "a/b").store(&registry, "team/app", Some(tag));
    }
    let desk = Desk::new();
    let name = format!("http://{}/team/app", registry.address());
    let all = desk.run(&["list-tags", &name]).ended(0);
    assert_eq!(all.out, "1.9.0\n1.10.0\n2.0.0-rc1\nlatest\n");
    let range = ["list-tags", &name, "--semver", ">=1"];
    assert_eq!(desk.run(&range).ended(0).out, "1.9.0\n1.10.0\n");
    let why = desk.run(&[&range[..], &["--why"]].concat()).ended(0).out;
    let lines: Vec<&str> = why.lines().collect();
    assert_eq!(lines.len(), 4, "{why}");
    for (line, start, words) in [
        (lines[0], "+ 1.9.0: ", "`semver`"),
        (lines[2], "- 2.0.0-rc1: ", "pre-release"),
        (lines[3], "- latest: ", "not a version"),
    ] {
        assert!(line.starts_with(start) && line.contains(words), "{line}");
    }
    let json = desk
        .run(&[&range[..], &["--json", "--why"]].concat())
        .ended(0)
        .lines();
    assert_eq!(json.len(), 4);
    assert_eq!(json[3]["tag"], "latest");
    assert_eq!(json[3]["selected"], false);
    assert!(json.iter().all(|line| line["reason"].is_string()));
}

/// A named tag that doesn't exist isn't a tag of the repository.
#[tokio::test]
async fn a_named_tag_that_isnt_there_is_not_listed() {
    let registry = Registry::start().await;
    Image::artifact(1, "a/b").store(&registry, "app", Some("1"));
    let name = format!("http://{}/app", registry.address());
    let arguments = ["list-tags", &name, "--tag", "1", "--tag", "gone"];
    let desk = Desk::new();
    let said = desk.run(&arguments).ended(1);
    assert_eq!(
        (said.out.as_str(), said.err.as_str()),
        ("1\n", "registrysync: `app` has no tag `gone`\n")
    );
    let why = desk
        .run(&[&arguments[..], &["--why"]].concat())
        .ended(1)
        .out;
    assert!(
        why.contains("- gone: ") && why.contains("not in the repository"),
        "{why}"
    );
}

#[tokio::test]
async fn nothing_selected_is_said() {
    let registry = Registry::start().await;
    Image::artifact(1, "a/b").store(&registry, "app", Some("1"));
    let name = format!("http://{}/app", registry.address());
    let said = Desk::new()
        .run(&["list-tags", &name, "--tag-regex", "^3"])
        .ended(0);
    assert_eq!(
        (said.out.as_str(), said.err.as_str()),
        ("", "no tag of `app` is selected; it has 1 tag\n")
    );
}

#[tokio::test]
async fn missing_repositories_and_registries_have_their_exit_codes() {
    let registry = Registry::start().await;
    let desk = Desk::new();
    let name = format!("http://{}/gone", registry.address());
    let said = desk.run(&["list-tags", &name]).ended(1);
    assert!(said.err.contains("404"), "{said:?}");
    let name = format!("{}/app", nobody());
    let said = desk.run(&["list-tags", &name, "--plain-http"]).ended(3);
    assert!(said.err.contains("can't connect"), "{said:?}");
}
