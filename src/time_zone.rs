//! The server's time zone, used for schedules and for XML-RPC dates without a zone. One for the whole
//! process, like the system's.

use std::sync::OnceLock;

use chrono::{DateTime, NaiveDate, Utc};
use chrono_tz::Tz;

static SERVER: OnceLock<Tz> = OnceLock::new();

/// The server's time zone; the system's, unless another one is set.
pub fn server_zone() -> Tz {
    *SERVER.get_or_init(system_zone)
}

/// Sets the server's time zone, once and before its first use. Returns whether it was still
/// possible.
pub fn server_zone_set(zone: Tz) -> bool {
    SERVER.set(zone).is_ok()
}

/// The day of a time in the server's time zone.
pub fn day(time: DateTime<Utc>) -> NaiveDate {
    time.with_timezone(&server_zone()).date_naive()
}

/// The current day in the server's time zone.
pub fn today() -> NaiveDate {
    day(Utc::now())
}

/// The zone of `TZ`, else of the system's settings, else UTC.
pub fn system_zone() -> Tz {
    let variable = std::env::var("TZ").ok();
    let named = variable
        .iter()
        .filter_map(|name| zone_parse(name.trim_start_matches(':')));
    let system = iana_time_zone::get_timezone().ok();
    named
        .chain(system.iter().filter_map(|name| zone_parse(name)))
        .next()
        .unwrap_or(Tz::UTC)
}

/// A zone by its name in the IANA database, such as `Europe/Berlin`.
pub fn zone_parse(name: &str) -> Option<Tz> {
    name.parse().ok()
}
