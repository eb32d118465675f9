//! [`Db`]: a pool of connections that knows the key of the sealed credentials.

use super::connection::{FileId, Manager, Target};
use super::{DbConnection, Error, SealKey, Trouble, migrate, seal};
use diesel::r2d2::Pool;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;

/// Connections at once. Statements are short; more only queue at the disk.
const POOL_SIZE: u32 = 8;

/// How long a caller waits for a connection before it hears [`Error::Busy`].
const POOL_WAIT: Duration = Duration::from_secs(15);

/// An open database. Clones share the pool.
#[derive(Clone, Debug)]
pub struct Db {
    pool: Pool<Manager>,
    /// As many as there are connections: waiting for one costs no thread.
    turns: Arc<Semaphore>,
    key: SealKey,
    target: Target,
    /// Which file an SQLite database was when it was opened.
    file: Option<FileId>,
}

impl Db {
    /// Opens `sqlite:PATH` or `postgres://…`, making and migrating it where needed, and checks
    /// that `key` opens what is sealed in it. Blocks; call it before serving.
    pub fn open(url: &str, key: SealKey) -> Result<Self, Error> {
        let target = Target::parse(url)?;
        let mut conn = target.connect()?;
        migrate::migrate(&mut conn, &target)?;
        let key = seal::key_check(&mut conn, key)?;
        drop(conn);
        let pool = Pool::builder()
            .max_size(POOL_SIZE)
            .min_idle(Some(1))
            .connection_timeout(POOL_WAIT)
            .build_unchecked(Manager(target.clone()));
        let turns = Arc::new(Semaphore::new(POOL_SIZE as usize));
        Ok(Self {
            pool,
            turns,
            key,
            file: target.file(),
            target,
        })
    }

    /// Where it is.
    pub(super) fn target(&self) -> &Target {
        &self.target
    }

    /// The key of the sealed credentials.
    pub fn key(&self) -> &SealKey {
        &self.key
    }

    /// Whether it is there, has this program's version, and has nothing that another key sealed.
    pub async fn run_checked(&self) -> Result<(), Error> {
        let key = self.key.clone();
        self.run(move |conn| {
            migrate::is_current(conn)?;
            seal::key_fits(conn, &key)
        })
        .await
    }

    /// Runs `body` with a connection on a thread that may block.
    pub async fn run<T, F>(&self, body: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: FnOnce(&mut DbConnection) -> Result<T, Error> + Send + 'static,
    {
        self.call(body).await
    }

    /// Runs `body` in one write transaction; for use cases with errors of their own that write.
    pub async fn transaction<T, E, F>(&self, body: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
        F: FnOnce(&mut DbConnection) -> Result<T, E> + Send + 'static,
    {
        self.call(move |conn| conn.write(body)).await
    }

    /// Runs `body` like [`Db::run`]; for use cases with errors of their own that only read.
    pub async fn call<T, E, F>(&self, body: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
        F: FnOnce(&mut DbConnection) -> Result<T, E> + Send + 'static,
    {
        // What is written to the open file is lost for who looks at its name.
        if self.file != self.target.file() {
            return Err(Error::Trouble(Trouble::Moved, format!("{:?}", self.target)).into());
        }
        let turn = Arc::clone(&self.turns).acquire_owned();
        let turn = tokio::time::timeout(POOL_WAIT, turn)
            .await
            .map_err(|_| Error::Busy("all connections are in use".to_owned()))?
            .map_err(|_| Error::Task)?;
        let pool = self.pool.clone();
        tokio::task::spawn_blocking(move || {
            let _turn = turn;
            let mut conn = pool.get().map_err(|error| Error::Busy(error.to_string()))?;
            body(&mut conn)
        })
        .await
        .map_err(|_| Error::Task)?
    }
}
