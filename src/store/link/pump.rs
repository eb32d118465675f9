//! Passes a connection's bytes on, and looks at what the server says.
//!
//! Messages are framed as of protocol 3.0: a type, a length of four bytes that counts itself, and the
//! body; <https://www.postgresql.org/docs/current/protocol-message-formats.html>.

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

use super::address::{Address, Host, SslMode};
use super::{CONNECT_LIMIT, Failure, State, sqlstate, tls};

/// How often it is looked whether an answer is overdue.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// Bytes read at once.
const CHUNK: usize = 64 * 1024;
/// A longer error message is passed on as it is.
const ERROR_LIMIT: usize = 64 * 1024;
/// What asks a server for TLS.
const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// Waits for `libpq`, connects, and passes on until either end closes.
pub(super) async fn run(listener: StdListener, address: Address, host: Host, state: Arc<State>) {
    if let Err(error) = link(listener, &address, &host, &state).await {
        state.fail(Failure::Away(error.to_string()));
    }
    state.closed.store(true, Ordering::Relaxed);
}

async fn link(listener: StdListener, address: &Address, host: &Host, state: &State) -> Result<()> {
    let client = client(UnixListener::from_std(listener)?).await?;
    let connected = timeout(CONNECT_LIMIT, server(address, host, state)).await;
    let late = |_| Error::new(ErrorKind::TimedOut, "it doesn't answer");
    let server = connected.map_err(late).flatten()?;
    let Some(server) = server else { return Ok(()) };
    Pump::new(state).pass(client, server).await
}

/// Our own end, which nobody else may be.
async fn client(listener: UnixListener) -> Result<UnixStream> {
    let ours = i32::try_from(std::process::id()).ok();
    loop {
        let (stream, _) = timeout(CONNECT_LIMIT, listener.accept())
            .await
            .map_err(|_| ErrorKind::TimedOut)??;
        if stream.peer_cred()?.pid() == ours {
            return Ok(stream);
        }
    }
}

/// The other end; `None`, with the reason in `state`, where it refuses.
async fn server(address: &Address, host: &Host, state: &State) -> Result<Option<Box<dyn Stream>>> {
    let (name, mut tcp) = match host {
        Host::Socket(path) => return Ok(Some(Box::new(UnixStream::connect(path).await?))),
        Host::Tcp(name, port) => (name, TcpStream::connect((name.as_str(), *port)).await?),
    };
    tcp.set_nodelay(true)?;
    // A listener hears nothing for hours: without this, nor that nobody is there any more.
    let alive = socket2::TcpKeepalive::new()
        .with_time(Duration::from_secs(30))
        .with_interval(Duration::from_secs(10))
        .with_retries(3);
    socket2::SockRef::from(&tcp).set_tcp_keepalive(&alive)?;
    if address.ssl == SslMode::Disable {
        return Ok(Some(Box::new(tcp)));
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
        b'N' if address.ssl == SslMode::Prefer => return Ok(Some(Box::new(tcp))),
        _ => {
            let reason = "the server has no TLS, and `sslmode` asks for it: switch it on there \
                          (`ssl = on`), or use `sslmode=prefer`";
            return refused(reason.to_owned());
        }
    }
    let Ok(name) = ServerName::try_from(name.clone()) else {
        return refused(format!("`{name}` is no name that a certificate can have"));
    };
    match TlsConnector::from(Arc::new(config))
        .connect(name, tcp)
        .await
    {
        Ok(stream) => Ok(Some(Box::new(stream))),
        // The peer's certificate, or ours, isn't taken.
        Err(error)
            if error
                .get_ref()
                .is_some_and(|inner| inner.is::<rustls::Error>()) =>
        {
            refused(format!("TLS: {error}; see `sslmode` and `sslrootcert`"))
        }
        Err(error) => Err(error),
    }
}

/// What is known of a connection.
struct Pump<'a> {
    state: &'a State,
    /// When something was asked that isn't answered yet, or was heard of last since.
    waiting: Option<Instant>,
    /// Bytes of the message under way that only have to be passed on.
    left: usize,
    /// Bytes that aren't a whole head, or a whole error message, yet.
    kept: BytesMut,
    /// The login is done.
    ready: bool,
}

impl<'a> Pump<'a> {
    fn new(state: &'a State) -> Pump<'a> {
        Pump {
            state,
            waiting: Some(Instant::now()),
            left: 0,
            kept: BytesMut::new(),
            ready: false,
        }
    }

    async fn pass(mut self, client: UnixStream, server: Box<dyn Stream>) -> Result<()> {
        let (mut client_in, mut client_out) = client.into_split();
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
                    self.waiting.get_or_insert_with(Instant::now);
                    let written = async {
                        server_out.write_all(&asked).await?;
                        server_out.flush().await
                    };
                    timeout(self.state.limit(), written).await.map_err(|_| silent())??;
                    asked.clear();
                }
                read = server_in.read_buf(&mut said) => {
                    if read? == 0 {
                        return Ok(());
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

    /// Takes what the server said, and returns what is to be passed on.
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
            if kind == b'E' && length <= ERROR_LIMIT {
                if said.len() < length {
                    break;
                }
                self.error(&said.split_to(length), &mut out);
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

    /// An error: before the login is done the reason of its failure, afterwards with its code.
    fn error(&self, message: &[u8], out: &mut BytesMut) {
        let (mut code, mut text) = ("", "");
        let fields = || message[5..].split(|byte| *byte == 0);
        for field in fields() {
            match field
                .split_first()
                .map(|(kind, value)| (kind, std::str::from_utf8(value)))
            {
                Some((b'C', Ok(value))) => code = value,
                Some((b'M', Ok(value))) => text = value,
                _ => {}
            }
        }
        let marked = format!("[{code}] {text}");
        if !self.ready {
            let reason = format!("{text} ({code})");
            // Starting, stopping, full: that passes.
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
        let length = u32::try_from(out.len() - start - 1).unwrap_or(u32::MAX);
        out[start + 1..start + 5].copy_from_slice(&length.to_be_bytes());
    }
}

fn silent() -> Error {
    Error::new(ErrorKind::TimedOut, "the server doesn't answer")
}

/// Type and whole length of the message that begins here.
fn head(said: &[u8]) -> Option<(u8, usize)> {
    let mut head = said.get(..5)?;
    let kind = head.get_u8();
    let length = usize::try_from(head.get_u32()).ok()?.max(4);
    Some((kind, length.saturating_add(1)))
}

#[cfg(test)]
mod tests {
    use super::super::State;
    use super::Pump;
    use bytes::BytesMut;
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicBool, AtomicU64};
    use std::time::Instant;

    fn message(kind: u8, body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(body.len() + 4).unwrap();
        [&[kind][..], &length.to_be_bytes(), body].concat()
    }

    #[test]
    fn an_error_gets_its_code_and_all_else_passes_as_it_is() {
        let state = State {
            closed: AtomicBool::new(false),
            limit_ms: AtomicU64::new(1000),
            heard: Mutex::new(Instant::now()),
            failure: Mutex::default(),
        };
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
            let mut pump = Pump::new(&state);
            let passed: Vec<u8> = before
                .chunks(step)
                .flat_map(|chunk| pump.look(BytesMut::from(chunk)).to_vec())
                .collect();
            assert!(passed == after, "in steps of {step}");
            assert!(pump.waiting.is_none());
        }
    }
}
