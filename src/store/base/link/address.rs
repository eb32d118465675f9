//! The address of a PostgreSQL database: its URL, parsed like `libpq` does.

use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret as _, SecretString};

use super::host::Host;
use super::passfile;
use crate::store::Error;

/// The port of PostgreSQL.
const PORT: u16 = 5432;
/// Socket directories to try if no host is given: Debian's and PostgreSQL's default.
const SOCKET_DIRS: [&str; 2] = ["/var/run/postgresql", "/tmp"];

/// The TLS mode; <https://www.postgresql.org/docs/current/libpq-ssl.html>.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SslMode {
    Disable,
    /// TLS if the server supports it; nothing is verified.
    Prefer,
    Require,
    VerifyCa,
    VerifyFull,
}

/// The TLS files.
#[derive(Clone, Debug, Default)]
pub(super) struct TlsFiles {
    /// The trusted roots; `system`: those of this machine.
    pub(super) roots: Option<PathBuf>,
    pub(super) certificate: Option<PathBuf>,
    pub(super) key: Option<PathBuf>,
}

/// A parsed URL.
#[derive(Clone)]
pub(crate) struct Address {
    /// Tried in this order.
    pub(super) hosts: Vec<Host>,
    pub(super) ssl: SslMode,
    pub(super) files: TlsFiles,
    user: Option<String>,
    database: Option<String>,
    password: Option<SecretString>,
    /// Passed to `libpq` unchanged.
    further: Vec<(String, String)>,
}

impl Address {
    /// Parses `postgres://[user[:password]@][host][:port][/database][?key=value…]`, with several
    /// hosts separated by commas; missing parts come from the variables of `libpq` (`PGHOST` …).
    /// `password` is one that was given separately.
    pub(crate) fn parse(url: &str, password: Option<SecretString>) -> Result<Address, Error> {
        let wrong = |detail: &str| Error::Address(detail.to_owned());
        let (_, rest) = url.split_once("//").ok_or(Error::Url)?;
        let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
        // The last `@`: a password may contain an unescaped one.
        let (login, place) = match place.rsplit_once('@') {
            Some((login, place)) => (Some(login), place),
            None => (None, place),
        };
        let (authority, database) = place.split_once('/').unwrap_or((place, ""));
        let mut given = Given::default();
        if let Some(login) = login {
            let (user, secret) = login.split_once(':').unwrap_or((login, ""));
            given.put("user", &decoded(user));
            given.put("password", &decoded(secret));
        }
        given.put("dbname", &decoded(database));
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (key, value) = pair
                .split_once('=')
                .ok_or_else(|| wrong("a parameter has no `=`"))?;
            // An unescaped `?` may be part of a password, which must not be shown.
            if !key.bytes().all(|b| b.is_ascii_lowercase() || b == b'_') {
                return Err(wrong("the name of a parameter can't be read"));
            }
            given.put(key, &decoded(value));
        }
        let ports = given.take("port", "PGPORT").unwrap_or_default();
        let variable = if authority.is_empty() { "PGHOST" } else { "" };
        let hosts = given.take("host", variable);
        let hosts = hosts_of(hosts.as_deref().unwrap_or(authority), &ports)?;
        let ssl = match given.take("sslmode", "PGSSLMODE").as_deref() {
            None | Some("prefer" | "allow") => SslMode::Prefer,
            Some("disable") => SslMode::Disable,
            Some("require") => SslMode::Require,
            Some("verify-ca") => SslMode::VerifyCa,
            Some("verify-full") => SslMode::VerifyFull,
            Some(_) => {
                let known = "`disable`, `prefer`, `require`, `verify-ca` or `verify-full`";
                return Err(wrong(&format!("`sslmode` must be {known}")));
            }
        };
        let mut file = |key: &str, variable: &str| given.take(key, variable).map(PathBuf::from);
        let files = TlsFiles {
            roots: file("sslrootcert", "PGSSLROOTCERT"),
            certificate: file("sslcert", "PGSSLCERT"),
            key: file("sslkey", "PGSSLKEY"),
        };
        if files
            .roots
            .as_ref()
            .is_some_and(|roots| roots.as_os_str() == "system")
            && ssl != SslMode::VerifyFull
        {
            // Anyone can get a certificate from these roots: the name has to be checked.
            return Err(wrong("`sslrootcert=system` needs `sslmode=verify-full`"));
        }
        let other = |(key, _): &&(String, String)| {
            key.starts_with("ssl") || matches!(key.as_str(), "hostaddr" | "service" | "requiressl")
        };
        if let Some((key, _)) = given.0.iter().find(other) {
            let known = if key.starts_with("ssl") {
                "; use `sslmode`, `sslrootcert`, `sslcert` and `sslkey`"
            } else {
                ""
            };
            return Err(wrong(&format!("`{key}` isn't supported{known}")));
        }
        let user = given.take("user", "PGUSER");
        let database = given.take("dbname", "PGDATABASE");
        let in_url = given.take("password", "");
        Ok(Address {
            hosts,
            ssl,
            files,
            user,
            database,
            password: password.or(in_url.map(SecretString::from)),
            further: given.0,
        })
    }

    /// The URL without its password.
    pub(crate) fn shown(&self) -> String {
        let user = self.user.as_ref().map(|user| format!("{user}@"));
        let hosts: Vec<String> = self.hosts.iter().map(ToString::to_string).collect();
        format!(
            "postgres://{}{}/{}",
            user.unwrap_or_default(),
            hosts.join(","),
            self.database.as_deref().unwrap_or_default()
        )
    }

    /// The connection string for `libpq`, for a server behind this process's abstract socket
    /// `socket`.
    pub(super) fn conninfo(&self, socket: &str, host: &Host) -> String {
        let mut pairs: Vec<(&str, &str)> = vec![
            ("host", socket),
            ("hostaddr", ""),
            ("port", "5432"),
            ("sslmode", "disable"),
            ("gssencmode", "disable"),
            ("client_encoding", "UTF8"),
            // Longer than our own timeouts.
            ("connect_timeout", "30"),
        ];
        let variable = std::env::var("PGPASSWORD").ok().filter(|v| !v.is_empty());
        let own = self
            .password
            .as_ref()
            .map(|own| own.expose_secret().to_owned());
        let password = own.or(variable).or_else(|| {
            let user = self.user.clone().or_else(|| std::env::var("USER").ok())?;
            let database = self.database.clone().unwrap_or_else(|| user.clone());
            passfile::lookup(host, &database, &user)
        });
        let own = [
            ("user", self.user.as_deref()),
            ("dbname", self.database.as_deref()),
            ("password", password.as_deref()),
        ];
        pairs.extend(
            own.into_iter()
                .filter_map(|(key, value)| Some((key, value?))),
        );
        pairs.extend(self.further.iter().map(|(k, v)| (k.as_str(), v.as_str())));
        let quoted = |value: &str| value.replace('\\', "\\\\").replace('\'', "\\'");
        let pairs: Vec<String> = pairs
            .into_iter()
            .map(|(key, value)| format!("{key}='{}'", quoted(value)))
            .collect();
        pairs.join(" ")
    }
}

/// Keys and values; the last one of a key wins.
#[derive(Default)]
struct Given(Vec<(String, String)>);

impl Given {
    fn put(&mut self, key: &str, value: &str) {
        if !value.is_empty() {
            self.0.retain(|(known, _)| known != key);
            self.0.push((key.to_owned(), value.to_owned()));
        }
    }

    /// The given value, else `libpq`'s variable.
    fn take(&mut self, key: &str, variable: &str) -> Option<String> {
        let at = self.0.iter().position(|(known, _)| known == key);
        match at {
            Some(at) => Some(self.0.remove(at).1),
            None if variable.is_empty() => None,
            None => std::env::var(variable)
                .ok()
                .filter(|value| !value.is_empty()),
        }
    }
}

fn decoded(text: &str) -> String {
    let decoded = percent_encoding::percent_decode_str(text);
    decoded.decode_utf8_lossy().into_owned()
}

/// `host`, `host:port` or several with commas; `ports` are for hosts without a port.
fn hosts_of(text: &str, ports: &str) -> Result<Vec<Host>, Error> {
    let ports: Vec<&str> = ports.split(',').collect();
    let read = |(at, one): (usize, &str)| {
        let one = decoded(one);
        let outside = ports.get(at).or(ports.first()).copied().unwrap_or_default();
        let (host, port) = match (one.strip_prefix('['), one.split_once(':')) {
            (Some(v6), _) => {
                let (host, port) = v6.split_once(']').ok_or_else(|| port_wrong(&one))?;
                (host.to_owned(), port.strip_prefix(':').unwrap_or(outside))
            }
            (None, Some((host, port))) if !one.starts_with('/') => (host.to_owned(), port),
            _ => (one.clone(), outside),
        };
        let port: u16 = match port {
            "" => PORT,
            port => port.parse().map_err(|_| port_wrong(port))?,
        };
        Ok(if host.is_empty() {
            let sockets = SOCKET_DIRS.map(|dir| socket_in(Path::new(dir), port));
            let found = sockets.iter().find(|path| path.exists());
            Host::Socket(found.unwrap_or(&sockets[0]).clone())
        } else if host.starts_with('/') {
            Host::Socket(socket_in(Path::new(&host), port))
        } else {
            Host::Tcp(host, port)
        })
    };
    text.split(',').enumerate().map(read).collect()
}

fn port_wrong(port: &str) -> Error {
    // This text may be part of a password.
    let shown = if port.len() < 6 && port.bytes().all(|b| b.is_ascii_digit()) {
        format!(": `{port}`")
    } else {
        String::new()
    };
    Error::Address(format!("the port is none{shown}"))
}

fn socket_in(dir: &Path, port: u16) -> PathBuf {
    dir.join(format!(".s.PGSQL.{port}"))
}

#[cfg(test)]
mod tests {
    use super::{Address, Host, SslMode};

    #[test]
    fn a_url_is_read_as_libpq_reads_it_and_shown_without_its_password() {
        let read = |url: &str| Address::parse(url, None).unwrap();
        let tcp = |host: &str, port| Host::Tcp(host.to_owned(), port);
        let address =
            read("postgres://u:s%40crt@db.example:6000/d?sslmode=verify-full&application_name=x");
        assert_eq!(address.hosts, [tcp("db.example", 6000)]);
        assert_eq!(address.ssl, SslMode::VerifyFull);
        let told = address.conninfo("@s", &address.hosts[0]);
        for part in [
            "user='u'",
            "dbname='d'",
            "password='s@crt'",
            "application_name='x'",
            "sslmode='disable'",
        ] {
            assert!(told.contains(part), "{told}");
        }
        assert_eq!(
            read("postgres://a,[::1]:7/d?port=5").hosts,
            [tcp("a", 5), tcp("::1", 7)]
        );
        let socket = read("postgresql:///d?host=%2Frun%2Fpg&user=it's");
        assert_eq!(socket.hosts, [Host::Socket("/run/pg/.s.PGSQL.5432".into())]);
        assert!(
            socket
                .conninfo("@s", &socket.hosts[0])
                .contains(r"user='it\'s'")
        );
        for (url, secret) in [
            ("postgres://u:s3cret@host/db", "s3cret"),
            ("postgresql://u:p@ss/w@host/db", "p@ss/w"),
            ("postgres://host/db?user=u&password=s3cret", "s3cret"),
            ("postgres://u:a%40b@host/db", "a%40b"),
        ] {
            let shown = read(url).shown();
            assert_eq!(shown, "postgres://u@host:5432/db");
            assert!(!shown.contains(secret));
        }
        for (url, wanted) in [
            ("postgres://u:s3cret@h:s3cret/d", "port"),
            ("postgres://h/d?sslmode=s3cret", "sslmode"),
            ("postgres://h/d?sslcrl=x", "`sslcrl` isn't supported"),
            ("postgres://u:1?s3cret@h/d?a=b", "parameter"),
            (
                "postgres://h/d?sslrootcert=system&sslmode=require",
                "verify-full",
            ),
        ] {
            let error = Address::parse(url, None)
                .map(|_| ())
                .unwrap_err()
                .to_string();
            assert!(
                error.contains(wanted) && !error.contains("s3cret"),
                "{error}"
            );
        }
    }
}
