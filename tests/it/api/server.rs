//! A server for one test, and the tests' simple clients.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use dxr::{FaultResponse, MethodCall, MethodResponse, Value};
use registrysync::api::{Dispatcher, Registry};
use registrysync::service::access::account::bootstrap;
use registrysync::service::access::password::PasswordCost;
use registrysync::service::{App, LoginPolicy, Logins, Role};
use registrysync::store::access::account::{NewAccount, account_create};
use registrysync::store::access::org::{org_by_name, org_create};
use registrysync::store::access::session::session_create;
use registrysync::store::{Db, DbConnection};
use registrysync::surface::{RequestLimits, ServeOptions, listen, routes, serve};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::{OnceCell, oneshot};
use tokio_util::sync::CancellationToken;

use crate::support::contract::Contract;
use crate::support::database::TestDatabase;

/// The password of the account `admin`.
pub(crate) const ADMIN_PASSWORD: &str = "correct horse";

/// Cheap hashes, and no delay after a failure.
pub(crate) fn quick_policy() -> LoginPolicy {
    LoginPolicy {
        cost: PasswordCost {
            memory_kib: 8,
            passes: 1,
        },
        failure_delay: Duration::ZERO,
        ..LoginPolicy::default()
    }
}

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) app: Arc<App>,
    client: reqwest::Client,
    accounts: AtomicU32,
    contract: OnceCell<Contract>,
    stop: Option<oneshot::Sender<()>>,
    _database: TestDatabase,
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
    }
}

impl Server {
    /// On a fresh `SQLite` database.
    pub(crate) async fn start(registry: Registry, limits: RequestLimits) -> Server {
        Server::on(TestDatabase::sqlite(), registry, limits, quick_policy()).await
    }

    /// The whole API on a fresh `SQLite` database.
    pub(crate) async fn on_api() -> Server {
        Server::start(
            registrysync::api::namespaces::registry(),
            RequestLimits::default(),
        )
        .await
    }

    pub(crate) async fn on(
        database: TestDatabase,
        registry: Registry,
        limits: RequestLimits,
        policy: LoginPolicy,
    ) -> Server {
        let app = App::new(Db::clone(&database), Logins::new(policy).unwrap());
        let made_up = bootstrap(&app, Some(ADMIN_PASSWORD.into())).await.unwrap();
        assert!(made_up.is_none());
        let app = Arc::new(app);
        let listener = listen("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let dispatcher = Dispatcher::new(registry, Arc::clone(&app));
        let routes = routes(dispatcher, limits, CancellationToken::new());
        tokio::spawn(serve(
            listener,
            routes,
            ServeOptions::default(),
            async move {
                let _ = stopped.await;
            },
        ));
        Server {
            address,
            app,
            client: client(),
            accounts: AtomicU32::new(0),
            contract: OnceCell::new(),
            stop: Some(stop),
            _database: database,
        }
    }

    /// A session key of a new account `tester…` with these roles.
    pub(crate) async fn key(&self, roles: &[Role], read_only: bool) -> String {
        self.key_in("Default", roles, read_only).await
    }

    /// The same in another organisation, which is created if it doesn't exist.
    pub(crate) async fn key_in(&self, org: &str, roles: &[Role], read_only: bool) -> String {
        let number = self.accounts.fetch_add(1, Ordering::Relaxed);
        let (org, roles) = (org.to_owned(), roles.to_vec());
        let create = move |conn: &mut DbConnection| {
            let org_id = match org_by_name(conn, &org)? {
                Some(id) => id,
                None => org_create(conn, &org)?,
            };
            let new = NewAccount {
                org_id,
                login: &format!("tester{number}"),
                password_hash: "",
                prefix: "",
                first_name: "",
                last_name: "",
                email: "",
                enabled: true,
                read_only,
            };
            let account = account_create(conn, &new, &roles)?;
            let secret = format!("{:064x}", number + 1);
            let id = session_create(conn, account, secret.as_bytes(), 3600, "127.0.0.1")?;
            Ok(format!("{id}x{secret}"))
        };
        self.app.db.run(create).await.unwrap()
    }

    /// Calls over XML-RPC: the result, or the fault's code and text.
    pub(crate) async fn xml(&self, name: &str, params: Vec<Value>) -> Result<Value, (i32, String)> {
        let call = MethodCall {
            name: name.into(),
            params,
        };
        let body = self.post_xml(&call.to_xml().unwrap()).await;
        outcome(&body)
    }

    pub(crate) async fn post_xml(&self, document: &str) -> String {
        let response = self
            .client
            .post(format!("http://{}/rpc/api", self.address))
            .header("content-type", "text/xml")
            .body(document.to_owned())
            .send()
            .await
            .unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(
            response.headers()["content-type"],
            "text/xml; charset=utf-8"
        );
        response.text().await.unwrap()
    }

    /// Calls over JSON: status and body; an empty body is null.
    pub(crate) async fn json(
        &self,
        verb: &str,
        path: &str,
        key: Option<&str>,
        body: Option<&str>,
    ) -> (u16, serde_json::Value) {
        let response = self.json_response(verb, path, key, body).await;
        let status = response.status().as_u16();
        let text = response.text().await.unwrap();
        let body = if text.is_empty() {
            serde_json::Value::Null
        } else {
            serde_json::from_str(&text).expect(&text)
        };
        (status, body)
    }

    /// The description of the server's JSON surface.
    pub(crate) async fn contract(&self) -> &Contract {
        let url = format!("http://{}", self.address);
        self.contract.get_or_init(|| Contract::of(&url)).await
    }

    /// The whole response, which must match the served document.
    pub(crate) async fn json_response(
        &self,
        verb: &str,
        path: &str,
        key: Option<&str>,
        body: Option<&str>,
    ) -> reqwest::Response {
        let url = format!("http://{}/rhn/manager/api/{path}", self.address);
        let mut request = self.client.request(verb.parse().unwrap(), url);
        if let Some(key) = key {
            request = request.header("cookie", format!("pxt-session-cookie={key}"));
        }
        if let Some(body) = body {
            request = request.body(body.to_owned());
        }
        let response = request.send().await.unwrap();
        let mut copy = http::Response::builder().status(response.status());
        *copy.headers_mut().unwrap() = response.headers().clone();
        let status = response.status().as_u16();
        let text = response.text().await.unwrap();
        self.contract().await.check(verb, path, status, &text);
        copy.body(text).unwrap().into()
    }

    /// Sends bytes unchanged and reads until the server closes.
    pub(crate) async fn raw(&self, request: &[u8]) -> String {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(request).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        String::from_utf8_lossy(&answer).into_owned()
    }
}

pub(crate) fn client() -> reqwest::Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
        .no_proxy()
        .timeout(Duration::from_mins(1))
        .build()
        .unwrap()
}

pub(crate) fn outcome(document: &str) -> Result<Value, (i32, String)> {
    if let Ok(response) = MethodResponse::from_xml(document) {
        return Ok(response.value);
    }
    let fault = FaultResponse::from_xml(document).expect(document).fault;
    Err((fault.code(), fault.string().to_owned()))
}

pub(crate) fn text(text: &str) -> Value {
    Value::String(text.into())
}

pub(crate) fn texts(texts: &[&str]) -> Value {
    Value::Array(texts.iter().map(|t| text(t)).collect())
}

/// A struct with these members.
pub(crate) fn members(members: &[(&str, Value)]) -> Value {
    let members = members
        .iter()
        .map(|(name, value)| ((*name).to_owned(), value.clone()));
    Value::Struct(members.collect())
}
