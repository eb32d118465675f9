//! The keys: their names, what they mean, and which are switches.

use super::ConfigError;

/// A key of the configuration.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// As in the file.
    pub name: &'static str,
    /// What it means.
    pub about: &'static str,
}

/// All keys, in the order in which they are shown.
pub const KEYS: &[Key] = &[
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
        name: "database_password_file",
        about: "its first line is PostgreSQL's password; without it `PGPASSWORD` and `~/.pgpass` are looked at",
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
        name: "audit_days",
        about: "days that the audit trail is kept, 0 to 36500; 0: for ever",
    },
    Key {
        name: "connections",
        about: "connections at once, 16 to 100000; the oldest idle one is closed for a new one",
    },
    Key {
        name: "request_mib",
        about: "MiB of the largest request of somebody with a session, 1 to 64",
    },
    Key {
        name: "strangers_mib",
        about: "MiB of memory for all requests of those who have no session, together, 4 to 1024",
    },
    Key {
        name: "log_level",
        about: "least important lines of the log that are written: `error`, `warn`, `info`, `debug` or `trace`; the variable RUST_LOG wins",
    },
    Key {
        name: "log_format",
        about: "`text`: the log on standard error is for people; `json`: one object a line",
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
        name: "registry_allow",
        about: "hosts (`r.example`, `*.example.com`) and networks (`10.0.0.0/8`) that registries may be at, with commas between; empty: all but link-local, metadata and multicast addresses",
    },
    Key {
        name: "registry_deny",
        about: "hosts and networks that registries may not be at; it beats `registry_allow`",
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
    Key {
        name: "notify_warnings",
        about: "`true`: people are told as well when a project that works begins to have warnings",
    },
];

/// Keys that are `true` or `false`.
pub(super) const SWITCHES: [&str; 3] = ["tls_self_signed", "no_worker", "notify_warnings"];

/// What the name of each variable of ours begins with.
pub const PREFIX: &str = "REGISTRYSYNC_";
/// Variables that are no keys, without the [`PREFIX`]: the file, and what the commands that talk to
/// a server take.
pub const OTHER_VARIABLES: [&str; 5] = ["CONFIG", "URL", "USER", "PASSWORD_FILE", "CA_CERTIFICATE"];

/// The variable of a key.
pub(super) fn variable_of(key: &str) -> String {
    format!("{PREFIX}{}", key.to_uppercase())
}

/// Err: a variable of that name says nothing to us, though it looks like one of ours.
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

/// Kubernetes gives every container such variables of a service that is called `registrysync`.
fn is_of_kubernetes(rest: &str) -> bool {
    ["SERVICE_HOST", "SERVICE_PORT", "PORT"]
        .into_iter()
        .any(|known| rest == known || rest.starts_with(&format!("{known}_")))
}

/// The key that was probably meant, in words.
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
