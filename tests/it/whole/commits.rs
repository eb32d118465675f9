//! A link to PostgreSQL that loses the answer to a COMMIT: the server has executed it, but the client
//! isn't told, as when a server dies, fails over, or a firewall drops its connections.

use serde_json::json;

use super::server::Server;
use crate::support::database::TestDatabase;
use crate::support::images::{AMD64, Blob, Format, Image};
use crate::support::postgres_proxy::Proxy;
use crate::support::registry::Registry;

/// A run whose worker gets no answer to the COMMIT of a transaction with `mark`: it still ends,
/// with everything written, and so does the next one.
async fn run_ends_though_unanswered(mark: &'static str) {
    let Some(database) = TestDatabase::postgres() else {
        return;
    };
    let proxy = Proxy::start(&database).await;
    proxy.commit_cut(mark);
    let (source, target) = (Registry::start().await, Registry::start().await);
    for tag in 0..4 {
        let image = Image::single(Format::Oci, AMD64, &[Blob::layer(tag, 1000)]);
        image.store(&source, "app", Some(&format!("v{tag}")));
    }
    let server = Server::with_environment(vec![
        ("REGISTRYSYNC_LEASE_SECONDS", "6".to_owned()),
        ("REGISTRYSYNC_DATABASE", proxy.url.clone()),
    ]);
    let session = server.login().await;
    session
        .project(source.address(), target.address(), &["app"])
        .await;
    for _ in 0..2 {
        let id = session.run().await;
        let run = session.run_ended(id).await;
        assert_eq!(
            (&run["status"], &run["counts"]["selected"]),
            (&json!("FINISHED"), &json!(4)),
            "{run}"
        );
        assert_eq!(session.results(id).await.len(), 4);
    }
    assert!(!proxy.is_commit_to_be_cut(), "no answer was lost");
    assert_eq!(target.tags("app").len(), 4);
    assert!(target.broken_references().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_ends_though_the_answer_to_its_claim_is_lost() {
    run_ends_though_unanswered(r#""fence" = ("run_part"."fence" + "#).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_ends_though_the_answer_to_its_results_is_lost() {
    run_ends_though_unanswered(r#"INSERT INTO "run_result""#).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_ends_though_the_answer_to_its_end_is_lost() {
    run_ends_though_unanswered(r#""end_time" = "#).await;
}
