//! Compressed responses. Their number is limited, since each keeps its state until its client has read
//! it; further responses are sent uncompressed.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes, HttpBody};
use axum::http::header::{ACCEPT_ENCODING, VARY};
use axum::http::{HeaderMap, HeaderValue, Request};
use axum::response::Response;
use hyper::body::{Frame, SizeHint};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tower_http::compression::Compression;
use tower_http::compression::predicate::{DefaultPredicate, Predicate, SizeAbove};
use tower_service::Service;

/// Maximum number of simultaneously compressed responses; each takes a quarter of a MiB.
const AT_ONCE: usize = 64;
/// Smaller responses are sent uncompressed.
const SMALL: u64 = 1024;

/// Memory of a streamed response: one piece that waits, and one that is being written.
const STREAMED: usize = 128 * 1024;

/// Stored in the extensions of a response whose content is static.
#[derive(Clone, Copy, Debug)]
pub(in crate::surface) struct Shared;

/// Memory in bytes that a response takes until it is read.
pub(in crate::surface) fn weight(answer: &Response) -> usize {
    if answer.extensions().get::<Shared>().is_some() {
        return 0;
    }
    let exact = answer.body().size_hint().exact();
    exact.map_or(STREAMED, |bytes| {
        usize::try_from(bytes).unwrap_or(usize::MAX)
    })
}

/// The encoding that a client accepts; `None` if that isn't gzip.
pub(in crate::surface) fn accepted(headers: &HeaderMap) -> Option<HeaderValue> {
    let mut asked = headers.get_all(ACCEPT_ENCODING).iter();
    let is_gzip = |value: &&HeaderValue| {
        let value = value.as_bytes();
        let mut parts = value.windows(4);
        value.contains(&b'*') || parts.any(|part| part.eq_ignore_ascii_case(b"gzip"))
    };
    asked.find(is_gzip).cloned()
}

/// Compresses responses.
#[derive(Clone, Debug)]
pub(in crate::surface) struct Encoder {
    places: Arc<Semaphore>,
}

impl Encoder {
    pub(in crate::surface) fn new() -> Encoder {
        Encoder::of(AT_ONCE)
    }

    fn of(at_once: usize) -> Encoder {
        let places = Arc::new(Semaphore::new(at_once));
        Encoder { places }
    }

    /// The response as sent to a client that accepts `accepted`: compressed unless it is small,
    /// already compressed, an event stream, or over the limit.
    pub(in crate::surface) async fn encode(
        &self,
        accepted: Option<HeaderValue>,
        mut answer: Response,
    ) -> Response {
        if !is_worth_it().should_compress(&answer) {
            return answer;
        }
        let place = Arc::clone(&self.places).try_acquire_owned();
        let (Some(accepted), Ok(place)) = (accepted, place) else {
            let varies = HeaderValue::from_static("accept-encoding");
            answer.headers_mut().append(VARY, varies);
            return answer;
        };
        let mut request = Request::new(());
        request.headers_mut().insert(ACCEPT_ENCODING, accepted);
        let mut compression = Compression::new(Made(answer)).compress_when(is_worth_it());
        let Ok(answer) = compression.call(request).await;
        answer.map(|body| {
            Body::new(Placed {
                body: Body::new(body),
                _place: place,
            })
        })
    }
}

/// Whether a response is neither small, nor already compressed, nor an event stream.
fn is_worth_it() -> impl Predicate {
    DefaultPredicate::new().and(SizeAbove::new(SMALL))
}

/// Returns an existing response.
struct Made(Response);

impl Service<Request<()>> for Made {
    type Response = Response;
    type Error = Infallible;
    type Future = Ready<Result<Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<()>) -> Self::Future {
        ready(Ok(std::mem::take(&mut self.0)))
    }
}

/// A body that holds a permit until it is read.
struct Placed {
    body: Body,
    _place: OwnedSemaphorePermit,
}

impl HttpBody for Placed {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use axum::http::header::{CONTENT_ENCODING, VARY};
    use axum::http::{HeaderMap, HeaderValue};
    use axum::response::{IntoResponse as _, Response};

    use super::{ACCEPT_ENCODING, Encoder, accepted};

    const GZIP: HeaderValue = HeaderValue::from_static("gzip");

    fn long() -> Response {
        "a".repeat(3000).into_response()
    }

    fn is_compressed(answer: &Response) -> bool {
        assert_eq!(answer.headers()[VARY], "accept-encoding");
        answer.headers().contains_key(CONTENT_ENCODING)
    }

    #[tokio::test]
    async fn the_number_of_compressed_responses_is_limited() {
        let encoder = Encoder::of(2);
        let encode = || encoder.encode(Some(GZIP), long());
        let [first, second] = [encode().await, encode().await];
        assert!(is_compressed(&first) && is_compressed(&second));
        assert!(!is_compressed(&encode().await));
        drop(first);
        assert!(is_compressed(&encode().await));
        assert!(!is_compressed(&encoder.encode(None, long()).await));
        let small = encoder.encode(Some(GZIP), "a".into_response()).await;
        assert!(!small.headers().contains_key(VARY));
    }

    #[test]
    fn clients_say_in_many_ways_that_they_take_gzip() {
        for (said, takes) in [
            ("gzip", true),
            ("br;q=1.0, GZIP;q=0.8", true),
            ("*", true),
            ("identity", false),
            ("br, deflate", false),
        ] {
            let value = HeaderValue::from_static(said);
            let headers = HeaderMap::from_iter([(ACCEPT_ENCODING, value)]);
            assert_eq!(accepted(&headers).is_some(), takes, "{said}");
        }
        assert_eq!(accepted(&HeaderMap::new()), None);
    }
}
