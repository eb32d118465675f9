//! `registrysync.*`, our own namespace:
//! - `projects`: what is copied from where to where.
//! - `items`: the repositories of a project.
//! - `registries`: the content of registries.
//! - `work`: plan and run a project; `plans`: plans that are kept; `workers`: the workers.
//! - `runs`: results of runs; `evidence`: all of a run at once; `schedules`: when they start automatically.
//! - `notifications`: test of the notifications; `statistics`: numbers for dashboards.
//! - `wire`: the structs that they return.

mod evidence;
mod items;
mod notifications;
mod plans;
mod projects;
mod registries;
mod runs;
mod schedules;
mod statistics;
mod wire;
mod work;
mod workers;

pub(super) use wire::{LogLine, Run};

use super::{Answer, LIMIT, OFFSET, PAGE, project_name};
use crate::api::Builder;

const LABEL: &str = "label of the project";

/// Adds the namespace.
pub(super) fn define(builder: &mut Builder) {
    builder.namespace(
        "registrysync",
        "RegistrySyncHandler",
        "Copy selected images from one registry to another.",
        |ns| {
            projects::define(ns);
            items::define(ns);
            registries::define(ns);
            work::define(ns);
            plans::define(ns);
            workers::define(ns);
            runs::define(ns);
            evidence::define(ns);
            schedules::define(ns);
            statistics::define(ns);
            notifications::define(ns);
        },
    );
}
