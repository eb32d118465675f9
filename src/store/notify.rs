//! News between the nodes of a PostgreSQL database; within one process nothing of it is needed.

use super::{DbConnection, Error};
use diesel::connection::SimpleConnection as _;

/// What there is news of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Topic {
    /// Something waits for a worker.
    Queue,
    /// Somebody wants a run to end.
    Cancel,
}

/// Tells all nodes when the transaction is committed.
pub(super) fn notify(conn: &mut DbConnection, topic: Topic) -> Result<(), Error> {
    if let DbConnection::Postgres(conn) = conn {
        conn.batch_execute(match topic {
            Topic::Queue => "NOTIFY registrysync, 'queue'",
            Topic::Cancel => "NOTIFY registrysync, 'cancel'",
        })?;
    }
    Ok(())
}
