//! The namespaces: definitions only; what a method does is in [`crate::service`].
//!
//! - `auth`: log in and out.
//! - `api`: what there is.
//! - `user`, `org`: accounts and organisations; `access`: what can be allowed; `audit`: who did what.
//! - `image_store`: `image.store`, the registries.
//! - `image_sync`: `image.sync`, projects by the prototype's names.
//! - `system`: introspection as generic XML-RPC tools expect it.
//! - `taskomatic`: both `taskomatic` and `taskomatic.org`, schedules by Uyuni's names.
//! - `registrysync`: projects, their items and runs; and what talks to registries; `run_events`: a run as it goes on.

mod access;
mod api;
mod audit;
mod auth;
mod image_store;
mod image_sync;
mod org;
mod registrysync;
mod run_events;
mod system;
mod taskomatic;
mod user;

pub use run_events::{RunNews, RunWatcher};

use super::registry::Registry;

const LIMIT: &str = "maximum number of entries, 10000 at most";
const OFFSET: &str = "number of entries to skip";

/// Every method of the server.
pub fn registry() -> Registry {
    let mut builder = Registry::builder();
    auth::define(&mut builder);
    api::define(&mut builder);
    user::define(&mut builder);
    org::define(&mut builder);
    access::define(&mut builder);
    audit::define(&mut builder);
    image_store::define(&mut builder);
    image_sync::define(&mut builder);
    registrysync::define(&mut builder);
    system::define(&mut builder);
    taskomatic::define(&mut builder);
    builder.build()
}
