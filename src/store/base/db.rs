//! [`Db`]: an open database, and the key of the sealed credentials.

use super::connection::Target;
use super::migrate;
use super::options::DbOptions;
use super::pool::Pool;
use super::seal::key::{key_check, key_fits};
use crate::blocking::spawn_blocking;
use crate::store::{DbConnection, Error, SealKey};
use std::sync::Arc;

/// An open database. Clones share its connections.
#[derive(Clone, Debug)]
pub struct Db {
    pool: Arc<Pool>,
    key: SealKey,
}

impl Db {
    /// Opens `sqlite:PATH` or `postgres://…`, creates and migrates it if needed, and checks that
    /// `key` opens its sealed credentials. Blocks; call it before serving.
    pub fn open(url: &str, key: SealKey) -> Result<Self, Error> {
        Self::open_with(url, key, DbOptions::default())
    }

    /// The same with options.
    pub fn open_with(url: &str, key: SealKey, options: DbOptions) -> Result<Self, Error> {
        let mut target = Target::parse(url, options)?;
        let mut place = target.connect_patiently()?;
        migrate::migrate(&mut place.conn, &target)?;
        let key = key_check(&mut place.conn, key)?;
        drop(place);
        target.remember();
        Ok(Self {
            pool: Pool::new(target),
            key,
        })
    }

    /// Where it is.
    pub(super) fn target(&self) -> &Target {
        &self.pool.target
    }

    /// The key of the sealed credentials.
    pub fn key(&self) -> &SealKey {
        &self.key
    }

    /// Whether it is reachable, has this program's version, and has nothing sealed with another
    /// key.
    pub async fn run_checked(&self) -> Result<(), Error> {
        let key = self.key.clone();
        self.run(move |conn| {
            migrate::is_current(conn)?;
            key_fits(conn, &key)
        })
        .await
    }

    /// Runs `body` with a connection on a blocking thread.
    pub async fn run<T, F>(&self, body: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: FnOnce(&mut DbConnection) -> Result<T, Error> + Send + 'static,
    {
        self.call(body).await
    }

    /// Like [`Db::run`], on a connection reserved for what must not wait behind calls, such as
    /// renewing leases.
    pub async fn run_urgently<T, F>(&self, body: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: FnOnce(&mut DbConnection) -> Result<T, Error> + Send + 'static,
    {
        self.on_connection(true, body).await
    }

    /// Runs `body` in one write transaction; for use cases with their own errors that write.
    pub async fn transaction<T, E, F>(&self, body: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
        F: FnOnce(&mut DbConnection) -> Result<T, E> + Send + 'static,
    {
        self.call(move |conn| conn.write(body)).await
    }

    /// Like [`Db::run`]; for use cases with their own errors that only read.
    pub async fn call<T, E, F>(&self, body: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
        F: FnOnce(&mut DbConnection) -> Result<T, E> + Send + 'static,
    {
        self.on_connection(false, body).await
    }

    async fn on_connection<T, E, F>(&self, urgent: bool, body: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
        F: FnOnce(&mut DbConnection) -> Result<T, E> + Send + 'static,
    {
        let mut taken = self.pool.take(urgent).await?;
        spawn_blocking(move || body(taken.conn()?))
            .await
            .map_err(|failure| Error::Task(Box::new(failure)))?
    }
}
