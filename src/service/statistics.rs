//! Numbers for dashboards.

use chrono::{Days, Utc};

use super::{App, Caller, Error};
use crate::store::statistics::{Counts, Day, counts, days};

/// Days that are told of, today included.
const DAYS: u64 = 30;

/// What an organisation has, and what its runs did.
#[derive(Clone, Debug)]
pub struct Statistics {
    /// How much there is.
    pub counts: Counts,
    /// One entry for each of the last 30 days, UTC, today last.
    pub days: Vec<Day>,
}

/// The numbers of the caller's organisation.
pub async fn statistics(app: &App, caller: &Caller) -> Result<Statistics, Error> {
    let org = caller.org_id();
    let today = Utc::now().date_naive();
    let first = today.checked_sub_days(Days::new(DAYS - 1)).unwrap_or(today);
    let (counts, found) = app
        .db
        .run(move |conn| Ok((counts(conn, org)?, days(conn, org, first.into())?)))
        .await?;
    let mut found = found.into_iter().peekable();
    let days = first
        .iter_days()
        .take_while(|day| *day <= today)
        .map(|day| {
            let date = day.to_string();
            found.next_if(|day| day.date == date).unwrap_or(Day {
                date,
                runs: 0,
                tags: 0,
                bytes: 0,
            })
        });
    Ok(Statistics {
        counts,
        days: days.collect(),
    })
}
