//! Watches a connection's bytes: closes it if the client reads nothing for too long, or if it sends many
//! HTTP/2 frames without requests.

use std::future::Future as _;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::BoxError;
use axum::body::{Bytes, HttpBody};
use hyper::body::{Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

/// The start of an HTTP/2 connection.
const HTTP2: &[u8] = b"PRI";
/// Allowed bytes of frames that belong to no request: a burst, and a rate per second.
const BURST: u64 = 64 * 1024;
const PER_SECOND: u64 = 8 * 1024;
/// Bytes allowed for a request's head, and for the overhead of a piece of a body.
const OF_HEAD: u64 = 64 * 1024;
const OF_PIECE: u64 = 256;
/// A response is passed to the connection in pieces of this size, to see whether they are read.
const PIECE: usize = 16 * 1024;

/// State shared by a connection and its requests.
#[derive(Clone, Debug)]
pub(super) struct Pace(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    began: Instant,
    /// Bytes accounted for by requests.
    due: AtomicU64,
    taking: Mutex<Taking>,
}

#[derive(Debug, Default)]
struct Taking {
    /// Number of responses that wait for the client to read a piece.
    waiting: usize,
    /// When one of them was last read.
    last: Option<Instant>,
}

impl Pace {
    pub(in crate::surface) fn new() -> Pace {
        Pace(Arc::new(Inner {
            began: Instant::now(),
            due: AtomicU64::new(BURST),
            taking: Mutex::default(),
        }))
    }

    /// Records that a request began.
    pub(in crate::surface) fn request(&self) {
        self.0.due.fetch_add(OF_HEAD, Ordering::Relaxed);
    }

    fn piece(&self, bytes: usize) {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX / 4);
        let due = bytes.saturating_mul(2).saturating_add(OF_PIECE);
        self.0.due.fetch_add(due, Ordering::Relaxed);
    }

    fn is_flood(&self, read: u64) -> bool {
        let seconds = self.0.began.elapsed().as_secs();
        let due = self.0.due.load(Ordering::Relaxed);
        read > due.saturating_add(seconds.saturating_mul(PER_SECOND))
    }

    /// Waits until a client has read nothing of its responses for `time`.
    pub(in crate::surface) async fn stalled(&self, time: Duration) {
        loop {
            tokio::time::sleep(time / 2).await;
            let taking = self.0.taking.lock().unwrap_or_else(PoisonError::into_inner);
            let since = taking.last.unwrap_or(self.0.began);
            if taking.waiting > 0 && since.elapsed() >= time {
                return;
            }
        }
    }

    fn taking(&self, change: impl FnOnce(&mut usize)) {
        let mut taking = self.0.taking.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut taking.waiting);
        taking.last = Some(Instant::now());
    }
}

/// A connection's byte stream.
#[derive(Debug)]
pub(super) struct Watchdog<S> {
    stream: S,
    pace: Pace,
    /// Whether it is HTTP/2; `None` until something was received.
    http2: Option<bool>,
    read: u64,
    /// How long the client may read nothing.
    time: Duration,
    waiting: Option<Pin<Box<Sleep>>>,
}

impl<S> Watchdog<S> {
    pub(in crate::surface) fn new(stream: S, pace: Pace, time: Duration) -> Watchdog<S> {
        Watchdog {
            stream,
            pace,
            http2: None,
            read: 0,
            time,
            waiting: None,
        }
    }

    /// Passes writes through, and measures how long none is possible.
    fn timed<T>(
        &mut self,
        context: &mut Context<'_>,
        written: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.waiting = None;
            return written;
        }
        let time = self.time;
        let waiting = self
            .waiting
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(time)));
        ready!(waiting.as_mut().poll(context));
        Poll::Ready(Err(io::Error::new(
            io::ErrorKind::TimedOut,
            "the client doesn't read",
        )))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watchdog<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
        let came = &buffer.filled()[before..];
        if came.is_empty() {
            return Poll::Ready(Ok(()));
        }
        let http2 = *self
            .http2
            .get_or_insert(came.starts_with(&HTTP2[..came.len().min(HTTP2.len())]));
        self.read += u64::try_from(came.len()).unwrap_or_default();
        if http2 && self.pace.is_flood(self.read) {
            return Poll::Ready(Err(io::Error::other("frames without a request")));
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watchdog<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.timed(context, written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(context);
        self.timed(context, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let closed = Pin::new(&mut self.stream).poll_shutdown(context);
        self.timed(context, closed)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, parts);
        self.timed(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

/// A body in transit: a request's on its way in, a response's on its way out.
#[derive(Debug)]
pub(super) struct Passing<B, T> {
    body: B,
    pace: Pace,
    /// The rest of a response's piece that is too large.
    rest: Bytes,
    is_answer: bool,
    is_waiting: bool,
    /// Held until the body has passed.
    _held: T,
}

impl<B: HttpBody<Data = Bytes>, T> Passing<B, T> {
    pub(in crate::surface) fn request(body: B, pace: Pace, held: T) -> Passing<B, T> {
        Passing::new(body, pace, held, false)
    }

    pub(in crate::surface) fn answer(body: B, pace: Pace, held: T) -> Passing<B, T> {
        Passing::new(body, pace, held, true)
    }

    fn new(body: B, pace: Pace, held: T, is_answer: bool) -> Passing<B, T> {
        Passing {
            body,
            pace,
            rest: Bytes::new(),
            is_answer,
            is_waiting: false,
            _held: held,
        }
    }

    /// The next piece of the buffered data.
    fn piece(&mut self) -> Frame<Bytes> {
        let piece = if self.is_answer {
            self.rest.split_to(self.rest.len().min(PIECE))
        } else {
            std::mem::take(&mut self.rest)
        };
        self.pace.piece(piece.len());
        // The end after the last piece isn't polled for.
        let more = !self.rest.is_empty() || !self.body.is_end_stream();
        self.waits(more);
        Frame::data(piece)
    }
}

impl<B, T> Passing<B, T> {
    fn waits(&mut self, waits: bool) {
        if self.is_answer && self.is_waiting != waits {
            self.is_waiting = waits;
            self.pace
                .taking(|count| if waits { *count += 1 } else { *count -= 1 });
        }
    }
}

impl<B, T> HttpBody for Passing<B, T>
where
    B: HttpBody<Data = Bytes, Error: Into<BoxError>> + Unpin,
    T: Unpin,
{
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        self.waits(false);
        if !self.rest.is_empty() {
            return Poll::Ready(Some(Ok(self.piece())));
        }
        match ready!(Pin::new(&mut self.body).poll_frame(context)) {
            Some(Ok(frame)) => match frame.into_data() {
                Ok(data) => {
                    self.rest = data;
                    Poll::Ready(Some(Ok(self.piece())))
                }
                Err(frame) => Poll::Ready(Some(Ok(frame))),
            },
            Some(Err(error)) => Poll::Ready(Some(Err(axum::Error::new(error)))),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let mut hint = self.body.size_hint();
        let rest = u64::try_from(self.rest.len()).unwrap_or_default();
        if let Some(upper) = hint.upper() {
            hint.set_upper(upper + rest);
        }
        hint.set_lower(hint.lower() + rest);
        hint
    }
}

impl<B, T> Drop for Passing<B, T> {
    fn drop(&mut self) {
        self.waits(false);
    }
}
