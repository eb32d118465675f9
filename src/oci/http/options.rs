//! A client's options: the registry, and how to treat it.

use std::sync::Arc;
use std::time::Duration;

use super::health::HealthRules;
use super::retry::FIRST_DELAY;
use super::waits::Waits;
use crate::oci::auth::credentials::Credentials;
use crate::oci::network::policy::NetworkPolicy;
use crate::oci::types::address::RegistryAddress;
use crate::oci::types::reference::Repository;

/// Simultaneous requests to one registry. Enough to hide latency, few enough not to look like
/// abuse.
const MAX_CONNECTIONS: usize = 16;
/// Idle timeout of a request: S3-backed registries take tens of seconds for their first byte on a
/// bad day.
const IDLE_TIMEOUT: Duration = Duration::from_mins(1);

/// A client's options.
#[derive(Clone, Debug)]
pub struct ClientOptions {
    /// The registry's address.
    pub address: RegistryAddress,
    /// Credentials, only sent to this registry's own origin.
    pub credentials: Option<Credentials>,
    /// Other credentials for the repositories at and below a full path; the longest path wins.
    pub path_credentials: Vec<(Repository, Credentials)>,
    /// Whether certificates are verified.
    pub tls_verify: bool,
    /// Additional trusted certificates, PEM.
    pub ca_certificate: Option<String>,
    /// Requests at once.
    pub max_connections: usize,
    /// Idle timeout of a request.
    pub idle_timeout: Duration,
    /// The policy for the registry's own address; without one, any. Other hosts that it points at
    /// are always subject to a policy.
    pub policy: Option<NetworkPolicy>,
    /// Pause before the first retry; doubled with each one.
    pub first_delay: Duration,
    /// When the registry is considered unhealthy.
    pub health: HealthRules,
    /// Limits of one listing.
    pub listing: ListingLimit,
    /// Where its requests are found while they have no response, if anybody wants to know.
    pub waits: Option<Arc<Waits>>,
}

impl ClientOptions {
    /// The default limits, no credentials, certificates verified.
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
            health: HealthRules::default(),
            listing: ListingLimit::default(),
            waits: None,
        }
    }
}

/// Default maximum number of names in one listing.
const MAX_NAMES: usize = 200_000;
/// A listing may have one page per this many names: registries with small pages have 50 names on
/// each.
const NAMES_A_PAGE: usize = 40;
/// Bytes per name: a tag has at most 128 characters.
const BYTES_A_NAME: usize = 160;

/// Limits of one listing, the same for all listings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListingLimit {
    /// Maximum number of names; pages and bytes are limited in proportion.
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
