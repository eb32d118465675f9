//! Credentials from the files of other container tools.
//!
//! Source: containers-auth.json(5) and Docker's `config.json`.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use serde::Deserialize;

use super::credentials::Credentials;
use super::helper::{HelperError, helper_get};
use crate::oci::types::address::RegistryAddress;
use crate::oci::types::reference::Repository;

/// An auth file that exists but can't be used, or a credential helper that failed.
#[derive(Debug, thiserror::Error)]
#[error("auth file `{path}`: {detail}")]
pub struct AuthFileError {
    path: String,
    detail: String,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct File {
    auths: HashMap<String, Entry>,
    cred_helpers: HashMap<String, String>,
    creds_store: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Entry {
    auth: String,
    username: String,
    password: String,
    identitytoken: String,
}

/// The credentials in auth files for one registry.
#[derive(Clone, Debug, Default)]
pub struct RegistryLogins {
    /// For the whole address.
    pub all: Option<Credentials>,
    /// For the repositories at and below a full path.
    pub by_path: Vec<(Repository, Credentials)>,
}

/// The logins for `address`: only from `REGISTRY_AUTH_FILE` if it is set, else from the containers
/// tools' files, else from Docker's. For each repository, the first file with an entry wins.
pub fn logins_find(address: &RegistryAddress) -> Result<RegistryLogins, AuthFileError> {
    let mut found = RegistryLogins::default();
    for path in paths() {
        let Some(file) = file_read(&path)? else {
            if std::env::var_os(FILE_VARIABLE).is_some_and(|value| !value.is_empty()) {
                return Err(AuthFileError {
                    path: path.display().to_string(),
                    detail: format!("`{FILE_VARIABLE}` names it, but it doesn't exist"),
                });
            }
            continue;
        };
        let logins = file_logins(&path, &file, address)?;
        for (repository, credentials) in logins.by_path {
            if found.by_path.iter().all(|(known, _)| *known != repository) {
                found.by_path.push((repository, credentials));
            }
        }
        if logins.all.is_some() {
            found.all = logins.all;
            break;
        }
    }
    Ok(found)
}

/// The variable that names the only file to use.
const FILE_VARIABLE: &str = "REGISTRY_AUTH_FILE";

fn paths() -> Vec<PathBuf> {
    let variable = |name: &str| {
        std::env::var_os(name)
            .filter(|v| !v.is_empty())
            .map(PathBuf::from)
    };
    if let Some(path) = variable(FILE_VARIABLE) {
        return vec![path];
    }
    let home = variable("HOME");
    let below_home = |path: &str| home.as_ref().map(|home| home.join(path));
    let config = variable("XDG_CONFIG_HOME").or_else(|| below_home(".config"));
    let docker = variable("DOCKER_CONFIG").or_else(|| below_home(".docker"));
    [
        variable("XDG_RUNTIME_DIR").map(|dir| dir.join("containers/auth.json")),
        config.map(|dir| dir.join("containers/auth.json")),
        docker.map(|dir| dir.join("config.json")),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// `None` if there is no such file.
fn file_read(path: &Path) -> Result<Option<File>, AuthFileError> {
    let fail = |detail: String| AuthFileError {
        path: path.display().to_string(),
        detail,
    };
    let text = match std::fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(fail(error.to_string())),
    };
    serde_json::from_slice(&text)
        .map_err(|e| fail(format!("not the JSON of an auth file, line {}", e.line())))
}

fn file_logins(
    path: &Path,
    file: &File,
    address: &RegistryAddress,
) -> Result<RegistryLogins, AuthFileError> {
    let fail = |detail: String| AuthFileError {
        path: path.display().to_string(),
        detail,
    };
    let read = |key: &str, entry: &Entry| {
        let credentials = entry.credentials();
        credentials.map_err(|detail| fail(format!("entry `{key}`: {detail}")))
    };
    let mut logins = RegistryLogins::default();
    for (key, entry) in file.auths.iter().filter(|(_, entry)| !entry.is_empty()) {
        if let Some(below) = path_below(key, address)
            && let Some(credentials) = read(key, entry)?
        {
            logins.by_path.push((below, credentials));
        }
    }
    if let Some((key, entry)) = best(file, address) {
        logins.all = read(key, entry)?;
        return Ok(logins);
    }
    let mut helpers = file
        .cred_helpers
        .iter()
        .filter(|(_, name)| !name.is_empty());
    if let Some((key, name)) = helpers.find(|(key, _)| serves(key, address).is_some()) {
        logins.all = helper_get(name, key).map_err(|error| {
            let detail = match error {
                HelperError::Missing => format!("there is no program `docker-credential-{name}`"),
                HelperError::Failed(detail) => detail,
            };
            fail(format!(
                "the credential helper `{name}` for `{key}`: {detail}"
            ))
        })?;
        return Ok(logins);
    }
    // `docker logout` leaves an empty name.
    if let Some(name) = file.creds_store.as_ref().filter(|name| !name.is_empty()) {
        logins.all = match helper_get(name, &store_key(address)) {
            Ok(credentials) => credentials,
            // The file may be from another machine, and the registry public.
            Err(HelperError::Missing) => {
                tracing::warn!(
                    "`{}` names the credential helper `{name}`, but there is no program `docker-credential-{name}`: no \
                     credentials are used for `{}`",
                    path.display(),
                    address.host(),
                );
                None
            }
            Err(HelperError::Failed(detail)) => {
                let host = address.host();
                return Err(fail(format!(
                    "the credential helper `{name}`, asked for `{host}`: {detail}"
                )));
            }
        };
    }
    Ok(logins)
}

/// The name of a registry in a `credsStore`.
fn store_key(address: &RegistryAddress) -> String {
    match address.host().as_str() {
        "docker.io" => "https://index.docker.io/v1/".to_owned(),
        host => host.to_owned(),
    }
}

/// The path of a key that is only for some repositories of the address.
fn path_below(key: &str, address: &RegistryAddress) -> Option<Repository> {
    let is_above = serves(key, address).is_some();
    let key = RegistryAddress::parse(key).ok()?;
    let path = key
        .prefix()
        .filter(|_| !is_above && key.host() == address.host());
    path.cloned()
}

/// The entry with the longest path for this address or above it.
fn best<'a>(file: &'a File, address: &RegistryAddress) -> Option<(&'a String, &'a Entry)> {
    file.auths
        .iter()
        .filter_map(|(key, entry)| Some((serves(key, address)?, key, entry)))
        .filter(|(_, _, entry)| !entry.is_empty())
        .max_by_key(|(length, _, _)| *length)
        .map(|(_, key, entry)| (key, entry))
}

/// The length of the path of `key`, if it is for the registry and a path above the address.
fn serves(key: &str, address: &RegistryAddress) -> Option<usize> {
    let key = RegistryAddress::parse(key).ok()?;
    let path = key.prefix().map_or("", |prefix| prefix.as_str());
    let ours = address.prefix().map_or("", |prefix| prefix.as_str());
    let above = path.is_empty()
        || ours
            .strip_prefix(path)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    (key.host() == address.host() && above).then_some(path.len())
}

impl Entry {
    /// Docker leaves an empty one if a helper has the credentials.
    fn is_empty(&self) -> bool {
        self.auth.is_empty() && self.username.is_empty() && self.identitytoken.is_empty()
    }

    /// Err: why the entry is invalid.
    fn credentials(&self) -> Result<Option<Credentials>, &'static str> {
        const NEITHER: &str = "it isn't base64 of `user:password`";
        if !self.identitytoken.is_empty() {
            return Ok(Credentials::from_identity_token(&self.identitytoken));
        }
        if self.auth.is_empty() {
            return Ok(Credentials::from_parts(&self.username, &self.password));
        }
        let encoded = base64::engine::general_purpose::STANDARD.decode(self.auth.trim());
        let text = String::from_utf8(encoded.map_err(|_| NEITHER)?).map_err(|_| NEITHER)?;
        let (username, password) = text.split_once(':').ok_or(NEITHER)?;
        Ok(Credentials::from_parts(
            username,
            password.trim_end_matches('\0'),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn logins(file: &str, address: &str) -> Result<RegistryLogins, AuthFileError> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("auth.json");
        std::fs::write(&path, file).unwrap();
        let address = RegistryAddress::parse(address).unwrap();
        file_logins(&path, &file_read(&path)?.unwrap(), &address)
    }

    fn find(file: &str, address: &str) -> Result<Option<String>, AuthFileError> {
        Ok(logins(file, address)?.all.map(|found| found.username))
    }

    #[test]
    fn entries_below_an_address_are_for_their_repositories() {
        let file = r#"{"credsStore": "", "auths":{
            "r.example":{"auth":"YTp4"}, "r.example/team":{"auth":"Yjp4"},
            "r.example/team/app":{"auth":"Yzp4"}, "other.example/x":{"auth":"Yzp4"}}}"#;
        let below = |address: &str| {
            let found = logins(file, address).unwrap().by_path.into_iter();
            let mut found: Vec<_> = found
                .map(|(path, login)| (path.to_string(), login.username))
                .collect();
            found.sort();
            found
        };
        let pair = |path: &str, user: &str| (path.to_owned(), user.to_owned());
        assert_eq!(
            below("r.example"),
            [pair("team", "b"), pair("team/app", "c")]
        );
        assert_eq!(below("r.example/team"), [pair("team/app", "c")]);
        assert_eq!(below("r.example/team/app"), []);
        assert_eq!(below("r.example:5000"), []);
    }

    #[test]
    fn a_credential_helper_without_a_password_is_reported() {
        let file = r#"{"credsStore": "desktop",
            "credHelpers": {"r.example": "ecr-login", "gone.example": "", "both.example": "gcloud"},
            "auths": {"both.example": {"auth": "YTp4"}, "r.example": {}}}"#;
        let refused = find(file, "r.example/team").unwrap_err().to_string();
        assert!(
            refused.contains("helper `ecr-login` for `r.example`"),
            "{refused}"
        );
        // An existing login is used; the global helper may not know this one.
        assert_eq!(find(file, "both.example").unwrap().as_deref(), Some("a"));
        for address in ["other.example", "gone.example", "r.example:5000"] {
            assert_eq!(find(file, address).unwrap(), None, "{address}");
        }
    }

    #[test]
    fn the_nearest_entry_wins() {
        // `a:x`, `b:x`, `c:x`
        let file = r#"{"auths":{
            "r.example":{"auth":"YTp4"}, "r.example/team":{"auth":"Yjp4"},
            "https://index.docker.io/v1/":{"auth":"Yzp4"}, "empty.example":{},
            "token.example":{"auth":"YTo=", "identitytoken":"x"}}}"#;
        for (address, user) in [
            ("r.example", Some("a")),
            ("r.example/team", Some("b")),
            ("r.example/team/x", Some("b")),
            ("r.example/teams", Some("a")),
            ("docker.io", Some("c")),
            ("r.example:5000", None),
            ("sub.r.example", None),
            ("empty.example", None),
        ] {
            assert_eq!(find(file, address).unwrap().as_deref(), user, "{address}");
        }
        for address in ["token.example", "token.example/team"] {
            let login = logins(file, address).unwrap().all.unwrap();
            assert!(login.identity_token().is_some(), "{address}");
        }
        assert!(find("{", "r.example").is_err());
        assert!(find(r#"{"auths":{"r.example":{"auth":"%%%"}}}"#, "r.example").is_err());
    }
}
