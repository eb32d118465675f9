//! Values by key, as given by flags, variables and the file, and the defaults.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use super::ConfigError;
use super::keys::{KEYS, Key, SWITCHES, nearest, variable_of};
use crate::taskomatic::HistoryRules;
use crate::time_zone::system_zone;

const DATA_DIR: &str = "./registrysync-data";

/// The origin of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValueSource {
    /// Given on the command line.
    Flag,
    /// From the environment.
    Variable,
    /// From the file.
    File,
    /// The default.
    Default,
}

impl fmt::Display for ValueSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Flag => "flag",
            Self::Variable => "variable",
            Self::File => "file",
            Self::Default => "default",
        })
    }
}

/// A key, for output.
#[derive(Clone, Debug)]
pub struct ShownKey {
    /// Its name in the file.
    pub name: &'static str,
    /// What it means.
    pub about: &'static str,
    /// Whether it is `true` or `false`.
    pub is_switch: bool,
    /// The default.
    pub default: Option<String>,
    /// The effective value, secrets hidden, and its origin.
    pub value: Option<(String, ValueSource)>,
}

/// Values by key, each with its origin, not yet parsed.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    values: BTreeMap<&'static str, (String, ValueSource)>,
}

impl Settings {
    /// Collects values from all origins. `flags` are those of the command line.
    pub fn collect(
        flags: &BTreeMap<&'static str, String>,
        variable: impl Fn(&str) -> Option<String>,
        file: Option<&Path>,
    ) -> Result<Self, ConfigError> {
        let file = file.map(file_read).transpose()?.unwrap_or_default();
        let mut settings = Self::default();
        for &Key { name, .. } in KEYS {
            let from_variable = || variable(&variable_of(name));
            let found = flags
                .get(name)
                .map(|value| (value.clone(), ValueSource::Flag))
                .or_else(|| from_variable().map(|value| (value, ValueSource::Variable)))
                .or_else(|| {
                    file.get(name)
                        .map(|value| (value.clone(), ValueSource::File))
                });
            settings.values.extend(found.map(|found| (name, found)));
        }
        settings.defaults_fill();
        Ok(settings)
    }

    fn defaults_fill(&mut self) {
        self.fill("listen", "127.0.0.1:8080".into());
        self.fill("data_dir", DATA_DIR.into());
        let directory = self.text("data_dir").trim_end_matches('/');
        let key_file = format!("{directory}/secret.key");
        self.fill("database", format!("sqlite:{directory}/registrysync.db"));
        self.fill("key_file", key_file);
        self.fill("worker_slots", "2".into());
        self.fill("host_parts", "0".into());
        self.fill("org_parts", "0".into());
        self.fill("lease_seconds", "60".into());
        self.fill("attempts", "5".into());
        self.fill("grace_seconds", "30".into());
        self.fill("time_zone", system_zone().name().into());
        self.fill("schedule_misfire", "once".into());
        self.fill("schedule_jitter", "0".into());
        self.fill("schedule_min_distance", "0".into());
        let history = HistoryRules::default();
        self.fill("history_days", history.days.to_string());
        self.fill("history_runs", history.runs.to_string());
        self.fill("audit_days", history.audit_days.to_string());
        self.fill("connections", "1000".into());
        self.fill("request_mib", "8".into());
        self.fill("strangers_mib", "32".into());
        self.fill("log_level", "info".into());
        self.fill("log_format", "text".into());
    }

    fn fill(&mut self, key: &'static str, value: String) {
        self.values
            .entry(key)
            .or_insert((value, ValueSource::Default));
    }

    pub(super) fn text(&self, key: &str) -> &str {
        self.values.get(key).map_or("", |(value, _)| value.as_str())
    }

    /// Key, value with secrets hidden, and origin of everything that is set.
    pub fn shown(&self) -> impl Iterator<Item = (&'static str, String, ValueSource)> {
        KEYS.iter().filter_map(|&Key { name, .. }| {
            let (value, origin) = self.values.get(name)?;
            Some((name, secret_hidden(name, value), *origin))
        })
    }

    /// All keys, in order, including those that aren't set.
    pub fn all(&self) -> Vec<ShownKey> {
        let mut defaults = Self::default();
        // Other defaults depend on the data directory.
        defaults.fill("data_dir", self.text("data_dir").to_owned());
        defaults.defaults_fill();
        let directory = (DATA_DIR.to_owned(), ValueSource::Default);
        defaults.values.insert("data_dir", directory);
        let shown = |&Key { name, about }: &Key| ShownKey {
            name,
            about,
            is_switch: SWITCHES.contains(&name),
            default: defaults.values.get(name).map(|(text, _)| text.clone()),
            value: self
                .values
                .get(name)
                .map(|(value, origin)| (secret_hidden(name, value), *origin)),
        };
        KEYS.iter().map(shown).collect()
    }

    /// The value as a path.
    pub(super) fn path(&self, key: &str) -> Option<PathBuf> {
        self.values.get(key).map(|(path, _)| path.into())
    }

    /// The value, if there is one that isn't empty.
    pub(super) fn given(&self, key: &str) -> Option<String> {
        Some(self.text(key).to_owned()).filter(|text| !text.is_empty())
    }

    /// An error about a value.
    pub(super) fn error(&self, key: &'static str, detail: &str) -> ConfigError {
        let found = self.values.get(key);
        ConfigError::Value {
            key,
            value: found.map_or(String::new(), |(value, _)| secret_hidden(key, value)),
            origin: found.map_or(ValueSource::Default, |(_, origin)| *origin),
            detail: detail.to_owned(),
        }
    }
}

fn file_read(path: &Path) -> Result<BTreeMap<String, String>, ConfigError> {
    let fail = |detail: String| ConfigError::File {
        path: path.display().to_string(),
        detail,
    };
    let text = std::fs::read_to_string(path).map_err(|e| fail(e.to_string()))?;
    let table: BTreeMap<toml::Spanned<String>, toml::Spanned<toml::Value>> =
        toml::from_str(&text).map_err(|e| fail(told_without_text(&e, &text)))?;
    let line = |at: usize| line_of(&text, at);
    let mut values = BTreeMap::new();
    for (key, value) in table {
        let at = line(key.span().start);
        let name = key.into_inner();
        if !KEYS.iter().any(|known| known.name == name) {
            return Err(fail(format!(
                "line {at}: unknown key `{name}`{}",
                nearest(&name)
            )));
        }
        let value = match value.into_inner() {
            toml::Value::String(text) => text,
            toml::Value::Integer(number) => number.to_string(),
            toml::Value::Boolean(on) if SWITCHES.contains(&name.as_str()) => on.to_string(),
            _ => {
                return Err(fail(format!(
                    "line {at}: `{name}`: expected text or a number"
                )));
            }
        };
        values.insert(name, value);
    }
    Ok(values)
}

/// An error in a file, with its position. The parser's own text would show the line, which may
/// contain a password.
fn told_without_text(error: &toml::de::Error, text: &str) -> String {
    let Some(span) = error.span() else {
        return error.message().to_owned();
    };
    let before = text.get(..span.start).unwrap_or(text);
    let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
    let line = line_of(text, span.start);
    format!("line {line}, column {column}: {}", error.message())
}

fn line_of(text: &str, at: usize) -> usize {
    let before = text.get(..at).unwrap_or(text);
    before.matches('\n').count() + 1
}

/// The value without secrets.
fn secret_hidden(key: &str, value: &str) -> String {
    match url::Url::parse(value) {
        // The path of a chat server's webhook is a secret.
        Ok(url) if key == "webhook_url" => format!("{}/…", url.origin().ascii_serialization()),
        _ => password_hidden(value),
    }
}

/// The value without passwords: that of `postgres://user:secret@host`, and those of parameters
/// (`?password=secret`, `password='a secret'`).
fn password_hidden(value: &str) -> String {
    let hidden = || {
        let (scheme, rest) = value.split_once("://")?;
        let (place, query) = rest.split_at(rest.find('?').unwrap_or(rest.len()));
        // The last `@`: a password may contain an unescaped one.
        let (login, place) = place.rsplit_once('@')?;
        let (user, _) = login.split_once(':')?;
        Some(format!("{scheme}://{user}:…@{place}{query}"))
    };
    let value = hidden().unwrap_or_else(|| value.to_owned());
    let parameter = regex::Regex::new(r"(?i)(passwo?r?d\s*=\s*)('(?:[^'\\]|\\.)*'?|[^&\s]*)");
    parameter.map_or(String::new(), |secret| {
        secret.replace_all(&value, "$1…").into_owned()
    })
}
