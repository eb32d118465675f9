use crate::support::database::TestDatabase;
use crate::support::postgres::OwnServer;
use crate::support::postgres_proxy::Proxy;
use diesel::connection::SimpleConnection as _;
use diesel::{Connection as _, PgConnection};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use registrysync::store::account::{account_count, org_by_name, org_create};
use registrysync::store::{Db, DbOptions, Error, Limits, SealKey, Trouble};
use std::path::Path;
use std::time::Duration;

/// Far longer than anything here takes, on a busy machine.
const BOUND: Duration = Duration::from_mins(1);

fn key(dir: &Path) -> SealKey {
    SealKey::from_file(&dir.join("key")).expect("a key")
}

async fn through_proxy(db: &TestDatabase, statement: Duration) -> (Proxy, Db) {
    let proxy = Proxy::start(db).await;
    let url = proxy.url.clone();
    let key = key(db.dir.path());
    let options = DbOptions {
        limits: Limits { statement },
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

/// A firewall that lost its state, a hung pooler: nothing is reset, and nothing is answered.
#[tokio::test(flavor = "multi_thread")]
async fn connections_that_fall_silent_are_given_up() {
    let Some(db) = TestDatabase::postgres() else {
        return;
    };
    let (proxy, db) = through_proxy(&db, Duration::from_secs(2)).await;
    // All places have a connection.
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

/// Where all connections are in statements that are never answered, the others needn't wait for that.
#[tokio::test(flavor = "multi_thread")]
async fn who_waits_for_a_silent_database_is_told_soon() {
    let Some(db) = TestDatabase::postgres() else {
        return;
    };
    // Long enough that nothing but the question whether it is there can tell.
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
    // Who is busy is waited for.
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

/// The renewal of leases doesn't wait behind calls.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_urgent_has_a_connection_of_its_own() {
    let Some(db) = TestDatabase::postgres() else {
        return;
    };
    let (_, db) = through_proxy(&db, BOUND).await;
    let (end, ended) = std::sync::mpsc::channel::<()>();
    let ended = std::sync::Arc::new(std::sync::Mutex::new(ended));
    let (tell, mut begun) = tokio::sync::mpsc::channel(8);
    let all: Vec<_> = (0..8)
        .map(|_| {
            let (db, ended, tell) = (db.clone(), ended.clone(), tell.clone());
            tokio::spawn(async move {
                db.run(move |_| {
                    let _ = tell.blocking_send(());
                    let _ = ended.lock().map(|ended| ended.recv());
                    Ok(())
                })
                .await
            })
        })
        .collect();
    for _ in 0..8 {
        begun.recv().await.expect("a call under way");
    }
    db.run_urgently(account_count).await.expect("an answer");
    drop(end);
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
        // What was under way when it fell silent may take the limit of a statement.
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
async fn what_postgresql_means_is_told_by_its_code() {
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

/// A CA, and what it signs.
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

/// A server with TLS only, as every managed PostgreSQL: by password, or by a client's certificate.
#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::too_many_lines, reason = "one server, and many ways to it")]
async fn postgresql_is_reached_over_tls_and_checked_as_asked() {
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
    });
    let Some(server) = server else { return };
    PgConnection::establish(&server.url())
        .expect("a connection")
        .batch_execute(
            "CREATE ROLE me LOGIN SUPERUSER PASSWORD 's3cret'; CREATE ROLE certified LOGIN SUPERUSER",
        )
        .expect("roles");
    let dir = tempfile::tempdir().expect("a directory");
    let file = |name: &str| dir.path().join(name);
    private(&file("ca.crt"), &authority.certificate);
    private(&file("stranger.crt"), &stranger.certificate);
    let (certificate, client_key) = authority.sign(&[], "certified");
    private(&file("client.crt"), &certificate);
    private(&file("client.key"), &client_key);
    let (ca, other) = (file("ca.crt"), file("stranger.crt"));
    let (ca, other) = (ca.display(), other.display());
    let (crt, client) = (file("client.crt"), file("client.key"));
    let (crt, client) = (crt.display(), client.display());
    let at = |user: &str, host: &str, query: &str| {
        format!("postgres://{user}@{host}:{port}/postgres?{query}")
    };
    let open = |url: String, password: &str| {
        let options = DbOptions {
            password: Some(password.into()).filter(|_| !password.is_empty()),
            ..DbOptions::default()
        };
        let key = key(dir.path());
        tokio::task::spawn_blocking(move || Db::open_with(&url, key, options))
    };
    for (url, password) in [
        (
            at(
                "me",
                "localhost",
                &format!("sslmode=verify-full&sslrootcert={ca}"),
            ),
            "s3cret",
        ),
        (
            at(
                "me:s3cret",
                "127.0.0.1",
                &format!("sslmode=verify-ca&sslrootcert={ca}"),
            ),
            "",
        ),
        (at("me", "127.0.0.1", "sslmode=require"), "s3cret"),
        (at("me", "127.0.0.1", ""), "s3cret"),
        (
            at(
                "certified",
                "localhost",
                &format!("sslmode=verify-full&sslrootcert={ca}&sslcert={crt}&sslkey={client}"),
            ),
            "",
        ),
    ] {
        let db = open(url.clone(), password).await.expect("no panic");
        let db = db.unwrap_or_else(|error| panic!("{url}: {error}"));
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
    for (url, password, wanted) in [
        // Another name than in the certificate.
        (
            at(
                "me",
                "127.0.0.1",
                &format!("sslmode=verify-full&sslrootcert={ca}"),
            ),
            "s3cret",
            "TLS",
        ),
        (
            at(
                "me",
                "localhost",
                &format!("sslmode=verify-full&sslrootcert={other}"),
            ),
            "s3cret",
            "TLS",
        ),
        (
            at(
                "me",
                "localhost",
                &format!("sslmode=verify-ca&sslrootcert={other}"),
            ),
            "s3cret",
            "TLS",
        ),
        (
            at(
                "me",
                "localhost",
                &format!("sslmode=require&sslrootcert={other}"),
            ),
            "s3cret",
            "TLS",
        ),
        (
            at(
                "me",
                "localhost",
                "sslmode=verify-full&sslrootcert=/nowhere",
            ),
            "s3cret",
            "`sslrootcert`",
        ),
        (at("me", "localhost", "sslmode=disable"), "s3cret", "28000"),
        (at("me", "localhost", "sslmode=require"), "wr0ng", "28P01"),
        (at("certified", "localhost", "sslmode=require"), "", "28000"),
    ] {
        let refused = open(url.clone(), password).await.expect("no panic");
        let error = refused.err().unwrap_or_else(|| panic!("{url} is let in"));
        assert!(matches!(error, Error::Refused { .. }), "{url}: {error:?}");
        let text = error.to_string();
        assert!(text.contains(wanted), "{url}: {text}");
        assert!(
            !text.contains("s3cret") && !text.contains("wr0ng"),
            "{text}"
        );
    }
}
