//! The options of an image store: input, storage and output.

use std::borrow::Cow;
use std::ops::RangeInclusive;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Deserializer, Serialize};

use crate::blocking::spawn_blocking;
use crate::oci::http::options::ListingLimit;
use crate::oci::network::policy::server_policy;
use crate::oci::{Client, ClientOptions, Credentials, RegistryAddress};
use crate::service::Error;
use crate::service::projects::settings::Newer;
use crate::store::SealKey;
use crate::store::stores::image_store::ImageStore;

/// More would look like an attack to a registry.
const CONNECTIONS_LIMIT: u32 = 100;
/// A lower limit is useless, a higher one needs too much memory.
const NAMES_RANGE: RangeInclusive<u32> = 1000..=10_000_000;

/// Maximum bytes of an address.
const URI_LIMIT: usize = 2048;
/// Maximum bytes of a user name at a registry.
const USERNAME_LIMIT: usize = 1024;
/// Maximum bytes of a password; keys of cloud accounts used as passwords have some thousand.
const PASSWORD_LIMIT: usize = 16 * 1024;
/// Maximum bytes of certificates: more than all public authorities together.
const CERTIFICATE_LIMIT: usize = 1024 * 1024;

/// A password as input. It can't be output.
#[derive(Clone, Debug)]
pub struct Password(pub SecretString);

impl<'de> Deserialize<'de> for Password {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Password, D::Error> {
        String::deserialize(deserializer).map(|text| Password(text.into()))
    }
}

impl JsonSchema for Password {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Password".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "format": "password"})
    }
}

/// Settings of a new store besides its address.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StoreCredentials {
    /// The user name at the registry; empty or omitted for none.
    pub username: Option<String>,
    /// The password or token of that user.
    pub password: Option<Password>,
    /// Whether to verify the registry's certificate; true by default.
    pub tls_verify: Option<bool>,
    /// Whether to use plain http, as with an address that begins with `http://`.
    pub plain_http: Option<bool>,
    /// Additional trusted certificates, PEM.
    pub ca_certificate: Option<String>,
    /// Maximum number of simultaneous requests, 1 to 100.
    #[schemars(range(min = 1, max = 100))]
    pub max_connections: Option<u32>,
    /// Maximum number of names in one listing of tags or repositories, 1000 to 10000000; 200000 by
    /// default.
    #[schemars(range(min = 1000, max = 10_000_000))]
    pub max_names: Option<u32>,
}

/// Changes to a store; omitted members stay unchanged.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StoreChange {
    /// The address: `host[:port][/path-prefix]`, optionally with `https://` or `http://`.
    pub uri: Option<String>,
    /// The user name at the registry; empty removes the login.
    pub username: Option<String>,
    /// The password or token of that user; empty removes the login.
    pub password: Option<Password>,
    /// Whether to verify the registry's certificate.
    pub tls_verify: Option<bool>,
    /// Whether to use plain http.
    pub plain_http: Option<bool>,
    /// Additional trusted certificates, PEM; empty removes them.
    pub ca_certificate: Option<String>,
    /// Maximum number of simultaneous requests, 1 to 100; 0 restores the default.
    #[schemars(range(max = 100))]
    pub max_connections: Option<u32>,
    /// Maximum number of names in one listing, 1000 to 10000000; 0 restores the default.
    #[schemars(range(max = 10_000_000))]
    pub max_names: Option<u32>,
}

impl From<StoreCredentials> for StoreChange {
    fn from(given: StoreCredentials) -> StoreChange {
        StoreChange {
            uri: None,
            username: given.username,
            password: given.password,
            tls_verify: given.tls_verify,
            plain_http: given.plain_http,
            ca_certificate: given.ca_certificate,
            max_connections: given.max_connections,
            max_names: given.max_names,
        }
    }
}

/// The host (and port) of a store; `None` if its stored form is unusable.
pub fn store_host(store: &ImageStore) -> Option<String> {
    host_of(&store.uri, &store.options)
}

/// The same from the values of its row.
pub(in crate::service) fn host_of(uri: &str, options: &str) -> Option<String> {
    let options: StoreOptions = serde_json::from_str(options).ok()?;
    Some(options.address(uri).ok()?.host())
}

/// The options as stored in the store's row. Unknown members of a newer version are kept.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub struct StoreOptions {
    /// As [`StoreCredentials::tls_verify`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls_verify: Option<bool>,
    /// As [`StoreCredentials::plain_http`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plain_http: Option<bool>,
    /// As [`StoreCredentials::ca_certificate`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_certificate: Option<String>,
    /// As [`StoreCredentials::max_connections`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_connections: Option<u32>,
    /// As [`StoreCredentials::max_names`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_names: Option<u32>,
    /// Members of a newer version.
    #[serde(flatten)]
    pub(in crate::service) newer: Newer,
}

impl StoreOptions {
    /// The options of a row.
    pub fn of(store: &ImageStore) -> Result<StoreOptions, Error> {
        serde_json::from_str(&store.options).map_err(Error::unexpected)
    }

    /// The address of a stored row. One that was valid for an earlier version isn't the caller's
    /// mistake.
    pub(in crate::service) fn stored_address(
        &self,
        store: &ImageStore,
    ) -> Result<RegistryAddress, Error> {
        let label = &store.label;
        self.address(&store.uri).map_err(|error| {
            let message = format!("that of the image store `{label}` must be set again: {error}");
            Error::invalid("uri", message)
        })
    }

    /// The stored form.
    pub(super) fn to_text(&self) -> Result<String, Error> {
        serde_json::to_string(self).map_err(Error::unexpected)
    }

    /// These options with a change applied.
    pub(in crate::service) fn changed(self, change: &StoreChange) -> Result<StoreOptions, Error> {
        let max_connections = match change.max_connections {
            None => self.max_connections,
            Some(0) => None,
            Some(given) if given <= CONNECTIONS_LIMIT => Some(given),
            Some(_) => {
                let message = format!("it must be at most {CONNECTIONS_LIMIT}");
                return Err(Error::invalid("max_connections", message));
            }
        };
        let max_names = match change.max_names {
            None => self.max_names,
            Some(0) => None,
            Some(given) if NAMES_RANGE.contains(&given) => Some(given),
            Some(_) => {
                let (least, most) = (NAMES_RANGE.start(), NAMES_RANGE.end());
                return Err(Error::invalid(
                    "max_names",
                    format!("expected {least} to {most}"),
                ));
            }
        };
        let ca_certificate = change.ca_certificate.clone().or(self.ca_certificate);
        Ok(StoreOptions {
            tls_verify: change.tls_verify.or(self.tls_verify),
            plain_http: change.plain_http.or(self.plain_http),
            ca_certificate: ca_certificate.filter(|pem| !pem.is_empty()),
            max_connections,
            max_names,
            newer: self.newer,
        })
    }

    /// The address that `uri` means together with these options.
    pub(in crate::service) fn address(&self, uri: &str) -> Result<RegistryAddress, Error> {
        let problem = if uri.is_empty() {
            "Uri cannot be empty."
        } else if uri.len() > URI_LIMIT {
            "Uri cannot be longer than 2048 bytes."
        } else if uri.chars().any(|c| c.is_control() || c.is_whitespace()) {
            "Uri cannot contain white space, line breaks or other control characters."
        } else {
            ""
        };
        if !problem.is_empty() {
            return Err(Error::BadParameter(problem.into()));
        }
        let address = RegistryAddress::parse(uri)
            .map_err(|error| Error::BadParameter(format!("Uri is not valid: {}", error.reason)))?;
        let says_https = uri.starts_with("https://");
        match self.plain_http {
            Some(true) if says_https => Err(Error::invalid(
                "plain_http",
                "it is true, but the uri begins with `https://`",
            )),
            Some(false) if address.is_plain_http() => Err(Error::invalid(
                "plain_http",
                "it is false, but the uri begins with `http://`",
            )),
            plain_http => Ok(address.with_plain_http(plain_http == Some(true))),
        }
    }
}

/// Refuses an address that the server's policy forbids; a name may still resolve to one later.
pub(super) fn policy_check(address: &RegistryAddress) -> Result<(), Error> {
    server_policy()
        .registry_check(address)
        .map_err(|reason| Error::BadParameter(format!("Uri is not allowed: {reason}.")))
}

/// Refuses overly long logins and certificates, and an invalid user name. Source: RFC 7617, section
/// 2.
pub(in crate::service) fn login_check(change: &StoreChange) -> Result<(), Error> {
    let too_long = |field: &str, text: &str, limit: usize| {
        let message = format!("it is longer than {limit} bytes");
        if text.len() > limit {
            Err(Error::invalid(field, message))
        } else {
            Ok(())
        }
    };
    if let Some(name) = &change.username {
        too_long("username", name, USERNAME_LIMIT)?;
        if name.chars().any(char::is_control) {
            let message = "it has line breaks or other control characters";
            return Err(Error::invalid("username", message));
        }
    }
    if let Some(Password(password)) = &change.password {
        too_long("password", password.expose_secret(), PASSWORD_LIMIT)?;
    }
    match &change.ca_certificate {
        Some(pem) => too_long("ca_certificate", pem, CERTIFICATE_LIMIT),
        None => Ok(()),
    }
}

/// Checks certificates before they are stored.
pub(super) async fn certificate_check(change: &StoreChange) -> Result<(), Error> {
    let Some(pem) = change.ca_certificate.clone().filter(|pem| !pem.is_empty()) else {
        return Ok(());
    };
    let checked = spawn_blocking(move || {
        let address = RegistryAddress::parse("localhost").map_err(Error::unexpected)?;
        let options = ClientOptions {
            ca_certificate: Some(pem),
            ..ClientOptions::new(address)
        };
        Client::new(options)
            .map(drop)
            .map_err(|_| Error::invalid("ca_certificate", "it has no certificate in PEM form"))
    });
    checked.await.map_err(Error::unexpected)?
}

/// How to connect to a store's registry, including its login.
pub fn client_options(store: &ImageStore, key: &SealKey) -> Result<ClientOptions, Error> {
    let options = StoreOptions::of(store)?;
    let password = store.password(key).map_err(Error::unexpected)?;
    let credentials = store.username.clone().zip(password);
    let usual = ClientOptions::new(options.stored_address(store)?);
    Ok(ClientOptions {
        credentials: credentials.map(|(username, password)| Credentials::new(username, password)),
        tls_verify: options.tls_verify.unwrap_or(true),
        ca_certificate: options.ca_certificate,
        policy: Some(server_policy()),
        listing: options
            .max_names
            .and_then(|given| usize::try_from(given).ok())
            .map_or(usual.listing, |names| ListingLimit { names }),
        max_connections: options
            .max_connections
            .and_then(|given| usize::try_from(given).ok())
            .unwrap_or(usual.max_connections),
        ..usual
    })
}
