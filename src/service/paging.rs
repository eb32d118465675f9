//! Lists that are read from the database on demand, page by page.

use futures_util::StreamExt as _;
use futures_util::stream::{self, BoxStream};

use super::{App, Error};
use crate::store::DbConnection;

/// Rows read at once, so that a long list needs neither a long query nor much memory.
pub(super) const PAGE: i64 = 1000;
/// The largest page that a caller may request.
pub const LIMIT: i64 = 10_000;

/// Where a listing by descending ids starts for entries before `id`; 0: all.
pub(super) fn first_before(field: &str, id: i64) -> Result<i64, Error> {
    match id {
        0 => Ok(i64::MAX),
        id if id > 0 => Ok(id),
        _ => Err(Error::invalid(field, "it must not be negative")),
    }
}

/// A part of a listing.
#[derive(Clone, Copy, Debug)]
pub struct Slice {
    offset: usize,
    limit: usize,
}

impl Slice {
    /// Everything.
    pub const ALL: Slice = Slice {
        offset: 0,
        limit: usize::MAX,
    };

    /// At most `limit` entries, which is at most [`LIMIT`], after the first `offset`; neither may
    /// be negative.
    pub fn new(limit: i64, offset: i64) -> Result<Slice, Error> {
        Slice::checked(limit, offset, "request several pages")
    }

    /// `advice`: what to do if the limit is too large.
    fn checked(limit: i64, offset: i64, advice: &str) -> Result<Slice, Error> {
        let whole = |field: &str, number: i64| {
            usize::try_from(number)
                .map_err(|_| Error::invalid(field, format!("`{number}`: it must not be negative")))
        };
        if limit > LIMIT {
            let message = format!("`{limit}`: a page has at most {LIMIT} entries; {advice}");
            return Err(Error::invalid("limit", message));
        }
        Ok(Slice {
            limit: whole("limit", limit)?,
            offset: whole("offset", offset)?,
        })
    }

    /// The same with optional values: no limit means to the end, no offset from the start.
    pub fn optional(limit: Option<impl Into<i64>>, offset: Option<i32>) -> Result<Slice, Error> {
        let advice = "request several pages, or omit `limit` for the whole list";
        let offset = offset.unwrap_or_default().into();
        match limit {
            Some(limit) => Slice::checked(limit.into(), offset, advice),
            None => Ok(Slice {
                limit: usize::MAX,
                ..Slice::new(0, offset)?
            }),
        }
    }

    /// Number of entries to skip.
    pub(super) fn offset(self) -> i64 {
        i64::try_from(self.offset).unwrap_or(i64::MAX)
    }

    /// The same from the first entry on.
    pub(super) fn without_offset(self) -> Slice {
        Slice { offset: 0, ..self }
    }

    /// This part of `all`.
    pub fn of<T>(self, all: impl IntoIterator<Item = T>) -> Vec<T> {
        all.into_iter().skip(self.offset).take(self.limit).collect()
    }
}

/// A list whose first page was read. The rest is read on demand, each page by its own query: rows
/// added or removed meanwhile may or may not be included.
pub struct Rows<T>(BoxStream<'static, Result<Vec<T>, Error>>);

impl<T> std::fmt::Debug for Rows<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Rows")
    }
}

impl<T: Send + 'static> Rows<T> {
    /// The pages.
    pub fn pages(self) -> BoxStream<'static, Result<Vec<T>, Error>> {
        self.0
    }

    /// From existing values.
    pub(super) fn of(all: Vec<T>) -> Rows<T> {
        Rows(stream::iter([Ok(all)]).boxed())
    }

    /// The same after a first row.
    pub(super) fn after(self, first: T) -> Rows<T> {
        Rows(stream::iter([Ok(vec![first])]).chain(self.0).boxed())
    }

    /// Every row mapped by `body`.
    pub(super) fn map<U: Send + 'static>(
        self,
        mut body: impl FnMut(T) -> Option<U> + Send + 'static,
    ) -> Rows<U> {
        let pages = self
            .0
            .map(move |page| Ok(page?.into_iter().filter_map(&mut body).collect()));
        Rows(pages.boxed())
    }
}

/// Reads the first page. `begin` checks the request; it returns the key before the first row, and a
/// function that takes a key and a number, and returns up to that many rows after it with the last
/// one's key.
pub(super) async fn rows<T, R>(
    app: &App,
    slice: Slice,
    begin: impl FnOnce(&mut DbConnection) -> Result<(i64, R), Error> + Send + 'static,
) -> Result<Rows<T>, Error>
where
    T: Send + 'static,
    R: FnMut(&mut DbConnection, i64, i64) -> Result<(Option<i64>, Vec<T>), Error> + Send + 'static,
{
    let first = app.db.call(move |conn| {
        let (key, read) = begin(conn)?;
        Reader {
            key,
            read,
            skip: slice.offset,
            left: slice.limit,
        }
        .page(conn)
    });
    let (first, rest) = first.await?;
    let db = app.db.clone();
    let rest = stream::try_unfold(rest, move |rest| {
        let db = db.clone();
        async move {
            let Some(reader) = rest else {
                return Ok(None);
            };
            let page = db.call(move |conn| reader.page(conn)).await?;
            Ok::<_, Error>(Some(page))
        }
    });
    Ok(Rows(stream::iter([Ok(first)]).chain(rest).boxed()))
}

/// The position up to which a list was read.
struct Reader<R> {
    key: i64,
    read: R,
    /// Number still to skip.
    skip: usize,
    /// Number still to return.
    left: usize,
}

impl<R> Reader<R> {
    /// The next page, and the reader for the one after it if there may be one.
    fn page<T>(mut self, conn: &mut DbConnection) -> Result<(Vec<T>, Option<Reader<R>>), Error>
    where
        R: FnMut(&mut DbConnection, i64, i64) -> Result<(Option<i64>, Vec<T>), Error>,
    {
        while self.left > 0 {
            let wanted = i64::try_from(self.skip.saturating_add(self.left));
            let wanted = wanted.map_or(PAGE, |wanted| wanted.min(PAGE));
            let (last, page) = (self.read)(conn, self.key, wanted)?;
            let Some(last) = last else { break };
            self.key = last;
            let is_last = i64::try_from(page.len()).is_ok_and(|count| count < wanted);
            let skipped = self.skip.min(page.len());
            self.skip -= skipped;
            let page: Vec<T> = page.into_iter().skip(skipped).take(self.left).collect();
            self.left -= page.len();
            if is_last {
                return Ok((page, None));
            }
            if !page.is_empty() {
                return Ok((page, Some(self)));
            }
        }
        Ok((Vec::new(), None))
    }
}
