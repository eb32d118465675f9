//! `audit`: who did what.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Answer;
use crate::api::value::Timestamp;
use crate::api::{Builder, Context, List, param};
use crate::service::Role;
use crate::service::trail::audit::audit_events;
use crate::store::trail::audit::{AuditEvent, AuditFilter};

/// A call that changed something, or was refused.
#[derive(Debug, Serialize, JsonSchema)]
struct Event {
    id: i64,
    time: Timestamp,
    /// The account that called, or tried to log in.
    login: String,
    /// The caller's IP address, or `command line`.
    address: String,
    /// Such as `image.store.create`.
    method: String,
    /// The label, login or id that was affected; may be empty.
    object: String,
    /// `ok`, or the fault code.
    outcome: String,
}

impl From<AuditEvent> for Event {
    fn from(event: AuditEvent) -> Event {
        Event {
            id: event.id,
            time: Timestamp(event.time.and_utc()),
            login: event.login,
            address: event.address,
            method: event.method,
            object: event.object,
            outcome: event.outcome,
        }
    }
}

/// A filter of events; omitted members match everything.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Filter {
    /// Only events with exactly this login.
    login: Option<String>,
    /// Only events of exactly this method, such as `image.store.create`.
    method: Option<String>,
    /// Only events that affected exactly this object.
    object: Option<String>,
    /// `ok`, or a fault code.
    outcome: Option<String>,
    /// Only events at this time or later.
    since: Option<Timestamp>,
    /// Only events before this time.
    until: Option<Timestamp>,
}

impl From<Filter> for AuditFilter {
    fn from(filter: Filter) -> AuditFilter {
        AuditFilter {
            org_id: None,
            login: filter.login,
            method: filter.method,
            object: filter.object,
            outcome: filter.outcome,
            since: filter.since.map(|time| time.0.naive_utc()),
            until: filter.until.map(|time| time.0.naive_utc()),
        }
    }
}

pub(super) fn define(builder: &mut Builder) {
    const DOC: &str = "List audit events: changes, refused calls and logins.";
    const LATEST_FIRST: &str =
        "events of the organisation, or of all organisations for `satellite_admin`; latest first";
    let params = [
        param("limit", "maximum number of events"),
        param(
            "beforeId",
            "list only events before the one with this id; 0 for the latest",
        )
        .optional(),
        param(
            "filter",
            "`login`, `method`, `object`, `outcome`, `since`, `until`",
        )
        .optional(),
    ];
    builder.namespace(
        "audit",
        "AuditHandler",
        "The audit trail: who did what.",
        |ns| {
            let roles = [Role::OrgAdmin, Role::SatelliteAdmin];
            ns.method("listEvents", DOC, params, list)
                .returns(LATEST_FIRST)
                .read_only()
                .one_role_of(roles);
        },
    );
}

async fn list(
    context: Context,
    limit: i32,
    before: Option<i32>,
    filter: Option<Filter>,
) -> Answer<List<Event>> {
    let (app, caller) = (context.app(), context.caller());
    let (before, filter) = (before.unwrap_or_default(), filter.unwrap_or_default());
    let events = audit_events(app, caller, limit.into(), before.into(), filter.into()).await?;
    Ok(List::of_rows(events, Event::from))
}
