//! `registrysync cron`.

use serde_json::json;

use super::Desk;

#[test]
fn a_line_is_told_in_words_with_its_next_times() {
    let desk = Desk::new();
    let said = desk
        .run(&[
            "cron",
            "0 30 2 * * ?",
            "--time-zone",
            "Europe/Berlin",
            "--from",
            "2026-03-28T00:00:00",
            "--count",
            "3",
        ])
        .ended(0);
    assert_eq!(
        said.out,
        "at 02:30, every day\n2026-03-28T02:30:00+01:00\n2026-03-29T03:00:00+02:00\n2026-03-30T02:30:00+02:00\n"
    );
    assert_eq!(said.err, "");
    let said = desk
        .run(&[
            "cron",
            "0 0 12 ? * 6#3",
            "--time-zone",
            "UTC",
            "--from",
            "2026-03-01T00:00:00Z",
            "--count",
            "2",
            "--json",
        ])
        .ended(0);
    let wanted = json!({
        "cron_expr": "0 0 12 ? * 6#3", "description": "at 12:00, on the third Friday of the month",
        "time_zone": "UTC", "next_fire_times": ["2026-03-20T12:00:00Z", "2026-04-17T12:00:00Z"],
    });
    assert_eq!(said.lines(), [wanted]);
}

#[test]
fn without_options_it_shows_five_times_from_now_in_the_systems_zone() {
    let desk = Desk::new();
    let mut command = desk.command();
    command
        .env("TZ", "Asia/Tokyo")
        .args(["cron", "0 0 3 * * ?"]);
    let said = super::said(&mut command).ended(0);
    let lines: Vec<&str> = said.out.lines().collect();
    assert_eq!(lines.len(), 6, "{said:?}");
    assert!(
        lines[1..]
            .iter()
            .all(|line| line.ends_with("T03:00:00+09:00")),
        "{said:?}"
    );
}

#[test]
fn invalid_lines_exit_with_2_and_the_reason() {
    let desk = Desk::new();
    for (arguments, part) in [
        (
            vec!["0 3 * * *"],
            "Cron trigger: 0 3 * * *: it has 5 fields",
        ),
        (vec!["0 3 * * *"], "did you mean `0 0 3 * * ?`?"),
        (
            vec!["0 0 0 30 2 ?"],
            "Cron trigger: 0 0 0 30 2 ?: it never fires",
        ),
        (vec!["0 0 3 ? * 0"], "day-of-week: `0`"),
        (
            vec!["0 0 3 * * ?", "--time-zone", "Mars/Base"],
            "`--time-zone`: `Mars/Base`",
        ),
        (
            vec!["0 0 3 * * ?", "--from", "tomorrow"],
            "`--from`: `tomorrow`",
        ),
        (
            vec!["0 0 3 * * ?", "--count", "0"],
            "expected a number from 1 to 1000",
        ),
    ] {
        let said = desk.run(&[vec!["cron"], arguments].concat()).ended(2);
        assert!(said.err.contains(part) && said.out.is_empty(), "{said:?}");
    }
}
