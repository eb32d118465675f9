//! Plans in files, and the commands of a server's plans.

use serde_json::{Value, json};

use super::{image, source, started};
use crate::cli::{Desk, Said};
use crate::support::docker_registry::DockerRegistry;
use crate::support::registry::Registry;
use crate::support::registry::content::digest_of;
use crate::support::registry::log::Kind;
use crate::sync::tags_at;
use crate::whole::commands::Person;

fn http(address: &str) -> String {
    format!("http://{address}")
}

fn plan_save(desk: &Desk, from: &str, to: &str, file: &str) -> Said {
    let words = [
        "plan",
        "--from",
        from,
        "--to",
        to,
        "--repository",
        "app",
        "--save",
        file,
    ];
    desk.run(&words)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_saved_plan_is_run_on_a_real_registry() {
    let Some(target) = DockerRegistry::start().await else {
        return;
    };
    let source = source(&["1", "2", "3"]).await;
    let desk = Desk::new();
    let (from, to) = (http(source.address()), http(target.address()));
    let said = plan_save(&desk, &from, &to, "monday.plan").ended(0);
    assert!(said.err.contains("would copy 3, update 0"), "{said:?}");
    assert!(
        said.err.contains("registrysync sync --plan monday.plan"),
        "{said:?}"
    );
    assert!(tags_at(target.address(), "app").await.is_empty());
    let text = std::fs::read_to_string(desk.path("monday.plan")).expect("the plan");
    let kept: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(kept["plan"]["target"]["address"], to);
    assert_eq!(kept["plan"]["actions"].as_array().map(Vec::len), Some(3));
    // It isn't overwritten.
    let again = plan_save(&desk, &from, &to, "monday.plan").ended(2);
    assert!(
        again.err.contains("`monday.plan` exists already"),
        "{again:?}"
    );

    image(20).store(&source, "app", Some("2"));
    image(4).store(&source, "app", Some("4"));
    source.requests_clear();
    let words = [
        "sync",
        "--plan",
        "monday.plan",
        "--json",
        "--evidence",
        "done.json",
    ];
    let said = desk.run(&words).ended(1);
    let mut lines = said.lines();
    let totals = lines.pop().expect("totals");
    assert_eq!(
        (&totals["totals"]["copied"], &totals["totals"]["blocked"]),
        (&json!(2), &json!(1))
    );
    let moved = lines
        .iter()
        .find(|line| line["tag"] == "2")
        .expect("its line");
    let reason = moved["reason"].as_str().unwrap_or_default();
    assert!(
        reason.contains("has moved since the plan") && reason.contains(image(20).digest()),
        "{reason}"
    );
    assert_eq!(source.requests().count("GET", Kind::TagList), 0);
    let tags = tags_at(target.address(), "app").await;
    let expected = [("1", image(1)), ("3", image(3))]
        .map(|(tag, image)| (tag.to_owned(), image.digest().to_owned()));
    assert_eq!(tags.into_iter().collect::<Vec<_>>(), expected);
    let evidence = std::fs::read_to_string(desk.path("done.json")).expect("evidence");
    let evidence: Value = serde_json::from_str(&evidence).expect("JSON");
    assert_eq!(evidence["asked"]["plan"], json!({"actions": 3}));
    let again = desk
        .run(&["sync", "--plan", "monday.plan", "--quiet"])
        .ended(1);
    assert!(
        again.err.contains("0 copied") && again.err.contains("2 unchanged"),
        "{again:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_not_the_saved_plan_copies_nothing() {
    let (source, target) = (source(&["1"]).await, Registry::start().await);
    let desk = Desk::new();
    let (from, to) = (http(source.address()), http(target.address()));
    plan_save(&desk, &from, &to, "good.plan").ended(0);
    let good = std::fs::read_to_string(desk.path("good.plan")).expect("the plan");
    let digest = image(1).digest().to_owned();
    target.requests_clear();
    for (text, words) in [
        (
            good[..good.len() / 2].to_owned(),
            "it isn't a plan, or it is cut off",
        ),
        (String::new(), "it isn't a plan, or it is cut off"),
        (
            "{\"format\": \"cake\", \"version\": 1}".to_owned(),
            "its format is `cake`",
        ),
        (
            good.replace("\"version\": 1", "\"version\": 2"),
            "a newer version of registrysync",
        ),
        (
            good.replace("\"version\": 1", "\"version\": 0"),
            "its format is 0, and this version knows 1: it was edited or damaged",
        ),
        (
            good.replace(&digest, image(2).digest()),
            "it was edited or damaged after it was made",
        ),
        (
            good.replace("\"made_by\"", "\"made_of\""),
            "it was edited or damaged after it was made",
        ),
        (
            good.replace("\"tls_verify\": true", "\"tls_verify\": false"),
            "it was edited or damaged",
        ),
    ] {
        assert_ne!(text, good, "{words}");
        let file = desk.file("bad.plan", &text);
        let said = desk.run(&["sync", "--plan", &file]).ended(2);
        assert!(
            said.err.contains("`--plan`: `") && said.err.contains(words),
            "{said:?}"
        );
    }
    let said = desk.run(&["sync", "--plan", "none.plan"]).ended(2);
    assert!(said.err.contains("No such file"), "{said:?}");
    for flags in [
        &["--tag", "1"][..],
        &["--to", &to],
        &["--from", &from, "--repository", "app"],
        &["--architecture", "amd64"],
        &["--placement", "flat"],
        &["--dry-run"],
        &["--on-empty", "fail"],
        &["--backup-tag", "{tag}-before"],
        &["--plain-http"],
        &["mirror.yml"],
    ] {
        let said = desk
            .run(&[&["sync", "--plan", "good.plan"], flags].concat())
            .ended(2);
        assert!(
            said.err.contains("cannot be used with"),
            "{flags:?}: {said:?}"
        );
    }
    assert!(
        target.requests().0.is_empty(),
        "nothing is asked of the target"
    );
    let said = desk
        .run(&[
            "plan",
            "--from",
            &from,
            "--to",
            &to,
            "--repository",
            "app",
            "--json",
        ])
        .ended(0);
    let totals = said.lines().pop().expect("totals")["totals"].take();
    assert_eq!((&totals["copy"], &totals["pulls"]), (&json!(1), &json!(1)));
    desk.run(&["sync", "--plan", "good.plan"]).ended(0);
    assert_eq!(target.tags("app")["1"], digest);
}

/// A plan's file on one line. In it, a `": ` only comes after a member's name.
fn compact(pretty: &str) -> String {
    let lines = pretty.lines();
    lines
        .map(|line| line.trim_start().replacen("\": ", "\":", 1))
        .collect()
}

/// The same file with the digest of its plan, as somebody may make it who edits one.
fn digest_renew(compact: &str) -> String {
    let (head, rest) = compact.split_once("\"plan\":").expect("a plan");
    let (plan, _) = rest.rsplit_once(",\"digest\":").expect("a digest");
    let digest = digest_of(plan.as_bytes());
    format!("{head}\"plan\":{plan},\"digest\":\"{digest}\"}}")
}

/// What a person reads of a plan is what is done, even if its digest is right.
#[tokio::test(flavor = "multi_thread")]
async fn a_plan_that_contradicts_itself_copies_nothing() {
    let (source, target) = (source(&["1"]).await, Registry::start().await);
    let desk = Desk::new();
    let (from, to) = (http(source.address()), http(target.address()));
    plan_save(&desk, &from, &to, "good.plan").ended(0);
    let good = std::fs::read_to_string(desk.path("good.plan")).expect("the plan");
    let good = compact(&good);
    assert_eq!(digest_renew(&good), good);
    let (head, rest) = good.split_once("\"actions\":[").expect("actions");
    let (action, rest) = rest.rsplit_once("]}").expect("their end");
    let place = format!("{}/app", target.address());
    let moved = action.replace("\"target_tag\":\"1\"", "\"target_tag\":\"2\"");
    target.requests_clear();
    for (actions, words) in [
        (
            moved,
            format!("it says `{place}:1`, and its other members `{place}:2`"),
        ),
        (
            format!("{action},{action}"),
            format!("action 2: another one has the target `{place}:1`"),
        ),
    ] {
        assert_ne!(actions, action);
        let text = digest_renew(&format!("{head}\"actions\":[{actions}]}}{rest}"));
        let file = desk.file("bad.plan", &text);
        let said = desk.run(&["sync", "--plan", &file]).ended(2);
        assert!(said.err.contains(&words), "{said:?}");
    }
    assert!(
        target.requests().0.is_empty(),
        "nothing is asked of the target"
    );
    let file = desk.file("same.plan", &good);
    desk.run(&["sync", "--plan", &file]).ended(0);
}

/// Edited by somebody who has made the digest fit.
#[tokio::test(flavor = "multi_thread")]
async fn an_action_that_is_not_known_is_refused_with_its_number() {
    let (source, target) = (source(&["1", "2"]).await, Registry::start().await);
    let desk = Desk::new();
    let (from, to) = (http(source.address()), http(target.address()));
    plan_save(&desk, &from, &to, "good.plan").ended(0);
    let good = std::fs::read_to_string(desk.path("good.plan")).expect("the plan");
    let good = compact(&good);
    let (head, last) = good
        .rsplit_once("\"action\":\"copy\"")
        .expect("two actions");
    target.requests_clear();
    for word in ["zap", "delete", "Copy", ""] {
        let edited = digest_renew(&format!("{head}\"action\":\"{word}\"{last}"));
        let file = desk.file("bad.plan", &edited);
        let said = desk.run(&["sync", "--plan", &file]).ended(2);
        let words = format!("action 2: its action is `{word}`; expected `copy`");
        assert!(said.err.contains(&words), "{said:?}");
    }
    assert!(target.requests().0.is_empty(), "nothing is copied");
}

#[tokio::test(flavor = "multi_thread")]
async fn plans_of_a_server_are_made_shown_run_and_deleted_by_commands() {
    let (source, target) = (source(&["1", "2"]).await, Registry::start().await);
    let (server, _) = started(&source, &target).await;
    let person = Person::at(&server);
    let seen = person.hears(&["project", "plan", "web"], 0);
    assert_eq!(
        seen.lines()
            .filter(|line| line.starts_with("copy "))
            .count(),
        2,
        "{seen}"
    );
    assert!(
        person
            .hears(&["project", "plans", "web", "--json"], 0)
            .is_empty()
    );
    let kept = person.hears(&["project", "plan", "web", "--keep", "--json"], 0);
    let kept: Value = serde_json::from_str(&kept).expect("JSON");
    assert_eq!(kept["id"], 1);
    assert!(
        person
            .hears(&["project", "plans", "web"], 0)
            .contains("admin")
    );
    let shown = person.hears(&["project", "plan-show", "1"], 0);
    assert_eq!(shown, seen);
    person.hears(&["project", "run", "web", "--plan", "1", "--wait"], 0);
    assert_eq!(target.tags("app").len(), 2);
    person.hears(&["project", "plan-delete", "1"], 0);
    let gone = person.hears(&["project", "run", "web", "--plan", "1"], 1);
    assert!(gone.contains("there is no plan 1"), "{gone}");
}

/// Two sources of one host, each with its own prefix.
#[tokio::test(flavor = "multi_thread")]
async fn each_action_is_copied_from_its_own_source() {
    let (source, target) = (Registry::start().await, Registry::start().await);
    image(1).store(&source, "p1/x", Some("t"));
    image(2).store(&source, "p2/y", Some("u"));
    let desk = Desk::new();
    let (from, to) = (http(source.address()), http(target.address()));
    let text = format!("{from}/p1:\n  images:\n    x: [t]\n{from}/p2:\n  images:\n    y: [u]\n");
    let file = desk.file("two.yml", &text);
    let plan = desk.path("two.plan");
    let plan = plan.to_str().unwrap();
    desk.run(&["plan", &file, "--to", &to, "--save", plan])
        .ended(0);
    desk.run(&["sync", "--plan", plan]).ended(0);
    assert_eq!(target.tags("x")["t"], image(1).digest());
    assert_eq!(target.tags("y")["u"], image(2).digest());
}
