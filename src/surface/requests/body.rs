//! Request bodies: limited in size (as sent and decompressed), in time, and in total memory.
//!
//! - Without a known session, a body is limited to [`RequestLimits::unauthenticated_body_bytes`], has a
//!   short timeout, and shares one memory budget with all others of its kind.
//! - With a session, the limit is [`RequestLimits::body_bytes`]; large bodies take turns.
//!
//! The rest of a refused body is read and discarded, since many clients only read the response after
//! they have sent everything.

use std::sync::Arc;

use axum::body::{Body, Bytes, HttpBody as _};
use axum::http::HeaderMap;
use axum::http::header::CONTENT_LENGTH;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::body_error::BodyError;
use super::budget::{Budget, Share};
use super::chunks::Chunks;
use super::limits::RequestLimits;
use super::plain::Plain;
use super::session_peek;
use crate::api::{ApiError, Dispatcher};

/// A refused body is read up to this multiple of the limit.
const DRAIN_FACTOR: usize = 16;
/// Maximum number of large documents parsed at once.
const PARSED_AT_ONCE: usize = 2;
/// Maximum total size of large bodies in memory, as a multiple of the limit for one.
const LARGE_AT_ONCE: usize = 16;

/// What is known about the sender of a body.
#[derive(Clone, Copy)]
pub(in crate::surface) enum Sender<'a> {
    /// Has a valid session.
    Known,
    /// Has none, or doesn't name one.
    Stranger,
    /// The document may contain a session key.
    Document(&'a Dispatcher),
}

/// Reads bodies within their limits.
#[derive(Clone, Debug)]
pub(in crate::surface) struct Intake {
    limits: RequestLimits,
    strangers: Budget,
    /// KiB of large bodies being read or waiting to be parsed.
    large: Arc<Semaphore>,
    parsers: Arc<Semaphore>,
}

/// A body, decompressed.
#[derive(Debug)]
pub(in crate::surface) struct Received {
    pub(in crate::surface) bytes: Bytes,
    pub(in crate::surface) held: BodyShare,
}

/// Resources that a request holds as long as this lives.
#[derive(Debug)]
pub(in crate::surface) enum BodyShare {
    Nothing,
    Share(Share),
    Turn { _permit: OwnedSemaphorePermit },
}

impl BodyShare {
    /// Waits until the request should end in favour of others.
    pub(in crate::surface) async fn evicted(&self) {
        match self {
            BodyShare::Share(share) => share.evicted().await,
            _ => std::future::pending().await,
        }
    }
}

impl Intake {
    pub(in crate::surface) fn new(limits: RequestLimits) -> Intake {
        let large = kib(limits.body_bytes) * LARGE_AT_ONCE;
        Intake {
            strangers: Budget::new(limits.unauthenticated_total_bytes),
            large: Arc::new(Semaphore::new(large)),
            parsers: Arc::new(Semaphore::new(PARSED_AT_ONCE)),
            limits,
        }
    }

    /// Reads a whole body.
    pub(in crate::surface) async fn read(
        &self,
        headers: &HeaderMap,
        body: Body,
        sender: Sender<'_>,
    ) -> Result<Received, BodyError> {
        let is_known = matches!(sender, Sender::Known);
        if body.is_end_stream() {
            return Ok(Received {
                bytes: Bytes::new(),
                held: BodyShare::Nothing,
            });
        }
        if announced(headers) > self.limits.body_bytes.saturating_mul(DRAIN_FACTOR) {
            return Err(BodyError::TooLarge(self.limits.body_bytes));
        }
        let mut reading = Reading {
            intake: self,
            headers,
            chunks: Chunks::new(body, self.limits),
            plain: Plain::default(),
            held: BodyShare::Nothing,
            is_known,
        };
        match reading.all(sender).await {
            Ok(()) => Ok(Received {
                bytes: reading.plain.into_bytes(),
                held: reading.held,
            }),
            Err(refused) => Err(reading.throw_away(refused).await),
        }
    }

    /// Reads an unwanted body.
    pub(in crate::surface) async fn discard(&self, body: Body) {
        let bound = self.limits.body_bytes.saturating_mul(DRAIN_FACTOR);
        Chunks::new(body, self.limits).drain(bound).await;
    }

    /// Parses a body: a small one immediately, a large one in its turn and on a thread that doesn't
    /// serve requests.
    pub(in crate::surface) async fn parse<T: Send + 'static>(
        &self,
        received: Received,
        parser: impl FnOnce(&[u8]) -> T + Send + 'static,
    ) -> Result<(T, BodyShare), ApiError> {
        let Received { bytes, held, .. } = received;
        if bytes.len() <= self.limits.unauthenticated_body_bytes {
            return Ok((parser(&bytes), held));
        }
        let turn = Arc::clone(&self.parsers).acquire_owned().await;
        let turn = turn.map_err(ApiError::unexpected)?;
        let parsed = tokio::task::spawn_blocking(move || {
            let parsed = parser(&bytes);
            drop((bytes, turn));
            parsed
        });
        // The document is freed; the parsed call holds no share.
        Ok((
            parsed.await.map_err(ApiError::unexpected)?,
            BodyShare::Nothing,
        ))
    }
}

fn kib(bytes: usize) -> usize {
    bytes.div_ceil(1024).max(1)
}

/// The length stated by the client; nothing if it states none.
fn announced(headers: &HeaderMap) -> usize {
    let length = headers
        .get(CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok());
    // A number that is too large is still a length.
    length.map_or(0, |digits| digits.parse().unwrap_or(usize::MAX))
}

/// A body being read.
struct Reading<'a> {
    intake: &'a Intake,
    headers: &'a HeaderMap,
    chunks: Chunks,
    plain: Plain,
    held: BodyShare,
    is_known: bool,
}

impl Reading<'_> {
    async fn all(&mut self, sender: Sender<'_>) -> Result<(), BodyError> {
        self.plain = Plain::of(self.headers)?;
        if self.is_known {
            self.chunks.allow(self.intake.limits.body_time);
        } else {
            self.held = BodyShare::Share(self.intake.strangers.share());
            self.share_grow()?;
        }
        loop {
            let chunk = tokio::select! {
                chunk = self.chunks.next() => chunk?,
                () = self.held.evicted() => return Err(BodyError::Crowded),
            };
            let Some(chunk) = chunk else {
                // A decompressor returns its last bytes at its end.
                self.plain = std::mem::take(&mut self.plain).finish()?;
                return self.bound_keep(sender).await;
            };
            let mut rest = &chunk[..];
            while !rest.is_empty() {
                rest = self.plain.take(rest, self.bound())?;
                self.bound_keep(sender).await?;
            }
            self.share_grow()?;
        }
    }

    /// Refuses a body that is too large. Only a body with a session key may exceed the limit for
    /// strangers; from then on it counts as large and waits for its turn.
    async fn bound_keep(&mut self, sender: Sender<'_>) -> Result<(), BodyError> {
        if self.plain.len() > self.bound() && !self.is_known && self.is_session_in(sender).await? {
            self.is_known = true;
            self.chunks.allow(self.intake.limits.body_time);
        }
        let is_large = self.plain.len() > self.intake.limits.unauthenticated_body_bytes;
        if self.is_known && is_large && !matches!(self.held, BodyShare::Turn { .. }) {
            self.turn().await?;
        }
        if self.plain.len() > self.bound() {
            return Err(self.over());
        }
        Ok(())
    }

    fn bound(&self) -> usize {
        let limits = self.intake.limits;
        if self.is_known {
            limits.body_bytes
        } else {
            limits.unauthenticated_body_bytes.min(limits.body_bytes)
        }
    }

    fn over(&self) -> BodyError {
        if self.is_known {
            BodyError::TooLarge(self.bound())
        } else {
            BodyError::Stranger(self.bound())
        }
    }

    /// Waits until there is room for a large body.
    async fn turn(&mut self) -> Result<(), BodyError> {
        let limit = self.intake.limits.body_bytes;
        let announced = announced(self.headers);
        let bytes = match (&self.plain, announced) {
            (Plain::Identity(_), 1..) => announced.min(limit),
            _ => limit,
        };
        let permits = u32::try_from(kib(bytes)).unwrap_or(u32::MAX);
        let turn = Arc::clone(&self.intake.large).acquire_many_owned(permits);
        let turn = tokio::time::timeout(self.intake.limits.body_time, turn).await;
        match turn {
            Ok(Ok(permit)) => self.held = BodyShare::Turn { _permit: permit },
            _ => return Err(BodyError::Crowded),
        }
        Ok(())
    }

    fn share_grow(&self) -> Result<(), BodyError> {
        if let BodyShare::Share(share) = &self.held {
            share.grow(self.plain.weight())?;
        }
        Ok(())
    }

    /// Whether the bytes so far contain a session key.
    async fn is_session_in(&mut self, sender: Sender<'_>) -> Result<bool, BodyError> {
        let Sender::Document(dispatcher) = sender else {
            return Ok(false);
        };
        for key in session_peek::keys(self.plain.bytes()) {
            let found = dispatcher.session_peek(&key).await;
            if found.map_err(BodyError::Session)?.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Releases all memory, and discards the rest of what the client sends.
    async fn throw_away(mut self, refused: BodyError) -> BodyError {
        self.plain = Plain::default();
        self.held = BodyShare::Nothing;
        let limit = self.intake.limits.body_bytes;
        // Don't wait for a client that stalls, or whose request was ended in favour of others.
        if let BodyError::Broken(_) | BodyError::Slow(_) | BodyError::Crowded = refused {
            return refused;
        }
        let sent = self.chunks.drain(limit.saturating_mul(DRAIN_FACTOR)).await;
        match refused {
            BodyError::Stranger(_) if sent > limit => BodyError::TooLarge(limit),
            refused => refused,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::plain::PARSED;
    use super::{BodyError, Intake, LARGE_AT_ONCE, RequestLimits, Sender};
    use axum::body::{Body, Bytes};
    use axum::http::{
        HeaderMap, HeaderValue,
        header::{CONTENT_ENCODING, CONTENT_LENGTH},
    };
    use flate2::{Compression, write::GzEncoder};
    use futures_util::{StreamExt as _, stream};
    use std::convert::Infallible;
    use std::io::Write as _;
    use std::time::Duration;

    const LIMITS: RequestLimits = RequestLimits {
        body_bytes: 1000,
        unauthenticated_body_bytes: 100,
        unauthenticated_total_bytes: 1 << 20,
        stranger_time: Duration::from_hours(2),
        body_time: Duration::from_hours(3),
        patience: Duration::from_hours(1),
    };

    fn gzip(plain: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(plain).expect("written");
        encoder.finish().expect("finished")
    }

    async fn read(
        encoding: Option<&'static str>,
        body: impl Into<Body>,
        sender: Sender<'_>,
    ) -> Result<Bytes, BodyError> {
        let encoding = encoding.map(|name| (CONTENT_ENCODING, HeaderValue::from_static(name)));
        let headers: HeaderMap = encoding.into_iter().collect();
        read_within(LIMITS, &headers, body.into(), sender).await
    }

    async fn read_within(
        limits: RequestLimits,
        headers: &HeaderMap,
        body: Body,
        sender: Sender<'_>,
    ) -> Result<Bytes, BodyError> {
        let received = Intake::new(limits).read(headers, body, sender).await;
        received.map(|received| received.bytes)
    }

    #[tokio::test]
    async fn each_kind_of_sender_has_its_own_limit_compressed_or_not() {
        for (sender, limit, error) in [
            (Sender::Known, 1000, BodyError::TooLarge(1000)),
            (Sender::Stranger, 100, BodyError::Stranger(100)),
        ] {
            let (fits, over) = (vec![b'a'; limit], vec![b'a'; limit + 1]);
            for (encoding, pack) in [
                (None, Vec::clone as fn(&Vec<u8>) -> Vec<u8>),
                (Some("gzip"), |plain| gzip(plain)),
            ] {
                let whole = read(encoding, pack(&fits), sender).await;
                assert_eq!(whole.as_deref(), Ok(&fits[..]), "{encoding:?}");
                let refused = read(encoding, pack(&over), sender).await;
                assert_eq!(refused, Err(error.clone()), "{encoding:?}");
            }
        }
        let huge = read(None, vec![b'a'; 1001], Sender::Stranger).await;
        assert_eq!(huge, Err(BodyError::TooLarge(1000)), "for anybody");
        assert_eq!(
            read(Some("br"), "1", Sender::Known).await,
            Err(BodyError::Encoding)
        );
    }

    /// The checksum at the end is wrong, so decompressing the whole body would report that instead.
    #[tokio::test]
    async fn decompression_stops_at_the_limit() {
        let mut bomb = gzip(&vec![0; 50 << 20]);
        let end = bomb.len() - 8;
        bomb[end] ^= 1;
        for (sender, error) in [
            (Sender::Known, BodyError::TooLarge(1000)),
            (Sender::Stranger, BodyError::TooLarge(1000)),
        ] {
            assert_eq!(read(Some("gzip"), bomb.clone(), sender).await, Err(error));
        }
        let mut small = gzip(b"hello");
        let end = small.len() - 8;
        small[end] ^= 1;
        let damaged = read(Some("gzip"), small, Sender::Known).await;
        assert_eq!(damaged, Err(BodyError::Gzip));
        for cut in [0, 5, 20] {
            let part = Body::from(gzip(b"hello")[..cut].to_vec());
            let part = Body::from_stream(stream::iter([part]).flat_map(Body::into_data_stream));
            assert_eq!(
                read(Some("gzip"), part, Sender::Known).await,
                Err(BodyError::Gzip)
            );
        }
    }

    #[tokio::test]
    async fn large_bodies_wait_for_others() {
        let short = Duration::from_millis(20);
        let limits = RequestLimits {
            body_time: short,
            ..LIMITS
        };
        let (intake, headers) = (Intake::new(limits), HeaderMap::new());
        let read = |length| intake.read(&headers, Body::from(vec![b'a'; length]), Sender::Known);
        let mut held = Vec::new();
        for _ in 0..LARGE_AT_ONCE {
            held.push(read(1000).await.expect("there is room"));
        }
        assert_eq!(read(101).await.err(), Some(BodyError::Crowded));
        assert!(read(100).await.is_ok(), "a small one waits for nobody");
        held.pop();
        assert!(read(1000).await.is_ok());
    }

    #[tokio::test]
    async fn a_much_too_large_body_is_refused_unread() {
        let length = HeaderValue::from_static("16001");
        let headers = HeaderMap::from_iter([(CONTENT_LENGTH, length)]);
        let body = Body::from_stream(stream::pending::<Result<Bytes, Infallible>>());
        let refused = read_within(LIMITS, &headers, body, Sender::Known).await;
        assert_eq!(refused, Err(BodyError::TooLarge(1000)));
    }

    #[tokio::test]
    async fn stalled_and_slow_bodies_time_out() {
        let (short, headers) = (Duration::from_millis(20), HeaderMap::new());
        let impatient = RequestLimits {
            patience: short,
            ..LIMITS
        };
        let silent = || Body::from_stream(stream::pending::<Result<Bytes, Infallible>>());
        let ended = read_within(impatient, &headers, silent(), Sender::Known).await;
        assert_eq!(ended, Err(BodyError::Broken(short)));
        // Chunks arrive all the time, but they are empty.
        let trickle = || {
            Body::from_stream(stream::unfold((), async |()| {
                tokio::time::sleep(Duration::from_millis(1)).await;
                Some((Ok::<_, Infallible>(Bytes::new()), ()))
            }))
        };
        let stranger = RequestLimits {
            stranger_time: short,
            ..LIMITS
        };
        let ended = read_within(stranger, &headers, trickle(), Sender::Stranger).await;
        assert_eq!(ended, Err(BodyError::Slow(short)));
        let known = RequestLimits {
            body_time: short,
            ..LIMITS
        };
        let ended = read_within(known, &headers, trickle(), Sender::Known).await;
        assert_eq!(ended, Err(BodyError::Slow(short)));
    }

    #[tokio::test]
    async fn strangers_share_one_budget_and_the_oldest_is_aborted() {
        let intake = Intake::new(RequestLimits {
            unauthenticated_total_bytes: 10 * PARSED,
            ..LIMITS
        });
        let stalled = |bytes: &'static str| {
            let begin = stream::iter([Ok::<_, Infallible>(Bytes::from_static(bytes.as_bytes()))]);
            Body::from_stream(begin.chain(stream::pending()))
        };
        let headers = HeaderMap::new();
        let first = intake.read(&headers, stalled("12345678"), Sender::Stranger);
        let second = async {
            tokio::task::yield_now().await;
            intake
                .read(&headers, Body::from("123"), Sender::Stranger)
                .await
        };
        let (first, second) = tokio::join!(first, second);
        assert_eq!(first.map(|read| read.bytes), Err(BodyError::Crowded));
        assert_eq!(second.map(|read| read.bytes).as_deref(), Ok(&b"123"[..]));
    }
}
