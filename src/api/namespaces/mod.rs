//! The namespaces: only definitions; the implementation is in [`crate::service`].
//!
//! - `auth`: log in and out.
//! - `api`: information about the API.
//! - `user`, `org`: accounts and organisations; `access`: the permissions; `audit`: who did what.
//! - `image_store`: `image.store`, the registries.
//! - `image_sync`: `image.sync`, projects under the prototype's method names.
//! - `system`: introspection for generic XML-RPC tools.
//! - `taskomatic`: both `taskomatic` and `taskomatic.org`, schedules under Uyuni's method names.
//! - `registrysync`: projects, their items and runs, and methods that use registries; `run_events`:
//!   events of a run in progress.

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

use super::ApiError;
use super::method::{Param, param};
use super::registry::Registry;
use super::value::Either;
use crate::service::projects::lookup::ProjectName;

type Answer<T> = Result<T, ApiError>;

const LIMIT: &str = "maximum number of entries, 10000 at most";
const OFFSET: &str = "number of entries to skip";
/// A part of a list; without them, all of it.
const PAGE: [Param; 2] = [
    param("limit", LIMIT).optional(),
    param("offset", OFFSET).with_previous(),
];

/// Every method of the server. Namespaces are ordered by usefulness.
pub fn registry() -> Registry {
    let mut builder = Registry::builder();
    auth::define(&mut builder);
    image_store::define(&mut builder);
    registrysync::define(&mut builder);
    taskomatic::define(&mut builder);
    image_sync::define(&mut builder);
    user::define(&mut builder);
    org::define(&mut builder);
    access::define(&mut builder);
    audit::define(&mut builder);
    api::define(&mut builder);
    system::define(&mut builder);
    builder.build()
}

/// A project by its id or its label.
fn project_name(name: Either<i32, String>) -> ProjectName {
    match name {
        Either::First(id) => ProjectName::Id(id.into()),
        Either::Second(label) => ProjectName::Label(label),
    }
}
