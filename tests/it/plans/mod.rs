//! Plans that are kept, and run later.
//!
//! - `costs`: what a plan says that a run costs, compared with a run.
//! - `digests`: a run of a plan copies exactly its digests, whatever has moved since.
//! - `deletes`: what a run of a plan deletes.
//! - `bad_input`: what is refused, retention, other organisations; `changed`: what has changed since.
//! - `making`: what happens while a plan is made.
//! - `shared`: several workers, a take-over, 100 000 tags.
//! - `command_line`: plans in files, and the commands of a server's plans.
//! - `verdict`: plans fail where their runs would, and their failed tags aren't forgotten.

mod bad_input;
mod changed;
mod command_line;
mod costs;
mod deletes;
mod digests;
mod making;
mod shared;
mod verdict;

use serde_json::{Value, json};

use crate::support::images::{AMD64, Blob, Format, Image};
use crate::support::registry::Registry;
use crate::whole::server::{Server, Session};

/// A small image.
fn image(seed: u64) -> Image {
    Image::single(Format::Oci, AMD64, &[Blob::layer(seed, 2000)])
}

/// A source whose `app` has these tags, each with an image of its own.
async fn source(tags: &[&str]) -> Registry {
    let source = Registry::start().await;
    for (seed, tag) in (1..).zip(tags) {
        image(seed).store(&source, "app", Some(tag));
    }
    source
}

/// A server with the project `web`, which copies `app`.
async fn started(source: &Registry, target: &Registry) -> (Server, Session) {
    let server = Server::start(None);
    let session = server.login().await;
    session
        .project(source.address(), target.address(), &["app"])
        .await;
    (server, session)
}

/// Keeps a plan of the project `web`.
async fn plan_make(session: &Session) -> Value {
    let made = session.post("registrysync/createPlan", json!({"label": "web"}));
    made.await.expect("a plan")
}

fn id_of(plan: &Value) -> i64 {
    plan["id"].as_i64().expect("an id")
}

/// Starts a run of a plan.
async fn plan_run(session: &Session, plan: i64) -> Result<i64, String> {
    let body = json!({"label": "web", "options": {"plan": plan}});
    let started = session.post("registrysync/run", body).await?;
    Ok(started.as_i64().expect("an id"))
}

/// Runs a plan to its end; the run and its results by tag.
async fn plan_ran(session: &Session, plan: i64) -> (Value, Vec<Value>) {
    let id = plan_run(session, plan).await.expect("a run");
    let run = session.run_ended(id).await;
    let mut results = session.results(id).await;
    results.sort_by_key(|result| result["tag"].to_string());
    (run, results)
}

/// Tag, action and status of each.
fn words(results: &[Value]) -> Vec<[&str; 3]> {
    let of = |result| ["tag", "action", "status"].map(|name| word(result, name));
    results.iter().map(of).collect()
}

fn word<'a>(result: &'a Value, name: &str) -> &'a str {
    result[name].as_str().unwrap_or_default()
}
