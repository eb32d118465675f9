//! What a client is made of: the registry, and how it is dealt with.

use std::time::Duration;

use super::health::SickRules;
use super::retry::FIRST_DELAY;
use crate::oci::auth::credentials::Credentials;
use crate::oci::network::policy::NetworkPolicy;
use crate::oci::types::address::RegistryAddress;
use crate::oci::types::reference::Repository;

/// Requests at once to one registry. Enough to hide latency, few enough not to look like abuse.
const MAX_CONNECTIONS: usize = 16;
/// How long a registry may be silent before a request is given up: S3-backed registries take
/// tens of seconds for their first byte on a bad day.
const IDLE_TIMEOUT: Duration = Duration::from_mins(1);

/// What a client is made of.
#[derive(Clone, Debug)]
pub struct ClientOptions {
    /// Where the registry is.
    pub address: RegistryAddress,
    /// Sent to this registry's own origin only.
    pub credentials: Option<Credentials>,
    /// Others for the repositories at and below a full path; the longest path wins.
    pub path_credentials: Vec<(Repository, Credentials)>,
    /// Whether certificates are checked.
    pub tls_verify: bool,
    /// Further trusted certificates, PEM.
    pub ca_certificate: Option<String>,
    /// Requests at once.
    pub max_connections: usize,
    /// How long nothing may happen before a request is given up.
    pub idle_timeout: Duration,
    /// Where the registry may be; without one, anywhere. Others that it points at are always held
    /// to a policy.
    pub policy: Option<NetworkPolicy>,
    /// Before the second try of a request; doubled with each one.
    pub first_delay: Duration,
    /// When the registry counts as sick.
    pub sick: SickRules,
    /// How much of one listing is read.
    pub listing: ListingLimit,
}

impl ClientOptions {
    /// The usual limits, no credentials, certificates checked.
    pub fn new(address: RegistryAddress) -> Self {
        Self {
            address,
            credentials: None,
            path_credentials: Vec::new(),
            tls_verify: true,
            ca_certificate: None,
            max_connections: MAX_CONNECTIONS,
            idle_timeout: IDLE_TIMEOUT,
            policy: None,
            first_delay: FIRST_DELAY,
            sick: SickRules::default(),
            listing: ListingLimit::default(),
        }
    }
}

/// Names of one listing that are taken, if nobody says otherwise.
const MAX_NAMES: usize = 200_000;
/// A listing may have a page for so many of the names that it may have: registries that give small
/// pages give 50 names.
const NAMES_A_PAGE: usize = 40;
/// And so many bytes for each of them: a tag has 128 characters at most.
const BYTES_A_NAME: usize = 160;

/// How much of one listing is read. All else is the same for all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListingLimit {
    /// Names that are taken; pages and bytes are limited in proportion.
    pub names: usize,
}

impl Default for ListingLimit {
    fn default() -> Self {
        Self { names: MAX_NAMES }
    }
}

impl ListingLimit {
    pub(in crate::oci) fn pages(self) -> usize {
        (self.names / NAMES_A_PAGE).max(2)
    }

    pub(in crate::oci) fn bytes(self) -> usize {
        self.names.saturating_mul(BYTES_A_NAME).max(64 * 1024)
    }
}
