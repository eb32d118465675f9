//! Uyuni's job runner API: `taskomatic.org`, schedules of an organisation's projects, and `taskomatic`,
//! housekeeping of the whole server. Both have the same functions under two names.
//! - `reading`: bunches, schedules, runs and their logs.
//! - `scheduling`: methods that create and end schedules.
//! - `wire`: the structs.

mod reading;
mod scheduling;
mod wire;

use super::{Answer, PAGE};
use crate::api::Builder;
use crate::service::Role;
use crate::service::schedules::tasko::Owner;

const BUNCH: &str = "name of the bunch";
const JOB_LABEL: &str = "label of the schedule, 50 characters at most";

/// The scope of one of the two namespaces.
#[derive(Clone, Copy)]
struct Side {
    owner: Owner,
    role: Role,
}

impl Side {
    /// The method's name: that of the organisation's namespace, or the server's.
    fn name(self, org: &'static str, server: &'static str) -> &'static str {
        match self.owner {
            Owner::Org => org,
            Owner::Server => server,
        }
    }
}

/// Adds both namespaces.
pub(super) fn define(builder: &mut Builder) {
    let side = Side {
        owner: Owner::Org,
        role: Role::OrgAdmin,
    };
    builder.namespace(
        "taskomatic.org",
        "TaskomaticOrgHandler",
        "Schedules of the organisation's projects and their runs, under Uyuni's method names. \
         `registrysync.setSchedule` is a shortcut to the same schedules.",
        |ns| {
            reading::define(ns, side);
            scheduling::define(ns, side);
        },
    );
    let side = Side {
        owner: Owner::Server,
        role: Role::SatelliteAdmin,
    };
    builder.namespace(
        "taskomatic",
        "TaskomaticHandler",
        "Schedules of the server's housekeeping and their runs, under Uyuni's method names.",
        |ns| {
            reading::define(ns, side);
            scheduling::define(ns, side);
        },
    );
}
