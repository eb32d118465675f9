//! The real binary as a server, and a simple client of its JSON surface.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::time::Duration;

use registrysync::store::{Db, SealKey};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::contract::Contract;
use crate::support::images::client;

pub(crate) const PASSWORD: &str = "correct horse battery";
/// Checks a run until it has ended: every 50 ms, for a minute.
const LOOKS: usize = 1200;

pub(crate) struct Server {
    child: Child,
    pub(crate) url: String,
    files: TempDir,
    arguments: Vec<String>,
    environment: Vec<(&'static str, String)>,
}

impl Drop for Server {
    fn drop(&mut self) {
        // An error only means that it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Server {
    /// On the embedded SQLite, or on the database at `database`.
    pub(crate) fn start(database: Option<String>) -> Self {
        let arguments = database.map(|url| vec!["--database".to_owned(), url]);
        Self::with(arguments.unwrap_or_default())
    }

    /// With further arguments.
    pub(crate) fn with(arguments: Vec<String>) -> Self {
        Self::make(arguments, Vec::new())
    }

    /// With further variables of its environment.
    pub(crate) fn with_environment(environment: Vec<(&'static str, String)>) -> Self {
        Self::make(Vec::new(), environment)
    }

    fn make(arguments: Vec<String>, environment: Vec<(&'static str, String)>) -> Self {
        let files = tempfile::tempdir().unwrap();
        std::fs::write(files.path().join("password"), format!("{PASSWORD}\n")).unwrap();
        let (child, url) = spawn(files.path(), &arguments, &environment);
        Self {
            child,
            url,
            files,
            arguments,
            environment,
        }
    }

    /// The process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// A file of its data directory.
    pub(crate) fn data(&self, name: &str) -> PathBuf {
        self.files.path().join("data").join(name)
    }

    /// Its SQLite database, opened in parallel.
    pub(crate) fn sqlite(&self) -> Db {
        let url = format!("sqlite:{}", self.data("registrysync.db").display());
        let key = SealKey::from_file(&self.data("secret.key")).unwrap();
        Db::open(&url, key).unwrap()
    }

    /// Kills it, and restarts it with its existing data.
    pub(crate) fn kill_and_restart(&mut self) {
        self.end("KILL");
        self.start_again();
    }

    /// Ends it by a signal; returns its exit code, if it has one.
    pub(crate) fn end(&mut self, signal_name: &str) -> Option<i32> {
        signal(&self.child, signal_name);
        self.child.wait().unwrap().code()
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, name: &str) {
        signal(&self.child, name);
    }

    /// Starts it with its existing data.
    pub(crate) fn start_again(&mut self) {
        (self.child, self.url) = spawn(self.files.path(), &self.arguments, &self.environment);
    }

    /// Starts a second one on the same files, and waits for its end.
    pub(crate) fn again(&self) -> Output {
        serve_to_its_end(&self.files.path().join("data"), &["serve"])
    }

    pub(crate) fn password_file(&self) -> PathBuf {
        self.files.path().join("password")
    }

    pub(crate) async fn login(&self) -> Session {
        self.try_login().await.unwrap()
    }

    /// Err: the response instead.
    pub(crate) async fn try_login(&self) -> Result<Session, String> {
        let (status, session) = self.try_login_with(PASSWORD).await;
        assert_eq!(status, 200);
        session
    }

    /// The same with any password, and the status of the response.
    pub(crate) async fn try_login_with(&self, password: &str) -> (u16, Result<Session, String>) {
        self.try_login_of("admin", password).await
    }

    /// The same of another account.
    pub(crate) async fn try_login_of(
        &self,
        login: &str,
        password: &str,
    ) -> (u16, Result<Session, String>) {
        let url = format!("{}/rhn/manager/api/auth/login", self.url);
        let body = json!({"login": login, "password": password});
        let request = client()
            .post(url)
            .header("content-type", "application/json");
        let answer = request.body(body.to_string()).send().await.unwrap();
        let status = answer.status().as_u16();
        let Some(cookie) = answer.headers().get("set-cookie") else {
            return (status, Err(answer.text().await.unwrap()));
        };
        let key = cookie.to_str().unwrap().split(['=', ';']).nth(1).unwrap();
        (status, Ok(Session::at(&self.url, key).await))
    }
}

fn signal(child: &Child, name: &str) {
    let mut kill = Command::new("kill");
    let sent = kill.arg(format!("-{name}")).arg(child.id().to_string());
    assert!(sent.status().unwrap().success());
}

/// A worker beside a server; killed on drop.
pub(crate) struct Worker {
    child: Child,
    files: TempDir,
    database: String,
    key_file: PathBuf,
    environment: Vec<(&'static str, String)>,
}

impl Worker {
    /// One that shares the server's database and key, when it is ready.
    pub(crate) fn start(
        server: &Server,
        database: &str,
        environment: Vec<(&'static str, String)>,
    ) -> Worker {
        let files = tempfile::tempdir().unwrap();
        let key_file = server.data("secret.key");
        let child = worker_spawn(files.path(), database, &key_file, &environment);
        Worker {
            child,
            files,
            database: database.to_owned(),
            key_file,
            environment,
        }
    }

    /// Kills it, and restarts it with its existing data.
    pub(crate) fn kill_and_restart(&mut self) {
        signal(&self.child, "KILL");
        self.child.wait().unwrap();
        let files = self.files.path();
        self.child = worker_spawn(files, &self.database, &self.key_file, &self.environment);
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, name: &str) {
        signal(&self.child, name);
    }

    /// Asks it to end; returns its exit code.
    pub(crate) fn end(mut self) -> Option<i32> {
        signal(&self.child, "TERM");
        self.child.wait().unwrap().code()
    }

    /// Its standard error.
    pub(crate) fn said(&self) -> String {
        std::fs::read_to_string(self.files.path().join("said")).unwrap()
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // An error only means that it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs a command that should refuse to serve or work.
pub(crate) fn serve_to_its_end(data: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_registrysync"));
    command.args(arguments).arg("--data-dir").arg(data);
    if arguments[0] == "serve" {
        command.args(["--listen", "127.0.0.1:0"]);
    }
    command.stdin(Stdio::null());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // One that serves after all says so, and would never end.
    if !first_line(&mut child).is_empty() {
        child.kill().unwrap();
    }
    child.wait_with_output().unwrap()
}

fn worker_spawn(
    files: &Path,
    database: &str,
    key_file: &Path,
    environment: &[(&'static str, String)],
) -> Child {
    let said = std::fs::File::create(files.join("said")).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_registrysync"));
    command
        .args(["worker", "--database", database, "--data-dir"])
        .arg(files.join("data"))
        .arg("--key-file")
        .arg(key_file);
    ours_remove(&mut command);
    command.envs(environment.iter().map(|(name, value)| (name, value)));
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    let mut child = command.stderr(said).spawn().unwrap();
    assert_eq!(first_line(&mut child), "registrysync worker is ready");
    child
}

/// Asks a process to end; returns its output and exit code.
pub(crate) fn end_asked(child: Child) -> Output {
    signal(&child, "TERM");
    child.wait_with_output().unwrap()
}

/// The first line that a process prints; "" if it ends without one.
pub(crate) fn first_line(child: &mut Child) -> String {
    let mut line = String::new();
    let stdout = child.stdout.as_mut().unwrap();
    BufReader::new(stdout).read_line(&mut line).unwrap();
    line.trim_end().to_owned()
}

/// The test's own variables must not reach the program.
fn ours_remove(command: &mut Command) {
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("REGISTRYSYNC_") {
            command.env_remove(name);
        }
    }
}

fn spawn(
    files: &Path,
    arguments: &[String],
    environment: &[(&'static str, String)],
) -> (Child, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_registrysync"));
    command
        .args(["serve", "--listen", "127.0.0.1:0", "--data-dir"])
        .arg(files.join("data"))
        .arg("--admin-password-file")
        .arg(files.join("password"))
        .args(arguments);
    ours_remove(&mut command);
    command.envs(environment.iter().map(|(name, value)| (name, value)));
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let line = first_line(&mut child);
    let url = line
        .strip_prefix("registrysync listening on ")
        .unwrap_or_else(|| panic!("unexpected first line: {line:?}"));
    (child, url.to_owned())
}

/// An open session on the JSON surface.
#[derive(Clone)]
pub(crate) struct Session {
    root: String,
    pub(crate) key: String,
    contract: Arc<Contract>,
}

impl Session {
    /// Whether it is still valid.
    pub(crate) async fn is_valid(&self) -> bool {
        let url = format!("{}/user/listAssignableRoles", self.root);
        let answer = client().get(url).bearer_auth(&self.key).send().await;
        answer.unwrap().status() == 200
    }

    /// Calls a method that only reads.
    pub(crate) async fn get(&self, method: &str, query: &[(&str, &str)]) -> Result<Value, String> {
        let mut url = reqwest::Url::parse(&format!("{}/{method}", self.root)).unwrap();
        url.query_pairs_mut().extend_pairs(query);
        self.answer("GET", method, client().get(url)).await
    }

    /// Calls a method that changes something.
    pub(crate) async fn post(&self, method: &str, body: Value) -> Result<Value, String> {
        let request = client()
            .post(format!("{}/{method}", self.root))
            .header("content-type", "application/json")
            .body(body.to_string());
        self.answer("POST", method, request).await
    }

    /// With a key of the server at `url`.
    pub(crate) async fn at(url: &str, key: &str) -> Session {
        Session {
            root: format!("{url}/rhn/manager/api"),
            key: key.to_owned(),
            contract: Arc::new(Contract::of(url).await),
        }
    }

    async fn answer(
        &self,
        verb: &str,
        method: &str,
        request: reqwest::RequestBuilder,
    ) -> Result<Value, String> {
        let answer = request.bearer_auth(&self.key).send().await.unwrap();
        let status = answer.status().as_u16();
        let body = answer.text().await.unwrap();
        self.contract.check(verb, method, status, &body);
        let mut body: Value = serde_json::from_str(&body).unwrap_or_else(|_| panic!("{body}"));
        match body["success"].as_bool() {
            Some(true) => Ok(body["result"].take()),
            _ => Err(body["message"].as_str().unwrap().to_owned()),
        }
    }

    pub(crate) async fn store(&self, label: &str, address: &str) {
        let body = json!({"label": label, "uri": format!("http://{address}"),
            "storeType": "registry", "credentials": {}});
        assert_eq!(self.post("image/store/create", body).await, Ok(json!(1)));
    }

    /// A project `web` that copies all tags of `repositories`.
    pub(crate) async fn project(&self, source: &str, target: &str, repositories: &[&str]) {
        self.store("from", source).await;
        self.store("to", target).await;
        let body = json!({"label": "web", "srcStore": "from", "destStore": "to"});
        self.post("registrysync/create", body).await.unwrap();
        for repository in repositories {
            let body = json!({"label": "web", "repository": repository, "tags": []});
            self.post("registrysync/addImage", body).await.unwrap();
        }
    }

    pub(crate) async fn run(&self) -> i64 {
        let id = self.post("registrysync/run", json!({"label": "web"})).await;
        id.unwrap().as_i64().unwrap()
    }

    /// The log of a run, as one text.
    pub(crate) async fn log(&self, id: i64) -> String {
        let id = id.to_string();
        let query = [("runId", id.as_str())];
        let lines = self.get("registrysync/getRunLog", &query).await;
        lines.unwrap().to_string()
    }

    /// The results of a run.
    pub(crate) async fn results(&self, id: i64) -> Vec<Value> {
        let id = id.to_string();
        let query = [("runId", id.as_str())];
        let listed = self.get("registrysync/listRunResults", &query).await;
        serde_json::from_value(listed.unwrap()).unwrap()
    }

    /// Waits until this many tags of a run are counted.
    pub(crate) async fn counted(&self, id: i64, count: &str, tags: u64) {
        for _ in 0..LOOKS {
            let query = [("runId", &*id.to_string())];
            let run = self.get("registrysync/getRun", &query).await.unwrap();
            if run["counts"][count].as_u64() >= Some(tags) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("run {id} doesn't get there");
    }

    /// The run after it has ended.
    pub(crate) async fn run_ended(&self, id: i64) -> Value {
        for _ in 0..LOOKS {
            let run = self
                .get("registrysync/getRun", &[("runId", &id.to_string())])
                .await
                .unwrap();
            if !matches!(run["status"].as_str(), Some("READY" | "RUNNING")) {
                return run;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("run {id} doesn't end");
    }
}
