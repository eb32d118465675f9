use super::account;
use crate::support::build::StoreBuilder;
use crate::support::database::TestDatabase;
use diesel::connection::{Connection as _, SimpleConnection as _};
use registrysync::store::access::account::{account_by_login, account_count};
use registrysync::store::stores::image_store::image_store_by_label;
use registrysync::store::{Db, Error, SealError, SealKey};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

on_both_databases! {
    async fn opening_twice_changes_nothing(db) {
        db.run(|conn| {
            account(conn, "acme");
            Ok(())
        })
        .await
        .expect("no error");
        let again = db.open_again().expect("the same database");
        assert_eq!(again.run(account_count).await.expect("no error"), 1);
        assert!(copies(db.dir.path()).is_empty());
    }
}

on_both_databases! {
    async fn a_newer_database_is_refused(db) {
        db.run(|conn| {
            Ok(conn.batch_execute(
                "INSERT INTO __diesel_schema_migrations (version) VALUES ('99990101000000')",
            )?)
        })
        .await
        .expect("no error");
        match db.open_again() {
            Err(Error::Newer { version }) => assert_eq!(version, "99990101000000"),
            other => panic!("{other:?}"),
        }
    }
}

on_both_databases! {
    async fn an_older_database_is_migrated_after_a_backup(db) {
        // The first migration's state, with an account in it.
        db.run(|conn| {
            account(conn, "acme");
            for table in [
                "kept_action", "kept_plan", "notification", "written_tag", "write_intent", "run_repository", "run_catalogue", "run_asked", "synced_tag", "run_log", "run_result", "run_part", "worker", "tasko_run", "tasko_schedule", "tasko_template", "tasko_task",
                "tasko_bunch", "sync_item", "sync_project", "image_store",
            ] {
                conn.batch_execute(&format!("DROP TABLE {table}"))?;
            }
            Ok(conn.batch_execute(
                "DELETE FROM __diesel_schema_migrations WHERE version IN ('20261101000002', '20261101000005')",
            )?)
        })
        .await
        .expect("no error");
        let key = db.key().clone();
        let again = db.open_again().expect("a migrated database");
        again
            .run(move |conn| {
                let org = account_by_login(conn, "acme-admin")?.expect("the account").org_id;
                StoreBuilder::new("hub").make(conn, &key, org);
                Ok(())
            })
            .await
            .expect("no error");
        let copies = copies(db.dir.path());
        if db.url.starts_with("postgres") {
            assert!(copies.is_empty());
            return;
        }
        // The copy is a complete earlier database.
        let [copy] = &copies[..] else { panic!("{copies:?}") };
        let url = format!("sqlite:{}", copy.display());
        let key = SealKey::from_file(&db.key_file()).expect("the key");
        let old = Db::open(&url, key).expect("the copy");
        assert_eq!(old.run(account_count).await.expect("no error"), 1);
    }
}

/// Nobody else can read the copy, not even while it is written.
#[tokio::test(flavor = "multi_thread")]
async fn the_copy_before_a_migration_is_its_owners_from_the_first_byte_on() {
    use std::os::unix::fs::PermissionsExt as _;
    let db = TestDatabase::sqlite();
    // Large enough for the copy to take a while; and the last migrations are undone.
    db.run(|conn| {
        Ok(conn.batch_execute(
            "CREATE TABLE ballast AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 30000)
                SELECT i, randomblob(1000) AS bytes FROM n;
            DROP TABLE login_failure;
            DELETE FROM __diesel_schema_migrations WHERE version = '20261128000015'",
        )?)
    })
    .await
    .expect("no error");
    let (dir, done) = (db.dir.path().to_owned(), Arc::new(AtomicBool::new(false)));
    let over = Arc::clone(&done);
    let watch = std::thread::spawn(move || {
        let mut modes = BTreeSet::new();
        loop {
            let last = over.load(Ordering::SeqCst);
            for copy in copies(&dir) {
                // Its journal goes again.
                if let Ok(meta) = std::fs::metadata(copy) {
                    modes.insert(format!("{:o}", meta.permissions().mode() & 0o777));
                }
            }
            if last {
                return modes;
            }
        }
    });
    let opened = db.open_again();
    done.store(true, Ordering::SeqCst);
    opened.expect("a migrated database");
    let modes = watch.join().expect("no panic");
    assert_eq!(modes, BTreeSet::from(["600".to_owned()]));
}

fn copies(dir: &Path) -> Vec<PathBuf> {
    let files = std::fs::read_dir(dir).expect("the directory");
    files
        .map(|file| file.expect("a file").path())
        .filter(|path| path.to_string_lossy().contains(".before-migration-"))
        .collect()
}

on_both_databases! {
    async fn a_database_without_its_key_says_so_and_loses_nothing(db) {
        let key = db.key().clone();
        db.run(move |conn| {
            let (org, _) = account(conn, "acme");
            StoreBuilder::new("hub").password("s3cret").make(conn, &key, org);
            Ok(())
        })
        .await
        .expect("no error");
        let file = db.key_file();
        let saved = std::fs::read(&file).expect("the key file");
        std::fs::remove_file(&file).expect("no key file");
        let missing = db.open_again().expect_err("no key");
        assert!(matches!(missing, Error::Seal(SealError::Missing { .. })), "{missing}");
        assert!(missing.to_string().contains(&file.display().to_string()), "{missing}");
        assert!(!file.exists(), "a new key must not take the place of the old one");

        std::fs::write(&file, "00".repeat(32)).expect("another key");
        let other = db.open_again().expect_err("another key");
        assert!(matches!(other, Error::Seal(SealError::OtherKey { .. })), "{other}");
        std::fs::write(&file, "no key").expect("rubbish");
        let rubbish = db.open_again().expect_err("rubbish");
        assert!(matches!(rubbish, Error::Seal(SealError::File { .. })), "{rubbish}");

        std::fs::write(&file, saved).expect("the key file");
        db.open_again().expect("nothing was lost");
    }
}

on_both_databases! {
    async fn two_keys_never_seal_in_one_database(db) {
        // Started while nothing was sealed.
        let other_file = db.dir.path().join("other key");
        let other = SealKey::from_file(&other_file).expect("a key");
        Db::open(&db.url, other.clone()).expect("nothing is sealed yet");
        let key = db.key().clone();
        db.run(move |conn| {
            let (org, _) = account(conn, "acme");
            StoreBuilder::new("hub").password("s3cret").make(conn, &key, org);
            let refused = StoreBuilder::new("quay").password("s3cret").try_make(conn, &other, org);
            assert!(
                matches!(refused, Err(Error::Seal(SealError::OtherKey { .. }))),
                "{refused:?}"
            );
            assert!(image_store_by_label(conn, org, "quay")?.is_none());
            Ok(())
        })
        .await
        .expect("no error");
    }
}

on_both_databases! {
    async fn the_key_file_is_for_its_owner_only(db) {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = |path: &Path| {
            std::fs::metadata(path).expect("the file").permissions().mode() & 0o777
        };
        assert_eq!(mode(&db.key_file()), 0o600);
        if let Some(path) = db.url.strip_prefix("sqlite:") {
            assert_eq!(mode(Path::new(path)), 0o600);
        }
    }
}

#[test]
fn the_true_reason_is_shown_and_the_password_is_not() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().display();
    std::fs::write(dir.path().join("text"), "no database at all".repeat(100)).expect("a file");
    for (url, reason) in [
        (
            format!("sqlite:{path}/none/x.db"),
            "No such file or directory",
        ),
        (format!("sqlite:{path}/text"), "file is not a database"),
        (
            format!("postgres://me:s3cret@/db?host={path}"),
            "No such file or directory",
        ),
        (
            "postgres://me:s3cret@127.0.0.1:1/db".to_owned(),
            "Connection refused",
        ),
        ("postgres://me:s3cret@127.0.0.1:bad/db".to_owned(), "port"),
    ] {
        let key = SealKey::from_file(&dir.path().join("key")).expect("a key");
        let error = Db::open(&url, key).expect_err(&url).to_string();
        assert!(error.contains(reason), "{error}");
        assert!(!error.contains("s3cret"), "{error}");
        assert!(!dir.path().join("key").exists(), "no key is made for {url}");
    }
}

/// Without it SQLite parses every statement with bound values again at each execution.
#[test]
fn sqlite_plans_a_statement_once() {
    use diesel::RunQueryDsl as _;
    #[derive(diesel::QueryableByName)]
    struct Compiled {
        #[diesel(sql_type = diesel::sql_types::Text)]
        compile_options: String,
    }
    let mut conn = diesel::SqliteConnection::establish(":memory:").unwrap();
    let options: Vec<Compiled> = diesel::sql_query("PRAGMA compile_options")
        .load(&mut conn)
        .unwrap();
    assert!(
        options
            .iter()
            .any(|option| option.compile_options == "ENABLE_QPSG")
    );
}
