//! Listings in pages: follows `Link: <…>; rel="next"` as given, and stops on one seen before.
//!
//! Source: RFC 8288; OCI distribution specification, "Listing Tags".

use std::collections::HashSet;

use http::HeaderMap;
use http::header::LINK;
use serde::de::DeserializeOwned;
use url::Url;

use super::call::Call;
use super::client::Client;
use super::error::Error;

/// Entries asked for at once; ECR takes no more.
pub(super) const PAGE_SIZE: usize = 1000;
/// The largest page read: registries that ignore the page size send 100 000 tags in about 3 MB.
const MAX_PAGE: usize = 64 * 1024 * 1024;
/// Pages of one listing; a hundred million entries are not a listing any more.
const MAX_PAGES: usize = 100_000;

impl Client {
    /// Reads all pages from `call` on; `each` takes them as they come.
    pub(super) async fn pages<T: DeserializeOwned>(
        &self,
        mut call: Call,
        mut each: impl FnMut(T),
    ) -> Result<(), Error> {
        let mut seen = HashSet::new();
        loop {
            let (url, scope, what) = (call.url.clone(), call.scope.clone(), call.what.clone());
            let headers = call.headers.clone();
            let page = self.fetch(call, MAX_PAGE).await?;
            let next = next_link(&page.headers, &url);
            let fail = |detail: &str| Error::Protocol {
                host: page.host.clone(),
                what: page.what.clone(),
                detail: detail.to_owned(),
            };
            if !seen.insert(url.to_string()) || seen.len() > MAX_PAGES {
                return Err(fail("the pages go round in a circle"));
            }
            let next = match next {
                Some(next) if seen.contains(next.as_str()) => {
                    return Err(fail("the pages go round in a circle"));
                }
                next => next,
            };
            let read = serde_json::from_slice(&page.body);
            each(read.map_err(|_| fail("a page that is not the JSON of a listing"))?);
            let Some(next) = next else { return Ok(()) };
            call = Call::get(next, scope, what);
            call.headers = headers;
        }
    }
}

/// The target of the first `rel="next"` link, resolved against `url`.
fn next_link(headers: &HeaderMap, url: &Url) -> Option<Url> {
    headers
        .get_all(LINK)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split('<').skip(1))
        .find_map(|link| {
            let (target, parameters) = link.split_once('>')?;
            let is_next = parameters.split(';').any(|parameter| {
                let parameter = parameter.trim().trim_end_matches(',').trim();
                let Some((key, value)) = parameter.split_once('=') else {
                    return false;
                };
                let mut relations = value.trim().trim_matches('"').split_whitespace();
                key.trim().eq_ignore_ascii_case("rel")
                    && relations.any(|r| r.eq_ignore_ascii_case("next"))
            });
            is_next.then(|| url.join(target).ok()).flatten()
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links() {
        let base = Url::parse("https://r.example/v2/a/tags/list?n=2").unwrap();
        let next = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(LINK, value.parse().unwrap());
            next_link(&headers, &base).map(|url| url.to_string())
        };
        for (header, expected) in [
            (
                r#"</v2/a/tags/list?last=b&n=2>; rel="next""#,
                Some("https://r.example/v2/a/tags/list?last=b&n=2"),
            ),
            (
                r"<?token=Zm9v%2B%3D&x=%2F>; rel=next",
                Some("https://r.example/v2/a/tags/list?token=Zm9v%2B%3D&x=%2F"),
            ),
            (
                r#"<https://cdn.example/p?2>; title="x"; REL="prev next""#,
                Some("https://cdn.example/p?2"),
            ),
            (
                r#"</first>; rel="first", </p2>; rel="next""#,
                Some("https://r.example/p2"),
            ),
            (r#"</p2>; rel="prev""#, None),
            ("nonsense", None),
        ] {
            assert_eq!(next(header).as_deref(), expected, "{header}");
        }
    }
}
