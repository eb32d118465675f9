//! The keys: their names, what they mean, and which are switches.

use super::ConfigError;

/// A key of the configuration.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// Its name in the file.
    pub name: &'static str,
    /// What it means.
    pub about: &'static str,
}

/// All keys, in display order.
pub const KEYS: &[Key] = &[
    Key {
        name: "listen",
        about: "address and port to listen on; port 0 picks a free port",
    },
    Key {
        name: "data_dir",
        about: "directory of the database, the key file and the initial password",
    },
    Key {
        name: "database",
        about: "`sqlite:PATH` or `postgres://…`",
    },
    Key {
        name: "database_password_file",
        about: "file with the PostgreSQL password in its first line; if not set, `PGPASSWORD` and `~/.pgpass` are used",
    },
    Key {
        name: "key_file",
        about: "file with the key that encrypts stored credentials, the same for all processes that share a database; created if it is missing",
    },
    Key {
        name: "admin_password_file",
        about: "file with the initial password of `admin` in its first line",
    },
    Key {
        name: "no_worker",
        about: "`true`: the server executes no runs; workers on the same PostgreSQL database do",
    },
    Key {
        name: "worker_slots",
        about: "number of run parts that this process works on at once, 1 to 64",
    },
    Key {
        name: "host_parts",
        about: "maximum number of parts at once that read from or write to one registry host, over all nodes; 0: no limit",
    },
    Key {
        name: "org_parts",
        about: "maximum number of parts at once of one organisation, over all nodes; 0: no limit",
    },
    Key {
        name: "lease_seconds",
        about: "a worker is considered lost after this many seconds without a heartbeat, 3 to 3600; the same on all nodes",
    },
    Key {
        name: "attempts",
        about: "how often a part is tried if its worker is lost, 1 to 100",
    },
    Key {
        name: "grace_seconds",
        about: "seconds that tags in progress may take to finish when the process is stopped, 0 to 3600",
    },
    Key {
        name: "time_zone",
        about: "time zone of schedules, and of XML-RPC dates without a zone",
    },
    Key {
        name: "schedule_misfire",
        about: "fire times missed while no server was running: `once` starts one run for all of them, `none` skips them",
    },
    Key {
        name: "schedule_jitter",
        about: "maximum random delay of a scheduled run in seconds, 0 to 3600",
    },
    Key {
        name: "schedule_min_distance",
        about: "minimum number of seconds between two fire times of a schedule; 0: no minimum",
    },
    Key {
        name: "history_days",
        about: "days that every run is kept, 0 to 36500; older runs are removed unless `history_runs` keeps them",
    },
    Key {
        name: "history_runs",
        about: "number of latest runs kept for each project and bunch, however old they are, 1 to 100000",
    },
    Key {
        name: "audit_days",
        about: "days that audit events are kept, 0 to 36500; 0: forever",
    },
    Key {
        name: "connections",
        about: "maximum number of connections, 16 to 100000; beyond it the oldest idle one is closed for a new one",
    },
    Key {
        name: "request_mib",
        about: "maximum size in MiB of a request with a session, 1 to 64",
    },
    Key {
        name: "strangers_mib",
        about: "memory in MiB for all requests without a session together, 4 to 1024",
    },
    Key {
        name: "log_level",
        about: "lowest level that is logged: `error`, `warn`, `info`, `debug` or `trace`; the variable RUST_LOG overrides it",
    },
    Key {
        name: "log_format",
        about: "format of the log on standard error: `text`, or `json` with one object per line",
    },
    Key {
        name: "tls_cert",
        about: "PEM file with the server's certificate, then its chain; if set, the server serves https only",
    },
    Key {
        name: "tls_key",
        about: "PEM file with the certificate's private key",
    },
    Key {
        name: "tls_self_signed",
        about: "`true`: https with a self-signed certificate kept in the data directory, for testing",
    },
    Key {
        name: "public_url",
        about: "URL under which users reach the server if it is behind a proxy",
    },
    Key {
        name: "registry_allow",
        about: "hosts (`r.example`, `*.example.com`) and networks (`10.0.0.0/8`) allowed for registries, comma-separated; empty: all except link-local, metadata and multicast addresses",
    },
    Key {
        name: "registry_deny",
        about: "hosts and networks forbidden for registries; overrides `registry_allow`",
    },
    Key {
        name: "webhook_url",
        about: "URL that gets a JSON message when a project starts failing and when it recovers",
    },
    Key {
        name: "smtp_url",
        about: "mail server for such messages: `smtp://` or `smtps://`, LOGIN:PASSWORD@ if it needs a login, host and port",
    },
    Key {
        name: "mail_from",
        about: "sender address of these mails",
    },
    Key {
        name: "mail_to",
        about: "recipients of these mails: addresses, comma-separated",
    },
    Key {
        name: "notify_warnings",
        about: "`true`: also send a message when a working project starts to have warnings",
    },
];

/// Keys that are `true` or `false`.
pub(super) const SWITCHES: [&str; 3] = ["tls_self_signed", "no_worker", "notify_warnings"];

/// The prefix of our variables.
pub const PREFIX: &str = "REGISTRYSYNC_";
/// Variables that aren't keys, without the [`PREFIX`]: the file, and those of the commands that talk to
/// a server.
pub const OTHER_VARIABLES: [&str; 5] = ["CONFIG", "URL", "USER", "PASSWORD_FILE", "CA_CERTIFICATE"];

/// The environment variable of a key.
pub(super) fn variable_of(key: &str) -> String {
    format!("{PREFIX}{}", key.to_uppercase())
}

/// Err: the variable has our prefix but isn't known.
pub fn variable_check(name: &str) -> Result<(), ConfigError> {
    let Some(rest) = name.strip_prefix(PREFIX) else {
        return Ok(());
    };
    let known = || {
        let keys = KEYS.iter().map(|key| key.name.to_uppercase());
        keys.chain(OTHER_VARIABLES.map(str::to_owned))
    };
    if known().any(|known| known == rest) || is_of_kubernetes(rest) {
        return Ok(());
    }
    let names: Vec<String> = known().map(|known| format!("{PREFIX}{known}")).collect();
    Err(ConfigError::Variable {
        name: name.to_owned(),
        hint: nearest_of(name, names.iter().map(String::as_str)),
    })
}

/// Kubernetes sets such variables in every container if a service is called `registrysync`.
fn is_of_kubernetes(rest: &str) -> bool {
    ["SERVICE_HOST", "SERVICE_PORT", "PORT"]
        .into_iter()
        .any(|known| rest == known || rest.starts_with(&format!("{known}_")))
}

/// A hint at the key that was probably meant.
pub(super) fn nearest(name: &str) -> String {
    nearest_of(name, KEYS.iter().map(|key| key.name))
}

fn nearest_of<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> String {
    known
        .map(|known| (strsim::damerau_levenshtein(name, known), known))
        .min()
        .filter(|(distance, _)| *distance <= 3)
        .map_or(String::new(), |(_, near)| {
            format!("; did you mean `{near}`?")
        })
}
