//! https, with the clients that users have.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use rcgen::{CertificateParams, KeyPair};
use registrysync::surface::{Certificate, ServeOptions};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::server::{PASSWORD, Server};
use crate::support::tools::installed;

const GET_VERSION: &str = "/rhn/manager/api/api/getVersion";
/// No response of these tests may take longer.
const BOUND: Duration = Duration::from_mins(1);

/// The standard output of a program, which must have succeeded.
fn printed(command: &mut Command) -> String {
    let mut bounded = assert_cmd::Command::from_std(std::mem::replace(command, Command::new("")));
    let output = bounded.timeout(BOUND).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    String::from_utf8(output.stdout).unwrap()
}

pub(super) fn trial() -> Server {
    Server::with(vec!["--tls-self-signed".into()])
}

/// Writes a new certificate for `localhost` and 127.0.0.1, and its key; returns its PEM.
fn pair_write(directory: &Path) -> String {
    pair_write_for(directory, &["localhost", "127.0.0.1"])
}

pub(super) fn pair_write_for(directory: &Path, names: &[&str]) -> String {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(names)
        .unwrap()
        .self_signed(&key)
        .unwrap();
    std::fs::write(directory.join("key.pem"), key.serialize_pem()).unwrap();
    std::fs::write(directory.join("cert.pem"), certificate.pem()).unwrap();
    certificate.pem()
}

/// A connection that only trusts `pem`; `None` if the server has another certificate.
pub(super) async fn connect(url: &str, pem: &str) -> Option<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    let certificate = CertificateDer::from_pem_slice(pem.as_bytes()).unwrap();
    roots.add(certificate).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let stream = TcpStream::connect(url.strip_prefix("https://").unwrap())
        .await
        .unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    TlsConnector::from(Arc::new(config))
        .connect(name, stream)
        .await
        .ok()
}

/// One request on a connection that stays open.
async fn asked(stream: &mut TlsStream<TcpStream>) -> String {
    let request = format!("GET {GET_VERSION} HTTP/1.1\r\nhost: localhost\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"}") {
        assert_ne!(stream.read_buf(&mut answer).await.unwrap(), 0, "closed");
    }
    String::from_utf8(answer).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trial_makes_its_certificate_once_and_cookies_are_secure() {
    let mut server = trial();
    assert!(
        server.url.starts_with("https://127.0.0.1:"),
        "{}",
        server.url
    );
    let file = server.data("tls-self-signed.crt");
    let pem = std::fs::read(&file).unwrap();
    let login = async |url: &str, pem: &[u8]| {
        let certificate = reqwest::Certificate::from_pem(pem).unwrap();
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder()
            .no_proxy()
            .timeout(BOUND)
            .tls_certs_only([certificate])
            .build()
            .unwrap();
        let body = json!({"login": "admin", "password": PASSWORD}).to_string();
        let url = format!("{url}/rhn/manager/api/auth/login");
        client.post(url).body(body).send().await.unwrap()
    };
    let answer = login(&server.url, &pem).await;
    assert_eq!(answer.status(), 200);
    let cookies: Vec<_> = answer.headers().get_all("set-cookie").iter().collect();
    let [cookie] = cookies[..] else {
        panic!("{cookies:?}")
    };
    let cookie = cookie.to_str().unwrap();
    assert!(
        cookie.ends_with("; HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=3600"),
        "{cookie}"
    );
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let key = std::fs::metadata(server.data("tls-self-signed.key")).unwrap();
        assert_eq!(key.permissions().mode() & 0o777, 0o600);
    }
    server.kill_and_restart();
    assert_eq!(std::fs::read(&file).unwrap(), pem);
    assert_eq!(login(&server.url, &pem).await.status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn over_plain_http_no_cookie_is_secure_unless_the_public_address_is() {
    for (arguments, secure) in [
        (vec![], false),
        (
            vec![
                "--public-url".to_owned(),
                "https://sync.example.com/".to_owned(),
            ],
            true,
        ),
    ] {
        let server = Server::with(arguments);
        let url = format!("{}/rhn/manager/api/auth/login", server.url);
        let body = json!({"login": "admin", "password": PASSWORD}).to_string();
        let answer = crate::support::images::client()
            .post(url)
            .body(body)
            .send()
            .await
            .unwrap();
        let cookie = answer.headers()["set-cookie"].to_str().unwrap();
        assert_eq!(cookie.contains("; Secure;"), secure, "{cookie}");
    }
}

const PYTHON: &str = r#"
import ssl, sys, urllib.request, xmlrpc.client
url, ca, password = sys.argv[1:]
context = ssl.create_default_context(cafile=ca)
server = xmlrpc.client.ServerProxy(url + "/rpc/api", context=context)
key = server.auth.login("admin", password)
print(server.api.getVersion(), server.registrysync.listProjects(key), server.auth.logout(key))
for version in (ssl.TLSVersion.TLSv1_1, ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
    context = ssl.create_default_context(cafile=ca)
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    context.minimum_version = ssl.TLSVersion.TLSv1
    context.maximum_version = version
    try:
        with urllib.request.urlopen(url + "/rhn/manager/api/api/getVersion", context=context) as answer:
            print(version.name, answer.status)
    except urllib.error.URLError as error:
        print(version.name, error.reason.reason)
"#;

#[tokio::test(flavor = "multi_thread")]
async fn python_and_curl_speak_with_it_and_tls_1_1_is_refused() {
    if !installed(&["python3", "curl"]) {
        return;
    }
    let server = trial();
    let ca = server.data("tls-self-signed.crt");
    let mut python = Command::new("python3");
    python
        .args(["-W", "ignore", "-c", PYTHON, &server.url])
        .arg(&ca)
        .arg(PASSWORD);
    let said = printed(&mut python);
    let lines: Vec<&str> = said.lines().collect();
    let [calls, tls_1_1, tls_1_2, tls_1_3] = lines[..] else {
        panic!("{said}")
    };
    assert_eq!(calls, "27 [] 1");
    // The server's own word, not the client's.
    assert!(
        tls_1_1.starts_with("TLSv1_1 ") && tls_1_1.contains("ALERT"),
        "{tls_1_1}"
    );
    assert_eq!([tls_1_2, tls_1_3], ["TLSv1_2 200", "TLSv1_3 200"]);
    for version in ["--http1.1", "--http2"] {
        let mut curl = Command::new("curl");
        curl.args(["-sS", version, "-w", " %{http_version}", "--cacert"])
            .arg(&ca);
        curl.arg(format!("{}{GET_VERSION}", server.url));
        let spoken = version.trim_start_matches("--http");
        let answer = format!(r#"{{"success":true,"result":"27"}} {spoken}"#);
        assert_eq!(printed(&mut curl), answer);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn plain_http_at_the_tls_port_is_told_the_address_and_not_redirected() {
    let server = trial();
    let plain = server.url.replace("https://", "http://");
    let client = crate::support::images::client();
    for (path, json) in [("/rpc/api", false), ("/rhn/manager/api/auth/login", true)] {
        let body = vec![b'x'; 300_000];
        let answer = client
            .post(format!("{plain}{path}"))
            .body(body)
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 400);
        assert!(!answer.headers().contains_key("location"));
        let text = answer.text().await.unwrap();
        assert!(
            text.contains(&format!("use {}{path}", server.url)),
            "{text}"
        );
        let parsed = serde_json::from_str::<serde_json::Value>(&text);
        assert_eq!(
            parsed.is_ok_and(|body| body["success"] == false),
            json,
            "{text}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_certificate_is_taken_and_open_connections_stay() {
    let files = tempfile::tempdir().unwrap();
    let first = pair_write(files.path());
    let path = |name: &str| files.path().join(name).to_str().unwrap().to_owned();
    let arguments = [
        "--tls-cert",
        &path("cert.pem"),
        "--tls-key",
        &path("key.pem"),
    ];
    let server = Server::with(arguments.map(str::to_owned).to_vec());
    let mut open = connect(&server.url, &first)
        .await
        .expect("the first certificate");
    assert!(asked(&mut open).await.contains("\"27\""));
    let second = pair_write(files.path());
    let mut fresh = None;
    for _ in 0..600 {
        fresh = connect(&server.url, &second).await;
        if fresh.is_some() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(
        asked(&mut fresh.expect("the second certificate"))
            .await
            .contains("\"27\"")
    );
    assert!(connect(&server.url, &first).await.is_none());
    assert!(asked(&mut open).await.contains("\"27\""));
}

#[test]
fn invalid_files_are_reported_at_startup() {
    let files = tempfile::tempdir().unwrap();
    let path = |name: &str| files.path().join(name).to_str().unwrap().to_owned();
    pair_write(files.path());
    std::fs::copy(path("key.pem"), path("old.pem")).unwrap();
    pair_write(files.path());
    for (arguments, wanted) in [
        (
            vec![
                "--tls-cert",
                &path("none.pem"),
                "--tls-key",
                &path("key.pem"),
            ],
            "none.pem",
        ),
        (
            vec![
                "--tls-cert",
                &path("key.pem"),
                "--tls-key",
                &path("key.pem"),
            ],
            "has no certificate",
        ),
        (
            vec![
                "--tls-cert",
                &path("cert.pem"),
                "--tls-key",
                &path("cert.pem"),
            ],
            "has no private key",
        ),
        (
            vec![
                "--tls-cert",
                &path("cert.pem"),
                "--tls-key",
                &path("old.pem"),
            ],
            "can't be used together",
        ),
        (
            vec!["--tls-cert", &path("cert.pem")],
            "`tls_key` is missing",
        ),
        (
            vec!["--tls-self-signed", "--tls-key", &path("key.pem")],
            "set either this or",
        ),
        (
            vec!["--public-url", "sync.example.com"],
            "`public_url`: `sync.example.com` (from the flag)",
        ),
    ] {
        let desk = crate::cli::Desk::new();
        let arguments = [vec!["serve", "--listen", "127.0.0.1:0"], arguments].concat();
        let said = desk.run(&arguments).ended(2);
        assert!(said.err.contains(wanted), "{said:?}");
    }
}

/// A client that sends nothing, or only half of something, is disconnected.
#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_does_not_ask_is_closed() {
    let files = tempfile::tempdir().unwrap();
    let pem = pair_write(files.path());
    let path = |name: &str| files.path().join(name);
    let certificate = Certificate::from_files(&path("cert.pem"), &path("key.pem")).unwrap();
    let head_time = Duration::from_millis(400);
    for certificate in [None, Some(certificate)] {
        let door = ServeOptions {
            certificate,
            head_time,
            ..ServeOptions::default()
        };
        let tls = door.certificate.is_some();
        let address = hello_server(door).await;
        let half = "GET / HTTP/1.1\r\nhost: a\r\nx-slow: ";
        for begin in ["", "P", half] {
            let mut stream = TcpStream::connect(address).await.unwrap();
            stream.write_all(begin.as_bytes()).await.unwrap();
            ended(&mut stream).await;
        }
        if tls {
            let mut stream = TcpStream::connect(address).await.unwrap();
            stream.write_all(&[0x16, 3, 1]).await.unwrap();
            ended(&mut stream).await;
            for begin in ["", "P", half] {
                let mut stream = connect(&format!("https://{address}"), &pem).await.unwrap();
                stream.write_all(begin.as_bytes()).await.unwrap();
                ended(&mut stream).await;
            }
        }
    }
}

/// The server closes within the test's time limit.
async fn ended(stream: &mut (impl tokio::io::AsyncRead + Unpin)) {
    let mut rest = Vec::new();
    let read = tokio::time::timeout(BOUND, stream.read_to_end(&mut rest)).await;
    // A reset is an end, too.
    assert!(read.is_ok(), "the connection stays open");
}

async fn hello_server(door: ServeOptions) -> std::net::SocketAddr {
    let listener = registrysync::surface::listen("127.0.0.1:0".parse().unwrap())
        .await
        .unwrap();
    let address = listener.local_addr().unwrap();
    let router = axum::Router::new().fallback(async || "hello");
    tokio::spawn(registrysync::surface::serve(
        listener,
        router,
        door,
        std::future::pending(),
    ));
    address
}
