//! `image.sync`: the method names of Uyuni's prototype, for the same projects and items as
//! `registrysync`.
//! - `projects`: create, show, change and delete.
//! - `items`: the repositories of a project.
//! - `images`: the content of a store.

mod images;
mod items;
mod projects;

use super::{Answer, PAGE, project_name};
use crate::api::Builder;

/// Adds the namespace.
pub(super) fn define(builder: &mut Builder) {
    builder.namespace(
        "image.sync",
        "ImageSyncHandler",
        "Sync projects under the method names of Uyuni's prototype. `registrysync` offers more for the same projects.",
        |ns| {
            projects::define(ns);
            items::define(ns);
            images::define(ns);
        },
    );
}
