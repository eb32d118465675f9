//! Two servers write one index of referrers.

use std::time::Duration;

use serde_json::{Value, json};

use super::server::{Server, Worker};
use crate::support::database::TestDatabase;
use crate::support::images::{AMD64, Blob, Format, Image};
use crate::support::registry::Registry;
use crate::support::registry::faults::{Action, Fault, Quirk};

const IMAGES: u64 = 4;

fn image(number: u64) -> Image {
    Image::single(Format::Oci, AMD64, &[Blob::layer(number, 500)])
}

/// A source with the same images as the others, and with own referrers.
async fn source(own: u64) -> Registry {
    let registry = Registry::start().await;
    for number in 0..IMAGES {
        let image = image(number);
        image.store(&registry, "app", Some(&format!("v{number}")));
        let referrer = Image::referrer(1000 * own + number, &format!("a/t{own}"), &image.top);
        referrer.store(&registry, "app", None);
    }
    registry
}

#[tokio::test(flavor = "multi_thread")]
async fn two_nodes_write_one_index_of_referrers_without_losing_an_entry() {
    let Some(database) = TestDatabase::postgres() else {
        return;
    };
    let target = Registry::builder().quirk(Quirk::NoReferrers).start().await;
    // Between reading and writing there is time for another writer.
    let slow = Action::Delay(Duration::from_millis(700));
    target.fault_add(Fault::on("PUT", "manifests/sha256-", slow));
    let server = Server::with_environment(vec![
        ("REGISTRYSYNC_NO_WORKER", "true".to_owned()),
        ("REGISTRYSYNC_DATABASE", database.url.clone()),
    ]);
    let session = server.login().await;
    session.store("to", target.address()).await;
    let sources = [source(1).await, source(2).await];
    let mut runs = Vec::new();
    for (number, source) in sources.iter().enumerate() {
        let (label, store) = (format!("p{number}"), format!("from{number}"));
        session.store(&store, source.address()).await;
        let body = json!({"label": label, "srcStore": store, "destStore": "to",
            "options": {"referrers": true}});
        session.post("registrysync/create", body).await.unwrap();
        let body = json!({"label": label, "repository": "app", "tags": []});
        session.post("registrysync/addImage", body).await.unwrap();
        let id = session.post("registrysync/run", json!({"label": label}));
        runs.push(id.await.unwrap().as_i64().unwrap());
    }
    let slots = || vec![("REGISTRYSYNC_WORKER_SLOTS", "1".to_owned())];
    let _workers = [
        Worker::start(&server, &database.url, slots()),
        Worker::start(&server, &database.url, slots()),
    ];
    for id in &runs {
        let run = session.run_ended(*id).await;
        assert_eq!(run["status"], "FINISHED", "{run}");
    }
    for number in 0..IMAGES {
        let tag = image(number).digest().replace(':', "-");
        let (_, bytes) = target.manifest("app", &tag).expect("an index");
        let index: Value = serde_json::from_slice(&bytes).unwrap();
        assert_eq!(index["manifests"].as_array().unwrap().len(), 2, "{index}");
    }
    let log = session.log(runs[0]).await;
    assert!(
        log.contains("with 1 referrer: ") || log.contains("1 referrer written to"),
        "{log}"
    );
}
