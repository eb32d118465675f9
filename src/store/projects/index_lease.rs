//! Leases for writing an index of referrers, shared by all servers of a database.

use std::time::Duration;

use diesel::prelude::*;

use crate::store::base::clock::clock;
use crate::store::base::storable::text_kept;
use crate::store::runs::lease::lease_end;
use crate::store::schema::index_lease;
use crate::store::{DbConnection, Error};

/// Gives the lease of `place` to `holder`, whose name nobody else uses. `Some`: who has it instead.
/// A lease that has expired, or lasts longer than any can, is taken over.
pub fn index_lease_take(
    conn: &mut DbConnection,
    place: &str,
    holder: &str,
    lease_time: Duration,
) -> Result<Option<String>, Error> {
    conn.write(|conn| {
        let now = clock(conn)?;
        let until = lease_end(now, lease_time);
        // Somebody may have taken one since the clock was read.
        let longest = lease_end(until, lease_time);
        let of_place = index_lease::table.find(place);
        let is_over = index_lease::lease_until
            .le(now)
            .or(index_lease::lease_until.gt(longest));
        diesel::delete(of_place.filter(is_over)).execute(conn)?;
        let row = (
            index_lease::place.eq(place),
            index_lease::holder.eq(text_kept(holder)),
            index_lease::lease_until.eq(until),
        );
        let insert = diesel::insert_into(index_lease::table)
            .values(row)
            .on_conflict_do_nothing();
        let inserted = on_backend!(&mut *conn, c => insert.execute(c))?;
        if inserted > 0 {
            return Ok(None);
        }
        let other = of_place.select(index_lease::holder).first(conn);
        // It may have been given back since.
        Ok(Some(other.optional()?.unwrap_or_default()))
    })
}

/// Gives a lease back, if `holder` still has it.
pub fn index_lease_end(conn: &mut DbConnection, place: &str, holder: &str) -> Result<(), Error> {
    let own = index_lease::table
        .find(place)
        .filter(index_lease::holder.eq(text_kept(holder)));
    diesel::delete(own).execute(conn)?;
    Ok(())
}
