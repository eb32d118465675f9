//! A flood of requests without a session: the server's memory stays bounded, and clients with a session
//! are answered. `bench/flood` is the long form, with times.

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
/// The decompressed size of an unbounded body.
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
    // The whole body except for its end, which never arrives.
    let stalled = vec![b'x'; BODY - 100];
    let requests = [
        request("/rpc/api", packed, multicall.len(), &multicall),
        request("/rpc/api", packed, login.len(), &login),
        request("/rhn/manager/api/auth/login", packed, login.len(), &login),
        request("/rpc/api", "", BODY, &stalled),
    ];
    let mut flood = tokio::task::JoinSet::new();
    for request in requests.iter().cycle().take(requests.len() * CLIENTS) {
        let (address, request) = (address.clone(), request.clone());
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

/// The cost of unread responses.
const GROWTH_MAX_KIB: u64 = 48 * 1024;

/// An HTTP/2 connection that reads none of its responses, with the maximum number of requests.
fn taking_nothing(path: &str) -> Vec<u8> {
    const STREAMS: u8 = 32;
    const NO_WINDOW: &[u8] = b"\0\0\x06\x04\0\0\0\0\0\0\x04\0\0\0\0";
    let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    bytes.extend(NO_WINDOW);
    for stream in 0..STREAMS {
        // GET, http, path, authority, accept-encoding: gzip.
        let mut fields = vec![0x82, 0x86, 0x44, u8::try_from(path.len()).unwrap()];
        fields.extend(path.as_bytes());
        fields.extend(b"\x41\x01x\x90");
        let length = u8::try_from(fields.len()).unwrap();
        bytes.extend([0, 0, length, 1, 5, 0, 0, 0, stream * 2 + 1]);
        bytes.extend(fields);
    }
    bytes
}

/// Reads until all responses have started, or the server has closed the connection.
async fn answers_begin(stream: &mut TcpStream) {
    let mut begun = 0;
    while begun < 32 {
        let mut head = [0; 9];
        if stream.read_exact(&mut head).await.is_err() {
            return;
        }
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut rest = vec![0; usize::try_from(length).unwrap()];
        if stream.read_exact(&mut rest).await.is_err() {
            return;
        }
        begun += u32::from(head[3] == 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_that_nobody_takes_have_a_bound() {
    for (path, clients) in [
        ("/rhn/manager/api/openapi.json", 30),
        ("/rhn/apidoc/registrysync", 15),
        ("/rhn/manager/api/api/getApiCallList", 40),
    ] {
        let server = Server::start(None);
        let session = server.login().await;
        let address = server.url.strip_prefix("http://").unwrap().to_owned();
        let before = peak(server.id()).unwrap();
        let mut open = Vec::new();
        for _ in 0..clients {
            let mut stream = TcpStream::connect(&address).await.unwrap();
            stream.write_all(&taking_nothing(path)).await.unwrap();
            let begun = tokio::time::timeout(Duration::from_mins(1), answers_begin(&mut stream));
            begun.await.unwrap();
            open.push(stream);
        }
        let version = session.get("registrysync/listProjects", &[]).await;
        assert_eq!(version, Ok(json!([])));
        let grown = peak(server.id()).unwrap() - before;
        assert!(grown < GROWTH_MAX_KIB, "{path}: {grown} KiB more");
    }
}
