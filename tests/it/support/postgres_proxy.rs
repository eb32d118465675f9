//! A TCP way to a PostgreSQL server's socket, which can fall silent or be cut.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UnixStream};

/// The way; it ends with the runtime of its test.
pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    /// Connections of older generations pass nothing any more, and stay open.
    generation: AtomicU64,
    /// New connections pass nothing either.
    mute: AtomicBool,
    /// The next COMMIT is passed on, and its answer isn't: both ends are closed.
    commit_cut: AtomicBool,
}

impl Proxy {
    /// To the server behind `socket`.
    pub(crate) async fn start(socket: PathBuf) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("its address");
        let shared = Arc::new(Shared::default());
        let proxy = Proxy {
            address,
            shared: Arc::clone(&shared),
        };
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(pass(client, socket.clone(), Arc::clone(&shared)));
            }
        });
        proxy
    }

    /// From now on nothing passes on the connections that are open; their bytes are still taken.
    pub(crate) fn freeze(&self) {
        self.shared.generation.fetch_add(1, Ordering::SeqCst);
    }

    /// Whether new connections are taken and never answered.
    pub(crate) fn mute(&self, mute: bool) {
        self.shared.mute.store(mute, Ordering::SeqCst);
    }

    /// Cuts the connection on which the next COMMIT is sent, once the server has it.
    pub(crate) fn commit_cut(&self) {
        self.shared.commit_cut.store(true, Ordering::SeqCst);
    }
}

async fn pass(mut client: TcpStream, socket: PathBuf, shared: Arc<Shared>) -> std::io::Result<()> {
    let generation = shared.generation.load(Ordering::SeqCst);
    let frozen = || {
        shared.mute.load(Ordering::SeqCst) || shared.generation.load(Ordering::SeqCst) != generation
    };
    let mut server = UnixStream::connect(socket).await?;
    let (mut asked, mut said) = (vec![0; 65536], vec![0; 65536]);
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
                server.write_all(bytes).await?;
                let commit = bytes.windows(6).any(|part| part == b"COMMIT");
                if commit && shared.commit_cut.swap(false, Ordering::SeqCst) {
                    // It has been done when it is answered.
                    let _ = server.read(&mut said).await?;
                    return Ok(());
                }
            }
            count = server.read(&mut said) => {
                let bytes = &said[..count?];
                if bytes.is_empty() {
                    return Ok(());
                }
                if !frozen() {
                    client.write_all(bytes).await?;
                }
            }
        }
    }
}
