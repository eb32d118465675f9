//! Compressed answers: at most a number of them at once, since each one keeps its own state for as
//! long as its client takes to read it. The others are sent as they are.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::Router;
use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{Request, State};
use axum::http::header::ACCEPT_ENCODING;
use axum::http::{Extensions, HeaderMap, StatusCode, Version};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use hyper::body::{Frame, SizeHint};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{DefaultPredicate, Predicate, SizeAbove};

/// Answers that are compressed at once; each takes a quarter of a MiB.
const AT_ONCE: usize = 64;
/// Smaller answers are sent as they are.
const SMALL: u64 = 1024;

/// What an answer keeps in memory that is written piece by piece: one that waits, and one that is made.
const STREAMED: usize = 128 * 1024;

/// What an answer keeps in memory until it is taken, in bytes; in its extensions.
#[derive(Clone, Copy, Debug)]
pub(super) struct Weight(pub(super) usize);

/// In the extensions of an answer whose content is in memory once for all.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shared;

/// In the extensions of an answer that isn't compressed, since too many others are.
#[derive(Clone, Copy, Debug)]
struct Plainly;

/// Compresses the answers of these routes.
pub(super) fn compressed<S: Clone + Send + Sync + 'static>(router: Router<S>) -> Router<S> {
    compressed_at_once(router, AT_ONCE)
}

fn compressed_at_once<S>(router: Router<S>, at_once: usize) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    let places = Arc::new(Semaphore::new(at_once));
    let may = |_: StatusCode, _: Version, _: &HeaderMap, more: &Extensions| {
        more.get::<Plainly>().is_none()
    };
    let which = is_worth_it().and(may);
    router
        .layer(from_fn_with_state(places, place_take))
        .layer(CompressionLayer::new().compress_when(which))
}

/// Neither small nor compressed already, and no stream of events.
fn is_worth_it() -> impl Predicate {
    DefaultPredicate::new().and(SizeAbove::new(SMALL))
}

async fn place_take(
    State(places): State<Arc<Semaphore>>,
    request: Request,
    next: Next,
) -> Response {
    let mut asked = request.headers().get_all(ACCEPT_ENCODING).iter();
    let is_asked = asked.any(|value| {
        let value = value.as_bytes();
        value.contains(&b'*')
            || value
                .windows(4)
                .any(|part| part.eq_ignore_ascii_case(b"gzip"))
    });
    let mut response = next.run(request).await;
    if response.extensions().get::<Shared>().is_none() {
        let exact = response.body().size_hint().exact();
        let bytes = exact.map_or(STREAMED, |bytes| {
            usize::try_from(bytes).unwrap_or(usize::MAX)
        });
        response.extensions_mut().insert(Weight(bytes));
    }
    if !is_asked || !is_worth_it().should_compress(&response) {
        return response;
    }
    let Ok(place) = places.try_acquire_owned() else {
        response.extensions_mut().insert(Plainly);
        return response;
    };
    response.map(|body| {
        Body::new(Placed {
            body,
            _place: place,
        })
    })
}

/// A body that keeps a place until it is taken.
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
    use axum::Router;
    use axum::body::Body;
    use axum::http::Request;
    use axum::http::header::{ACCEPT_ENCODING, CONTENT_ENCODING};
    use axum::response::Response;
    use axum::routing::get;
    use tower_service::Service as _;

    use super::{SMALL, compressed_at_once};

    async fn answer(router: &mut Router) -> Response {
        let request = Request::get("/").header(ACCEPT_ENCODING, "gzip");
        let answer = router.call(request.body(Body::empty()).expect("a request"));
        answer.await.expect("an answer")
    }

    #[tokio::test]
    async fn what_is_compressed_at_once_is_bounded() {
        let long = "a".repeat(2 * usize::try_from(SMALL).expect("it is small"));
        let router = Router::new().route("/", get(|| async { long }));
        let mut router = compressed_at_once(router, 2);
        let is_compressed = |answer: &Response| answer.headers().contains_key(CONTENT_ENCODING);
        let [first, second] = [answer(&mut router).await, answer(&mut router).await];
        assert!(is_compressed(&first) && is_compressed(&second));
        assert!(!is_compressed(&answer(&mut router).await));
        drop(first);
        assert!(is_compressed(&answer(&mut router).await));
    }
}
