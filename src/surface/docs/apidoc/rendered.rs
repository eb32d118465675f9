//! The pages of namespaces, rendered once: only the server's address in their samples differs between
//! requests, so requests share the text and what a slow reader leaves unread takes no memory.

use std::collections::HashMap;
use std::convert::Infallible;
use std::iter;
use std::sync::{Arc, Mutex, PoisonError};

use askama::filters::{Html, escape};
use axum::body::{Body, Bytes};
use futures_util::stream;

/// Rendered instead of the server's address, and replaced by it in each response.
pub(super) const ORIGIN: &str = "https://address-of-this-server.invalid";

/// A page's text between the places of the address.
type Parts = Arc<[Bytes]>;

/// The pages that were requested so far, by the name of their namespace.
#[derive(Debug, Default)]
pub(in crate::surface) struct Rendered(Mutex<HashMap<String, Parts>>);

impl Rendered {
    /// The page of a namespace for a server at `origin`; `render` makes it with [`ORIGIN`].
    pub(super) fn page<E>(
        &self,
        namespace: &str,
        origin: &str,
        render: impl FnOnce() -> Result<String, E>,
    ) -> Result<Body, E> {
        let mut pages = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(parts) = pages.get(namespace) {
            return Ok(joined(Arc::clone(parts), origin));
        }
        let parts = split(&render()?);
        pages.insert(namespace.to_owned(), Arc::clone(&parts));
        Ok(joined(parts, origin))
    }
}

fn split(page: &str) -> Parts {
    let parts = page.split(ORIGIN);
    parts
        .map(|part| Bytes::copy_from_slice(part.as_bytes()))
        .collect()
}

fn joined(parts: Parts, origin: &str) -> Body {
    let Ok(origin) = escape(origin, Html);
    let origin = Bytes::from(origin.to_string());
    let mut places = 0..parts.len();
    let pieces = iter::from_fn(move || {
        let place = places.next()?;
        let part = parts.get(place)?.clone();
        let before = (place > 0).then(|| origin.clone());
        Some(before.into_iter().chain([part]))
    });
    Body::from_stream(stream::iter(pieces.flatten().map(Ok::<_, Infallible>)))
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use axum::body::to_bytes;

    use super::{ORIGIN, Rendered};

    #[tokio::test]
    async fn each_response_shows_its_own_address_in_a_page_that_is_rendered_once() {
        let rendered = Rendered::default();
        let mut times = 0;
        for origin in ["http://one:8080", "https://two"] {
            let page = rendered.page("a", origin, || {
                times += 1;
                Ok::<_, Infallible>(format!("{ORIGIN}/x, <{ORIGIN}>"))
            });
            let Ok(page) = page;
            let text = to_bytes(page, 1000).await.unwrap();
            assert_eq!(text, format!("{origin}/x, <{origin}>"));
        }
        assert_eq!(times, 1);
        let Ok(page) = rendered.page("b", "a<b", || Ok::<_, Infallible>(ORIGIN.to_owned()));
        assert_eq!(to_bytes(page, 100).await.unwrap(), "a&#60;b");
    }
}
