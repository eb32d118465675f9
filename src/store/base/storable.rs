//! How text from others is stored, and how a rejected row is separated from its neighbours.

use crate::store::{DbConnection, Error};
use crate::text::readable;

/// Rows of one statement. Each of their values is a parameter: PostgreSQL allows 65 535 a statement, SQLite
/// 32 766.
pub(in crate::store) const STATEMENT_ROWS: usize = 500;
/// Maximum length of a stored sentence in characters: a log line, a message, an error.
const TEXT: usize = 2000;
/// Maximum length of a stored name in characters: a repository with its tag, a digest.
const NAME: usize = 500;

/// A sentence for storage: one line, no control characters, bounded.
pub(in crate::store) fn text_kept(text: &str) -> String {
    readable(text, TEXT)
}

/// A name for storage.
pub(in crate::store) fn name_kept(name: &str) -> String {
    readable(name, NAME)
}

/// Whether a name can be stored unchanged.
pub(in crate::store) fn is_name(name: &str) -> bool {
    name_kept(name) == name
}

/// Writes all rows at once; if the database rejects that, one by one, with `instead` replacing a
/// rejected row. Err: the database can't be written to, perhaps temporarily.
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
