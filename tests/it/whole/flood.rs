//! A flood of requests without a session: the server's memory stays bounded, and who has a session is
//! answered. `bench/flood` is the long form, with times.

use std::io::Write as _;
use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::server::Server;
use crate::cli::memory::peak;

/// Of each sort.
const CLIENTS: usize = 60;
const PEAK_MAX_KIB: u64 = 256 * 1024;
/// What a body without bounds would be unpacked to.
const BODY: usize = 8 << 20;

fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(plain).unwrap();
    encoder.finish().unwrap()
}

fn request(path: &str, more: &str, length: usize, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {length}\r\n{more}\r\n"
    );
    [head.as_bytes(), body].concat()
}

/// Many calls of `auth.login`, and a last one with as many values as fit.
fn multicall() -> Vec<u8> {
    let login = "<value><struct><member><name>methodName</name><value>auth.login</value></member>\
        <member><name>params</name><value><array><data><value>admin</value><value>x</value></data>\
        </array></value></member></struct></value>";
    let values = "<value/>".repeat((BODY - 60_000) / 8);
    let document = format!(
        "<methodCall><methodName>system.multicall</methodName><params><param><value><array><data>\
         {}<value><struct><member><name>methodName</name><value>auth.login</value></member><member>\
         <name>params</name><value><array><data>{values}</data></array></value></member></struct>\
         </value></data></array></value></param></params></methodCall>",
        login.repeat(99)
    );
    gzip(document.as_bytes())
}

/// A login with a password of some MiB.
fn login() -> Vec<u8> {
    let password = "x".repeat(BODY - 1000);
    let document = format!(
        "<methodCall><methodName>auth.login</methodName><params><param><value>admin</value></param>\
         <param><value>{password}</value></param></params></methodCall>"
    );
    gzip(document.as_bytes())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_without_a_session_takes_neither_memory_nor_the_api() {
    let server = Server::start(None);
    let session = server.login().await;
    let address = server.url.strip_prefix("http://").unwrap().to_owned();
    let packed = "Content-Encoding: gzip\r\n";
    let (multicall, login) = (multicall(), login());
    // The whole body comes but for its end, which never does.
    let stalled = vec![b'x'; BODY - 100];
    let requests = [
        request("/rpc/api", packed, multicall.len(), &multicall),
        request("/rpc/api", packed, login.len(), &login),
        request("/rhn/manager/api/auth/login", packed, login.len(), &login),
        request("/rpc/api", "", BODY, &stalled),
    ];
    let mut flood = tokio::task::JoinSet::new();
    for request in requests
        .iter()
        .cycle()
        .take(requests.len() * CLIENTS)
        .cloned()
    {
        let address = address.clone();
        flood.spawn(async move {
            let mut stream = TcpStream::connect(address).await.unwrap();
            // The server may close before all of it is taken.
            let _ = stream.write_all(&request).await;
            let mut answer = Vec::new();
            let _ = stream.read_to_end(&mut answer).await;
        });
    }
    for _ in 0..40 {
        let version = session.get("registrysync/listProjects", &[]).await;
        assert_eq!(version, Ok(json!([])));
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    flood.abort_all();
    let most = peak(server.id()).unwrap();
    assert!((1..PEAK_MAX_KIB).contains(&most), "{most} KiB at most");
}
