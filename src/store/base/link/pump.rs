//! Forwards a connection's bytes and inspects what the server sends.
//!
//! Messages are framed as in protocol 3.0: a type, a length of four bytes that includes itself, and the
//! body; <https://www.postgresql.org/docs/current/protocol-message-formats.html>.

use std::borrow::Cow;
use std::io::{Error, ErrorKind, Result};
use std::os::unix::net::UnixListener as StdListener;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use bytes::{Buf as _, BufMut as _, BytesMut};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpStream, UnixListener, UnixStream};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::address::{Address, SslMode};
use super::host::Host;
use super::{CONNECT_LIMIT, Failure, State, sqlstate, tls};

/// How often overdue answers are checked for.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// Bytes read at once.
const CHUNK: usize = 64 * 1024;
/// A longer error message is forwarded unchanged.
const ERROR_LIMIT: usize = 64 * 1024;
/// The request for TLS.
const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// Reports that a connection is over, however it ended.
struct Over(Arc<State>);

impl Drop for Over {
    fn drop(&mut self) {
        self.0.closed.store(true, Ordering::Release);
    }
}

/// Waits for `libpq`, connects, and forwards until either end closes.
pub(super) async fn run(listener: StdListener, address: Address, host: Host, state: Arc<State>) {
    let mut client = client(listener).await;
    // Dropped before the client, so that the reason is set when `libpq` sees the end.
    let over = Over(state);
    let ended = match &mut client {
        Ok(client) => link(client, &address, &host, &over.0).await,
        Err(error) => Err(Error::new(error.kind(), error.to_string())),
    };
    if let Err(error) = ended {
        over.0.fail(Failure::Away(error.to_string()));
    }
}

async fn link(
    client: &mut UnixStream,
    address: &Address,
    host: &Host,
    state: &State,
) -> Result<()> {
    let connected = timeout(CONNECT_LIMIT, server(address, host, state)).await;
    let late = |_| Error::new(ErrorKind::TimedOut, "it doesn't answer");
    match connected.map_err(late).flatten()? {
        Some(server) => {
            Pump::new(state, server.tls)
                .pass(client, server.stream)
                .await
        }
        None => Ok(()),
    }
}

/// Our own end, which nobody else can be.
async fn client(listener: StdListener) -> Result<UnixStream> {
    let listener = UnixListener::from_std(listener)?;
    let ours = i32::try_from(std::process::id()).ok();
    let accepted = async {
        loop {
            let (stream, _) = listener.accept().await?;
            if stream.peer_cred()?.pid() == ours {
                return Ok(stream);
            }
        }
    };
    timeout(CONNECT_LIMIT, accepted)
        .await
        .map_err(|_| ErrorKind::TimedOut)?
}

/// The server's end.
struct Server {
    stream: Box<dyn Stream>,
    tls: bool,
}

impl Server {
    fn new(stream: impl Stream + 'static, tls: bool) -> Server {
        let stream = Box::new(stream);
        Server { stream, tls }
    }
}

/// The other end; `None`, with the reason in `state`, if it refuses.
async fn server(address: &Address, host: &Host, state: &State) -> Result<Option<Server>> {
    let (name, mut tcp) = match host {
        Host::Socket(path) => {
            return Ok(Some(Server::new(UnixStream::connect(path).await?, false)));
        }
        Host::Tcp(name, port) => (name, TcpStream::connect((name.as_str(), *port)).await?),
    };
    tcp.set_nodelay(true)?;
    // A listener receives nothing for hours; without this it wouldn't notice that the peer is gone.
    let alive = socket2::TcpKeepalive::new()
        .with_time(Duration::from_secs(30))
        .with_interval(Duration::from_secs(10))
        .with_retries(3);
    socket2::SockRef::from(&tcp).set_tcp_keepalive(&alive)?;
    if address.ssl == SslMode::Disable {
        return Ok(Some(Server::new(tcp, false)));
    }
    let refused = |reason: String| {
        state.fail(Failure::Refused(reason));
        Ok(None)
    };
    let config = match tls::config(address) {
        Ok(config) => config,
        Err(reason) => return refused(reason),
    };
    tcp.write_all(&SSL_REQUEST).await?;
    match tcp.read_u8().await? {
        b'S' => {}
        b'N' if address.ssl == SslMode::Prefer => return Ok(Some(Server::new(tcp, false))),
        _ => {
            let reason = "the server has no TLS, but `sslmode` requires it: enable it there \
                          (`ssl = on`), or use `sslmode=prefer`";
            return refused(reason.to_owned());
        }
    }
    let Ok(name) = ServerName::try_from(name.clone()) else {
        return refused(format!("`{name}` isn't a valid name for a certificate"));
    };
    match TlsConnector::from(Arc::new(config))
        .connect(name, tcp)
        .await
    {
        Ok(stream) => Ok(Some(Server::new(stream, true))),
        // One of the certificates is rejected.
        Err(error)
            if error
                .get_ref()
                .is_some_and(<dyn std::error::Error + Send + Sync>::is::<rustls::Error>) =>
        {
            refused(format!("TLS: {error}; see `sslmode` and `sslrootcert`"))
        }
        Err(error) => Err(error),
    }
}

/// The state of a connection.
struct Pump<'a> {
    state: &'a State,
    /// When an unanswered request was sent, or the server last sent something since.
    waiting: Option<Instant>,
    /// Bytes of the current message that only have to be forwarded.
    left: usize,
    /// Bytes of an incomplete head or error message.
    kept: BytesMut,
    /// The login has finished.
    ready: bool,
    /// The link to the server is encrypted, which `libpq` doesn't know.
    tls: bool,
}

impl<'a> Pump<'a> {
    fn new(state: &'a State, tls: bool) -> Pump<'a> {
        Pump {
            state,
            waiting: Some(Instant::now()),
            left: 0,
            kept: BytesMut::new(),
            ready: false,
            tls,
        }
    }

    async fn pass(mut self, client: &mut UnixStream, server: Box<dyn Stream>) -> Result<()> {
        let (mut client_in, mut client_out) = client.split();
        let (mut server_in, mut server_out) = tokio::io::split(server);
        let (mut asked, mut said) = (BytesMut::new(), BytesMut::new());
        loop {
            asked.reserve(CHUNK);
            said.reserve(CHUNK);
            tokio::select! {
                read = client_in.read_buf(&mut asked) => {
                    if read? == 0 {
                        return Ok(());
                    }
                    let written = async {
                        server_out.write_all(&asked).await?;
                        server_out.flush().await
                    };
                    timeout(self.state.limit(), written).await.map_err(|_| silent())??;
                    asked.clear();
                    self.waiting = Some(Instant::now());
                }
                read = server_in.read_buf(&mut said) => {
                    if read? == 0 {
                        let reason = "the server closed the connection";
                        return Err(Error::new(ErrorKind::UnexpectedEof, reason));
                    }
                    self.state.hear();
                    self.waiting = self.waiting.map(|_| Instant::now());
                    let out = self.look(said.split());
                    client_out.write_all(&out).await?;
                }
                () = tokio::time::sleep(LOOK_EVERY), if self.waiting.is_some() => {
                    if self.waiting.is_some_and(|since| since.elapsed() > self.state.limit()) {
                        return Err(silent());
                    }
                }
            }
        }
    }

    /// Takes what the server sent, and returns what to forward.
    fn look(&mut self, said: BytesMut) -> BytesMut {
        let mut said = if self.kept.is_empty() {
            said
        } else {
            self.kept.unsplit(said);
            self.kept.split()
        };
        let mut out = BytesMut::with_capacity(said.len() + 16);
        loop {
            let through = self.left.min(said.len());
            out.put(said.split_to(through));
            self.left -= through;
            let Some((kind, length)) = head(&said) else {
                break;
            };
            let login = kind == b'R' && self.tls && !self.ready;
            if (kind == b'E' || login) && length <= ERROR_LIMIT {
                if said.len() < length {
                    break;
                }
                let message = said.split_to(length);
                if login {
                    login_asked(&message, &mut out);
                } else {
                    self.error(&message, &mut out);
                }
                continue;
            }
            if kind == b'Z' {
                self.ready = true;
                self.waiting = None;
            }
            self.left = length;
        }
        self.kept = said;
        out
    }

    /// An error: during login the reason of its failure, afterwards with its code.
    fn error(&self, message: &[u8], out: &mut BytesMut) {
        let (mut code, mut text) = (Cow::default(), Cow::default());
        let fields = || message[5..].split(|byte| *byte == 0);
        for field in fields() {
            match field
                .split_first()
                .map(|(kind, value)| (kind, String::from_utf8_lossy(value)))
            {
                Some((b'C', value)) => code = value,
                Some((b'M', value)) => text = value,
                _ => {}
            }
        }
        let marked = format!("[{code}] {text}");
        if !self.ready {
            let reason = format!("{text} ({code})");
            // Starting, stopping, full: temporary.
            let away = ["53", "57", "08"]
                .iter()
                .any(|class| code.starts_with(class));
            self.state.fail(if away {
                Failure::Away(reason)
            } else {
                Failure::Refused(reason)
            });
        }
        if !self.ready || sqlstate(&marked).is_none() {
            out.put_slice(message);
            return;
        }
        let start = out.len();
        out.put_slice(&message[..5]);
        for field in fields().filter(|field| !field.is_empty()) {
            if field[0] == b'M' {
                out.put_u8(b'M');
                out.put_slice(marked.as_bytes());
            } else {
                out.put_slice(field);
            }
            out.put_u8(0);
        }
        out.put_u8(0);
        length_set(out, start);
    }
}

/// The server's login methods. It offers channel binding to TLS; `libpq` has no TLS and would take
/// such an offer for forged.
fn login_asked(message: &[u8], out: &mut BytesMut) {
    const SASL: [u8; 4] = [0, 0, 0, 10];
    let Some(offers) = message[5..].strip_prefix(&SASL) else {
        out.put_slice(message);
        return;
    };
    let start = out.len();
    out.put_slice(&message[..9]);
    let offers = offers.split(|byte| *byte == 0);
    for offer in offers.filter(|offer| !offer.is_empty() && !offer.ends_with(b"-PLUS")) {
        out.put_slice(offer);
        out.put_u8(0);
    }
    out.put_u8(0);
    length_set(out, start);
}

/// Writes the length of the complete message that begins at `start`.
fn length_set(out: &mut BytesMut, start: usize) {
    let length = u32::try_from(out.len() - start - 1).unwrap_or(u32::MAX);
    out[start + 1..start + 5].copy_from_slice(&length.to_be_bytes());
}

fn silent() -> Error {
    Error::new(ErrorKind::TimedOut, "the server doesn't answer")
}

/// Type and total length of the message that begins here.
fn head(said: &[u8]) -> Option<(u8, usize)> {
    let mut head = said.get(..5)?;
    let kind = head.get_u8();
    let length = usize::try_from(head.get_u32()).ok()?.max(4);
    Some((kind, length.saturating_add(1)))
}

#[cfg(test)]
mod tests {
    use super::Pump;
    use crate::store::base::link::State;
    use bytes::BytesMut;
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicBool, AtomicU64};
    use std::time::Instant;

    fn message(kind: u8, body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(body.len() + 4).unwrap();
        [&[kind][..], &length.to_be_bytes(), body].concat()
    }

    fn state() -> State {
        State {
            closed: AtomicBool::new(false),
            limit_ms: AtomicU64::new(1000),
            heard: Mutex::new(Instant::now()),
            failure: Mutex::default(),
        }
    }

    /// Without TLS such an offer is forged, and `libpq` has to see it.
    #[test]
    fn a_login_is_not_bound_to_a_channel_that_libpq_does_not_see() {
        let state = state();
        let offered = message(b'R', b"\0\0\0\x0aSCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0");
        let taken = message(b'R', b"\0\0\0\x0aSCRAM-SHA-256\0\0");
        let other = message(b'R', b"\0\0\0\x0bSCRAM-SHA-256-PLUS\0");
        for (tls, wanted) in [(true, &taken), (false, &offered)] {
            for step in [1, 11, 100] {
                let mut pump = Pump::new(&state, tls);
                let passed: Vec<u8> = [&offered[..], &other]
                    .concat()
                    .chunks(step)
                    .flat_map(|chunk| pump.look(BytesMut::from(chunk)).to_vec())
                    .collect();
                assert!(
                    passed == [&wanted[..], &other].concat(),
                    "TLS {tls}, in steps of {step}"
                );
            }
        }
    }

    #[test]
    fn an_error_gets_its_code_and_all_else_passes_as_it_is() {
        let state = state();
        let row = message(b'D', &[7; 3000]);
        let ready = message(b'Z', b"I");
        let before = [
            ready.clone(),
            row.clone(),
            message(b'E', b"SFEHLER\0C40P01\0MVerklemmung\0\0"),
            row.clone(),
            ready.clone(),
        ]
        .concat();
        let after = [
            ready.clone(),
            row.clone(),
            message(b'E', b"SFEHLER\0C40P01\0M[40P01] Verklemmung\0\0"),
            row,
            ready,
        ]
        .concat();
        for step in [1, 3, 7, 1000, before.len()] {
            let mut pump = Pump::new(&state, false);
            let passed: Vec<u8> = before
                .chunks(step)
                .flat_map(|chunk| pump.look(BytesMut::from(chunk)).to_vec())
                .collect();
            assert!(passed == after, "in steps of {step}");
            assert!(pump.waiting.is_none());
        }
    }
}
