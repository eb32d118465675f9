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

use super::ApiError;
use super::method::{Param, param};
use super::registry::Registry;
use super::value::Either;
use crate::service::projects::lookup::ProjectName;

type Answer<T> = Result<T, ApiError>;

const LIMIT: &str = "maximum number of entries, 10000 at most";
const OFFSET: &str = "number of entries to skip";
/// A part of a list; all of it without them.
const PAGE: [Param; 2] = [
    param("limit", LIMIT).optional(),
    param("offset", OFFSET).with_previous(),
];

/// Every method of the server. The namespaces are in the order in which people need them.
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
