//! Leases for writing an index of referrers.

use std::time::Duration;

use diesel::prelude::*;
use registrysync::store::projects::index_lease::{index_lease_end, index_lease_take};
use registrysync::store::schema::index_lease;

const LEASE: Duration = Duration::from_mins(6);

on_both_databases! {
    async fn an_index_has_one_writer_until_its_lease_ends_or_expires(db) {
        db.run(|conn| {
            let place = "r.example/app:sha256-x";
            assert_eq!(index_lease_take(conn, place, "a 1", LEASE)?, None);
            let held = Some("a 1".to_owned());
            assert_eq!(index_lease_take(conn, place, "b 1", LEASE)?, held);
            // One whose clock was read a little earlier.
            let earlier = Duration::from_secs(358);
            assert_eq!(index_lease_take(conn, place, "b 0", earlier)?, held);
            assert_eq!(index_lease_take(conn, "r.example/other:sha256-x", "b 1", LEASE)?, None);
            // Only its holder gives it back.
            index_lease_end(conn, place, "b 1")?;
            assert_eq!(index_lease_take(conn, place, "b 2", LEASE)?, held);
            index_lease_end(conn, place, "a 1")?;
            assert_eq!(index_lease_take(conn, place, "b 3", LEASE)?, None);
            // It expires, or a clock was changed and it never would.
            for shift in [-chrono::TimeDelta::minutes(7), chrono::TimeDelta::days(1)] {
                let row = index_lease::table.find(place);
                let until: registrysync::store::Moment = row.select(index_lease::lease_until).first(conn)?;
                diesel::update(row).set(index_lease::lease_until.eq(until + shift)).execute(conn)?;
                assert_eq!(index_lease_take(conn, place, "c 1", LEASE)?, None);
            }
            Ok(())
        })
        .await
        .expect("no error");
    }
}
