//! A fresh, migrated database for one test, on either backend.

use super::postgres::{OwnServer, Server};
use diesel::connection::SimpleConnection as _;
use diesel::{Connection as _, PgConnection};
use registrysync::store::{Db, SealKey};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

/// A database that is removed on drop. Dereferences to its [`Db`].
pub(crate) struct TestDatabase {
    db: Db,
    /// The argument of [`Db::open`].
    pub(crate) url: String,
    /// A directory that is removed with it; the key file is `key` in it.
    pub(crate) dir: tempfile::TempDir,
    server_database: Option<(&'static Server, String)>,
}

impl TestDatabase {
    /// A SQLite file.
    pub(crate) fn sqlite() -> TestDatabase {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let url = format!("sqlite:{}", dir.path().join("test.db").display());
        TestDatabase::open(url, dir, None)
    }

    /// A database on the shared PostgreSQL server; `None` if there is no PostgreSQL.
    pub(crate) fn postgres() -> Option<TestDatabase> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let server = Server::shared()?;
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("test_{}_{number}", std::process::id());
        // One may be left from a killed test with the same process id.
        server_execute(
            server,
            &format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"),
        );
        server_execute(server, &format!("CREATE DATABASE {name}"));
        let dir = tempfile::tempdir().expect("a temporary directory");
        let url = server.url(&name);
        Some(TestDatabase::open(url, dir, Some((server, name))))
    }

    /// The database of a server of the test's own.
    pub(crate) fn of(server: &OwnServer) -> TestDatabase {
        let dir = tempfile::tempdir().expect("a temporary directory");
        TestDatabase::open(server.url(), dir, None)
    }

    fn open(
        url: String,
        dir: tempfile::TempDir,
        server_database: Option<(&'static Server, String)>,
    ) -> TestDatabase {
        let key = SealKey::from_file(&dir.path().join("key")).expect("a key");
        let db = Db::open(&url, key).expect("a database");
        TestDatabase {
            db,
            url,
            dir,
            server_database,
        }
    }

    /// The key file.
    pub(crate) fn key_file(&self) -> PathBuf {
        self.dir.path().join("key")
    }

    /// A second [`Db`] on the same database, as another process would open it.
    pub(crate) fn open_again(&self) -> Result<Db, registrysync::store::Error> {
        Db::open(&self.url, SealKey::from_file(&self.key_file())?)
    }
}

impl std::ops::Deref for TestDatabase {
    type Target = Db;

    fn deref(&self) -> &Db {
        &self.db
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        if let Some((server, name)) = &self.server_database {
            server_execute(server, &format!("DROP DATABASE {name} WITH (FORCE)"));
        }
    }
}

fn server_execute(server: &Server, sql: &str) {
    PgConnection::establish(&server.url("postgres"))
        .expect("the PostgreSQL server")
        .batch_execute(sql)
        .expect(sql);
}

/// Creates two tests from one body, `NAME::sqlite` and `NAME::postgres`.
macro_rules! on_both_databases {
    ($(#[$meta:meta])* async fn $name:ident($db:ident) $body:block) => {
        $(#[$meta])*
        mod $name {
            #[allow(unused_imports, reason = "a body may need nothing of its module")]
            use super::*;

            async fn body($db: $crate::support::database::TestDatabase) $body

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn sqlite() {
                body($crate::support::database::TestDatabase::sqlite()).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn postgres() {
                if let Some(db) = $crate::support::database::TestDatabase::postgres() {
                    body(db).await;
                }
            }
        }
    };
}
