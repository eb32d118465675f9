//! Quartz cron lines: Quartz's own results (`tests/cases/cron/quartz.tsv`), and our own cases.

use std::path::Path;

use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use registrysync::quartz::{CronError, Expression};

fn moment(text: &str, zone: Tz) -> DateTime<Tz> {
    DateTime::parse_from_rfc3339(text)
        .expect(text)
        .with_timezone(&zone)
}

fn line(text: &str) -> Expression {
    Expression::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// This many fire times after `start`.
fn times(line: &Expression, start: DateTime<Tz>, count: usize) -> Vec<DateTime<Tz>> {
    let next = |last: &DateTime<Tz>| line.next_after(last);
    std::iter::successors(line.next_after(&start), next)
        .take(count)
        .collect()
}

/// The fire times in wall clock time, with the offset from UTC.
fn walls(text: &str, zone: &str, start: &str, count: usize) -> Vec<String> {
    let zone: Tz = zone.parse().unwrap();
    let times = times(&line(text), moment(start, zone), count);
    times
        .iter()
        .map(|time| time.format("%d %H:%M%:z").to_string())
        .collect()
}

/// The days on which it fires, in UTC.
fn dates(text: &str, start: &str, count: usize) -> Vec<String> {
    let times = times(&line(text), moment(start, Tz::UTC), count);
    times
        .iter()
        .map(|time| time.format("%Y-%m-%d").to_string())
        .collect()
}

fn answer(zone: Tz, start: &str, text: &str) -> String {
    let Ok(line) = Expression::parse(text) else {
        return "refused".to_owned();
    };
    let found: Vec<String> = times(&line, moment(start, zone), 5)
        .into_iter()
        .map(|time| {
            time.with_timezone(&Utc)
                .format("%Y-%m-%dT%H:%M:%SZ")
                .to_string()
        })
        .collect();
    if found.is_empty() {
        "never".to_owned()
    } else {
        found.join(" ")
    }
}

#[test]
fn every_line_has_the_answer_that_quartz_gave() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/cron/quartz.tsv");
    let text = std::fs::read_to_string(file).unwrap();
    let rows: Vec<&str> = text.lines().filter(|row| !row.starts_with('#')).collect();
    assert_eq!(rows.len(), 420);
    let wrong: Vec<String> = rows
        .into_iter()
        .filter_map(|row| {
            let [zone, start, line, wanted] = row.split('\t').collect::<Vec<_>>()[..] else {
                panic!("{row}");
            };
            let got = answer(zone.parse().unwrap(), start, line);
            (got != wanted).then(|| format!("{zone} {start} `{line}`: {got}, wanted {wanted}"))
        })
        .collect();
    assert!(
        wrong.is_empty(),
        "{} are wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

/// Time zone, an instant before its spring change, the first instant after it, and an instant
/// before the autumn change.
const CHANGES: [(&str, &str, &str, &str); 3] = [
    (
        "Europe/Berlin",
        "2026-03-28T12:00:00Z",
        "29 03:00+02:00",
        "2026-10-24T12:00:00Z",
    ),
    (
        "America/New_York",
        "2026-03-07T12:00:00Z",
        "08 03:00-04:00",
        "2026-10-31T12:00:00Z",
    ),
    (
        "Australia/Lord_Howe",
        "2026-10-03T06:00:00Z",
        "04 02:30+11:00",
        "2026-04-04T00:00:00Z",
    ),
];

#[test]
fn a_daily_line_in_the_gap_fires_once_after_it() {
    for (zone, spring, after_gap, _) in CHANGES {
        let found = walls("0 15 2 * * ?", zone, spring, 2);
        assert_eq!(found[0], after_gap, "{zone}");
        assert!(found[1].contains(" 02:15"), "{zone}: {found:?}");
        assert_ne!(found[0][..2], found[1][..2], "{zone}: {found:?}");
        // However many of its times are in the gap.
        let found = walls("0 0-29 2 * * ?", zone, spring, 2);
        assert_eq!(found[0], after_gap, "{zone}");
        assert!(found[1].contains(" 02:00"), "{zone}: {found:?}");
    }
}

#[test]
fn a_daily_line_in_the_overlap_fires_once() {
    let wanted = [
        ["25 02:45+02:00", "26 02:45+01:00"],
        ["01 01:45-04:00", "02 01:45-05:00"],
        ["05 01:45+11:00", "06 01:45+10:30"],
    ];
    for ((zone, _, _, autumn), wanted) in CHANGES.into_iter().zip(wanted) {
        let hour = &wanted[0][3..5];
        assert_eq!(
            walls(&format!("0 45 {hour} * * ?"), zone, autumn, 2),
            wanted,
            "{zone}"
        );
    }
}

#[test]
fn a_minutely_line_fires_every_minute_that_there_is() {
    for (zone, spring, _, autumn) in CHANGES {
        for start in [spring, autumn] {
            let found = times(
                &line("0 * * * * ?"),
                moment(start, zone.parse().unwrap()),
                36 * 60,
            );
            let even = found
                .windows(2)
                .all(|pair| pair[1] - pair[0] == TimeDelta::minutes(1));
            assert!(even, "{zone} {start}");
        }
    }
    let hours = walls("0 30 * * * ?", "Europe/Berlin", "2026-10-24T23:00:00Z", 4);
    assert_eq!(
        hours,
        [
            "25 01:30+02:00",
            "25 02:30+02:00",
            "25 02:30+01:00",
            "25 03:30+01:00"
        ]
    );
    let hours = walls("0 30 * * * ?", "Europe/Berlin", "2026-03-29T00:00:00Z", 3);
    assert_eq!(
        hours,
        ["29 01:30+01:00", "29 03:30+02:00", "29 04:30+02:00"]
    );
    // Only one minute of the repeated hour matches, and only on that day.
    let twice = walls(
        "0 59 * 25 10 ? 2026",
        "Europe/Berlin",
        "2026-10-25T00:00:00Z",
        9,
    );
    assert_eq!(
        twice[..3],
        ["25 02:59+02:00", "25 02:59+01:00", "25 03:59+01:00"]
    );
}

#[test]
fn a_clock_that_jumps_over_midnight_or_a_whole_day_skips_no_line() {
    // Cairo goes from 00:00 to 01:00, Apia skipped 30 December 2011.
    let cairo = walls("0 0 0 * * ?", "Africa/Cairo", "2026-04-23T12:00:00Z", 2);
    assert_eq!(cairo, ["24 01:00+03:00", "25 00:00+03:00"]);
    let apia = walls("0 0 12 * * ?", "Pacific/Apia", "2011-12-29T12:00:00Z", 3);
    assert_eq!(apia, ["29 12:00-10:00", "31 00:00+14:00", "31 12:00+14:00"]);
}

#[test]
fn leap_years_have_their_day() {
    assert_eq!(
        dates("0 0 0 29 2 ?", "2027-01-01T00:00:00Z", 2),
        ["2028-02-29", "2032-02-29"]
    );
    assert_eq!(
        dates("0 0 0 29 2 ?", "2096-12-01T00:00:00Z", 1),
        ["2104-02-29"]
    );
    assert_eq!(
        dates("0 0 0 L 2 ?", "2027-01-01T00:00:00Z", 2),
        ["2027-02-28", "2028-02-29"]
    );
}

#[test]
fn days_are_counted_from_the_end_and_to_the_nearest_weekday() {
    let start = "2026-01-01T12:00:00Z";
    for (fields, wanted) in [
        ("L * ?", ["2026-01-31", "2026-02-28", "2026-03-31"]),
        ("L-3 * ?", ["2026-01-28", "2026-02-25", "2026-03-28"]),
        ("L-30 * ?", ["2026-03-01", "2026-05-01", "2026-07-01"]),
        ("LW * ?", ["2026-01-30", "2026-02-27", "2026-03-31"]),
        ("15W * ?", ["2026-01-15", "2026-02-16", "2026-03-16"]),
        ("1W 2-8 ?", ["2026-02-02", "2026-03-02", "2026-04-01"]),
        ("31W * ?", ["2026-01-30", "2026-03-31", "2026-05-29"]),
        ("L-2W * ?", ["2026-01-29", "2026-02-26", "2026-03-30"]),
        ("? * 6#3", ["2026-01-16", "2026-02-20", "2026-03-20"]),
        ("? * MON#5", ["2026-03-30", "2026-06-29", "2026-08-31"]),
        ("? * 6L", ["2026-01-30", "2026-02-27", "2026-03-27"]),
        ("? * L", ["2026-01-03", "2026-01-10", "2026-01-17"]),
        ("1,L * ?", ["2026-01-31", "2026-02-01", "2026-02-28"]),
    ] {
        assert_eq!(
            dates(&format!("0 0 0 {fields}"), start, 3),
            wanted,
            "{fields}"
        );
    }
}

#[test]
fn ranges_go_around_the_end_and_years_can_be_named() {
    let start = "2026-01-01T00:00:00Z";
    let hours = walls("0 0 22-2 * * ?", "UTC", start, 6);
    let hours: Vec<&str> = hours.iter().map(|time| &time[3..5]).collect();
    assert_eq!(hours, ["01", "02", "22", "23", "00", "01"]);
    assert_eq!(
        dates("0 0 0 1 NOV-FEB ?", start, 4),
        ["2026-02-01", "2026-11-01", "2026-12-01", "2027-01-01"]
    );
    assert_eq!(
        dates("0 0 0 ? * FRI-MON", start, 3),
        ["2026-01-02", "2026-01-03", "2026-01-04"]
    );
    assert_eq!(
        dates("0 0 0 30-2/2 1 ?", start, 2),
        ["2026-01-30", "2027-01-01"]
    );
    assert_eq!(
        dates("0 0 0 1 1 ? 2028,2030-2031", start, 9),
        ["2028-01-01", "2030-01-01", "2031-01-01"]
    );
    assert_eq!(
        dates("0 0 0 1 1 ? 2027/2", start, 2),
        ["2027-01-01", "2029-01-01"]
    );
}

#[test]
fn lines_that_never_fire_again_have_no_next_time() {
    let now = moment("2026-06-01T00:00:00Z", Tz::UTC);
    for text in [
        "0 0 0 30 2 ?",
        "0 0 0 L-30 2 ?",
        "0 0 0 31W 4 ?",
        "0 0 0 ? 2 1#5 2027",
        "0 0 0 * * ? 2020-2025",
    ] {
        assert_eq!(line(text).next_after(&now), None, "{text}");
    }
}

#[test]
fn a_refusal_says_why_and_what_to_write() {
    for (text, part) in [
        (" ", "the expression is empty, expected second minute"),
        ("a 0 3 * * ?", "second: `a`: expected 0 to 59"),
        ("0 0 3 ? * mo", "day-of-week: `mo`"),
        ("0 0 3 * * ? 2027 1", "it has 8 fields"),
        (
            "0 3 * * *",
            "5 fields, expected 6 or 7: second minute hour day-of-month month day-of-week [year]; seconds come first: did you mean `0 0 3 * * ?`?",
        ),
        ("*/5 * * * *", "did you mean `0 */5 * * * ?`?"),
        ("30 3 * * 1-5", "did you mean `0 30 3 ? * 2-6`?"),
        ("30 3 * * 5-7", "did you mean `0 30 3 ? * 6-1`?"),
        ("30 3 * * sun,3", "did you mean `0 30 3 ? * SUN,4`?"),
        ("0 0 1,15 * *", "did you mean `0 0 0 1,15 * ?`?"),
        ("0 0 3 ? *", "did you mean `0 0 3 ? * *`?"),
        ("0 3 ? * MON", "did you mean `0 0 3 ? * MON`?"),
        ("0 3 * * 0-7", "did you mean `0 0 3 ? * 1-7`?"),
        // Either day, which no Quartz line can express; and a day that never occurs.
        ("0 0 1 * 1", "seconds come first"),
        ("0 3 1 * 1", "[year]; seconds come first"),
        ("0 3 30 2 *", "[year]; seconds come first"),
        ("0 3 * *", "it has 4 fields"),
        (
            "0 0 3 * * *",
            "exactly one of day-of-month and day-of-week must be `?`, and neither is",
        ),
        ("0 0 3 ? * ?", "and both are"),
        (
            "0 0 3 ? * 0",
            "day-of-week: `0`: expected 1 (Sunday) to 7 (Saturday), or SUN to SAT",
        ),
        ("0 0 3 ? * 0-5", "day-of-week: `0`"),
        ("0 0 3 ? * 8", "day-of-week: `8`"),
        ("0 0 3 ? * MO", "day-of-week: `MO`"),
        ("0 0 3 ? * SUN-4", "both ends as numbers, or both as names"),
        ("0 0 3 ? * 6#6", "1 to 5 after the `#`"),
        ("60 0 3 * * ?", "second: `60`: expected 0 to 59"),
        ("0 +5 3 * * ?", "minute: `+5`"),
        ("0 0 24 * * ?", "hour: `24`: expected 0 to 23"),
        ("0 0 3 32 * ?", "day-of-month: `32`: expected 1 to 31"),
        ("0 0 3 L-31 * ?", "`L-31`: expected `L-` and 0 to 30"),
        ("0 0 3 L3 * ?", "`L3`"),
        ("0 0 3 1-5W * ?", "`1-5W`: expected `LW`"),
        (
            "0 0 3 * 13 ?",
            "month: `13`: expected 1 to 12, or JAN to DEC",
        ),
        ("0 0 3 * * ? 1969", "year: `1969`: expected 1970 to 2099"),
        ("0 0 3 * * ? 2030-2027", "the end comes before the start"),
        (
            "0 */61 3 * * ?",
            "minute: `*/61`: the step after `/` must be 1 to 59",
        ),
        ("0 */0 3 * * ?", "the step after `/` must be at least 1"),
        ("0", "it has 1 field, expected"),
        ("0 , 3 * * ?", "minute: `,`: expected 0 to 59"),
        ("0 0 3 , * ?", "day-of-month: ``: expected 1 to 31"),
        ("0 ? 3 * * ?", "only a day field may be `?`"),
        ("0 0 3 * * ? ?", "only a day field may be `?`"),
        ("0 5- 3 * * ?", "minute: "),
        ("0 0 ３ * * ?", "hour: "),
    ] {
        let error = Expression::parse(text).expect_err(text).to_string();
        assert!(error.contains(part), "`{text}`: {error}");
    }
    let long = format!("0 0 3 {} * ?", "1,".repeat(60));
    assert_eq!(Expression::parse(&long), Err(CronError::TooLong(120)));
}

/// Quartz splits lists with a `StringTokenizer`, which returns no empty parts.
#[test]
fn commas_too_many_are_as_if_they_were_not_there() {
    let start = "2026-01-01T00:00:00Z";
    for (with, without) in [
        ("0 0 1, * * ?", "0 0 1 * * ?"),
        ("0 ,5,, 1 * * ?", "0 5 1 * * ?"),
        ("0 1,,2 3 * * ?", "0 1,2 3 * * ?"),
        ("0 0 3 ,L,15W, * ?", "0 0 3 L,15W * ?"),
        ("0 0 3 ?, JAN,,MAR MON,,6#3,", "0 0 3 ? JAN,MAR MON,6#3"),
        ("0 0 3 1 1 ? 2027,,", "0 0 3 1 1 ? 2027"),
    ] {
        assert_eq!(dates(with, start, 5), dates(without, start, 5), "{with}");
        let line = Expression::parse(with).unwrap();
        assert_eq!(line.to_string(), with);
    }
}

#[test]
fn a_line_is_told_in_words() {
    for (text, words) in [
        ("0 0 3 * * ?", "at 03:00, every day"),
        ("0 0 3 ? * *", "at 03:00, every day"),
        (
            "30 15 3,15 ? * MON-FRI",
            "at 03:15:30 and 15:15:30, on Monday to Friday",
        ),
        ("0 * * * * ?", "every minute, every day"),
        ("* * * * * ?", "every second, every day"),
        ("10 * * * * ?", "at second 10 every minute, every day"),
        ("0 0/15 * * * ?", "every 15 minutes, every day"),
        ("*/5 * * * * ?", "every 5 seconds, every day"),
        ("*/5 * 3 ? * MON", "every 5 seconds in hour 3, on Monday"),
        ("0 0 * * * ?", "at minute 0, every day"),
        ("0 0 */2 * * ?", "at minute 0 in every 2 hours, every day"),
        (
            "0 0/10 8-17 ? * 2,4",
            "every 10 minutes in hours 8 to 17, on Monday and Wednesday",
        ),
        ("0 0 3 L * ?", "at 03:00, on the last day of the month"),
        (
            "0 0 3 L-3 * ?",
            "at 03:00, on the day 3 days before the last of the month",
        ),
        ("0 0 3 LW * ?", "at 03:00, on the last weekday of the month"),
        (
            "0 0 3 1,15W 6 ?",
            "at 03:00, on day 1 and the weekday nearest to day 15 of the month, in June",
        ),
        (
            "0 0 3 ? JAN,MAR-JUN 6#3",
            "at 03:00, on the third Friday of the month, in January and March to June",
        ),
        (
            "0 0 3 ? * 6L 2027-2029",
            "at 03:00, on the last Friday of the month, in 2027 to 2029",
        ),
        ("0 0 3 ? * L", "at 03:00, on Saturday"),
    ] {
        assert_eq!(line(text).describe(), words, "{text}");
    }
    assert_eq!(line(" 0  0\t3 * * ? ").to_string(), "0 0 3 * * ?");
}
