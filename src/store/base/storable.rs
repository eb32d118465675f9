//! What the database keeps of text that others wrote, and how a row that it refuses is told from
//! its neighbours.

use crate::store::{DbConnection, Error};
use crate::text::readable;

/// Longest sentence that is kept, in characters: a line of a log, a message, an error.
const TEXT: usize = 2000;
/// Longest name that is kept, in characters: a repository with its tag, a digest.
const NAME: usize = 500;

/// A sentence as it is kept: one line, no control characters, bounded.
pub(in crate::store) fn text_kept(text: &str) -> String {
    readable(text, TEXT)
}

/// A name as it is kept.
pub(in crate::store) fn name_kept(name: &str) -> String {
    readable(name, NAME)
}

/// Whether a name is kept as it is.
pub(in crate::store) fn is_name(name: &str) -> bool {
    name_kept(name) == name
}

/// Writes all rows at once; where the database refuses that, one by one, with `instead` in the place
/// of a row that it refuses. Err: nothing can be written, or not at the moment.
pub(in crate::store) fn write_apart<T>(
    conn: &mut DbConnection,
    rows: &[T],
    write: impl Fn(&mut DbConnection, &[T]) -> Result<(), Error>,
    instead: impl Fn(&T) -> T,
) -> Result<(), Error> {
    let refused = |written: &Result<(), Error>| {
        let error = written.as_ref().err();
        error.is_some_and(|error| matches!(error, Error::Query(_) | Error::Value(_)))
    };
    let all = conn.write(|conn| write(conn, rows));
    if !refused(&all) {
        return all;
    }
    for row in rows {
        let mut one = conn.write(|conn| write(conn, std::slice::from_ref(row)));
        if refused(&one) {
            if let Err(error) = &one {
                tracing::error!(%error, "the database rejects a row; a note replaces it");
            }
            one = conn.write(|conn| write(conn, &[instead(row)]));
        }
        one?;
    }
    Ok(())
}
