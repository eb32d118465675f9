//! Paginated listings, parsed as a stream and within limits: follows `Link: <…>; rel="next"` as given,
//! and stops on one seen before.
//!
//! Source: RFC 8288; OCI distribution specification, "Listing Tags".

use std::cell::RefCell;
use std::collections::HashSet;
use std::time::Duration;

use http::HeaderMap;
use http::header::LINK;
use url::Url;

use super::entries::{Entries, Entry, NoListing};
use crate::oci::error::Error;
use crate::oci::http::call::{Call, Response};
use crate::oci::http::client::Client;
use crate::oci::http::options::ListingLimit;
use crate::oci::types::digest::Digest;
use crate::text::{Bytes, counted, readable};

/// Timeout of one listing: a registry that sends a byte now and then must not delay a run for
/// hours.
const LISTING_TIME: Duration = Duration::from_mins(10);
/// Entries per requested page; ECR's maximum.
pub(crate) const PAGE_SIZE: usize = 1000;
/// Number of skipped entries that are named.
const NAMED: usize = 5;
/// Number of their characters that are shown.
const NAMED_LENGTH: usize = 100;

/// The content of a listing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing<T = String> {
    /// The entries, in the registry's order.
    pub entries: Vec<T>,
    /// The skipped ones.
    pub dropped: Dropped,
}

/// Unusable entries of a listing: invalid names, or not strings at all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dropped {
    /// How many there were.
    pub count: usize,
    /// The first few, made readable and short.
    pub named: Vec<String>,
}

impl Dropped {
    /// A warning about invalid names in a list of tags; `None` if all are valid.
    pub fn tags_warning(&self) -> Option<String> {
        self.warning("tag list", "tag")
    }

    /// The same about a catalogue.
    pub fn repositories_warning(&self) -> Option<String> {
        self.warning("catalogue", "repository name")
    }

    fn warning(&self, list: &str, kind: &str) -> Option<String> {
        let are = match self.count {
            0 => return None,
            1 => format!("1 name in the {list} is not a valid {kind} and is skipped"),
            count => format!("{count} names in the {list} are not valid {kind}s and are skipped"),
        };
        let more = if self.count > self.named.len() {
            ", …"
        } else {
            ""
        };
        Some(format!("{are}: `{}`{more}", self.named.join("`, `")))
    }

    fn add(&mut self, entry: &Entry<'_>) {
        self.count += 1;
        if self.named.len() < NAMED {
            // A cut one is a string without its end.
            let whole = serde_json::from_slice(entry.json);
            let text: String =
                whole.unwrap_or_else(|_| String::from_utf8_lossy(entry.json).into_owned());
            self.named.push(readable(&text, NAMED_LENGTH));
        }
    }

    fn append(&mut self, other: Dropped) {
        self.count += other.count;
        let free = NAMED.saturating_sub(self.named.len());
        self.named.extend(other.named.into_iter().take(free));
    }
}

/// The classification of an entry.
pub(super) enum Parsed<T> {
    Entry(T),
    /// Valid, but not requested.
    Other,
    /// Not usable.
    Invalid,
}

/// Which entries to look for, and how many.
pub(super) struct ListQuery<'a, T> {
    /// The member with the list.
    pub(in crate::oci) member: &'static str,
    /// The longest entry in bytes.
    pub(in crate::oci) longest: usize,
    /// Maximum number of entries.
    pub(in crate::oci) enough: usize,
    /// Maximum number of pages, if fewer than for a list of names.
    pub(in crate::oci) pages: Option<usize>,
    /// Maximum number of bytes, if fewer than for a list of names.
    pub(in crate::oci) bytes: Option<usize>,
    /// Parses one from its JSON.
    pub(in crate::oci) read: &'a (dyn Fn(&[u8]) -> Parsed<T> + Sync),
}

impl<T> ListQuery<'_, T> {
    /// Maximum number of bytes of all pages.
    fn most_bytes(&self, limit: ListingLimit) -> usize {
        let own = self.bytes.unwrap_or(usize::MAX);
        own.min(limit.bytes())
    }

    /// The message about more bytes than that.
    fn too_many_bytes(&self, limit: ListingLimit) -> String {
        let most = self.most_bytes(limit);
        let named = Bytes(most as u64).to_string();
        if most < limit.bytes() {
            return format!("the listing has more than {named}");
        }
        too_much(&named)
    }
}

/// One page.
struct Page<T> {
    listing: Listing<T>,
    bytes: usize,
    next: Option<Url>,
}

/// The remaining limits for further pages.
#[derive(Clone, Copy)]
struct ListingBudget {
    names: usize,
    bytes: usize,
}

/// Why a page is rejected.
enum Refused {
    NoListing,
    Names,
    Enough,
}

impl From<NoListing> for Refused {
    fn from(_: NoListing) -> Self {
        Self::NoListing
    }
}

impl Client {
    /// Reads all pages, starting with `call`, within [`LISTING_TIME`].
    pub(super) async fn pages<T>(
        &self,
        call: Call,
        query: &ListQuery<'_, T>,
    ) -> Result<Listing<T>, Error> {
        let what = call.what.clone();
        let read = tokio::time::timeout(LISTING_TIME, self.pages_read(call, query)).await;
        read.unwrap_or_else(|_| {
            Err(Error::Protocol {
                host: self.host().to_owned(),
                what,
                detail: format!(
                    "the listing takes longer than {} minutes",
                    LISTING_TIME.as_secs() / 60
                ),
            })
        })
    }

    async fn pages_read<T>(
        &self,
        mut call: Call,
        query: &ListQuery<'_, T>,
    ) -> Result<Listing<T>, Error> {
        let limit = self.inner.listing;
        let mut seen = HashSet::new();
        let mut all = Listing {
            entries: Vec::new(),
            dropped: Dropped::default(),
        };
        let mut left = ListingBudget {
            names: limit.names,
            bytes: query.most_bytes(limit),
        };
        loop {
            let fail = |detail: String| Error::Protocol {
                host: self.host().to_owned(),
                what: call.what.clone(),
                detail,
            };
            // A digest, since links may be long and many.
            if !seen.insert(Digest::of(call.url.as_str().as_bytes())) {
                return Err(fail("the pages form a loop".into()));
            }
            match query.pages {
                Some(pages) if seen.len() > pages => {
                    return Err(fail(format!("the listing has more than {pages} pages")));
                }
                None if seen.len() > limit.pages() => {
                    return Err(fail(too_much(&counted(limit.pages() as u64, "page"))));
                }
                _ => {}
            }
            let page = self.attempt(&call, |answer| page_read(answer, query, left, limit));
            let page = page.await?;
            left.bytes = left.bytes.saturating_sub(page.bytes);
            let taken = page.listing.entries.len() + page.listing.dropped.count;
            left.names = left.names.saturating_sub(taken);
            all.entries.extend(page.listing.entries);
            all.dropped.append(page.listing.dropped);
            let Some(next) = page.next.filter(|_| all.entries.len() < query.enough) else {
                return Ok(all);
            };
            let headers = call.headers.clone();
            call = Call::get(next, call.scope.clone(), call.what.clone());
            call.headers = headers;
        }
    }
}

/// The message about a listing that is too long, and what to do.
fn too_much(limit: &str) -> String {
    format!(
        "the listing has more than {limit}; if that is expected, raise `max_names` of the image \
         store (or `--max-names`)"
    )
}

async fn page_read<T>(
    mut answer: Response,
    query: &ListQuery<'_, T>,
    left: ListingBudget,
    limit: ListingLimit,
) -> Result<Page<T>, Error> {
    let next = next_link(answer.inner.headers(), answer.inner.url());
    let mut entries = Entries::new(query.member, query.longest);
    let found = RefCell::new(Listing {
        entries: Vec::new(),
        dropped: Dropped::default(),
    });
    let mut bytes = 0;
    while let Some(chunk) = answer.chunk().await? {
        bytes += chunk.len();
        if bytes > left.bytes {
            return Err(answer.protocol(query.too_many_bytes(limit)));
        }
        let taken = entries.feed(&chunk, |entry| {
            let mut found = found.borrow_mut();
            if found.entries.len() + found.dropped.count >= left.names {
                return Err(Refused::Names);
            }
            let read = if entry.is_cut {
                Parsed::Invalid
            } else {
                (query.read)(entry.json)
            };
            match read {
                Parsed::Entry(entry) => found.entries.push(entry),
                Parsed::Other => {}
                Parsed::Invalid => found.dropped.add(&entry),
            }
            if found.entries.len() >= query.enough {
                return Err(Refused::Enough);
            }
            Ok(())
        });
        match taken {
            Ok(()) => {}
            Err(Refused::Enough) => {
                return Ok(Page {
                    listing: found.into_inner(),
                    bytes,
                    next: None,
                });
            }
            Err(Refused::NoListing) => return Err(answer.protocol(NO_LISTING)),
            Err(Refused::Names) => {
                return Err(answer.protocol(too_much(&counted(limit.names as u64, "name"))));
            }
        }
    }
    if !entries.is_complete() {
        return Err(answer.protocol(NO_LISTING));
    }
    Ok(Page {
        listing: found.into_inner(),
        bytes,
        next,
    })
}

const NO_LISTING: &str = "a page that isn't the JSON of a listing";

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
