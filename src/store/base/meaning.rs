//! What the errors of a reachable database mean.
//!
//! Diesel only distinguishes a few errors and hides the codes. They can be recognised without parsing
//! messages meant for people:
//! - [`super::link`] puts PostgreSQL's SQLSTATE before the message: `[40P01] …`. The message's language
//!   doesn't matter.
//! - SQLite's result codes have one constant text each in the bundled library (`sqlite3_errstr`), in
//!   English only. The whole text is compared.

/// Why a reachable database can't do its work; the text says what to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    /// Another program has locked it.
    #[error(
        "the database is locked by another program: wait until it has finished (a backup, for \
         instance), or stop it"
    )]
    Locked,
    /// The same rows were locked, or the statement took too long.
    #[error("the same rows were locked for too long: try again")]
    Contended,
    /// The disk is full.
    #[error("the database's disk is full: free some space, or enlarge it")]
    Full,
    /// It is read-only.
    #[error(
        "the database is read-only: make its file and directory writable, or use a \
         PostgreSQL that isn't a standby"
    )]
    ReadOnly,
    /// The file is damaged, or the disk is.
    #[error(
        "the database is damaged: stop the server, check the disk, and restore a backup of the \
         database"
    )]
    Corrupt,
    /// The disk or its connection reports errors, or too many files are open.
    #[error("the database's disk reports an error: check it and the system's log")]
    Disk,
    /// The server is out of memory or connections.
    #[error("the database server is at its limits: check its memory and connections")]
    Overloaded,
    /// The SQLite file isn't where it was.
    #[error(
        "the database file was moved, removed or replaced while the server was running: put it back, \
         or restart the server; nothing is written until then"
    )]
    Moved,
}

/// The meaning of an error that Diesel doesn't distinguish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    Trouble(Trouble),
    /// The connection is over.
    Lost,
    /// A value was rejected.
    Value,
}

impl Meaning {
    /// Parses the text that Diesel returns.
    pub(in crate::store) fn of(message: &str) -> Option<Meaning> {
        match sqlstate(message) {
            Some(code) => Meaning::of_sqlstate(code),
            None => Meaning::of_sqlite(message),
        }
    }

    /// <https://www.postgresql.org/docs/current/errcodes-appendix.html>
    fn of_sqlstate(code: &str) -> Option<Meaning> {
        let trouble = match code {
            // Deadlock, lock not available, and a statement that was cancelled or timed out.
            "40001" | "40P01" | "55P03" | "57014" => Trouble::Contended,
            "25006" => Trouble::ReadOnly,
            "53100" => Trouble::Full,
            "58030" => Trouble::Disk,
            // Shut down, crashed, starting, idle for too long; a transaction that idled.
            "57P01" | "57P02" | "57P03" | "57P05" | "25P03" => return Some(Meaning::Lost),
            _ => match code.get(..2)? {
                "08" => return Some(Meaning::Lost),
                "22" | "23" => return Some(Meaning::Value),
                "53" => Trouble::Overloaded,
                "XX" if code != "XX000" => Trouble::Corrupt,
                _ => return None,
            },
        };
        Some(Meaning::Trouble(trouble))
    }

    /// <https://sqlite.org/rescode.html>; the texts are those of `sqlite3_errstr`.
    fn of_sqlite(text: &str) -> Option<Meaning> {
        Some(match text {
            "database is locked" | "database table is locked" | "locking protocol" => {
                Meaning::Trouble(Trouble::Locked)
            }
            "database or disk is full" => Meaning::Trouble(Trouble::Full),
            "attempt to write a readonly database" => Meaning::Trouble(Trouble::ReadOnly),
            "database disk image is malformed" | "file is not a database" => {
                Meaning::Trouble(Trouble::Corrupt)
            }
            "disk I/O error" | "unable to open database file" | "out of memory" => {
                Meaning::Trouble(Trouble::Disk)
            }
            "string or blob too big" | "datatype mismatch" => Meaning::Value,
            _ => return None,
        })
    }
}

/// The SQLSTATE at the beginning of a message.
pub(super) fn sqlstate(message: &str) -> Option<&str> {
    let code = message.strip_prefix('[')?.get(..5)?;
    let is_code = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit();
    (code.bytes().all(is_code) && message.as_bytes().get(6) == Some(&b']')).then_some(code)
}

#[cfg(test)]
mod tests {
    use super::{Meaning, Trouble, sqlstate};

    #[test]
    fn a_sqlstate_says_what_is_meant_in_any_language() {
        assert_eq!(sqlstate("[40P01] Verklemmung entdeckt"), Some("40P01"));
        for text in ["", "[", "[4", "[40P01", "[40p01] x", "40P01] x", "[äöüé] x"] {
            assert_eq!(sqlstate(text), None, "{text}");
        }
        for (code, meaning) in [
            ("40P01", Some(Meaning::Trouble(Trouble::Contended))),
            ("55P03", Some(Meaning::Trouble(Trouble::Contended))),
            ("53100", Some(Meaning::Trouble(Trouble::Full))),
            ("53200", Some(Meaning::Trouble(Trouble::Overloaded))),
            ("25006", Some(Meaning::Trouble(Trouble::ReadOnly))),
            ("XX001", Some(Meaning::Trouble(Trouble::Corrupt))),
            ("57P01", Some(Meaning::Lost)),
            ("08006", Some(Meaning::Lost)),
            ("22021", Some(Meaning::Value)),
            ("42601", None),
            ("XX000", None),
        ] {
            assert_eq!(Meaning::of(&format!("[{code}] …")), meaning, "{code}");
        }
    }
}
