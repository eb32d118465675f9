//! A line in words.

use super::Expression;
use super::day::{Days, MonthDay, WeekDay};
use super::field::{Field, HOURS, MINUTES, MONTH_DAYS, MONTHS, SECONDS, Set, WEEK_DAYS};

/// More times of day than this are described as minutes and hours.
const TIMES_MAX: usize = 6;

const DAYS: [&str; 7] = [
    "Sunday",
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
];
const MONTH_NAMES: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const NTH: [&str; 5] = ["first", "second", "third", "fourth", "fifth"];

pub(super) fn describe(line: &Expression) -> String {
    let mut words = vec![time(line), days(&line.days)];
    if !line.months.is_all(&MONTHS) {
        words.push(format!(
            "in {}",
            list(&named(line.months, &MONTHS, &MONTH_NAMES))
        ));
    }
    if let Some(years) = &line.years {
        words.push(format!(
            "in {}",
            list(&runs(years, |year| year.to_string()))
        ));
    }
    words.retain(|part| !part.is_empty());
    words.join(", ")
}

fn time(line: &Expression) -> String {
    let (seconds, minutes, hours) = (line.seconds, line.minutes, line.hours);
    let count = |set: Set| set.iter().count();
    if count(seconds) == 1 && !hours.is_all(&HOURS) && count(minutes) * count(hours) <= TIMES_MAX {
        let times: Vec<String> = hours
            .iter()
            .flat_map(|hour| minutes.iter().map(move |minute| (hour, minute)))
            .map(|(hour, minute)| clock(hour, minute, seconds.next(0).unwrap_or_default()))
            .collect();
        return format!("at {}", list(&times));
    }
    let rhythm_of_seconds = rhythm(seconds, &SECONDS);
    let goes_on = !matches!(rhythm_of_seconds, Rhythm::Listed(_));
    let second = match rhythm_of_seconds {
        Rhythm::Listed(which) if which == "0" => String::new(),
        other => other.words("second"),
    };
    let minute = match rhythm(minutes, &MINUTES) {
        // What happens every few seconds happens in every minute.
        Rhythm::Every if goes_on => String::new(),
        other => other.words("minute"),
    };
    let hour = match rhythm(hours, &HOURS) {
        Rhythm::Every => String::new(),
        other => format!("in {}", other.words("hour").trim_start_matches("at ")),
    };
    let parts: Vec<String> = [second, minute, hour]
        .into_iter()
        .filter(|part| !part.is_empty())
        .collect();
    parts.join(" ")
}

fn clock(hour: u32, minute: u32, second: u32) -> String {
    match second {
        0 => format!("{hour:02}:{minute:02}"),
        _ => format!("{hour:02}:{minute:02}:{second:02}"),
    }
}

/// The pattern of the numbers of a time field.
enum Rhythm {
    Every,
    /// From the start on, evenly to the end.
    Each(u32),
    Listed(String),
}

fn rhythm(set: Set, field: &Field) -> Rhythm {
    if set.is_all(field) {
        return Rhythm::Every;
    }
    let numbers: Vec<u32> = set.iter().collect();
    match numbers[..] {
        [first, second, _, ..] if first == field.min => {
            let step = second - first;
            let even = (field.min..=field.max)
                .step_by(step as usize)
                .collect::<Vec<_>>();
            if step > 1 && even == numbers {
                return Rhythm::Each(step);
            }
        }
        _ => {}
    }
    Rhythm::Listed(list(&runs(&numbers, |number| number.to_string())))
}

impl Rhythm {
    fn words(&self, unit: &str) -> String {
        match self {
            Self::Every => format!("every {unit}"),
            Self::Each(step) => format!("every {step} {unit}s"),
            Self::Listed(one) if one.bytes().all(|b| b.is_ascii_digit()) => {
                format!("at {unit} {one}")
            }
            Self::Listed(which) => format!("at {unit}s {which}"),
        }
    }
}

fn days(days: &Days) -> String {
    match days {
        Days::OfMonth(rules) => match &rules[..] {
            [MonthDay::Numbers(set)] if set.is_all(&MONTH_DAYS) => "every day".to_owned(),
            rules => format!("on {} of the month", list(&month_days(rules))),
        },
        Days::OfWeek(rules) => match &rules[..] {
            [WeekDay::Numbers(set)] if set.is_all(&WEEK_DAYS) => "every day".to_owned(),
            rules => format!("on {}", list(&week_days(rules))),
        },
    }
}

fn month_days(rules: &[MonthDay]) -> Vec<String> {
    let mut numbers = Vec::new();
    let mut words = Vec::new();
    for rule in rules {
        match rule {
            MonthDay::Numbers(set) => numbers.extend(set.iter()),
            MonthDay::BeforeLast(days) => words.push(before_last(*days)),
            MonthDay::Weekday(day) => words.push(format!("the weekday nearest to day {day}")),
            MonthDay::WeekdayBeforeLast(0) => words.push("the last weekday".to_owned()),
            MonthDay::WeekdayBeforeLast(days) => {
                words.push(format!("the weekday nearest to {}", before_last(*days)));
            }
        }
    }
    numbers.sort_unstable();
    numbers.dedup();
    match numbers[..] {
        [] => {}
        [one] => words.insert(0, format!("day {one}")),
        _ => words.insert(
            0,
            format!("days {}", list(&runs(&numbers, |day| day.to_string()))),
        ),
    }
    words
}

fn before_last(days: u32) -> String {
    match days {
        0 => "the last day".to_owned(),
        1 => "the day before the last".to_owned(),
        days => format!("the day {days} days before the last"),
    }
}

fn week_days(rules: &[WeekDay]) -> Vec<String> {
    let numbers = rules.iter().filter_map(|rule| match rule {
        WeekDay::Numbers(set) => Some(set.iter()),
        _ => None,
    });
    let numbers: Set = numbers.flatten().collect();
    let mut words = named(numbers, &WEEK_DAYS, &DAYS);
    for rule in rules {
        let name = |day: &u32| name(*day, &WEEK_DAYS, &DAYS);
        match rule {
            WeekDay::Numbers(_) => {}
            WeekDay::Nth(day, nth) => {
                let nth = NTH.get(*nth as usize - 1).copied().unwrap_or_default();
                words.push(format!("the {nth} {} of the month", name(day)));
            }
            WeekDay::Last(day) => words.push(format!("the last {} of the month", name(day))),
        }
    }
    words
}

fn name(number: u32, field: &Field, names: &[&'static str]) -> &'static str {
    let place = number.saturating_sub(field.min);
    names.get(place as usize).copied().unwrap_or_default()
}

fn named(set: Set, field: &Field, names: &[&'static str]) -> Vec<String> {
    let numbers: Vec<u32> = set.iter().collect();
    runs(&numbers, |number| name(number, field, names).to_owned())
}

/// Three or more consecutive numbers as `first to last`.
fn runs(numbers: &[u32], text: impl Fn(u32) -> String) -> Vec<String> {
    let rows = numbers.chunk_by(|one, next| one + 1 == *next);
    let words = rows.map(|row| match row {
        [first, _, .., last] => vec![format!("{} to {}", text(*first), text(*last))],
        few => few.iter().map(|number| text(*number)).collect(),
    });
    words.flatten().collect()
}

/// `a, b and c`
fn list(words: &[String]) -> String {
    match words {
        [] => String::new(),
        [one] => one.clone(),
        [rest @ .., last] => format!("{} and {last}", rest.join(", ")),
    }
}
