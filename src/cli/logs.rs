//! The log: lines on standard error, one per event, as text or JSON.

use std::io::{self, Write};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

use crate::config::{LogFormat, LogLevel, LogRules};
use crate::text::{json_escaped, readable};

/// The variable with finer log levels than the configuration.
const VARIABLE: &str = "RUST_LOG";
/// Maximum length of a line, in characters: text from others must not fill the disk.
const LINE: usize = 8 * 1024;

/// Starts to write log lines to standard error.
pub(super) fn start(rules: LogRules) {
    let given = std::env::var(VARIABLE).ok().filter(|text| !text.is_empty());
    let (filter, refused) = filter(rules.level, given.as_deref());
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(Lines {
            format: rules.format,
            to: io::stderr,
        })
        // Every line is sanitised, including colour codes.
        .with_ansi(false)
        .with_target(false);
    match rules.format {
        LogFormat::Text => lines.init(),
        LogFormat::Json => lines.json().flatten_event(true).init(),
    }
    if let Some(why) = refused {
        tracing::warn!("`{VARIABLE}` can't be parsed, so `log_level` applies: {why}");
    }
}

/// The log filter, and why `given` is invalid. Libraries only log important events: more is rarely
/// helpful, and some of it is secret.
fn filter(level: LogLevel, given: Option<&str>) -> (EnvFilter, Option<String>) {
    let by_level = || {
        EnvFilter::new(match level {
            LogLevel::Error => "error",
            LogLevel::Warn => "warn",
            LogLevel::Info => "info",
            LogLevel::Debug => "info,registrysync=debug",
            LogLevel::Trace => "info,registrysync=trace",
        })
    };
    match given.map(EnvFilter::try_new) {
        None => (by_level(), None),
        Some(Ok(filter)) => (filter, None),
        Some(Err(error)) => (by_level(), Some(error.to_string())),
    }
}

/// Creates writers for one event each.
struct Lines<M> {
    format: LogFormat,
    to: M,
}

impl<'a, W: Write + 'a, M: Fn() -> W> MakeWriter<'a> for Lines<M> {
    type Writer = Line<W>;

    fn make_writer(&'a self) -> Self::Writer {
        Line {
            format: self.format,
            to: (self.to)(),
        }
    }
}

/// Writes an event as one line, without terminal control characters.
struct Line<W> {
    format: LogFormat,
    to: W,
}

impl<W: Write> Write for Line<W> {
    /// The formatter passes a whole event at once.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(bytes);
        let line = match self.format {
            LogFormat::Text => readable(&text, LINE),
            LogFormat::Json => json_escaped(text.trim_end()),
        };
        self.to.write_all(format!("{line}\n").as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use super::{LINE, Lines, filter};
    use crate::config::{LogFormat, LogLevel};

    /// From others, in a message, a field and a span.
    const BAD: &str = "a\u{1b}]0;x\u{7}b\r\nc\0\u{202e}d\u{9b}31m";

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    /// The output for these events in that format.
    fn written(format: LogFormat, events: impl FnOnce()) -> Vec<String> {
        let kept = Kept::default();
        let to = kept.clone();
        let to = move || to.clone();
        let lines = tracing_subscriber::fmt()
            .with_writer(Lines { format, to })
            .with_ansi(false)
            .with_target(false);
        match format {
            LogFormat::Text => tracing::subscriber::with_default(lines.finish(), events),
            LogFormat::Json => {
                let lines = lines.json().flatten_event(true).finish();
                tracing::subscriber::with_default(lines, events);
            }
        }
        let text = String::from_utf8(kept.0.lock().unwrap().clone()).unwrap();
        assert!(text.ends_with('\n'));
        let lines = text.strip_suffix('\n').unwrap().split('\n');
        lines.map(str::to_owned).collect()
    }

    fn events() {
        let _span = tracing::info_span!("run", label = BAD).entered();
        tracing::info!(tag = BAD, "told: {BAD}");
        tracing::warn!("second");
    }

    #[test]
    fn an_event_is_one_line_without_control_characters() {
        for format in [LogFormat::Text, LogFormat::Json] {
            let lines = written(format, events);
            assert_eq!(lines.len(), 2, "{lines:?}");
            for line in &lines {
                assert!(
                    !line.contains(|c: char| c.is_control() || c == '\u{202e}'),
                    "{line:?}"
                );
            }
        }
    }

    #[test]
    fn json_has_what_was_said_and_its_spans() {
        let lines = written(LogFormat::Json, events);
        let event: serde_json::Value = serde_json::from_str(&lines[0]).unwrap();
        assert_eq!(event["level"], "INFO");
        assert_eq!(event["message"], format!("told: {BAD}"));
        assert_eq!(event["tag"], BAD);
        assert_eq!(event["spans"][0]["name"], "run");
        assert!(event["timestamp"].as_str().unwrap().ends_with('Z'));
    }

    #[test]
    fn a_line_is_bounded() {
        let long = "x".repeat(10 * LINE);
        let lines = written(LogFormat::Text, || tracing::info!("{long}"));
        assert_eq!(lines[0].chars().count(), LINE + 1);
    }

    #[test]
    fn the_variable_wins_where_it_can_be_read() {
        for (level, given, filters) in [
            (LogLevel::Warn, None, "warn"),
            (LogLevel::Debug, None, "registrysync=debug,info"),
            (
                LogLevel::Warn,
                Some("registrysync=trace"),
                "registrysync=trace",
            ),
        ] {
            let (filter, refused) = filter(level, given);
            assert_eq!((filter.to_string().as_str(), refused), (filters, None));
        }
        let (filter, refused) = filter(LogLevel::Error, Some("a=loud"));
        assert_eq!(filter.to_string(), "error");
        assert!(refused.is_some());
    }
}
