//! A server for one test, and the little clients that the tests talk to it with.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use dxr::{FaultResponse, MethodCall, MethodResponse, Value};
use registrysync::api::{Dispatcher, Registry};
use registrysync::service::caller::Identity;
use registrysync::service::{App, Role};
use registrysync::surface::{Limits, listen, router, serve};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::oneshot;

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    app: Arc<App>,
    stop: Option<oneshot::Sender<()>>,
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
    }
}

impl Server {
    pub(crate) async fn start(registry: Registry, limits: Limits) -> Server {
        let app = Arc::new(App {
            sessions: registrysync::service::session::Sessions::default(),
        });
        let listener = listen("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let router = router(Dispatcher::new(registry, Arc::clone(&app)), limits);
        tokio::spawn(serve(listener, router, async move {
            let _ = stopped.await;
        }));
        Server {
            address,
            app,
            stop: Some(stop),
        }
    }

    /// A session key of an account with these roles.
    pub(crate) fn key(&self, roles: &[Role], read_only: bool) -> String {
        let identity = Identity {
            account_id: 1,
            org_id: 1,
            login: "tester".into(),
            roles: roles.to_vec(),
            read_only,
        };
        let key = self
            .app
            .sessions
            .session_create(identity, Duration::from_secs(3600));
        key.unwrap().expose()
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
        let response = client()
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

    pub(crate) async fn json_response(
        &self,
        verb: &str,
        path: &str,
        key: Option<&str>,
        body: Option<&str>,
    ) -> reqwest::Response {
        let url = format!("http://{}/rhn/manager/api/{path}", self.address);
        let mut request = client().request(verb.parse().unwrap(), url);
        if let Some(key) = key {
            request = request.header("cookie", format!("pxt-session-cookie={key}"));
        }
        if let Some(body) = body {
            request = request.body(body.to_owned());
        }
        request.send().await.unwrap()
    }

    /// Sends bytes as they are and reads until the server closes.
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
        .timeout(Duration::from_secs(60))
        .build()
        .unwrap()
}

pub(crate) fn outcome(document: &str) -> Result<Value, (i32, String)> {
    match MethodResponse::from_xml(document) {
        Ok(response) => Ok(response.value),
        Err(_) => {
            let fault = FaultResponse::from_xml(document).expect(document).fault;
            Err((fault.code(), fault.string().to_owned()))
        }
    }
}

pub(crate) fn text(text: &str) -> Value {
    Value::String(text.into())
}

pub(crate) fn texts(texts: &[&str]) -> Value {
    Value::Array(texts.iter().map(|t| text(t)).collect())
}
