use crate::support::database::TestDatabase;
use crate::support::postgres::OwnServer;
use crate::support::postgres_proxy::Proxy;
use diesel::connection::SimpleConnection as _;
use diesel::{Connection as _, PgConnection};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use registrysync::store::access::account::account_count;
use registrysync::store::access::org::{org_by_name, org_create};
use registrysync::store::{ConnectionLimits, Db, DbOptions, Error, SealKey, Trouble};
use std::path::Path;
use std::time::Duration;

/// Far longer than anything here takes on a busy machine.
const BOUND: Duration = Duration::from_mins(1);

fn key(dir: &Path) -> SealKey {
    SealKey::from_file(&dir.join("key")).expect("a key")
}

async fn through_proxy(db: &TestDatabase, statement: Duration) -> (Proxy, Db) {
    let proxy = Proxy::start(db).await;
    let url = proxy.url.clone();
    let key = key(db.dir.path());
    let options = DbOptions {
        limits: ConnectionLimits { statement },
        ..DbOptions::default()
    };
    let opened = tokio::task::spawn_blocking(move || Db::open_with(&url, key, options));
    (proxy, opened.await.expect("no panic").expect("a database"))
}

async fn works_again(db: &Db) {
    let again = async {
        while let Err(error) = db.run(account_count).await {
            assert!(error.is_passing(), "{error}");
        }
        while let Err(error) = db.run_urgently(account_count).await {
            assert!(error.is_passing(), "{error}");
        }
    };
    tokio::time::timeout(BOUND, again)
        .await
        .expect("it works again");
}

/// A firewall that lost its state, a hung pooler: no reset, and no answer.
#[tokio::test(flavor = "multi_thread")]
async fn connections_that_fall_silent_are_given_up() {
    let Some(db) = TestDatabase::postgres() else {
        return;
    };
    let (proxy, db) = through_proxy(&db, Duration::from_secs(2)).await;
    // All permits have a connection.
    let sleep = |db: Db| async move {
        db.run(|conn| Ok(conn.batch_execute("SELECT pg_sleep(0.3)")?))
            .await
    };
    let all: Vec<_> = (0..8).map(|_| tokio::spawn(sleep(db.clone()))).collect();
    for one in all {
        one.await.expect("no panic").expect("an answer");
    }
    proxy.freeze();
    let calls: Vec<_> = (0..16)
        .map(|_| {
            let db = db.clone();
            tokio::spawn(async move { db.run(account_count).await })
        })
        .collect();
    for call in calls {
        let ended = tokio::time::timeout(BOUND, call).await.expect("its end");
        if let Err(error) = ended.expect("no panic") {
            assert!(error.is_passing(), "{error}");
        }
    }
    works_again(&db).await;
}

/// If all connections are in statements that are never answered, other callers needn't wait for
/// that.
#[tokio::test(flavor = "multi_thread")]
async fn callers_of_a_silent_database_get_an_error_soon() {
    let Some(db) = TestDatabase::postgres() else {
        return;
    };
    // Longer than the check whether the server is alive takes.
    let (proxy, db) = through_proxy(&db, BOUND).await;
    let under_way: Vec<_> = (0..8)
        .map(|_| {
            let db = db.clone();
            tokio::spawn(async move {
                db.run(|conn| Ok(conn.batch_execute("SELECT pg_sleep(600)")?))
                    .await
            })
        })
        .collect();
    // A busy server is waited for.
    tokio::time::sleep(Duration::from_millis(500)).await;
    let patient = tokio::spawn({
        let db = db.clone();
        async move { db.run(account_count).await }
    });
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert!(!patient.is_finished(), "it is there, and only busy");
    proxy.mute(true);
    proxy.freeze();
    let began = std::time::Instant::now();
    let calls: Vec<_> = (0..8)
        .map(|_| {
            let db = db.clone();
            tokio::spawn(async move { db.run(account_count).await })
        })
        .collect();
    for call in calls {
        let error = call.await.expect("no panic").expect_err("nobody answers");
        assert!(error.is_passing(), "{error}");
        assert!(error.to_string().contains("doesn't answer"), "{error}");
    }
    assert!(
        began.elapsed() < Duration::from_secs(8),
        "{:?}",
        began.elapsed()
    );
    for call in under_way {
        call.abort();
    }
}

/// Renewing leases doesn't wait behind calls.
#[tokio::test(flavor = "multi_thread")]
async fn urgent_statements_have_their_own_connection() {
    let Some(db) = TestDatabase::postgres() else {
        return;
    };
    let (_, db) = through_proxy(&db, BOUND).await;
    let (release, held) = std::sync::mpsc::channel::<()>();
    let held = std::sync::Arc::new(std::sync::Mutex::new(held));
    let (report, mut reports) = tokio::sync::mpsc::channel(8);
    let all: Vec<_> = (0..8)
        .map(|_| {
            let (db, held, report) = (db.clone(), held.clone(), report.clone());
            tokio::spawn(async move {
                db.run(move |_| {
                    let _ = report.blocking_send(());
                    let _ = held.lock().map(|held| held.recv());
                    Ok(())
                })
                .await
            })
        })
        .collect();
    for _ in 0..8 {
        reports.recv().await.expect("a call under way");
    }
    db.run_urgently(account_count).await.expect("an answer");
    drop(release);
    for one in all {
        one.await.expect("no panic").expect("no error");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_takes_connections_and_says_nothing_is_away() {
    let Some(db) = TestDatabase::postgres() else {
        return;
    };
    let (proxy, db) = through_proxy(&db, Duration::from_secs(2)).await;
    proxy.mute(true);
    proxy.freeze();
    let asked = async {
        // A statement in progress when it fell silent may take until the statement timeout.
        let _ = db.run(account_count).await;
        db.run(account_count).await
    };
    let away = tokio::time::timeout(BOUND, asked).await.expect("an answer");
    let error = away.expect_err("nobody answers");
    assert!(
        error.is_passing() && error.is_healed_by_waiting(),
        "{error:?}"
    );
    proxy.mute(false);
    works_again(&db).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_knows_what_became_of_a_commit_without_an_answer() {
    let Some(db) = TestDatabase::postgres() else {
        return;
    };
    let (proxy, through) = through_proxy(&db, BOUND).await;
    proxy.commit_cut("");
    let lost = through
        .run(|conn| conn.write(|conn| org_create(conn, "acme")))
        .await;
    assert!(matches!(lost, Err(Error::OutcomeUnknown(_))), "{lost:?}");
    let text = registrysync::service::Error::from(lost.expect_err("lost")).to_string();
    assert!(text.contains("unknown"), "{text}");
    let made = db.run(|conn| org_by_name(conn, "acme")).await;
    assert!(made.expect("no error").is_some(), "it was made, in truth");
    works_again(&through).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_of_postgresql_are_classified_by_code() {
    let Some(db) = TestDatabase::postgres() else {
        return;
    };
    let mut other = PgConnection::establish(&db.url).expect("a connection");
    other
        .batch_execute("BEGIN; LOCK TABLE org IN ACCESS EXCLUSIVE MODE")
        .expect("the lock");
    let contended = db
        .run(|conn| {
            conn.batch_execute("SET lock_timeout = '50ms'")?;
            let result = org_by_name(conn, "acme");
            conn.batch_execute("SET lock_timeout = 0")?;
            Ok(result)
        })
        .await
        .expect("no error");
    assert!(
        matches!(contended, Err(Error::Trouble(Trouble::Contended, _))),
        "{contended:?}"
    );
    other.batch_execute("COMMIT").expect("no lock");
    let slow = db
        .run(|conn| {
            conn.batch_execute("SET statement_timeout = '50ms'")?;
            let result = conn.batch_execute("SELECT pg_sleep(30)");
            conn.batch_execute("SET statement_timeout = '20s'")?;
            Ok(result.map_err(Error::from))
        })
        .await
        .expect("no error");
    assert!(
        matches!(slow, Err(Error::Trouble(Trouble::Contended, _))),
        "{slow:?}"
    );
    let refused = db.run(|conn| org_create(conn, "a\0b")).await;
    assert!(matches!(refused, Err(Error::Value(_))), "{refused:?}");
    let read_only = db
        .run(|conn| {
            conn.batch_execute("SET default_transaction_read_only = on")?;
            let result = org_create(conn, "acme");
            conn.batch_execute("SET default_transaction_read_only = off")?;
            Ok(result)
        })
        .await
        .expect("no error");
    assert!(
        matches!(read_only, Err(Error::Trouble(Trouble::ReadOnly, _))),
        "{read_only:?}"
    );
    for code in ["53100", "XX001"] {
        let raise =
            format!("DO $$ BEGIN RAISE EXCEPTION 'kein Platz' USING ERRCODE = '{code}'; END $$");
        let raised = db.run(move |conn| Ok(conn.batch_execute(&raise)?)).await;
        let Err(Error::Trouble(trouble, _)) = raised else {
            panic!("{raised:?}")
        };
        assert_eq!(trouble == Trouble::Full, code == "53100", "{trouble:?}");
    }
    let (place, query) = db.url.split_once('?').expect("a query");
    let (server, _) = place.rsplit_once('/').expect("a name");
    let nowhere = format!("{server}/nowhere?{query}");
    let opened = Db::open(&nowhere, key(db.dir.path()));
    let error = opened.expect_err("no such database");
    assert!(matches!(error, Error::Refused { .. }), "{error:?}");
    assert!(!error.is_healed_by_waiting(), "{error}");
    assert!(error.to_string().contains("nowhere"), "{error}");
}

/// A CA, and certificates signed by it.
struct Authority {
    certificate: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Authority {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new(Vec::new()).expect("parameters");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params
            .distinguished_name
            .push(DnType::CommonName, "test CA");
        let certificate = params.self_signed(&key).expect("a certificate").pem();
        let issuer = Issuer::new(params, key);
        Authority {
            certificate,
            issuer,
        }
    }

    /// Certificate and key of a server or a client.
    fn sign(&self, names: &[&str], common_name: &str) -> (String, String) {
        let key = KeyPair::generate().expect("a key");
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        let mut params = CertificateParams::new(names).expect("parameters");
        params
            .distinguished_name
            .push(DnType::CommonName, common_name);
        let signed = params.signed_by(&key, &self.issuer).expect("a certificate");
        (signed.pem(), key.serialize_pem())
    }
}

fn private(path: &Path, text: &str) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::write(path, text).expect("a file");
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).expect("its mode");
}

/// A TLS-only server, like every managed PostgreSQL: with a password, or with a client certificate.
struct TlsServer {
    _server: OwnServer,
    port: u16,
    /// `ca.crt`, the server's CA; `stranger.crt`, another one; `client.crt` and `client.key`.
    files: tempfile::TempDir,
}

impl TlsServer {
    fn start() -> Option<TlsServer> {
        let (authority, stranger) = (Authority::new(), Authority::new());
        let port = std::net::TcpListener::bind("127.0.0.1:0")
            .and_then(|listener| listener.local_addr())
            .expect("a free port")
            .port();
        let server = OwnServer::start_with(|dir| {
            let (certificate, key) = authority.sign(&["localhost"], "server");
            private(&dir.join("server.crt"), &certificate);
            private(&dir.join("server.key"), &key);
            private(&dir.join("ca.crt"), &authority.certificate);
            private(
                &dir.join("pg_hba.conf"),
                "local all all trust\n\
                 hostssl all certified all cert\n\
                 hostssl all all all scram-sha-256\n",
            );
            let file = |key: &str, name: &str| format!("{key}={}", dir.join(name).display());
            vec![
                "listen_addresses=127.0.0.1".to_owned(),
                format!("port={port}"),
                "ssl=on".to_owned(),
                file("ssl_cert_file", "server.crt"),
                file("ssl_key_file", "server.key"),
                file("ssl_ca_file", "ca.crt"),
            ]
        })?;
        PgConnection::establish(&server.url())
            .expect("a connection")
            .batch_execute(
                "CREATE ROLE me LOGIN SUPERUSER PASSWORD 's3cret'; \
                 CREATE ROLE certified LOGIN SUPERUSER",
            )
            .expect("roles");
        let files = tempfile::tempdir().expect("a directory");
        let (certificate, key) = authority.sign(&[], "certified");
        for (name, text) in [
            ("ca.crt", authority.certificate),
            ("stranger.crt", stranger.certificate),
            ("client.crt", certificate),
            ("client.key", key),
        ] {
            private(&files.path().join(name), &text);
        }
        Some(TlsServer {
            _server: server,
            port,
            files,
        })
    }

    /// Opens the database by a URL in whose query `DIR/` stands for the directory of the files.
    async fn open(&self, user: &str, host: &str, query: &str, password: &str) -> Result<Db, Error> {
        let dir = format!("{}/", self.files.path().display());
        let query = query.replace("DIR/", &dir);
        let url = format!("postgres://{user}@{host}:{}/postgres?{query}", self.port);
        let options = DbOptions {
            password: Some(password.into()).filter(|_| !password.is_empty()),
            ..DbOptions::default()
        };
        let key = key(self.files.path());
        let opened = tokio::task::spawn_blocking(move || Db::open_with(&url, key, options));
        opened.await.expect("no panic")
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn postgresql_is_reached_over_tls() {
    let Some(server) = TlsServer::start() else {
        return;
    };
    let full = "sslmode=verify-full&sslrootcert=DIR/ca.crt";
    let client = format!("{full}&sslcert=DIR/client.crt&sslkey=DIR/client.key");
    for (user, host, query, password) in [
        ("me", "localhost", full, "s3cret"),
        (
            "me:s3cret",
            "127.0.0.1",
            "sslmode=verify-ca&sslrootcert=DIR/ca.crt",
            "",
        ),
        ("me", "127.0.0.1", "sslmode=require", "s3cret"),
        ("me", "127.0.0.1", "", "s3cret"),
        ("certified", "localhost", &client, ""),
    ] {
        let db = server.open(user, host, query, password).await;
        let db = db.unwrap_or_else(|error| panic!("{user} {host} {query}: {error}"));
        assert_eq!(db.run(account_count).await.expect("an answer"), 0);
        let encrypted = db.run(|conn| {
            let said = conn.batch_execute(
                "DO $$ BEGIN IF NOT (SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()) \
                 THEN RAISE EXCEPTION 'in clear'; END IF; END $$",
            );
            Ok(said?)
        });
        encrypted.await.expect("TLS");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_is_checked_as_asked() {
    let Some(server) = TlsServer::start() else {
        return;
    };
    for (user, host, query, password, wanted) in [
        // Another name than in the certificate.
        (
            "me",
            "127.0.0.1",
            "sslmode=verify-full&sslrootcert=DIR/ca.crt",
            "s3cret",
            "TLS",
        ),
        (
            "me",
            "localhost",
            "sslmode=verify-full&sslrootcert=DIR/stranger.crt",
            "s3cret",
            "TLS",
        ),
        (
            "me",
            "localhost",
            "sslmode=verify-ca&sslrootcert=DIR/stranger.crt",
            "s3cret",
            "TLS",
        ),
        (
            "me",
            "localhost",
            "sslmode=require&sslrootcert=DIR/stranger.crt",
            "s3cret",
            "TLS",
        ),
        (
            "me",
            "localhost",
            "sslmode=verify-full&sslrootcert=/nowhere",
            "s3cret",
            "`sslrootcert`",
        ),
        ("me", "localhost", "sslmode=disable", "s3cret", "28000"),
        ("me", "localhost", "sslmode=require", "wr0ng", "28P01"),
        ("certified", "localhost", "sslmode=require", "", "28000"),
    ] {
        let what = format!("{user} {host} {query}");
        let error = server
            .open(user, host, query, password)
            .await
            .expect_err(&what);
        assert!(matches!(error, Error::Refused { .. }), "{what}: {error:?}");
        let text = error.to_string();
        assert!(text.contains(wanted), "{what}: {text}");
        assert!(
            !text.contains("s3cret") && !text.contains("wr0ng"),
            "{text}"
        );
    }
}
