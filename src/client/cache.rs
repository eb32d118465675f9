//! The session of an earlier command: a file per server, readable only by its owner.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// No permissions for group and others.
const DIRECTORY_MODE: u32 = 0o700;
const FILE_MODE: u32 = 0o600;
const FOREIGN_BITS: u32 = 0o077;

/// Where the session with one server is saved.
#[derive(Clone, Debug)]
pub struct Cache {
    path: PathBuf,
    url: String,
}

/// A saved session.
#[derive(Debug)]
pub struct CachedSession {
    /// Whose it is.
    pub user: String,
    /// Its key.
    pub key: SecretString,
}

#[derive(Deserialize, Serialize)]
struct Entry {
    url: String,
    user: String,
    key: String,
}

impl Cache {
    /// For the server at `url`, below `XDG_CACHE_HOME` or else `~/.cache`; none if neither is
    /// known.
    pub fn of(url: &str) -> Option<Self> {
        let variable = |name| std::env::var_os(name).map(PathBuf::from);
        let root = variable("XDG_CACHE_HOME")
            .filter(|path| path.is_absolute())
            .or_else(|| Some(variable("HOME")?.join(".cache")))?;
        Some(Self::below(&root, url))
    }

    fn below(root: &Path, url: &str) -> Self {
        let name = hex::encode(Sha256::digest(url.as_bytes()));
        let name = name.get(..16).unwrap_or(&name);
        Self {
            path: root
                .join("registrysync")
                .join(format!("session-{name}.json")),
            url: url.to_owned(),
        }
    }

    /// The saved session. A file that others could have read or written is ignored.
    pub fn read(&self) -> Option<CachedSession> {
        let mode = fs::symlink_metadata(&self.path).ok()?.permissions().mode();
        if mode & FOREIGN_BITS != 0 {
            return None;
        }
        let entry: Entry = serde_json::from_str(&fs::read_to_string(&self.path).ok()?).ok()?;
        (entry.url == self.url).then(|| CachedSession {
            user: entry.user,
            key: entry.key.into(),
        })
    }

    /// Saves a session. The file appears atomically, with its mode.
    pub fn write(&self, user: &str, key: &SecretString) -> std::io::Result<()> {
        let directory = self.path.parent().unwrap_or(Path::new("/"));
        fs::DirBuilder::new()
            .recursive(true)
            .mode(DIRECTORY_MODE)
            .create(directory)?;
        let entry = Entry {
            url: self.url.clone(),
            user: user.to_owned(),
            key: key.expose_secret().to_owned(),
        };
        let fresh = self
            .path
            .with_extension(format!("{}.new", std::process::id()));
        // One left by a killed process may have any mode.
        let _ = fs::remove_file(&fresh);
        let mut file = fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(FILE_MODE)
            .open(&fresh)?;
        file.write_all(serde_json::to_string(&entry)?.as_bytes())?;
        fs::rename(&fresh, &self.path)
    }

    /// Forgets the session.
    pub fn forget(&self) {
        // A missing file counts as removed.
        let _ = fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use secrecy::ExposeSecret as _;

    use super::Cache;

    #[test]
    fn a_session_is_kept_for_its_server_and_owner_only() {
        let root = tempfile::tempdir().unwrap();
        let cache = Cache::below(root.path(), "http://a");
        assert!(cache.read().is_none());
        cache.write("admin", &"1xff".into()).unwrap();
        cache.write("admin", &"2xff".into()).unwrap();
        let kept = cache.read().unwrap();
        assert_eq!(
            (kept.user.as_str(), kept.key.expose_secret()),
            ("admin", "2xff")
        );
        let mode = |path: &std::path::Path| path.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&cache.path), 0o600);
        assert_eq!(mode(cache.path.parent().unwrap()), 0o700);
        assert!(Cache::below(root.path(), "http://b").read().is_none());

        let open = std::fs::Permissions::from_mode(0o644);
        std::fs::set_permissions(&cache.path, open).unwrap();
        assert!(cache.read().is_none(), "other users may have written it");
        cache.forget();
        assert!(!cache.path.exists());
    }
}
