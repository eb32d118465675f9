//! A way to PostgreSQL that loses the answer to a COMMIT: the server has done it, and the client is
//! told nothing, as when a server dies, fails over, or a firewall forgets its connections.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::json;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};

use super::server::Server;
use crate::support::database::TestDatabase;
use crate::support::images::{AMD64, Blob, Format, Image};
use crate::support::registry::Registry;

/// The name of PostgreSQL's socket in its directory.
const SOCKET: &str = ".s.PGSQL.5432";

/// What is lost, and whether it was.
struct Cut {
    /// A piece of a statement of the transaction whose answer is lost.
    mark: Mutex<Option<&'static str>>,
    done: AtomicBool,
}

impl Cut {
    /// Whether a transaction has the mark, and whether its answer is to be lost; `marked` is whether it
    /// had it before `text`.
    fn hears(&self, text: &str, marked: bool) -> (bool, bool) {
        let mut mark = self.mark.lock().expect("no panic");
        let marked = match *mark {
            _ if text.contains("ROLLBACK") => false,
            Some(mark) => marked || text.contains(mark),
            None => false,
        };
        let lose = marked && text.contains("COMMIT");
        if lose {
            *mark = None;
        }
        (marked, lose)
    }
}

/// Passes everything on, but for one answer.
struct Proxy {
    dir: TempDir,
    cut: Arc<Cut>,
}

impl Proxy {
    /// One before the server whose socket is in `directory`, which loses the answer to the first
    /// COMMIT of a transaction with `mark` in one of its statements.
    fn start(directory: &Path, mark: &'static str) -> Proxy {
        let dir = tempfile::Builder::new().prefix("rs-px-").tempdir();
        let dir = dir.expect("a temporary directory");
        let listener = UnixListener::bind(dir.path().join(SOCKET)).expect("a socket");
        let cut = Arc::new(Cut {
            mark: Mutex::new(Some(mark)),
            done: AtomicBool::new(false),
        });
        let (real, shared) = (directory.join(SOCKET), Arc::clone(&cut));
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(pass(client, real.clone(), Arc::clone(&shared)));
            }
        });
        Proxy { dir, cut }
    }
}

/// Passes one connection on, until either end or the cut.
async fn pass(mut client: UnixStream, real: PathBuf, cut: Arc<Cut>) {
    let Ok(mut server) = UnixStream::connect(real).await else {
        return;
    };
    let (mut up, mut down) = (vec![0; 1 << 16], vec![0; 1 << 16]);
    let (mut marked, mut lose) = (false, false);
    loop {
        tokio::select! {
            count = client.read(&mut up) => {
                let Ok(bytes @ 1..) = count else { return };
                let text = String::from_utf8_lossy(&up[..bytes]);
                (marked, lose) = cut.hears(&text, marked);
                if server.write_all(&up[..bytes]).await.is_err() {
                    return;
                }
            }
            count = server.read(&mut down) => {
                let Ok(bytes @ 1..) = count else { return };
                if lose {
                    cut.done.store(true, Ordering::Relaxed);
                    return;
                }
                if client.write_all(&down[..bytes]).await.is_err() {
                    return;
                }
            }
        }
    }
}

/// The same database by way of the proxy.
fn url_by(database: &TestDatabase, proxy: impl FnOnce(&Path) -> Proxy) -> (String, Proxy) {
    let (before, rest) = database
        .url
        .split_once("host=")
        .expect("a socket's directory");
    let (host, after) = rest.split_once('&').expect("further parameters");
    let proxy = proxy(Path::new(&host.replace("%2F", "/")));
    let host = proxy
        .dir
        .path()
        .to_str()
        .expect("UTF-8")
        .replace('/', "%2F");
    (format!("{before}host={host}&{after}"), proxy)
}

/// A run whose worker gets no answer to the COMMIT of a transaction with `mark`: it ends all the same,
/// with everything written, and so does the next one.
async fn run_ends_though_unanswered(mark: &'static str) {
    let Some(database) = TestDatabase::postgres() else {
        return;
    };
    let (url, proxy) = url_by(&database, |real| Proxy::start(real, mark));
    let (source, target) = (Registry::start().await, Registry::start().await);
    for tag in 0..4 {
        let image = Image::single(Format::Oci, AMD64, &[Blob::layer(tag, 1000)]);
        image.store(&source, "app", Some(&format!("v{tag}")));
    }
    let server = Server::with_environment(vec![
        ("REGISTRYSYNC_LEASE_SECONDS", "6".to_owned()),
        ("REGISTRYSYNC_DATABASE", url),
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
    assert!(proxy.cut.done.load(Ordering::Relaxed), "no answer was lost");
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
