//! Migrates a database to this program's version.

use super::connection::{Target, sqlite_file_make};
use crate::store::{Cause, DbConnection, Error};
use diesel::backend::Backend;
use diesel::connection::SimpleConnection as _;
use diesel::migration::MigrationSource;
use diesel::pg::Pg;
use diesel::sqlite::Sqlite;
use diesel::{QueryDsl as _, RunQueryDsl as _};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};
use std::path::Path;

const SQLITE: EmbeddedMigrations = embed_migrations!("migrations/sqlite");
const POSTGRES: EmbeddedMigrations = embed_migrations!("migrations/postgres");

/// An arbitrary number that other users of the same PostgreSQL database don't lock: two nodes that
/// start together migrate one after the other. Released with the connection.
const POSTGRES_LOCK: &str = "SELECT pg_advisory_lock(7239481120)";

/// Applies missing migrations. Refuses a database with unknown migrations, and copies a SQLite
/// database that has content before changing it.
pub(super) fn migrate(conn: &mut DbConnection, target: &Target) -> Result<(), Error> {
    match (conn, target) {
        (DbConnection::Postgres(conn), _) => {
            conn.batch_execute(POSTGRES_LOCK)?;
            if migrations_missing(conn, &POSTGRES)?.is_some() {
                conn.run_pending_migrations(POSTGRES)
                    .map_err(Error::Migrate)?;
            }
        }
        (DbConnection::Sqlite(conn), Target::Sqlite { path, .. }) => {
            if let Some(missing) = migrations_missing(conn, &SQLITE)? {
                if missing.database_has_content {
                    sqlite_backup(conn, path)?;
                }
                conn.run_pending_migrations(SQLITE)
                    .map_err(Error::Migrate)?;
            }
        }
        (DbConnection::Sqlite(_), Target::Postgres(..)) => return Err(Error::Url),
    }
    Ok(())
}

/// Refuses a database of another version; changes nothing.
pub(super) fn is_current(conn: &mut DbConnection) -> Result<(), Error> {
    use __diesel_schema_migrations::{table, version};
    let applied: Vec<String> = table.select(version).load(conn)?;
    let missing = match conn {
        DbConnection::Postgres(_) => missing_of::<Pg>(&applied, &POSTGRES)?,
        DbConnection::Sqlite(_) => missing_of::<Sqlite>(&applied, &SQLITE)?,
    };
    match missing {
        None => Ok(()),
        Some(_) => Err(Error::Migrate("some migrations are missing".into())),
    }
}

diesel::table! {
    /// Diesel's record of the applied migrations.
    __diesel_schema_migrations (version) {
        version -> Text,
    }
}

struct Missing {
    database_has_content: bool,
}

fn migrations_missing<DB: Backend>(
    conn: &mut impl MigrationHarness<DB>,
    source: &EmbeddedMigrations,
) -> Result<Option<Missing>, Error> {
    let applied = conn.applied_migrations().map_err(Error::Migrate)?;
    let applied: Vec<String> = applied.iter().map(ToString::to_string).collect();
    missing_of::<DB>(&applied, source)
}

fn missing_of<DB: Backend>(
    applied: &[String],
    source: &EmbeddedMigrations,
) -> Result<Option<Missing>, Error> {
    let known: Vec<String> = MigrationSource::<DB>::migrations(source)
        .map_err(Error::Migrate)?
        .iter()
        .map(|migration| migration.name().version().to_string())
        .collect();
    if let Some(version) = applied.iter().find(|version| !known.contains(version)) {
        let version = version.clone();
        return Err(Error::Newer { version });
    }
    Ok((applied.len() < known.len()).then_some(Missing {
        database_has_content: !applied.is_empty(),
    }))
}

/// Copies the database to a file next to it, readable only by its owner from the first byte on,
/// since it has password hashes. The name contains the time. The copy is as consistent as a
/// transaction's view.
fn sqlite_backup(conn: &mut diesel::SqliteConnection, path: &Path) -> Result<(), Error> {
    let mut name = path.as_os_str().to_owned();
    name.push(
        chrono::Utc::now()
            .format(".before-migration-%Y%m%dT%H%M%S%.3fZ")
            .to_string(),
    );
    let copy = Path::new(&name).to_path_buf();
    // SQLite fills a file that is empty, and leaves its mode as it is.
    sqlite_file_make(&copy)
        .map_err(Cause::from)
        .and_then(|()| {
            diesel::sql_query("VACUUM INTO ?")
                .bind::<diesel::sql_types::Text, _>(copy.to_string_lossy().into_owned())
                .execute(conn)
                .map(drop)
                .map_err(Cause::from)
        })
        .map_err(|reason| Error::Backup { path: copy, reason })
}
