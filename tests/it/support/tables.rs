//! All rows of a database: to see that nothing changed, and to restore them.

use std::fmt::Write as _;

use diesel::connection::SimpleConnection as _;
use diesel::sql_types::Text;
use diesel::{QueryableByName, RunQueryDsl as _, sql_query};
use registrysync::store::{Db, DbConnection, Error};

/// The trail has a row for a refused call too.
const UNSEEN_TABLES: [&str; 2] = ["audit_event", "login_failure"];
/// Every call renews its session.
const UNSEEN_COLUMNS: [(&str, &str); 1] = [("session", "expires")];

#[derive(QueryableByName)]
struct Line {
    #[diesel(sql_type = Text)]
    line: String,
}

/// The rows of every table at the time of creation.
pub(crate) struct Tables {
    db: Db,
    names: Vec<String>,
    /// Returns all rows, except for ignored ones.
    query: String,
}

impl Tables {
    /// Keeps a copy of every row next to the tables.
    pub(crate) async fn keep(db: &Db) -> Tables {
        let (names, query) = db.run(|conn| Ok(keep(conn))).await.unwrap();
        let db = db.clone();
        Tables { db, names, query }
    }

    /// Every row, as text.
    pub(crate) async fn rows(&self) -> Vec<String> {
        let query = self.query.clone();
        let mut rows = self
            .db
            .run(move |conn| Ok(lines(conn, &query)))
            .await
            .unwrap();
        rows.sort_unstable();
        rows
    }

    /// The tables.
    pub(crate) fn names(&self) -> &[String] {
        &self.names
    }

    /// Makes every write to a table fail, on SQLite.
    pub(crate) async fn writes_break(&self, table: &str) {
        let triggers = ["INSERT", "UPDATE", "DELETE"].map(|verb| {
            format!(
                "CREATE TRIGGER broken_{verb} BEFORE {verb} ON {table} \
                 BEGIN SELECT RAISE(ABORT, 'broken'); END;"
            )
        });
        self.execute(triggers.concat()).await;
    }

    /// Takes that back.
    pub(crate) async fn writes_work(&self) {
        let triggers = ["INSERT", "UPDATE", "DELETE"];
        let drops = triggers.map(|verb| format!("DROP TRIGGER broken_{verb};"));
        self.execute(drops.concat()).await;
    }

    async fn execute(&self, statements: String) {
        let executed = self.db.run(move |conn| {
            execute(conn, &statements);
            Ok(())
        });
        executed.await.unwrap();
    }

    /// Restores the rows.
    pub(crate) async fn restore(&self) {
        let names = self.names.clone();
        let restored = self.db.run(move |conn| {
            conn.write(|conn| {
                restore(conn, &names);
                Ok::<(), Error>(())
            })
        });
        restored.await.unwrap();
    }
}

fn lines(conn: &mut DbConnection, query: &str) -> Vec<String> {
    let rows: Vec<Line> = match conn {
        DbConnection::Postgres(conn) => sql_query(query).load(conn),
        DbConnection::Sqlite(conn) => sql_query(query).load(conn),
    }
    .expect(query);
    rows.into_iter().map(|row| row.line).collect()
}

fn execute(conn: &mut DbConnection, statements: &str) {
    match conn {
        DbConnection::Postgres(conn) => conn.batch_execute(statements),
        DbConnection::Sqlite(conn) => conn.batch_execute(statements),
    }
    .expect(statements);
}

fn keep(conn: &mut DbConnection) -> (Vec<String>, String) {
    let tables = match conn {
        DbConnection::Postgres(_) => {
            "SELECT table_name::text AS line FROM information_schema.tables \
             WHERE table_schema = 'public' ORDER BY 1"
        }
        DbConnection::Sqlite(_) => {
            "SELECT name AS line FROM sqlite_master \
             WHERE type = 'table' AND name NOT LIKE 'sqlite%' ORDER BY 1"
        }
    };
    let mut names = lines(conn, tables);
    names.retain(|name| !name.starts_with("__"));
    let mut parts = Vec::new();
    for name in &names {
        if !UNSEEN_TABLES.contains(&name.as_str()) {
            parts.push(rows_query(conn, name));
        }
        execute(
            conn,
            &format!("CREATE TABLE kept_{name} AS SELECT * FROM {name}"),
        );
    }
    assert!(parts.len() > 10, "{names:?}");
    (names, parts.join(" UNION ALL "))
}

fn rows_query(conn: &mut DbConnection, table: &str) -> String {
    let columns = match conn {
        DbConnection::Postgres(_) => format!(
            "SELECT column_name::text AS line FROM information_schema.columns \
             WHERE table_schema = 'public' AND table_name = '{table}'"
        ),
        DbConnection::Sqlite(_) => {
            format!("SELECT name AS line FROM pragma_table_info('{table}')")
        }
    };
    let mut columns = lines(conn, &columns);
    columns.retain(|column| !UNSEEN_COLUMNS.contains(&(table, column)));
    let row = match conn {
        DbConnection::Postgres(_) => format!("ROW({})::text", columns.join(", ")),
        DbConnection::Sqlite(_) => {
            let quoted: Vec<String> = columns
                .iter()
                .map(|name| format!("quote({name})"))
                .collect();
            quoted.join(" || ',' || ")
        }
    };
    format!("SELECT '{table} ' || {row} AS line FROM {table}")
}

fn restore(conn: &mut DbConnection, names: &[String]) {
    // References are valid again when all tables are filled.
    let (mut statements, overriding) = match conn {
        DbConnection::Postgres(_) => (
            "SET LOCAL session_replication_role = replica;".to_owned(),
            "OVERRIDING SYSTEM VALUE",
        ),
        DbConnection::Sqlite(_) => ("PRAGMA defer_foreign_keys = ON;".to_owned(), ""),
    };
    for name in names {
        let _ = write!(statements, "DELETE FROM {name};");
    }
    for name in names {
        let _ = write!(
            statements,
            "INSERT INTO {name} {overriding} SELECT * FROM kept_{name};"
        );
    }
    if matches!(conn, DbConnection::Sqlite(_)) {
        // New rows get the same ids again.
        statements.push_str("DELETE FROM sqlite_sequence;");
    }
    execute(conn, &statements);
}
