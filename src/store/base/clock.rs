//! The clock that leases, sessions and schedules use.

use super::connection::DbConnection;
use crate::store::{Error, Moment, now};
use diesel::RunQueryDsl as _;

/// The database's clock, since the nodes that compare leases may have different clocks. SQLite has
/// one node.
pub fn clock(conn: &mut DbConnection) -> Result<Moment, Error> {
    match conn {
        DbConnection::Postgres(c) => Ok(diesel::select(clock_sql()).get_result(c)?),
        DbConnection::Sqlite(_) => Ok(now()),
    }
}

/// PostgreSQL's clock, as SQL.
pub(in crate::store) fn clock_sql() -> diesel::expression::SqlLiteral<diesel::sql_types::Timestamp>
{
    diesel::dsl::sql("(clock_timestamp() AT TIME ZONE 'UTC')")
}
