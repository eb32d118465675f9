//! A server whose responses a test writes byte by byte: for what no HTTP library would send.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::task::AbortOnDropHandle;

/// A running server; it stops on drop.
pub(crate) struct RawServer {
    address: String,
    requests: Arc<AtomicUsize>,
    _task: AbortOnDropHandle<()>,
}

impl RawServer {
    /// Passes each request's first line, and its number from 0 on, to `answer`, which writes to the
    /// connection; then the connection is closed.
    pub(crate) async fn start<F, A>(answer: F) -> Self
    where
        F: Fn(String, usize, TcpStream) -> A + Send + Sync + 'static,
        A: Future<Output = ()> + Send + 'static,
    {
        Self::start_at("127.0.0.1:0", answer).await
    }

    /// The same at another address.
    pub(crate) async fn start_at<F, A>(address: &str, answer: F) -> Self
    where
        F: Fn(String, usize, TcpStream) -> A + Send + Sync + 'static,
        A: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let requests = Arc::new(AtomicUsize::new(0));
        let (counter, answer) = (requests.clone(), Arc::new(answer));
        let task = tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let (counter, answer) = (counter.clone(), answer.clone());
                tokio::spawn(async move {
                    let mut head = Vec::new();
                    while !head.ends_with(b"\r\n\r\n") {
                        match stream.read_u8().await {
                            Ok(byte) => head.push(byte),
                            Err(_) => return,
                        }
                    }
                    let number = counter.fetch_add(1, Ordering::Relaxed);
                    let head = String::from_utf8_lossy(&head).into_owned();
                    let first = head.lines().next().unwrap_or_default().to_owned();
                    answer(first, number, stream).await;
                });
            }
        });
        Self {
            address,
            requests,
            _task: AbortOnDropHandle::new(task),
        }
    }

    /// `127.0.0.1:PORT`
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// Requests so far.
    pub(crate) fn requests(&self) -> usize {
        self.requests.load(Ordering::Relaxed)
    }
}

/// Writes a 200 response whose body ends with the connection; `headers` end with a line break each.
pub(crate) async fn answer(stream: &mut TcpStream, headers: &str, body: &[u8]) {
    let head = format!("HTTP/1.1 200 OK\r\nconnection: close\r\n{headers}\r\n");
    // A satisfied client disconnects.
    let _ = stream.write_all(head.as_bytes()).await;
    let _ = stream.write_all(body).await;
    let _ = stream.shutdown().await;
}

/// Writes `bytes` repeatedly until the client disconnects.
pub(crate) async fn endlessly(stream: &mut TcpStream, bytes: &[u8]) {
    while stream.write_all(bytes).await.is_ok() {}
}
