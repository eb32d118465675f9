//! The password file of `libpq`: <https://www.postgresql.org/docs/current/libpq-pgpass.html>.

use std::path::{Path, PathBuf};

use super::host::Host;
use crate::private_file;

/// The file's password for this login, if any.
pub(super) fn lookup(host: &Host, database: &str, user: &str) -> Option<String> {
    let file = match std::env::var_os("PGPASSFILE") {
        Some(file) => PathBuf::from(file),
        None => Path::new(&std::env::var_os("HOME")?).join(".pgpass"),
    };
    let text = std::fs::read_to_string(&file).ok()?;
    if private_file::is_open_to_others(&file) {
        tracing::warn!(
            "the password file `{}` is ignored, since other users can read it: restrict it to its owner \
             (chmod 600)",
            file.display()
        );
        return None;
    }
    find(&text, host, database, user)
}

fn find(text: &str, host: &Host, database: &str, user: &str) -> Option<String> {
    let (names, port) = match host {
        Host::Tcp(host, port) => (vec![host.clone()], port.to_string()),
        Host::Socket(path) => {
            let dir = path.parent().unwrap_or(path).display().to_string();
            let port = path.extension().unwrap_or_default().to_string_lossy();
            (vec![dir, "localhost".to_owned()], port.into_owned())
        }
    };
    let fits = |field: &str, value: &str| field == "*" || field == value;
    text.lines()
        .filter(|line| !line.starts_with('#'))
        .map(fields)
        .find_map(|fields| match &fields[..] {
            [f_host, f_port, f_database, f_user, password]
                if names.iter().any(|name| fits(f_host, name))
                    && fits(f_port, &port)
                    && fits(f_database, database)
                    && fits(f_user, user) =>
            {
                Some(password.clone())
            }
            _ => None,
        })
}

/// Colon-separated fields; a backslash escapes the next character.
fn fields(line: &str) -> Vec<String> {
    let mut fields = vec![String::new()];
    let mut escaped = false;
    for c in line.chars() {
        match c {
            '\\' if !escaped => {
                escaped = true;
                continue;
            }
            ':' if !escaped => fields.push(String::new()),
            c => fields
                .last_mut()
                .into_iter()
                .for_each(|field| field.push(c)),
        }
        escaped = false;
    }
    fields
}

#[cfg(test)]
mod tests {
    use super::{Host, find};

    #[test]
    fn the_first_line_that_fits_counts() {
        let text = "# other:*:*:*:no\nother:*:*:*:no\ndb:5432:*:me:a\\:b\\\\c\n*:*:*:*:last";
        let db = Host::Tcp("db".into(), 5432);
        assert_eq!(find(text, &db, "d", "me").as_deref(), Some("a:b\\c"));
        assert_eq!(find(text, &db, "d", "you").as_deref(), Some("last"));
        let socket = Host::Socket("/run/pg/.s.PGSQL.5433".into());
        let text = "/run/pg:5433:d:me:one";
        assert_eq!(find(text, &socket, "d", "me").as_deref(), Some("one"));
        assert_eq!(find(text, &socket, "e", "me"), None);
    }
}
