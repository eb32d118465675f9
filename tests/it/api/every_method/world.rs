//! A server with every kind of object, and the rules for each answer.

use dxr::Value;
use registrysync::api::error::code;
use registrysync::api::namespaces;
use registrysync::service::LoginPolicy;
use registrysync::service::access::login_guard::LoginLimits;
use registrysync::store::runs::log::{LogLevel, NewLogLine};
use registrysync::store::runs::progress::log_append;
use registrysync::store::runs::result::{NewRunResult, ResultAction, ResultStatus, result_put};
use registrysync::store::runs::run::{RunStatus, RunTotals};
use registrysync::store::{DbConnection, Error, now};
use registrysync::surface::RequestLimits;
use serde_json::{Value as Json, json};

use crate::api::people::Person;
use crate::api::server::{Server, quick_policy};
use crate::support::database::TestDatabase;
use crate::support::images::{AMD64, Blob, Format, Image};
use crate::support::queue;
use crate::support::registry::Registry;
use crate::support::tables::Tables;

/// The password in every call that gives one. No answer may show it (row 30).
pub(super) const PASSWORD: &str = "pass-that-is-never-shown";

/// A longer text isn't a message for people.
const MESSAGE_LIMIT: usize = 6000;

pub(super) struct World {
    pub(super) server: Server,
    pub(super) key: String,
    pub(super) is_postgres: bool,
    pub(super) org_id: i64,
    pub(super) store_id: i64,
    pub(super) project_id: i64,
    pub(super) item_id: i64,
    /// The id of a run that has ended.
    pub(super) run_id: i64,
    /// Of one that waits for a worker forever.
    pub(super) waiting_id: i64,
    /// Of a kept plan.
    pub(super) plan_id: i64,
    /// Of a waiting housekeeping run.
    pub(super) house_id: i64,
    /// Of the project's schedule.
    pub(super) schedule_id: i64,
    pub(super) tables: Tables,
    rows: Vec<String>,
    _registry: Registry,
}

/// The outcome of a call.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Result,
    /// The code, if the wire has one, and the text.
    Fault(Option<i64>, String),
}

impl World {
    pub(super) async fn new(database: TestDatabase) -> World {
        let registry = Registry::start().await;
        for tag in ["1.0", "1.1"] {
            let image = Image::single(Format::Oci, AMD64, &[Blob::layer(1, 100)]);
            image.store(&registry, "app", Some(tag));
        }
        let is_postgres = database.url.starts_with("postgres");
        let policy = LoginPolicy {
            limits: LoginLimits {
                per_account: u32::MAX,
                per_address: u32::MAX,
                ..LoginLimits::default()
            },
            ..quick_policy()
        };
        let methods = namespaces::registry();
        let server = Server::on(database, methods, RequestLimits::default(), policy).await;
        let admin = server.admin().await;
        let made = Made::by(&admin, registry.address()).await;
        let key = admin.key.clone();
        let run_id = made.run;
        let finish = move |conn: &mut DbConnection| run_end(conn, run_id);
        server.app.db.run(finish).await.unwrap();
        let other = json!({"label": "other"});
        let waiting_id = id(&make(&admin, "registrysync/run", other).await);
        let house_id = admin.housekeeping_run().await;
        let schedules = admin.get("taskomatic/org/listAllSchedules").await.unwrap();
        let schedule_id = id(&schedules[0]["id"]);
        let tables = Tables::keep(&server.app.db).await;
        let rows = tables.rows().await;
        World {
            server,
            key,
            is_postgres,
            org_id: made.org,
            store_id: 1,
            project_id: made.project,
            item_id: made.item,
            run_id,
            waiting_id,
            plan_id: made.plan,
            house_id,
            schedule_id,
            tables,
            rows,
            _registry: registry,
        }
    }

    /// Calls by position.
    pub(super) async fn xml(&self, name: &str, params: Vec<Value>) -> Outcome {
        let answer = self.server.xml(name, params).await;
        if let Ok(result) = &answer {
            assert!(!format!("{result:?}").contains(PASSWORD), "{name}");
        }
        match answer {
            Ok(_) => Outcome::Result,
            Err((code, message)) => Outcome::Fault(Some(code.into()), message),
        }
    }

    /// Calls by name; the response matches the `OpenAPI` document.
    pub(super) async fn json(&self, verb: &str, path: &str, body: &str) -> Outcome {
        let answer = self.server.json(verb, path, Some(&self.key), Some(body));
        let (status, answer) = answer.await;
        assert!(!answer.to_string().contains(PASSWORD), "{path}");
        let message = answer["message"].as_str().unwrap_or_default().to_owned();
        let code = answer["code"].as_i64();
        match (status, answer["success"].as_bool()) {
            (200, Some(true)) => Outcome::Result,
            (200, Some(false)) if code.is_some() => Outcome::Fault(code, message),
            (400 | 401, Some(false)) => Outcome::Fault(None, message),
            _ => panic!("{verb} {path}: {status} {answer}"),
        }
    }

    /// Restores what calls have changed.
    pub(super) async fn restore(&self) {
        self.tables.restore().await;
    }

    /// Panics unless the outcome is a result or a documented fault, and a fault changed nothing.
    /// Calls that only `reads` must not change anything either; other changes are undone.
    pub(super) async fn judge(&self, call: &str, reads: bool, outcome: &Outcome) {
        if let Outcome::Fault(code, message) = outcome {
            let known = code.is_none_or(|code| {
                let mut documented = code::ALL.iter();
                documented.any(|(one, _)| i64::from(*one) == code)
            });
            assert!(known, "{call}: {code:?} {message}");
            let length = message.len();
            assert!(
                (1..MESSAGE_LIMIT).contains(&length),
                "{call}: {length} bytes"
            );
            for word in ["unhandled", "panicked", "SELECT ", PASSWORD] {
                assert!(!message.contains(word), "{call}: {message}");
            }
        }
        self.judge_change(call, reads, outcome).await;
    }

    /// The same for what has changed only.
    pub(super) async fn judge_change(&self, call: &str, reads: bool, outcome: &Outcome) {
        let rows = self.tables.rows().await;
        if rows != self.rows {
            let mut changed: Vec<_> = rows.iter().filter(|row| !self.rows.contains(row)).collect();
            changed.extend(self.rows.iter().filter(|row| !rows.contains(row)));
            assert_eq!(*outcome, Outcome::Result, "{call} changed {changed:?}");
            assert!(!reads, "{call} only reads, and changed {changed:?}");
            self.restore().await;
        }
    }
}

/// Objects created by calls.
struct Made {
    org: i64,
    project: i64,
    item: i64,
    run: i64,
    plan: i64,
}

impl Made {
    async fn by(admin: &Person<'_>, registry: &str) -> Made {
        for label in ["hub", "mirror", "spare"] {
            // A project's two ends are never the same.
            let uri = format!(
                "http://{registry}/{}",
                if label == "hub" { "" } else { label }
            );
            let store = json!({"label": label, "uri": uri, "storeType": "registry",
                "credentials": {}});
            make(admin, "image/store/create", store).await;
        }
        let other = json!({"name": "Acme", "adminLogin": "acme-admin", "adminPassword": PASSWORD,
            "prefix": "", "first": "", "last": "", "email": "", "usePam": false});
        let org = make(admin, "org/create", other).await;
        admin.make("grace").await;
        let role = json!({"login": "grace", "role": "image_admin"});
        make(admin, "user/addRole", role).await;
        let mut project = 0;
        let mut item = 0;
        for label in ["other", "web"] {
            let ends = json!({"label": label, "srcStore": "hub", "destStore": "mirror"});
            project = id(&make(admin, "registrysync/create", ends).await["id"]);
            for repository in ["app", "library/nginx"] {
                let tags = json!({"label": label, "repository": repository, "tags": ["1.0"]});
                item = id(&make(admin, "registrysync/addImage", tags).await["id"]);
            }
        }
        let schedule = json!({"label": "web", "cronExpr": "0 0 3 ? * *"});
        make(admin, "registrysync/setSchedule", schedule).await;
        let run = make(admin, "registrysync/run", json!({"label": "web"})).await;
        let plan = make(admin, "registrysync/createPlan", json!({"label": "web"})).await;
        Made {
            org: id(&org["id"]),
            project,
            item,
            run: id(&run),
            plan: id(&plan["id"]),
        }
    }
}

async fn make(admin: &Person<'_>, path: &str, body: Json) -> Json {
    admin.post(path, body).await.expect(path)
}

fn id(value: &Json) -> i64 {
    value.as_i64().expect("an id")
}

/// Ends the run as a worker does.
fn run_end(conn: &mut DbConnection, id: i64) -> Result<(), Error> {
    let (run, part) = queue::claim(conn, "host-1")?.expect("the run");
    assert_eq!(run.id, id);
    let result = NewRunResult {
        repository: "app".to_owned(),
        tag: "1.0".to_owned(),
        target: "mirror/app:1.0".to_owned(),
        action: ResultAction::Copy,
        status: ResultStatus::Done,
        source_digest: None,
        target_digest: None,
        previous_digest: None,
        bytes: 5,
        duration_ms: 7,
        error: None,
        source: "hub/app:1.0".to_owned(),
        platforms: "linux/amd64".to_owned(),
        reason: "literal; not there yet".to_owned(),
        blobs_copied: 2,
        blobs_mounted: 1,
    };
    result_put(conn, part.lease(), &[result])?;
    let line = NewLogLine {
        time: now(),
        level: LogLevel::Info,
        message: "begun".to_owned(),
    };
    log_append(conn, part.lease(), &[line])?;
    let totals = RunTotals::default();
    queue::end(conn, part.lease(), RunStatus::Finished, "", &totals)
}
