//! Workers, and notifications between nodes.

use std::time::Duration;

use diesel::prelude::*;
use registrysync::store::base::channel::{Listener, Topic};
use registrysync::store::runs::cancel::{Cancelled, run_cancel};
use registrysync::store::runs::worker::{NewWorker, worker_forget, worker_register, worker_seen};
use registrysync::store::schema::worker;
use registrysync::store::{DbConnection, Error, now};

use super::account;
use crate::support::build::{ProjectBuilder, RunBuilder};
use crate::support::database::TestDatabase;
use crate::support::postgres::OwnServer;
use crate::support::queue::claim;

const LOST_AFTER: Duration = Duration::from_mins(1);
/// Polls for notifications: every 20 ms, for twenty seconds.
const LOOKS: usize = 1000;

fn at(host: &str, directory: &str) -> NewWorker {
    NewWorker {
        id: "w".to_owned(),
        host: host.to_owned(),
        directory: directory.to_owned(),
        slots: 2,
        lease_seconds: 60,
        host_parts: None,
        org_parts: None,
    }
}

on_both_databases! {
    async fn a_name_is_one_workers_as_long_as_it_lives(db) {
        db.run(|conn| {
            assert!(worker_register(conn, &at("a", "/data"), LOST_AFTER)?);
            // A restart, at once.
            assert!(worker_register(conn, &at("a", "/data"), LOST_AFTER)?);
            assert!(!worker_register(conn, &at("b", "/data"), LOST_AFTER)?);
            assert!(!worker_register(conn, &at("a", "/copy"), LOST_AFTER)?);
            silent_for(conn, 2)?;
            worker_seen(conn, "w")?;
            assert!(!worker_register(conn, &at("b", "/data"), LOST_AFTER)?);
            silent_for(conn, 2)?;
            assert!(worker_register(conn, &at("b", "/data"), LOST_AFTER)?);
            worker_forget(conn, "w")?;
            assert!(worker_register(conn, &at("c", "/data"), LOST_AFTER)?);
            // Long lost, and removed by the next one that starts.
            silent_for(conn, 60 * 24 * 30)?;
            let other = NewWorker { id: "v".to_owned(), ..at("c", "/data") };
            assert!(worker_register(conn, &other, LOST_AFTER)?);
            assert_eq!(worker::table.select(worker::id).load::<String>(conn)?, ["v"]);
            Ok(())
        })
        .await
        .expect("no error");
    }
}

fn silent_for(conn: &mut DbConnection, minutes: i64) -> Result<(), Error> {
    diesel::update(worker::table)
        .set(worker::heartbeat.eq(now() - chrono::TimeDelta::minutes(minutes)))
        .execute(conn)?;
    Ok(())
}

async fn heard(listener: &mut Listener) -> Vec<Topic> {
    for _ in 0..LOOKS {
        let news = listener.news().expect("connected");
        if !news.is_empty() {
            return news;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("no news");
}

#[tokio::test]
async fn nodes_hear_of_new_runs_and_of_runs_to_be_cancelled() {
    let sqlite = TestDatabase::sqlite();
    assert!(Listener::of(&sqlite).is_none(), "there is one node");
    let Some(mut server) = OwnServer::start() else {
        return;
    };
    let db = TestDatabase::of(&server);
    let mut listener = Listener::of(&db).expect("a listener");
    assert!(listener.news().is_err(), "not connected yet");
    listener.connect().expect("a connection");
    let key = db.key().clone();
    let (org, id) = db
        .run(move |conn| {
            let (org, _) = account(conn, "acme");
            let mirror = ProjectBuilder::new("mirror").make(conn, &key, org);
            Ok((org, RunBuilder::of(&mirror).alone().enqueue(conn)))
        })
        .await
        .expect("a run");
    assert_eq!(heard(&mut listener).await, [Topic::Queue]);
    db.run(|conn| claim(conn, "w")).await.expect("the run");
    assert_eq!(heard(&mut listener).await, [Topic::Queue], "its parts");
    let cancelled = db.run(move |conn| run_cancel(conn, org, id, "me")).await;
    assert_eq!(cancelled.expect("no error"), Cancelled::Asked);
    assert_eq!(heard(&mut listener).await, [Topic::Cancel]);

    server.stop();
    for _ in 0..LOOKS {
        match listener.news() {
            Err(Error::Lost(_)) => break,
            Ok(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            Err(other) => panic!("{other:?}"),
        }
    }
    let gone = listener.news();
    assert!(matches!(gone, Err(Error::Lost(_))), "{gone:?}");
    let refused = listener.connect();
    assert!(matches!(refused, Err(Error::Connect { .. })), "{refused:?}");
    server.start_again();
    listener.connect().expect("a connection");
    assert!(listener.news().expect("connected").is_empty());
}
