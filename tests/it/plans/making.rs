//! What happens while a plan is made, and what it says of a catalogue.

use std::time::Duration;

use diesel::prelude::*;
use registrysync::store::schema::kept_action;
use serde_json::json;

use super::{id_of, image, plan_make, plan_ran, source, started, word};
use crate::support::registry::Registry;
use crate::support::registry::faults::{Action, Fault};
use crate::support::registry::log::Kind;
use crate::whole::server::{Server, Session};

fn slow(source: &Registry, millis: u64) {
    let delay = Action::Delay(Duration::from_millis(millis));
    source.fault_add(Fault::on("GET", "/tags/list", delay));
}

async fn post(
    session: &Session,
    method: &str,
    body: serde_json::Value,
) -> Result<serde_json::Value, String> {
    session.post(&format!("registrysync/{method}"), body).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_of_a_project_that_is_changed_meanwhile_is_not_kept() {
    let (source, target) = (source(&["1", "2"]).await, Registry::start().await);
    let (_server, session) = started(&source, &target).await;
    slow(&source, 1500);
    let changes = [
        (
            "setDetails",
            json!({"label": "web", "details": {"target_tag": "x-{tag}"}}),
        ),
        (
            "addImage",
            json!({"label": "web", "repository": "lib", "tags": ["1"]}),
        ),
    ];
    for (method, body) in changes {
        let plan = post(&session, "createPlan", json!({"label": "web"}));
        let change = async {
            tokio::time::sleep(Duration::from_millis(500)).await;
            post(&session, method, body).await.unwrap();
        };
        let (plan, ()) = tokio::join!(plan, change);
        let refused = plan.unwrap_err();
        assert!(
            refused.contains("`web` was changed while it was planned: "),
            "{refused}"
        );
        let plans = session
            .get("registrysync/listPlans", &[("label", "web")])
            .await
            .unwrap();
        assert_eq!(plans, json!([]));
    }
}

/// Another user of the organisation, who may plan.
async fn colleague(server: &Server, admin: &Session, login: &str) -> Session {
    let (password, email) = ("long enough", "colleague@example.org");
    let new = json!({
        "login": login, "password": password, "first": "A", "last": "B", "email": email,
    });
    admin.post("user/create", new).await.unwrap();
    let role = json!({"login": login, "role": "image_admin"});
    admin.post("user/addRole", role).await.unwrap();
    server.try_login_of(login, password).await.1.unwrap()
}

/// Makes plans at once, one for each session; what was refused.
async fn at_once(sessions: &[&Session]) -> Vec<String> {
    let made = sessions
        .iter()
        .map(|session| post(session, "createPlan", json!({"label": "web"})));
    let made = futures_util::future::join_all(made).await;
    made.into_iter().filter_map(Result::err).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_and_an_organisation_make_a_few_plans_at_once() {
    let (source, target) = (source(&["1"]).await, Registry::start().await);
    let (server, session) = started(&source, &target).await;
    let second = colleague(&server, &session, "second").await;
    let third = colleague(&server, &session, "third").await;
    slow(&source, 3000);
    let refused = at_once(&[&session, &session, &session, &second]).await;
    assert_eq!(refused.len(), 1, "{refused:?}");
    let words = "2 plans of yours are being made already, the most of one user";
    assert!(refused[0].contains(words), "{refused:?}");
    let refused = at_once(&[&session, &session, &second, &second, &third]).await;
    assert_eq!(refused.len(), 1, "{refused:?}");
    let words = "4 plans of the organisation are being made already";
    assert!(refused[0].contains(words), "{refused:?}");
    // Without their clients, plans that aren't kept end.
    source.faults_clear();
    source.fault_add(Fault::on("GET", "/tags/list", Action::Hang));
    for _ in 0..2 {
        let given_up = session.get("registrysync/plan", &[("label", "web")]);
        let given_up = tokio::time::timeout(Duration::from_millis(300), given_up).await;
        assert!(given_up.is_err());
    }
    source.faults_clear();
    let mut tries = 0..100;
    while post(&session, "createPlan", json!({"label": "web"}))
        .await
        .is_err()
    {
        tries.next().expect("a plan can be made again");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// A session of another person of the same organisation, and one of another organisation.
async fn others(server: &Server, admin: &Session) -> (Session, Session) {
    let anna = json!({"login": "anna.k", "password": "a long one",
        "first": "", "last": "", "email": ""});
    let role = json!({"login": "anna.k", "role": "image_admin"});
    let acme = json!({"name": "Acme", "adminLogin": "acme-admin", "adminPassword": "a long one",
        "prefix": "", "first": "", "last": "", "email": "", "usePam": false});
    for (method, body) in [
        ("user/create", anna),
        ("user/addRole", role),
        ("org/create", acme),
    ] {
        admin.post(method, body).await.expect(method);
    }
    let login = async |name: &str| {
        let (_, session) = server.try_login_of(name, "a long one").await;
        session.expect("a session")
    };
    (login("anna.k").await, login("acme-admin").await)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_organisation_plans_while_another_makes_all_plans_that_it_may() {
    let quick = source(&["1"]).await;
    let (source, target) = (source(&["1"]).await, Registry::start().await);
    let (server, session) = started(&source, &target).await;
    let (anna, acme) = others(&server, &session).await;
    source.fault_add(Fault::on("GET", "/tags/list", Action::Hang));
    let mut hanging = tokio::task::JoinSet::new();
    for person in [&session, &session, &anna, &anna] {
        let person = person.clone();
        hanging.spawn(async move { post(&person, "createPlan", json!({"label": "web"})).await });
    }
    tokio::time::timeout(Duration::from_secs(30), async {
        while source.requests().count("GET", Kind::TagList) < 4 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await
    .expect("four plans that are being made");
    acme.project(quick.address(), target.address(), &["app"])
        .await;
    let plan = plan_make(&acme).await;
    assert_eq!(plan["totals"]["copy"], 1, "{plan}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_ends_with_its_project_however_slow_the_source_is() {
    let (source, target) = (source(&["1"]).await, Registry::start().await);
    let (_server, session) = started(&source, &target).await;
    source.fault_add(Fault::on("GET", "/tags/list", Action::Hang));
    let plan = post(&session, "createPlan", json!({"label": "web"}));
    let delete = async {
        while source.requests().count("GET", Kind::TagList) == 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let deleted = post(&session, "delete", json!({"label": "web"})).await;
        deleted.expect("the project is deleted");
    };
    let ended = async { tokio::join!(plan, delete) };
    let ended = tokio::time::timeout(Duration::from_mins(1), ended).await;
    let refused = ended.expect("it ends").0.unwrap_err();
    let words = "the project was deleted while it was planned";
    assert!(refused.contains(words), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_counts_the_requests_for_the_catalogue() {
    let source = Registry::builder().page_size(2).start().await;
    for (seed, name) in (1..).zip(["team/a", "team/b", "team/c"]) {
        image(seed).store(&source, name, Some("1"));
    }
    let target = Registry::start().await;
    let (_server, session) = started(&source, &target).await;
    let images = session
        .get("registrysync/listImages", &[("label", "web")])
        .await
        .unwrap();
    post(&session, "removeImage", json!({"itemId": images[0]["id"]}))
        .await
        .unwrap();
    let item = json!({"label": "web", "repository": "", "tags": [], "options": {"repositories_regex": "^team/"}});
    post(&session, "addImage", item).await.unwrap();
    let plan = plan_make(&session).await;
    source.requests_clear();
    let run = session.run_ended(session.run().await).await;
    assert_eq!(run["counts"]["copied"], 3, "{run}");
    let asked = source.requests().0.len() as u64;
    let said = plan["totals"]["source_requests"]
        .as_u64()
        .expect("a number");
    // How many tags are looked for before it is known that the target lacks them depends on timing.
    assert!(asked.abs_diff(said) <= 3, "{asked}: {plan}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_tells_of_invalid_names_in_the_catalogue() {
    let (source, target) = (source(&["1"]).await, Registry::start().await);
    let (_server, session) = started(&source, &target).await;
    let item = json!({"label": "web", "repository": "", "tags": [], "options": {"repositories_regex": "^app$"}});
    post(&session, "addImage", item).await.unwrap();
    let listed = Action::Answer {
        status: 200,
        headers: Vec::new(),
        body: json!({"repositories": ["app", "No Name"]}).to_string(),
    };
    source.fault_add(Fault::on("GET", "_catalog", listed));
    let told = "1 name in the catalogue is not a valid repository name and is skipped: `No Name`";
    let plan = plan_make(&session).await;
    assert!(plan["warnings"].to_string().contains(told), "{plan}");
    let plan = session
        .get("registrysync/plan", &[("label", "web")])
        .await
        .unwrap();
    assert!(plan["warnings"].to_string().contains(told), "{plan}");
}

/// The names of kept images mention the day of the run, which the plan doesn't know.
#[tokio::test(flavor = "multi_thread")]
async fn a_kept_image_takes_no_name_that_the_plan_needs() {
    let (source, target) = (source(&["3", "5"]).await, Registry::start().await);
    image(50).store(&target, "app", Some("3"));
    let (server, session) = started(&source, &target).await;
    let details = json!({"backup_tag": "{tag}-before"});
    post(
        &session,
        "setDetails",
        json!({"label": "web", "details": details}),
    )
    .await
    .unwrap();
    let plan = plan_make(&session).await;
    let place = format!("{}/app:3-before", target.address());
    let db = server.sqlite();
    let renamed = db.run(move |conn| {
        let action = kept_action::table.filter(kept_action::tag.eq("5"));
        let name = (
            kept_action::target_tag.eq("3-before"),
            kept_action::target.eq(place),
        );
        Ok(diesel::update(action).set(name).execute(conn)?)
    });
    assert_eq!(renamed.await.unwrap(), 1);
    let (run, results) = plan_ran(&session, id_of(&plan)).await;
    assert_eq!(run["counts"]["failed"], 1, "{run}");
    let error = word(&results[0], "error");
    assert!(
        error.contains("would be kept as `3-before`: `")
            && error.contains("/app:5` is copied to that tag"),
        "{error}"
    );
    assert_eq!(target.tags("app")["3"], image(50).digest());
}
