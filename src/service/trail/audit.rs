//! The audit trail: who did what from where, and the outcome.

use std::net::IpAddr;

use crate::service::access::session::session_peek;
use crate::service::paging::{Rows, Slice, first_before, rows};
use crate::service::{App, Caller, Error, Role};
use crate::store::DbConnection;
use crate::store::access::account::account_by_login;
use crate::store::trail::audit::{AuditEvent, AuditFilter, NewAuditEvent, audit_add, audit_list};
use crate::text::readable;

/// Maximum stored length of a login or object; both come from outside.
pub const TEXT_LIMIT: usize = 256;

/// Who did it.
#[derive(Clone, Debug)]
pub enum Actor {
    /// The caller of a method with a session.
    Caller(Caller),
    /// An unverified login.
    Login(String),
    /// The account of this session key.
    Key(String),
}

/// The recorded data of a call.
#[derive(Clone, Debug)]
pub struct Record {
    /// The caller's address.
    pub address: IpAddr,
    /// Namespace and method, such as `image.store.create`.
    pub method: String,
    /// The label, login or id that it affects; may be empty.
    pub object: String,
    /// `ok`, or the fault code.
    pub outcome: String,
}

/// The login of `actor`, and its organisation if it has one; `None` if unknown.
pub async fn actor_find(app: &App, actor: Actor) -> Result<Option<(String, Option<i64>)>, Error> {
    match actor {
        Actor::Caller(caller) => Ok(Some((caller.login().to_owned(), Some(caller.org_id())))),
        Actor::Login(login) => {
            let login = readable(&login, TEXT_LIMIT);
            let name = login.clone();
            let found = app
                .db
                .run(move |conn| account_by_login(conn, &name))
                .await?;
            Ok(Some(match found {
                Some(account) => (account.login, Some(account.org_id)),
                None => (login, None),
            }))
        }
        Actor::Key(key) => {
            let caller = session_peek(app, &key).await?;
            Ok(caller.map(|caller| (caller.login().to_owned(), Some(caller.org_id()))))
        }
    }
}

/// Records a call.
pub async fn audit_record(
    app: &App,
    login: String,
    org_id: Option<i64>,
    record: Record,
) -> Result<(), Error> {
    let object = readable(&record.object, TEXT_LIMIT);
    app.db
        .transaction(move |conn| {
            let new = NewAuditEvent {
                org_id,
                login: &login,
                address: &record.address.to_string(),
                method: &record.method,
                object: &object,
                outcome: &record.outcome,
            };
            Ok(audit_add(conn, &new)?)
        })
        .await
}

/// Records how many logins were refused unchecked; `address` is the last one's.
pub(in crate::service) async fn unseen_record(
    app: &App,
    address: IpAddr,
    tries: u64,
) -> Result<(), Error> {
    let record = Record {
        address,
        method: "auth.login".to_owned(),
        object: format!("{tries} logins refused unchecked"),
        outcome: "2950".to_owned(),
    };
    audit_record(app, String::new(), None, record).await
}

/// What happened in the caller's organisation, or in all for a server administrator: at most
/// `limit` events, of those before the event `before_id` (0: of all), latest first.
pub async fn audit_events(
    app: &App,
    caller: &Caller,
    limit: i64,
    before_id: i64,
    filter: AuditFilter,
) -> Result<Rows<AuditEvent>, Error> {
    let slice = Slice::new(limit, 0)?;
    let first = first_before("beforeId", before_id)?;
    let everywhere = caller.has_role(Role::SatelliteAdmin);
    let filter = AuditFilter {
        org_id: (!everywhere).then(|| caller.org_id()),
        ..filter
    };
    rows(app, slice, move |_| {
        let read = move |conn: &mut DbConnection, before, count| {
            let page = audit_list(conn, &filter, before, count)?;
            Ok((page.last().map(|event| event.id), page))
        };
        Ok((first, read))
    })
    .await
}
