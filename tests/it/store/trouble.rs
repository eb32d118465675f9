//! The meaning of a database's errors.

use super::account;
use crate::support::database::TestDatabase;
use diesel::connection::SimpleConnection as _;
use diesel::{Connection as _, SqliteConnection};
use registrysync::service::access::account::{bootstrap, login};
use registrysync::service::access::session::session_check;
use registrysync::service::{self, App, LoginPolicy, Logins};
use registrysync::store::access::account::account_count;
use registrysync::store::access::org::org_create;
use registrysync::store::{Db, DbConnection, Error, SealKey, Trouble};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

fn trouble<T: std::fmt::Debug>(result: Result<T, Error>) -> Trouble {
    match result {
        Err(Error::Trouble(trouble, _)) => trouble,
        other => panic!("{other:?}"),
    }
}

fn write(conn: &mut DbConnection) -> Result<i64, Error> {
    org_create(conn, &"long ".repeat(2000))
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_of_sqlite_are_classified_by_code() {
    let db = TestDatabase::sqlite();
    let path = db.url.strip_prefix("sqlite:").expect("a path").to_owned();
    // Full: as if the disk had no more pages.
    let full = db.run(|conn| {
        conn.batch_execute("PRAGMA max_page_count = 1")?;
        let result = write(conn);
        conn.batch_execute("PRAGMA max_page_count = 1000000")?;
        Ok(result)
    });
    assert_eq!(trouble(full.await.expect("no error")), Trouble::Full);
    let read_only = db.run(|conn| {
        conn.batch_execute("PRAGMA query_only = 1")?;
        let result = write(conn);
        conn.batch_execute("PRAGMA query_only = 0")?;
        Ok(result)
    });
    assert_eq!(
        trouble(read_only.await.expect("no error")),
        Trouble::ReadOnly
    );
    let mut other = SqliteConnection::establish(&path).expect("a connection");
    other.batch_execute("BEGIN IMMEDIATE").expect("the lock");
    let locked = db.run(|conn| {
        conn.batch_execute("PRAGMA busy_timeout = 0")?;
        Ok(conn.write(write))
    });
    assert_eq!(trouble(locked.await.expect("no error")), Trouble::Locked);
    other.batch_execute("COMMIT").expect("no lock");
    drop(other);

    let key = db.key().clone();
    db.run(|conn| Ok(conn.batch_execute("PRAGMA wal_checkpoint(TRUNCATE)")?))
        .await
        .expect("no error");
    let copy = db.dir.path().join("copy.db");
    let mut bytes = std::fs::read(&path).expect("the file");
    bytes[1024..].fill(0x5a);
    std::fs::write(&copy, bytes).expect("a damaged copy");
    let opened = Db::open(&format!("sqlite:{}", copy.display()), key);
    let error = opened.expect_err("a damaged file");
    assert!(
        matches!(error, Error::Trouble(Trouble::Corrupt, _)),
        "{error:?}"
    );
    assert!(
        !error.is_passing() && !error.is_healed_by_waiting(),
        "{error}"
    );
}

#[test]
fn a_passing_failure_is_told_from_a_lasting_one() {
    let all = |trouble| Error::Trouble(trouble, "".into());
    for trouble in [
        Trouble::Locked,
        Trouble::Contended,
        Trouble::Full,
        Trouble::ReadOnly,
    ] {
        assert!(all(trouble).is_passing(), "{trouble}");
    }
    assert!(!all(Trouble::Corrupt).is_passing());
    assert!(!all(Trouble::Full).is_healed_by_waiting());
    assert!(!all(Trouble::ReadOnly).is_healed_by_waiting());
    assert!(all(Trouble::Locked).is_healed_by_waiting());
    assert!(!Error::Value("".into()).is_passing());
    assert!(Error::Lost("".into()).is_passing());
}

on_both_databases! {
    async fn a_panic_is_a_lasting_failure_of_its_own_call_only(db) {
        let in_a_transaction = |conn: &mut DbConnection| {
            conn.write(|conn| -> Result<i64, Error> {
                org_create(conn, "half")?;
                panic!("a fault of ours")
            })
        };
        let error = db.run(in_a_transaction).await.expect_err("it panicked");
        assert!(matches!(error, Error::Task(_)), "{error:?}");
        // Otherwise its run would be retried forever, under a lease that is renewed.
        assert!(!error.is_passing(), "{error}");
        assert!(!error.is_healed_by_waiting(), "{error}");
        // Each of the connections.
        for _ in 0..20 {
            db.run(|conn| conn.write(|conn| org_create(conn, "half").map(drop).and_then(|()| {
                Err::<(), _>(Error::Value("rolled back".into()))
            }))).await.expect_err("rolled back");
        }
        db.run(|conn| conn.write(|conn| org_create(conn, "half"))).await.expect("it works, and nothing is left");
    }
}

/// A backup tool holds the lock, or the disk is full: calls that only read must not be affected.
#[tokio::test(flavor = "multi_thread")]
async fn reading_works_where_only_writing_fails() {
    let db = TestDatabase::sqlite();
    let policy = LoginPolicy {
        failure_delay: std::time::Duration::ZERO,
        ..LoginPolicy::default()
    };
    let app = Arc::new(App::new(
        Db::clone(&db),
        Logins::new(policy).expect("logins"),
    ));
    let given = Some("correct horse".into());
    bootstrap(&app, given).await.expect("an account");
    let here = IpAddr::from(Ipv4Addr::LOCALHOST);
    let name = || "admin".to_owned();
    let key = login(&app, here, name(), "correct horse".into(), None)
        .await
        .expect("a session");
    // As if half its time were over: each call renews it.
    db.run(|conn| {
        Ok(conn.batch_execute(
            "UPDATE session SET expires = strftime('%Y-%m-%d %H:%M:%f', 'now', '+1800 seconds')",
        )?)
    })
    .await
    .expect("no error");
    let path = db.url.strip_prefix("sqlite:").expect("a path");
    let mut other = SqliteConnection::establish(path).expect("a connection");
    other.batch_execute("BEGIN IMMEDIATE").expect("the lock");
    session_check(&app, &key).await.expect("the caller");
    // Writing reports what to do.
    let refused = login(&app, here, name(), "correct horse".into(), None).await;
    match refused {
        Err(service::Error::Unavailable { message: text, .. }) => {
            assert!(text.contains("locked by another program"), "{text}");
        }
        other => panic!("{other:?}"),
    }
    other.batch_execute("COMMIT").expect("no lock");
    login(&app, here, name(), "correct horse".into(), None)
        .await
        .expect("a session");
}

#[tokio::test]
async fn internal_errors_are_only_logged() {
    let db = TestDatabase::sqlite();
    let failed = db
        .run(|conn| Ok(conn.batch_execute("SELECT * FROM no_such_table")?))
        .await;
    let error = service::Error::from(failed.expect_err("no such table"));
    let text = error.to_string();
    assert!(!text.contains("no_such_table"), "{text}");
    assert!(text.contains("log has the reason under the id"), "{text}");
}

on_both_databases! {
    async fn several_first_starts_share_one_new_key(db) {
        let file = db.dir.path().join("new key");
        let starts: Vec<_> = (0..8)
            .map(|_| {
                let (url, file) = (db.url.clone(), file.clone());
                tokio::task::spawn_blocking(move || {
                    let key = SealKey::from_file(&file)?;
                    Db::open(&url, key)
                })
            })
            .collect();
        let mut keys = Vec::new();
        for start in starts {
            let opened = start.await.expect("no panic").expect("a database");
            keys.push(format!("{:?}", opened.key()));
        }
        let written = SealKey::from_file(&file).expect("the key");
        assert!(keys.iter().all(|key| *key == format!("{written:?}")), "{keys:?}");
        let left = std::fs::read_dir(db.dir.path()).expect("the directory");
        let aside = left.filter(|file| {
            file.as_ref().is_ok_and(|file| file.path().extension().is_some_and(|end| end == "new"))
        });
        assert_eq!(aside.count(), 0);
        db.run(|conn| { account(conn, "acme"); account_count(conn) }).await.expect("it works");
    }
}
