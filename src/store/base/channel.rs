//! Notifications between the nodes of a PostgreSQL database; not needed within one process.

use super::connection::Target;
use crate::store::{Db, DbConnection, Error};
use diesel::PgConnection;
use diesel::connection::SimpleConnection as _;

/// What a notification is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Topic {
    /// Work is waiting for a worker.
    Queue,
    /// A run should be cancelled.
    Cancel,
}

/// The channel, the same for all topics.
const LISTEN: &str = "LISTEN registrysync";

/// Notifies all nodes when the transaction is committed.
pub(in crate::store) fn notify(conn: &mut DbConnection, topic: Topic) -> Result<(), Error> {
    if let DbConnection::Postgres(conn) = conn {
        conn.batch_execute(match topic {
            Topic::Queue => "NOTIFY registrysync, 'queue'",
            Topic::Cancel => "NOTIFY registrysync, 'cancel'",
        })?;
    }
    Ok(())
}

/// Listens for notifications of other nodes, on its own connection.
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
    /// A listener on the database; `None` on SQLite, which has one node.
    pub fn of(db: &Db) -> Option<Listener> {
        let target = db.target();
        matches!(target, Target::Postgres(..)).then(|| Listener {
            target: target.clone(),
            conn: None,
        })
    }

    /// Connects or reconnects. Blocks.
    pub fn connect(&mut self) -> Result<(), Error> {
        self.conn = None;
        if let DbConnection::Postgres(mut conn) = self.target.connect()?.conn {
            conn.batch_execute(LISTEN)?;
            self.conn = Some(conn);
        }
        Ok(())
    }

    /// Notifications since the last call; doesn't block or query the server. Err: the connection is
    /// lost.
    pub fn news(&mut self) -> Result<Vec<Topic>, Error> {
        let Some(conn) = &mut self.conn else {
            return Err(Error::Lost("not connected".into()));
        };
        let mut topics = Vec::new();
        for news in conn.notifications_iter() {
            // Nothing else can fail.
            let news = news.map_err(|error| Error::Lost(Box::new(error)))?;
            match news.payload.as_str() {
                "queue" => topics.push(Topic::Queue),
                "cancel" => topics.push(Topic::Cancel),
                // From a newer version.
                _ => {}
            }
        }
        Ok(topics)
    }
}
