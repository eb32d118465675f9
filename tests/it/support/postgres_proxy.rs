//! A TCP proxy to a test database's PostgreSQL server, which can fall silent or be cut.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UnixStream};

use super::database::TestDatabase;

/// The proxy; it ends with the runtime of its test.
pub(crate) struct Proxy {
    /// The URL of the same database through the proxy.
    pub(crate) url: String,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    /// Connections of older generations forward nothing any more, and stay open.
    generation: AtomicU64,
    /// New connections forward nothing either.
    mute: AtomicBool,
    /// Both ends are closed after the next COMMIT of a transaction with this in one of its
    /// statements, instead of forwarding its answer.
    commit_cut: Mutex<Option<&'static str>>,
}

impl Proxy {
    /// To the server of `database`.
    pub(crate) async fn start(database: &TestDatabase) -> Proxy {
        let (place, query) = database.url.split_once('?').expect("a query");
        let host = query.split('&').find_map(|pair| pair.strip_prefix("host="));
        let directory = host.expect("a host").replace("%2F", "/");
        let socket = Path::new(&directory).join(".s.PGSQL.5432");
        let name = place.rsplit_once('/').expect("a name").1;
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("its address");
        let shared = Arc::new(Shared::default());
        let proxy = Proxy {
            url: format!("postgres://registrysync@{address}/{name}"),
            shared: Arc::clone(&shared),
        };
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(pass(client, socket.clone(), Arc::clone(&shared)));
            }
        });
        proxy
    }

    /// From now on open connections forward nothing; their bytes are still read.
    pub(crate) fn freeze(&self) {
        self.shared.generation.fetch_add(1, Ordering::SeqCst);
    }

    /// Whether new connections are accepted and never answered.
    pub(crate) fn mute(&self, mute: bool) {
        self.shared.mute.store(mute, Ordering::SeqCst);
    }

    /// Loses the answer to the next COMMIT of a transaction with `mark` in one of its statements;
    /// empty means any.
    pub(crate) fn commit_cut(&self, mark: &'static str) {
        *self.shared.commit_cut.lock().expect("no panic") = Some(mark);
    }

    /// Whether that is still pending.
    pub(crate) fn is_commit_to_be_cut(&self) -> bool {
        self.shared.commit_cut.lock().expect("no panic").is_some()
    }
}

impl Shared {
    /// Whether a transaction has the mark, and whether the answer to its COMMIT should be lost;
    /// `marked` is whether it had it before `asked`.
    fn hears(&self, asked: &[u8], marked: bool) -> (bool, bool) {
        let text = String::from_utf8_lossy(asked);
        let mut mark = self.commit_cut.lock().expect("no panic");
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

async fn pass(mut client: TcpStream, socket: PathBuf, shared: Arc<Shared>) -> std::io::Result<()> {
    let generation = shared.generation.load(Ordering::SeqCst);
    let frozen = || {
        shared.mute.load(Ordering::SeqCst) || shared.generation.load(Ordering::SeqCst) != generation
    };
    let mut server = UnixStream::connect(socket).await?;
    let (mut asked, mut said) = (vec![0; 65536], vec![0; 65536]);
    let (mut marked, mut lose) = (false, false);
    loop {
        tokio::select! {
            count = client.read(&mut asked) => {
                let bytes = &asked[..count?];
                if bytes.is_empty() {
                    return Ok(());
                }
                if frozen() {
                    continue;
                }
                (marked, lose) = shared.hears(bytes, marked);
                server.write_all(bytes).await?;
            }
            count = server.read(&mut said) => {
                let bytes = &said[..count?];
                // Once it is answered, it has been done.
                if bytes.is_empty() || lose {
                    return Ok(());
                }
                if !frozen() {
                    client.write_all(bytes).await?;
                }
            }
        }
    }
}
