//! Plans fail where their runs would, and their failed tags aren't forgotten.

use serde_json::{Value, json};

use super::{id_of, image, plan_make, plan_run, source, started};
use crate::cli::{Desk, Said};
use crate::support::registry::Registry;
use crate::support::registry::faults::Fault;
use crate::whole::commands::Person;

/// A tag of `app` that can't be read.
fn tag_break(source: &Registry, tag: &str) {
    for method in ["GET", "HEAD"] {
        source.fault_add(Fault::status(method, &format!("app/manifests/{tag}"), 403));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_project_s_plan_fails_where_its_run_would() {
    let (source, target) = (source(&["good", "bad"]).await, Registry::start().await);
    tag_break(&source, "bad");
    let (server, session) = started(&source, &target).await;
    let person = Person::at(&server);
    for (label, item, words) in [
        ("bare", None, "there are no items"),
        ("none", Some("^nothing"), "no item selects anything"),
        ("some", Some("."), "1 action is `failed`"),
    ] {
        let make = ["project", "create", label, "--from", "from", "--to", "to"];
        let item = item.map(|regex| ["--repository", "app", "--tag-regex", regex]);
        person.hears(
            &[&make[..], item.as_ref().map_or(&[], |item| item)].concat(),
            0,
        );
        let planned = person.hears(&["project", "plan", label], 1);
        let said = format!("a run would fail: {words}");
        assert!(planned.contains(&said), "{planned}");
        person.hears(&["project", "run", label, "--wait"], 1);
        if label != "some" {
            let kept = person.hears(&["project", "plan", label, "--keep", "--json"], 1);
            assert!(kept.is_empty(), "{kept}");
            let plans = person.hears(&["project", "plans", label, "--json"], 0);
            let plan: Value = serde_json::from_str(&plans).unwrap();
            assert_eq!(plan["failure"], words);
            let id = plan["id"].to_string();
            let refused = person.hears(&["project", "run", label, "--plan", &id], 1);
            assert!(refused.contains(words), "{refused}");
        }
    }
    let seen = person.says(&["project", "plan", "some"]);
    let seen = String::from_utf8(seen.stdout).unwrap();
    assert!(
        seen.lines()
            .any(|line| line.starts_with("failed  app:bad -> ")),
        "{seen}"
    );
    let plan = session
        .get("registrysync/plan", &[("label", "some")])
        .await
        .unwrap();
    let totals = ["skip", "blocked", "failed"].map(|name| plan["totals"][name].as_i64());
    assert_eq!(totals, [Some(1), Some(0), Some(1)]);
    let ignores = json!({"label": "none", "details": {"on_empty": "ignore"}});
    session
        .post("registrysync/setDetails", ignores)
        .await
        .unwrap();
    person.hears(&["project", "plan", "none"], 0);
    person.hears(&["project", "run", "none", "--wait"], 0);
}

/// The lines of a plan or a run without a server.
fn one_shot(desk: &Desk, command: &[&str], ends: [&str; 2], more: &[&str]) -> Said {
    let [from, to] = ends;
    let words = ["--from", from, "--to", to, "--repository", "app"];
    desk.run(&[command, &words, more].concat())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_lines_of_a_plan_add_up_to_its_totals() {
    let (source, target) = (
        source(&["good", "bad", "other"]).await,
        Registry::start().await,
    );
    tag_break(&source, "bad");
    let desk = Desk::new();
    let [from, to] = [&source, &target].map(|at| format!("http://{}", at.address()));
    let count = |lines: &[Value], name: &str, word: &str| {
        lines.iter().filter(|line| line[name] == word).count()
    };
    for command in [&["plan"][..], &["sync", "--dry-run"]] {
        let mut lines = one_shot(&desk, command, [&from, &to], &["--json"])
            .ended(1)
            .lines();
        let totals = lines.pop().expect("totals")["totals"].take();
        for word in ["copy", "update", "skip", "blocked", "failed"] {
            assert_eq!(
                totals[word],
                count(&lines, "action", word),
                "{word}: {lines:?}"
            );
        }
    }
    let mut lines = one_shot(&desk, &["sync"], [&from, &to], &["--json"])
        .ended(1)
        .lines();
    let totals = lines.pop().expect("totals")["totals"].take();
    for word in ["blocked", "failed"] {
        assert_eq!(
            totals[word],
            count(&lines, "status", word),
            "{word}: {lines:?}"
        );
    }
    assert_eq!(count(&lines, "status", "done"), 2);
    let nothing = one_shot(&desk, &["plan"], [&from, &to], &["--tag-regex", "^no"]).ended(1);
    let only = ["--tag-regex", "^no", "--save", "no.plan"];
    let saved = one_shot(&desk, &["plan"], [&from, &to], &only).ended(1);
    assert!(
        saved.err.contains("saved; it has nothing to copy"),
        "{saved:?}"
    );
    let refused = desk.run(&["sync", "--plan", "no.plan"]).ended(1);
    assert!(
        refused.err.contains("no item selects anything"),
        "{refused:?}"
    );
    assert!(
        nothing
            .err
            .contains("a run would fail: no item selects anything"),
        "{nothing:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_saved_plan_says_what_it_leaves_out() {
    let (source, target) = (source(&["good", "bad"]).await, Registry::start().await);
    tag_break(&source, "bad");
    let desk = Desk::new();
    let [from, to] = [&source, &target].map(|at| format!("http://{}", at.address()));
    let words = "warning: the plan leaves out 1 tag: 1 failed when it was made";
    let saved = one_shot(&desk, &["plan"], [&from, &to], &["--save", "some.plan"]).ended(1);
    assert!(saved.err.contains(words), "{saved:?}");
    source.faults_clear();
    let ran = desk
        .run(&["sync", "--plan", "some.plan", "--json"])
        .ended(0);
    assert!(ran.err.contains(words), "{ran:?}");
    assert_eq!(ran.lines().pop().expect("totals")["totals"]["warnings"], 1);
    assert_eq!(target.tags("app").keys().collect::<Vec<_>>(), ["good"]);

    tag_break(&source, "bad");
    let only = ["--tag", "bad", "--save", "none.plan"];
    one_shot(&desk, &["plan"], [&from, &to], &only).ended(1);
    source.faults_clear();
    let refused = desk.run(&["sync", "--plan", "none.plan"]).ended(1);
    assert!(
        refused
            .err
            .contains("nothing in it can be copied: the plan leaves out 1 tag"),
        "{refused:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kept_plan_says_what_it_leaves_out() {
    let (source, target) = (source(&["good", "bad"]).await, Registry::start().await);
    tag_break(&source, "bad");
    let (server, session) = started(&source, &target).await;
    let person = Person::at(&server);
    let words = "leaves out 1 tag: 1 failed when it was made";
    let kept = person.hears(&["project", "plan", "web", "--keep"], 1);
    assert!(
        kept.contains(&format!("warning: the plan {words}")),
        "{kept}"
    );
    source.faults_clear();
    let ran = person.says(&["project", "run", "web", "--plan", "1", "--wait"]);
    let said = String::from_utf8(ran.stderr).unwrap();
    assert!(
        ran.status.success() && said.contains(&format!("plan 1 {words}")),
        "{said}"
    );
    assert!(said.contains("1 warning"), "{said}");
    assert_eq!(target.tags("app").len(), 1);

    image(7).store(&source, "app", Some("bad"));
    tag_break(&source, "bad");
    tag_break(&source, "good");
    let plan = id_of(&plan_make(&session).await);
    let refused = plan_run(&session, plan).await.unwrap_err();
    assert!(
        refused.contains("has nothing to copy or to delete: it leaves out 2 tags"),
        "{refused}"
    );
}

/// Blocked and skipped tags: the run does nothing, and says what the plan leaves out.
#[tokio::test(flavor = "multi_thread")]
async fn a_run_of_a_plan_that_only_leaves_tags_out_says_so() {
    let (source, target) = (source(&["good", "bad"]).await, Registry::start().await);
    let (server, session) = started(&source, &target).await;
    session.run_ended(session.run().await).await;
    tag_break(&source, "bad");
    let plan = plan_make(&session).await;
    assert_eq!(plan["totals"]["failed"], 1, "{plan}");
    let id = plan["id"].to_string();
    let person = Person::at(&server);
    let ran = person.says(&["project", "run", "web", "--plan", &id, "--wait"]);
    assert_eq!(ran.status.code(), Some(0));
    let ran = String::from_utf8(ran.stderr).unwrap();
    let told = format!("nothing to copy or to delete; plan {id} leaves out 1 tag: 1 failed");
    assert!(ran.contains(&told), "{ran}");
    let made = person.hears(&["project", "plan", "web", "--keep"], 1);
    assert!(
        made.contains("; it has nothing to copy or to delete"),
        "{made}"
    );
}

#[test]
fn a_plan_that_can_not_be_made_is_not_saved() {
    let desk = Desk::new();
    let words = [
        "plan",
        "--from",
        "http://127.0.0.1:9",
        "--to",
        "http://127.0.0.1:8",
        "--repository",
        "app",
    ];
    let said = desk
        .run(&[&words[..], &["--save", "x.plan"]].concat())
        .ended(3);
    assert!(said.err.contains("`x.plan` isn't saved"), "{said:?}");
    assert!(!desk.path("x.plan").exists());
    let said = desk.run(&[&words[..], &["--save", "-"]].concat()).ended(2);
    assert!(said.err.contains("`--save`: give a file"), "{said:?}");
}
