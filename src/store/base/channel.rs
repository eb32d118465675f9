//! News between the nodes of a PostgreSQL database; within one process nothing of it is needed.

use super::connection::Target;
use crate::store::{Db, DbConnection, Error};
use diesel::PgConnection;
use diesel::connection::SimpleConnection as _;

/// What there is news of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Topic {
    /// Something waits for a worker.
    Queue,
    /// Somebody wants a run to end.
    Cancel,
}

/// The channel, one for all topics.
const LISTEN: &str = "LISTEN registrysync";

/// Tells all nodes when the transaction is committed.
pub(in crate::store) fn notify(conn: &mut DbConnection, topic: Topic) -> Result<(), Error> {
    if let DbConnection::Postgres(conn) = conn {
        conn.batch_execute(match topic {
            Topic::Queue => "NOTIFY registrysync, 'queue'",
            Topic::Cancel => "NOTIFY registrysync, 'cancel'",
        })?;
    }
    Ok(())
}

/// Hears what other nodes tell, on a connection of its own.
pub struct Listener {
    target: Target,
    conn: Option<PgConnection>,
}

impl std::fmt::Debug for Listener {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Listener({:?})", self.target)
    }
}

impl Listener {
    /// A listener at the database; `None` on SQLite, which has one node.
    pub fn of(db: &Db) -> Option<Listener> {
        let target = db.target();
        matches!(target, Target::Postgres(..)).then(|| Listener {
            target: target.clone(),
            conn: None,
        })
    }

    /// Connects, anew where it was connected. Blocks.
    pub fn connect(&mut self) -> Result<(), Error> {
        self.conn = None;
        if let DbConnection::Postgres(mut conn) = self.target.connect()?.conn {
            conn.batch_execute(LISTEN)?;
            self.conn = Some(conn);
        }
        Ok(())
    }

    /// What came since it was asked last; doesn't block, and asks nothing of the server. Err: the
    /// connection is gone.
    pub fn news(&mut self) -> Result<Vec<Topic>, Error> {
        let Some(conn) = &mut self.conn else {
            return Err(Error::Lost("not connected".into()));
        };
        let mut topics = Vec::new();
        for news in conn.notifications_iter() {
            // There is nothing else that could fail.
            let news = news.map_err(|error| Error::Lost(Box::new(error)))?;
            match news.payload.as_str() {
                "queue" => topics.push(Topic::Queue),
                "cancel" => topics.push(Topic::Cancel),
                // Of a version that knows more.
                _ => {}
            }
        }
        Ok(topics)
    }
}
