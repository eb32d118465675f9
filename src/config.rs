//! Configuration of the server: a flag, else a variable, else the file, else the default.
//!
//! Every key is a variable (`REGISTRYSYNC_DATA_DIR`) and a key of the TOML file (`data_dir`), and the
//! usual ones are flags (`--data-dir`). An unknown key in the file is an error with its line.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use chrono_tz::Tz;

use crate::notify::{MailSettings, Receivers};
use crate::service::{Misfire, ScheduleRules};
use crate::taskomatic::HistoryRules;
use crate::time_zone::{system_zone, zone_parse};

/// A key of the configuration.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// As in the file.
    pub name: &'static str,
    /// What it means.
    pub about: &'static str,
}

/// All keys, in the order in which they are shown.
pub const KEYS: [Key; 26] = [
    Key {
        name: "listen",
        about: "address and port to accept connections at; port 0 takes a free one",
    },
    Key {
        name: "data_dir",
        about: "where the database, the key of its credentials and the first password are kept",
    },
    Key {
        name: "database",
        about: "`sqlite:PATH` or `postgres://…`",
    },
    Key {
        name: "key_file",
        about: "the key of the sealed credentials, the same for all processes at one database; made where it is missing",
    },
    Key {
        name: "admin_password_file",
        about: "its first line becomes the first password of `admin`",
    },
    Key {
        name: "no_worker",
        about: "`true`: the server does no runs, workers at its PostgreSQL database do",
    },
    Key {
        name: "worker_slots",
        about: "parts of runs worked on at once by this process, 1 to 64",
    },
    Key {
        name: "host_parts",
        about: "parts worked on at once that read from or write to one registry host, over all nodes; 0: any number",
    },
    Key {
        name: "org_parts",
        about: "parts worked on at once of one organisation, over all nodes; 0: any number",
    },
    Key {
        name: "lease_seconds",
        about: "so long after its last sign of life a worker counts as gone, 3 to 3600; the same on all nodes",
    },
    Key {
        name: "attempts",
        about: "times that a part is tried whose workers are lost, 1 to 100",
    },
    Key {
        name: "grace_seconds",
        about: "how long the tags under way may take when the process is told to end, 0 to 3600",
    },
    Key {
        name: "time_zone",
        about: "the zone of schedules, and of dates without a zone on XML-RPC",
    },
    Key {
        name: "schedule_misfire",
        about: "of schedules missed while no server ran: `once` makes one run for all of them, `none` leaves them out",
    },
    Key {
        name: "schedule_jitter",
        about: "seconds, at random, by which a schedule's run may come later; 0 to 3600",
    },
    Key {
        name: "schedule_min_distance",
        about: "seconds that two fire times of a schedule must be apart at least; 0 allows all",
    },
    Key {
        name: "history_days",
        about: "days that every run is kept, 0 to 36500; an older one goes when it isn't among the last either",
    },
    Key {
        name: "history_runs",
        about: "runs of a project that are kept however old they are, 1 to 100000",
    },
    Key {
        name: "tls_cert",
        about: "file of the server's certificate in PEM form, its chain after it; with it the server speaks https only",
    },
    Key {
        name: "tls_key",
        about: "file of the certificate's private key in PEM form",
    },
    Key {
        name: "tls_self_signed",
        about: "`true`: https with a certificate that is made once in the data directory, for a trial",
    },
    Key {
        name: "public_url",
        about: "address that users call the server by, where a proxy stands before it",
    },
    Key {
        name: "webhook_url",
        about: "where a JSON message is posted to when a project begins to fail, and when it works again",
    },
    Key {
        name: "smtp_url",
        about: "mail server of such messages: `smtp://` or `smtps://`, LOGIN:PASSWORD@ where it asks for them, host and port",
    },
    Key {
        name: "mail_from",
        about: "sender of such mails",
    },
    Key {
        name: "mail_to",
        about: "who gets them: addresses, with commas between",
    },
];

const MAX_SLOTS: usize = 64;
const MAX_JITTER_S: u64 = 3600;
const MAX_DISTANCE_S: u64 = 7 * 24 * 3600;
const MAX_LIMIT: usize = 10_000;
/// Shorter ones would take a worker for gone that waits for a busy machine.
const MIN_LEASE: u64 = 3;
const MAX_SECONDS: u64 = 3600;
const MAX_ATTEMPTS: i64 = 100;
/// Keys that are `true` or `false`.
const SWITCHES: [&str; 2] = ["tls_self_signed", "no_worker"];

/// Where a value comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Given on the command line.
    Flag,
    /// From the environment.
    Variable,
    /// From the file.
    File,
    /// Nobody said anything.
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Flag => "flag",
            Self::Variable => "variable",
            Self::File => "file",
            Self::Default => "default",
        })
    }
}

/// What is wrong with a configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file can't be read.
    #[error("configuration file `{path}`: {detail}")]
    File {
        /// The file.
        path: String,
        /// What is wrong, with the line where there is one.
        detail: String,
    },
    /// A value can't be used.
    #[error("`{key}`: `{value}` (from the {origin}): {detail}")]
    Value {
        /// The key.
        key: &'static str,
        /// The value, secrets hidden.
        value: String,
        /// Where it comes from.
        origin: Origin,
        /// What is wrong.
        detail: String,
    },
}

/// Values by key, each with its origin, not yet read.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    values: BTreeMap<&'static str, (String, Origin)>,
}

/// The configuration of a server.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where connections are accepted.
    pub listen: SocketAddr,
    /// The directory of everything that is kept.
    pub data_dir: PathBuf,
    /// `sqlite:PATH` or `postgres://…`.
    pub database: String,
    /// The file with the first password of `admin`.
    pub admin_password_file: Option<PathBuf>,
    /// The key of the sealed credentials.
    pub key_file: PathBuf,
    /// Whether this process does runs.
    pub works: bool,
    /// Parts at once.
    pub worker_slots: usize,
    /// Parts at once of one registry host.
    pub host_parts: Option<usize>,
    /// Parts at once of one organisation.
    pub org_parts: Option<usize>,
    /// When a worker counts as gone.
    pub lease: Duration,
    /// Times that a part is tried whose workers are lost.
    pub attempts: i64,
    /// How long the tags under way may take at the end.
    pub grace: Duration,
    /// The zone of schedules.
    pub time_zone: Tz,
    /// What schedules must keep to.
    pub schedule_rules: ScheduleRules,
    /// What of old runs is kept.
    pub history: HistoryRules,
    /// Where the server's certificate comes from; `None` is plain http.
    pub tls: Option<TlsSource>,
    /// `http(s)://host[:port]` that users call the server by.
    pub public_url: Option<String>,
    /// Who is told when a project begins to fail, and when it works again.
    pub receivers: Receivers,
}

/// Where the server's certificate comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TlsSource {
    /// From these files.
    Files {
        /// Its file.
        certificate: PathBuf,
        /// Its key's file.
        key: PathBuf,
    },
    /// Made in the data directory.
    SelfSigned,
}

impl Config {
    /// The file of an SQLite database.
    pub fn sqlite_file(&self) -> Option<&Path> {
        self.database.strip_prefix("sqlite:").map(Path::new)
    }
}

impl Settings {
    /// Collects from all origins. `flags` hold what was given on the command line.
    pub fn collect(
        flags: &BTreeMap<&'static str, String>,
        variable: impl Fn(&str) -> Option<String>,
        file: Option<&Path>,
    ) -> Result<Self, ConfigError> {
        let file = file.map(file_read).transpose()?.unwrap_or_default();
        let mut settings = Self::default();
        for Key { name, .. } in KEYS {
            let from_variable = || variable(&format!("REGISTRYSYNC_{}", name.to_uppercase()));
            let found = flags
                .get(name)
                .map(|value| (value.clone(), Origin::Flag))
                .or_else(|| from_variable().map(|value| (value, Origin::Variable)))
                .or_else(|| file.get(name).map(|value| (value.clone(), Origin::File)));
            settings.values.extend(found.map(|found| (name, found)));
        }
        settings.defaults_fill();
        Ok(settings)
    }

    fn defaults_fill(&mut self) {
        self.fill("listen", "127.0.0.1:8080".into());
        self.fill("data_dir", "./registrysync-data".into());
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
    }

    fn fill(&mut self, key: &'static str, value: String) {
        self.values.entry(key).or_insert((value, Origin::Default));
    }

    fn text(&self, key: &str) -> &str {
        self.values.get(key).map_or("", |(value, _)| value.as_str())
    }

    /// Key, value with secrets hidden, and origin of all that is set.
    pub fn shown(&self) -> impl Iterator<Item = (&'static str, String, Origin)> {
        KEYS.into_iter().filter_map(|Key { name, .. }| {
            let (value, origin) = self.values.get(name)?;
            Some((name, secret_hidden(name, value), *origin))
        })
    }

    /// Reads the values.
    pub fn read(&self) -> Result<Config, ConfigError> {
        let limit = |key| Ok(Some(self.number(key, 0, MAX_LIMIT)?).filter(|limit| *limit > 0));
        let seconds = |key, min| Ok(Duration::from_secs(self.number(key, min, MAX_SECONDS)?));
        Ok(Config {
            listen: self.text("listen").parse().map_err(|_| {
                self.error(
                    "listen",
                    "expected an address and a port, such as `127.0.0.1:8080`",
                )
            })?,
            data_dir: PathBuf::from(self.text("data_dir")),
            database: self.text("database").to_owned(),
            admin_password_file: self.path("admin_password_file"),
            key_file: PathBuf::from(self.text("key_file")),
            works: !self.switch("no_worker")?,
            worker_slots: self.number("worker_slots", 1, MAX_SLOTS)?,
            host_parts: limit("host_parts")?,
            org_parts: limit("org_parts")?,
            lease: seconds("lease_seconds", MIN_LEASE)?,
            attempts: self.number("attempts", 1, MAX_ATTEMPTS)?,
            grace: seconds("grace_seconds", 0)?,
            time_zone: zone_parse(self.text("time_zone")).ok_or_else(|| {
                self.error(
                    "time_zone",
                    "expected a name such as `Europe/Berlin` or `UTC`",
                )
            })?,
            schedule_rules: self.schedule_rules()?,
            history: HistoryRules {
                days: self.number("history_days", 0, 36_500)?,
                runs: self.number("history_runs", 1, 100_000)?,
            },
            tls: self.tls()?,
            public_url: self.public_url()?,
            receivers: self.receivers()?,
        })
    }

    fn switch(&self, key: &'static str) -> Result<bool, ConfigError> {
        match self.text(key) {
            "" | "false" | "0" => Ok(false),
            "true" | "1" => Ok(true),
            _ => Err(self.error(key, "expected `true` or `false`")),
        }
    }

    fn path(&self, key: &str) -> Option<PathBuf> {
        self.values.get(key).map(|(path, _)| path.into())
    }

    fn schedule_rules(&self) -> Result<ScheduleRules, ConfigError> {
        let misfire = match self.text("schedule_misfire") {
            "once" => Misfire::Once,
            "none" => Misfire::Skip,
            _ => return Err(self.error("schedule_misfire", "expected `once` or `none`")),
        };
        let seconds = |key, most| self.number(key, 0, most).map(Duration::from_secs);
        Ok(ScheduleRules {
            misfire,
            jitter: seconds("schedule_jitter", MAX_JITTER_S)?,
            min_distance: seconds("schedule_min_distance", MAX_DISTANCE_S)?,
        })
    }

    fn number<T>(&self, key: &'static str, min: T, max: T) -> Result<T, ConfigError>
    where
        T: FromStr + PartialOrd + fmt::Display + Copy,
    {
        let number = self.text(key).parse().ok();
        number
            .filter(|number| (&min..=&max).contains(&number))
            .ok_or_else(|| self.error(key, &format!("expected {min} to {max}")))
    }

    fn tls(&self) -> Result<Option<TlsSource>, ConfigError> {
        let self_signed = self.switch("tls_self_signed")?;
        match (self.path("tls_cert"), self.path("tls_key"), self_signed) {
            (Some(certificate), Some(key), false) => {
                Ok(Some(TlsSource::Files { certificate, key }))
            }
            (None, None, true) => Ok(Some(TlsSource::SelfSigned)),
            (None, None, false) => Ok(None),
            (Some(_), None, false) => Err(self.error("tls_cert", "`tls_key` is missing")),
            (None, Some(_), false) => Err(self.error("tls_key", "`tls_cert` is missing")),
            (.., true) => Err(self.error(
                "tls_self_signed",
                "either this, or `tls_cert` and `tls_key`",
            )),
        }
    }

    fn public_url(&self) -> Result<Option<String>, ConfigError> {
        let text = self.text("public_url");
        if text.is_empty() {
            return Ok(None);
        }
        let url = url::Url::parse(text).ok().filter(|url| {
            matches!(url.scheme(), "http" | "https")
                && url.has_host()
                && url.path() == "/"
                && url.username().is_empty()
                && url.query().is_none()
                && url.fragment().is_none()
        });
        let url = url.ok_or_else(|| {
            self.error(
                "public_url",
                "expected scheme and host, such as `https://sync.example.com`, without a path",
            )
        })?;
        Ok(Some(url.origin().ascii_serialization()))
    }

    fn receivers(&self) -> Result<Receivers, ConfigError> {
        let given = |key| Some(self.text(key).to_owned()).filter(|text| !text.is_empty());
        let keys = ["smtp_url", "mail_from", "mail_to"];
        let mail = match keys.map(given) {
            [Some(smtp_url), Some(from), Some(to)] => Some(MailSettings {
                smtp_url,
                from,
                to: to.split(',').map(|to| to.trim().to_owned()).collect(),
            }),
            [None, None, None] => None,
            _ => {
                let missing = keys.into_iter().find(|key| given(key).is_none());
                let detail = "e-mail needs `smtp_url`, `mail_from` and `mail_to`";
                return Err(self.error(missing.unwrap_or_default(), detail));
            }
        };
        Ok(Receivers {
            webhook: given("webhook_url"),
            mail,
        })
    }

    fn error(&self, key: &'static str, detail: &str) -> ConfigError {
        let found = self.values.get(key);
        ConfigError::Value {
            key,
            value: found.map_or(String::new(), |(value, _)| secret_hidden(key, value)),
            origin: found.map_or(Origin::Default, |(_, origin)| *origin),
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
        toml::from_str(&text).map_err(|e| fail(e.to_string().trim().replace('\n', " ")))?;
    let line = |at: usize| text[..at.min(text.len())].matches('\n').count() + 1;
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

fn nearest(name: &str) -> String {
    KEYS.iter()
        .map(|key| (strsim::damerau_levenshtein(name, key.name), key.name))
        .min()
        .filter(|(distance, _)| *distance <= 3)
        .map_or(String::new(), |(_, near)| {
            format!("; did you mean `{near}`?")
        })
}

/// `postgres://user:secret@host` without the secret.
/// The value without what nobody should read over somebody's shoulder.
fn secret_hidden(key: &str, value: &str) -> String {
    match url::Url::parse(value) {
        // Chat servers know who posts by the path alone.
        Ok(url) if key == "webhook_url" => format!("{}/…", url.origin().ascii_serialization()),
        _ => password_hidden(value),
    }
}

fn password_hidden(value: &str) -> String {
    let hidden = || {
        let (scheme, rest) = value.split_once("://")?;
        let (login, place) = rest.split_once('@')?;
        let (user, _) = login.split_once(':')?;
        Some(format!("{scheme}://{user}:…@{place}"))
    };
    hidden().unwrap_or_else(|| value.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn collect(
        flags: &[(&'static str, &str)],
        variables: &[(&str, &str)],
        file: &str,
    ) -> Result<Settings, ConfigError> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("registrysync.toml");
        std::fs::write(&path, file).unwrap();
        let flags = flags.iter().map(|(k, v)| (*k, (*v).to_owned())).collect();
        let variable = |name: &str| {
            let found = variables.iter().find(|(key, _)| *key == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        Settings::collect(&flags, variable, Some(&path))
    }

    #[test]
    fn a_flag_beats_a_variable_beats_the_file_beats_the_default() {
        let settings = collect(
            &[("listen", "127.0.0.1:1")],
            &[
                ("REGISTRYSYNC_LISTEN", "127.0.0.1:2"),
                ("REGISTRYSYNC_DATA_DIR", "/d/"),
            ],
            "listen = '127.0.0.1:3'\ndata_dir = '/e'\nworker_slots = 7\n",
        )
        .unwrap();
        let config = settings.read().unwrap();
        assert_eq!(config.listen.port(), 1);
        assert_eq!(config.database, "sqlite:/d/registrysync.db");
        assert_eq!(config.worker_slots, 7);
        let origins: Vec<Origin> = settings.shown().map(|(_, _, origin)| origin).collect();
        assert_eq!(
            origins,
            [
                Origin::Flag,
                Origin::Variable,
                Origin::Default,
                Origin::Default,
                Origin::File,
                Origin::Default,
                Origin::Default,
                Origin::Default,
                Origin::Default,
                Origin::Default,
                Origin::Default,
                Origin::Default,
                Origin::Default,
                Origin::Default,
                Origin::Default,
                Origin::Default
            ]
        );
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (file, wanted) in [
            (
                "\nlissten = 'x'",
                "line 2: unknown key `lissten`; did you mean `listen`?",
            ),
            (
                "listen = true",
                "line 1: `listen`: expected text or a number",
            ),
            ("listen = ", "line 1"),
        ] {
            let error = collect(&[], &[], file).unwrap_err().to_string();
            assert!(error.contains(wanted), "{error}");
        }
        for (key, value) in [
            ("listen", "here"),
            ("worker_slots", "0"),
            ("worker_slots", "x"),
            ("time_zone", "Mars/Base"),
        ] {
            let error = collect(&[(key, value)], &[], "")
                .unwrap()
                .read()
                .unwrap_err();
            assert!(
                error
                    .to_string()
                    .contains(&format!("`{key}`: `{value}` (from the flag)")),
                "{error}"
            );
        }
    }

    #[test]
    fn a_certificate_comes_from_two_files_or_is_made() {
        let tls = |file: &str| collect(&[], &[], file).unwrap().read().map(|c| c.tls);
        assert_eq!(tls("tls_self_signed = false").unwrap(), None);
        assert_eq!(
            tls("tls_self_signed = true").unwrap(),
            Some(TlsSource::SelfSigned)
        );
        let (certificate, key) = ("/c.pem".into(), "/k.pem".into());
        assert_eq!(
            tls("tls_cert = '/c.pem'\ntls_key = '/k.pem'").unwrap(),
            Some(TlsSource::Files { certificate, key })
        );
        for (file, wanted) in [
            ("tls_cert = '/c.pem'", "`tls_key` is missing"),
            ("tls_key = '/k.pem'", "`tls_cert` is missing"),
            (
                "tls_self_signed = true\ntls_cert = '/c.pem'",
                "either this, or",
            ),
            ("tls_self_signed = 'maybe'", "expected `true` or `false`"),
        ] {
            let error = tls(file).unwrap_err().to_string();
            assert!(error.contains(wanted), "{error}");
        }
    }

    #[test]
    fn a_public_url_is_scheme_and_host() {
        let url = |text| {
            let settings = collect(&[("public_url", text)], &[], "").unwrap();
            settings.read().map(|config| config.public_url)
        };
        for (text, read) in [
            ("https://Sync.example.com/", "https://sync.example.com"),
            ("http://[::1]:8080", "http://[::1]:8080"),
        ] {
            assert_eq!(url(text).unwrap().as_deref(), Some(read));
        }
        for text in [
            "sync.example.com",
            "ftp://a",
            "https://a/b",
            "https://u@a",
            "https://a?b",
        ] {
            assert!(url(text).is_err(), "{text}");
        }
    }

    #[test]
    fn mail_needs_server_sender_and_receivers() {
        let receivers = |file: &str| collect(&[], &[], file).unwrap().read().map(|c| c.receivers);
        assert_eq!(receivers("").unwrap(), Receivers::default());
        let whole = "smtp_url = 'smtp://h'\nmail_from = 'a@x'\nmail_to = 'b@x, c@x'";
        let mail = receivers(whole).unwrap().mail.unwrap();
        assert_eq!(mail.to, ["b@x", "c@x"]);
        for line in [
            "smtp_url = 'smtp://h'",
            "mail_from = 'a@x'",
            "mail_to = 'b@x'",
        ] {
            let error = receivers(line).unwrap_err().to_string();
            assert!(error.contains("e-mail needs"), "{error}");
        }
    }

    #[test]
    fn passwords_are_hidden() {
        let settings = collect(&[("database", "postgres://u:secret@h/d")], &[], "").unwrap();
        let shown: Vec<String> = settings.shown().map(|(_, value, _)| value).collect();
        assert!(
            shown.contains(&"postgres://u:…@h/d".to_owned()),
            "{shown:?}"
        );
        let settings = collect(&[("webhook_url", "https://chat/T0/secret")], &[], "").unwrap();
        let shown: Vec<String> = settings.shown().map(|(_, value, _)| value).collect();
        assert!(shown.contains(&"https://chat/…".to_owned()), "{shown:?}");
    }
}
