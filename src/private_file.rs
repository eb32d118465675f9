//! Files that only their owner can read: keys and passwords.
//!
//! They are written to a temporary file and renamed, so that a full disk or a kill never leaves a
//! partial one; links at their place aren't followed, and modes of older files aren't inherited.

use std::fs::{self, File, OpenOptions};
use std::io::{Error, Result, Write};
use std::path::{Path, PathBuf};

use secrecy::SecretString;

const OWNER_ONLY: u32 = 0o600;

/// Creates the file; an error of the kind `AlreadyExists` if something exists there.
pub(crate) fn create(path: &Path, content: &[u8]) -> Result<()> {
    let mut draft = Draft::begin(path, OWNER_ONLY)?;
    draft.write_all(content)?;
    draft.file.sync_all()?;
    // Unlike renaming, linking never replaces.
    fs::hard_link(&draft.aside, path)
}

/// Creates or replaces the file.
pub(crate) fn replace(path: &Path, content: &[u8]) -> Result<()> {
    replace_with_mode(path, content, OWNER_ONLY)
}

/// The same with another mode, for related files that aren't secret.
pub(crate) fn replace_with_mode(path: &Path, content: &[u8], mode: u32) -> Result<()> {
    let mut draft = Draft::begin(path, mode)?;
    draft.write_all(content)?;
    draft.finish()
}

/// A file that is written beside its place, and takes it when it is complete; dropped before, it
/// leaves nothing.
pub(crate) struct Draft {
    file: File,
    aside: PathBuf,
    path: PathBuf,
}

impl Draft {
    /// Begins one for `path`.
    #[cfg_attr(not(unix), allow(unused_variables, reason = "only Unix has modes"))]
    pub(crate) fn begin(path: &Path, mode: u32) -> Result<Self> {
        let mut random = [0_u8; 8];
        getrandom::fill(&mut random).map_err(|error| Error::other(error.to_string()))?;
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".{}.new", hex::encode(random)));
        let aside = PathBuf::from(name);
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, mode);
        Ok(Self {
            file: options.open(&aside)?,
            aside,
            path: path.to_owned(),
        })
    }

    /// Puts it in its place.
    pub(crate) fn finish(self) -> Result<()> {
        self.file.sync_all()?;
        fs::rename(&self.aside, &self.path)
    }
}

impl Draft {
    /// The same, unless something is there.
    pub(crate) fn finish_new(self) -> Result<()> {
        self.file.sync_all()?;
        // Unlike renaming, linking never replaces.
        fs::hard_link(&self.aside, &self.path)
    }
}

impl Write for Draft {
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> Result<()> {
        self.file.flush()
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // It is no longer there if it has its place.
        let _ = fs::remove_file(&self.aside);
    }
}

/// The first line of a file, which is a password.
pub(crate) fn password_read(path: &Path) -> Result<SecretString> {
    match fs::read_to_string(path)?.lines().next() {
        Some(line) if !line.is_empty() => Ok(line.into()),
        _ => Err(Error::other(
            "its first line, which should be the password, is empty",
        )),
    }
}

/// Whether other users can read or write the file. `false` if unknown.
#[cfg(unix)]
pub(crate) fn is_open_to_others(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    fs::metadata(path).is_ok_and(|meta| meta.permissions().mode() & 0o077 != 0)
}

/// Whether other users can read or write the file. `false` if unknown.
#[cfg(not(unix))]
pub(crate) fn is_open_to_others(_: &Path) -> bool {
    false
}

/// Why a directory isn't safe from other users, who may replace its files. `None` also if unknown.
#[cfg(unix)]
pub(crate) fn directory_risk(path: &Path) -> Option<&'static str> {
    use std::os::unix::fs::MetadataExt as _;
    let meta = fs::metadata(path).ok()?;
    let (own, root) = (rustix::process::geteuid().as_raw(), 0);
    if meta.uid() != own && meta.uid() != root {
        return Some(
            "it belongs to another user: give it to the one that the server runs as (chown)",
        );
    }
    let is_writable = meta.mode() & 0o022 != 0;
    is_writable.then_some("others can write to it: make it its owner's (chmod go-w)")
}

/// Why a directory isn't safe from other users. `None` also if unknown.
#[cfg(not(unix))]
pub(crate) fn directory_risk(_: &Path) -> Option<&'static str> {
    None
}

#[cfg(all(test, unix))]
mod tests {
    use super::{create, is_open_to_others, replace};
    use std::fs;
    use std::io::ErrorKind;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    #[test]
    fn neither_a_link_nor_a_mode_nor_another_s_file_is_taken_over() {
        let dir = tempfile::tempdir().unwrap();
        let (file, victim) = (dir.path().join("file"), dir.path().join("victim"));
        fs::write(&victim, "theirs").unwrap();
        fs::set_permissions(&victim, fs::Permissions::from_mode(0o644)).unwrap();
        for make_it in [
            |from: &std::path::Path, to: &std::path::Path| symlink(from, to),
            |from: &std::path::Path, to: &std::path::Path| fs::hard_link(from, to),
        ] {
            make_it(&victim, &file).unwrap();
            assert_eq!(
                create(&file, b"ours").unwrap_err().kind(),
                ErrorKind::AlreadyExists
            );
            replace(&file, b"ours").unwrap();
            assert_eq!(fs::read_to_string(&victim).unwrap(), "theirs");
            assert_eq!(fs::read_to_string(&file).unwrap(), "ours");
            assert!(fs::symlink_metadata(&file).unwrap().is_file());
            assert!(!is_open_to_others(&file));
            fs::remove_file(&file).unwrap();
        }
        create(&file, b"ours").unwrap();
        assert!(!is_open_to_others(&file));
        assert!(is_open_to_others(&victim));
        assert_eq!(
            fs::read_dir(dir.path()).unwrap().count(),
            2,
            "nothing is left"
        );
    }
}
