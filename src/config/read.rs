//! Parses the values.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use super::{Config, ConfigError, LogFormat, LogLevel, LogRules, Settings, TlsSource};
use crate::notify::{MailSettings, Receivers};
use crate::oci::{NameError, NetworkPolicy};
use crate::service::{Misfire, ScheduleRules};
use crate::taskomatic::HistoryRules;
use crate::time_zone::zone_parse;

const MAX_SLOTS: usize = 64;
const MAX_JITTER_S: u64 = 3600;
const MAX_DISTANCE_S: u64 = 7 * 24 * 3600;
const MAX_LIMIT: usize = 10_000;
/// With shorter ones a worker on a busy machine would be considered lost.
const MIN_LEASE: u64 = 3;
const MAX_SECONDS: u64 = 3600;
const MAX_ATTEMPTS: i64 = 100;

impl Settings {
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
            database_password_file: self.path("database_password_file"),
            admin_password_file: self.path("admin_password_file"),
            key_file: PathBuf::from(self.text("key_file")),
            runs_worker: !self.switch("no_worker")?,
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
                audit_days: self.number("audit_days", 0, 36_500)?,
            },
            connections: self.number("connections", 16, 100_000)?,
            request_mib: self.number("request_mib", 1, 64)?,
            strangers_mib: self.number("strangers_mib", 4, 1024)?,
            log: self.log()?,
            tls: self.tls()?,
            public_url: self.public_url()?,
            registries: self.registries()?,
            receivers: self.receivers()?,
        })
    }

    fn registries(&self) -> Result<NetworkPolicy, ConfigError> {
        let (allow, deny) = (self.text("registry_allow"), self.text("registry_deny"));
        let refused = |key, e: NameError| self.error(key, &e.to_string());
        NetworkPolicy::parse("", deny).map_err(|e| refused("registry_deny", e))?;
        NetworkPolicy::parse(allow, deny).map_err(|e| refused("registry_allow", e))
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

    fn log(&self) -> Result<LogRules, ConfigError> {
        Ok(LogRules {
            level: match self.text("log_level") {
                "error" => LogLevel::Error,
                "warn" => LogLevel::Warn,
                "info" => LogLevel::Info,
                "debug" => LogLevel::Debug,
                "trace" => LogLevel::Trace,
                _ => {
                    let expected = "expected `error`, `warn`, `info`, `debug` or `trace`";
                    return Err(self.error("log_level", expected));
                }
            },
            format: match self.text("log_format") {
                "text" => LogFormat::Text,
                "json" => LogFormat::Json,
                _ => return Err(self.error("log_format", "expected `text` or `json`")),
            },
        })
    }

    fn switch(&self, key: &'static str) -> Result<bool, ConfigError> {
        match self.text(key) {
            "" | "false" | "0" => Ok(false),
            "true" | "1" => Ok(true),
            _ => Err(self.error(key, "expected `true` or `false`")),
        }
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
                "set either this or `tls_cert` and `tls_key`",
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
        let keys = ["smtp_url", "mail_from", "mail_to"];
        let mail = match keys.map(|key| self.given(key)) {
            [Some(smtp_url), Some(from), Some(to)] => Some(MailSettings {
                smtp_url,
                from,
                to: to.split(',').map(|to| to.trim().to_owned()).collect(),
            }),
            [None, None, None] => None,
            _ => {
                let missing = keys.into_iter().find(|key| self.given(key).is_none());
                let detail = "e-mail needs `smtp_url`, `mail_from` and `mail_to`";
                return Err(ConfigError::Missing {
                    key: missing.unwrap_or_default(),
                    detail,
                });
            }
        };
        Ok(Receivers {
            webhook: self.given("webhook_url"),
            mail,
            warnings: self.switch("notify_warnings")?,
        })
    }
}
