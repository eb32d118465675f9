//! Calling accounts: shared by the tests of `user`, `org`, `audit` and roles.

use std::sync::Arc;

use registrysync::api::namespaces;
use registrysync::service::{Role, ScheduleRules};
use registrysync::surface::RequestLimits;
use registrysync::taskomatic::Scheduler;
use serde_json::{Value, json};

use super::server::{ADMIN_PASSWORD, Server, quick_policy};
use crate::support::database::TestDatabase;

/// A result, or a fault's code and text. A refusal without code has -1.
pub(super) type Answer = Result<Value, (i64, String)>;

pub(super) async fn server(database: TestDatabase) -> Server {
    let registry = namespaces::registry();
    Server::on(database, registry, RequestLimits::default(), quick_policy()).await
}

/// A user with a session, over JSON.
pub(super) struct Person<'a> {
    pub(super) server: &'a Server,
    pub(super) key: String,
}

impl Server {
    /// A new account `tester…` with these roles.
    pub(super) async fn person(&self, roles: &[Role]) -> Person<'_> {
        let key = self.key(roles, false).await;
        Person { server: self, key }
    }

    /// The first account, with all roles.
    pub(super) async fn admin(&self) -> Person<'_> {
        self.log_in("admin", ADMIN_PASSWORD).await.expect("a key")
    }

    pub(super) async fn log_in(
        &self,
        login: &str,
        password: &str,
    ) -> Result<Person<'_>, (i32, String)> {
        use super::server::text;
        let params = vec![text(login), text(password)];
        match self.xml("auth.login", params).await? {
            dxr::Value::String(key) => Ok(Person { server: self, key }),
            other => panic!("{other:?}"),
        }
    }
}

impl Person<'_> {
    pub(super) async fn get(&self, path: &str) -> Answer {
        let (_, answer) = self.server.json("GET", path, Some(&self.key), None).await;
        outcome(&answer)
    }

    pub(super) async fn post(&self, path: &str, body: Value) -> Answer {
        let body = body.to_string();
        let answer = self.server.json("POST", path, Some(&self.key), Some(&body));
        outcome(&answer.await.1)
    }

    /// Creates the account `login` without roles in the organisation.
    pub(super) async fn make(&self, login: &str) {
        let body =
            json!({"login": login, "password": "first pass", "first": "", "last": "", "email": ""});
        assert_eq!(
            self.post("user/create", body).await,
            Ok(json!(1)),
            "{login}"
        );
    }

    /// Creates a housekeeping run, which no worker takes; returns its id.
    pub(super) async fn housekeeping_run(&self) -> i64 {
        let bunch = json!({"bunch": "session-cleanup-bunch", "params": {}});
        let path = "taskomatic/scheduleSingleSatBunchRun";
        self.post(path, bunch).await.expect(path);
        let db = self.server.app.db.clone();
        let mut scheduler = Scheduler::new(db, ScheduleRules::default(), Arc::default());
        assert_eq!(scheduler.look().await.unwrap(), 1);
        let runs = "taskomatic/listBunchSatRuns?bunch=session-cleanup-bunch";
        self.get(runs).await.unwrap()[0]["id"].as_i64().unwrap()
    }

    /// Makes calls that must be refused with this code and a text that contains this part.
    pub(super) async fn refuse(&self, cases: Vec<(&str, Value, i64, &str)>) {
        for (path, body, code, part) in cases {
            match self.post(path, body.clone()).await {
                Err((got, message)) => {
                    assert_eq!(got, code, "{path} {body}: {message}");
                    assert!(message.contains(part), "{path} {body}: {message}");
                }
                Ok(result) => panic!("{path} {body} was taken: {result}"),
            }
        }
    }
}

fn outcome(answer: &Value) -> Answer {
    if answer["success"] == json!(true) {
        return Ok(answer["result"].clone());
    }
    let message = answer["message"].as_str().unwrap_or_default().to_owned();
    Err((answer["code"].as_i64().unwrap_or(-1), message))
}
