//! `registrysync.*`, our own namespace:
//! - `projects`: what is copied from where to where.
//! - `items`: the repositories of a project.
//! - `runs`: what became of runs.
//! - `wire`: the structs that they answer with.

mod items;
mod projects;
mod runs;
mod wire;

use crate::api::{ApiError, Builder};

type Answer<T> = Result<T, ApiError>;

const LABEL: &str = "label of the project";
const LIMIT: &str = "at most so many entries";
const OFFSET: &str = "leave out so many entries first";

/// Adds the namespace.
pub(super) fn define(builder: &mut Builder) {
    builder.namespace(
        "registrysync",
        "RegistrySyncHandler",
        "Copy selected images from one registry to another.",
        |ns| {
            projects::define(ns);
            items::define(ns);
            runs::define(ns);
        },
    );
}
