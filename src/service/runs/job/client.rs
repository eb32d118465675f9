//! The clients of a run.

use crate::blocking::spawn_blocking;
use crate::oci::{Client, ClientOptions};
use crate::service::Error;

/// A client, made outside the runtime's threads: its TLS reads the system's certificates.
pub(super) async fn client_outside(options: ClientOptions) -> Result<Client, Error> {
    spawn_blocking(move || client(options))
        .await
        .map_err(Error::unexpected)?
}

/// A client, or why it can't be created.
pub(in crate::service) fn client(options: ClientOptions) -> Result<Client, Error> {
    Client::new(options).map_err(|error| Error::invalid("storeLabel", error.to_string()))
}
