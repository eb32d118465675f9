//! Connections, and what all responses share: hosts, headers, closed connections, and health checks of
//! load balancers.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::routing::get;
use diesel::RunQueryDsl as _;
use futures_util::stream;
use registrysync::api::namespaces;
use registrysync::service::Role;
use registrysync::surface::{RequestLimits, ServeOptions, listen, serve};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::mpsc;

use super::server::{Server, client, quick_policy};

/// Far longer than anything takes.
const BOUND: Duration = Duration::from_secs(30);
const HELLO: &str = "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n";

/// A server with a greeting at `/hello`, and an endless response at `/endless`; the channel
/// receives when such a response was aborted.
async fn greeter(door: ServeOptions) -> (SocketAddr, mpsc::UnboundedReceiver<()>) {
    let listener = listen("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let address = listener.local_addr().unwrap();
    let (told, ended) = mpsc::unbounded_channel();
    let endless = move || {
        let told = Told(told.clone());
        async move {
            Body::from_stream(stream::repeat_with(move || {
                let _ = &told;
                Ok::<_, Infallible>(Bytes::from_static(&[b'x'; 16 * 1024]))
            }))
        }
    };
    let router = Router::new()
        .route("/hello", get(async || "hello"))
        .route("/never", get(async || std::future::pending::<()>().await))
        .route("/endless", get(endless));
    tokio::spawn(serve(listener, router, door, std::future::pending()));
    (address, ended)
}

struct Told(mpsc::UnboundedSender<()>);

impl Drop for Told {
    fn drop(&mut self) {
        let _ = self.0.send(());
    }
}

/// Whether the server answers a request on this connection, rather than closing it.
async fn greets(stream: &mut TcpStream) -> bool {
    if stream.write_all(HELLO.as_bytes()).await.is_err() {
        return false;
    }
    let mut read = Vec::new();
    let all = async {
        while !read.ends_with(b"hello") {
            match stream.read_u8().await {
                Ok(byte) => read.push(byte),
                Err(_) => return false,
            }
        }
        true
    };
    tokio::time::timeout(BOUND, all).await.expect("an answer")
}

#[tokio::test]
async fn the_oldest_idle_connection_goes_for_a_new_one() {
    let door = ServeOptions {
        connections: 3,
        ..ServeOptions::default()
    };
    let (address, _) = greeter(door).await;
    let mut open = Vec::new();
    for _ in 0..3 {
        let mut stream = TcpStream::connect(address).await.unwrap();
        assert!(greets(&mut stream).await);
        open.push(stream);
    }
    // The first one was used most recently.
    assert!(greets(&mut open[0]).await);
    let mut new = TcpStream::connect(address).await.unwrap();
    assert!(greets(&mut new).await);
    assert!(!greets(&mut open[1]).await);
    assert!(greets(&mut open[0]).await && greets(&mut open[2]).await);
}

#[tokio::test]
async fn a_client_that_takes_nothing_is_cut() {
    let write_time = Duration::from_millis(300);
    let (address, mut ended) = greeter(ServeOptions {
        write_time,
        ..ServeOptions::default()
    })
    .await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = HELLO.replace("hello", "endless");
    stream.write_all(request.as_bytes()).await.unwrap();
    tokio::time::timeout(BOUND, ended.recv())
        .await
        .expect("an end")
        .unwrap();

    // The same where only HTTP/2 shows that nothing more is wanted: the connection itself is read.
    let mut stream = TcpStream::connect(address).await.unwrap();
    let authority = b"\x41\x01x";
    let mut fields = vec![0x82, 0x86, 0x44, 8];
    fields.extend(b"/endless");
    fields.extend(authority);
    let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0".to_vec();
    bytes.extend([0, 0, u8::try_from(fields.len()).unwrap(), 1, 5, 0, 0, 0, 1]);
    bytes.extend(fields);
    stream.write_all(&bytes).await.unwrap();
    let (mut reader, writer) = stream.into_split();
    let read = tokio::spawn(async move { reader.read_to_end(&mut Vec::new()).await });
    tokio::time::timeout(BOUND, ended.recv())
        .await
        .expect("an end")
        .unwrap();
    drop(writer);
    read.abort();
}

#[tokio::test]
async fn heads_of_strangers_have_one_budget() {
    let door = ServeOptions {
        unauthenticated_total_bytes: 200_000,
        ..ServeOptions::default()
    };
    let (address, _) = greeter(door).await;
    let mut open = Vec::new();
    let field = format!("X-Long: {}\r\n\r\n", "x".repeat(12_000));
    for _ in 0..30 {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = HELLO.replace("hello", "never");
        let request = request.replace("\r\n\r\n", &format!("\r\n{field}"));
        stream.write_all(request.as_bytes()).await.unwrap();
        open.push(stream);
    }
    // The older ones are closed, the others wait for their responses.
    let began = std::time::Instant::now();
    let mut ended = 0;
    while ended < 20 && began.elapsed() < BOUND {
        open.retain(|stream| {
            let is_open = matches!(stream.try_read(&mut [0]), Err(error) if error.kind() == std::io::ErrorKind::WouldBlock);
            ended += usize::from(!is_open);
            is_open
        });
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!((20..25).contains(&ended), "{ended} of 30 were closed");
    let mut new = TcpStream::connect(address).await.unwrap();
    assert!(greets(&mut new).await);
}

#[tokio::test]
async fn frames_that_belong_to_no_request_have_an_end() {
    const PING: &[u8] = b"\0\0\x08\x06\0\0\0\0\x0012345678";
    const SETTINGS: &[u8] = b"\0\0\0\x04\0\0\0\0\0";
    let (address, _) = greeter(ServeOptions::default()).await;
    for frame in [PING, SETTINGS] {
        let stream = TcpStream::connect(address).await.unwrap();
        let (mut reader, mut writer) = stream.into_split();
        let read = tokio::spawn(async move { reader.read_to_end(&mut Vec::new()).await });
        let begin = [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", SETTINGS].concat();
        writer.write_all(&begin).await.unwrap();
        let mut sent = 0;
        while sent < 20 << 20 && writer.write_all(&frame.repeat(1000)).await.is_ok() {
            sent += frame.len() * 1000;
        }
        assert!(sent < 20 << 20, "the server goes on");
        read.abort();
    }
}

#[tokio::test]
async fn a_request_names_one_host() {
    let server = Server::on_api().await;
    for (line, hosts, status) in [
        ("HTTP/1.1", "", "400"),
        ("HTTP/1.1", "Host: a\r\nHost: b\r\n", "400"),
        ("HTTP/1.1", "Host: a\r\nHost: a\r\n", "400"),
        ("HTTP/1.0", "Host: a\r\nHost: b\r\n", "400"),
        ("HTTP/1.1", "Host: a\"><script>\r\n", "400"),
        ("HTTP/1.1", "Host: [::1]:8080\r\n", "200"),
        ("HTTP/1.0", "", "200"),
    ] {
        let request = format!("GET /healthz {line}\r\n{hosts}Connection: close\r\n\r\n");
        let answer = server.raw(request.as_bytes()).await;
        assert_eq!(answer.split(' ').nth(1), Some(status), "{line} {hosts:?}");
    }
}

#[tokio::test]
async fn answers_are_kept_by_nobody_and_the_root_leads_to_the_pages() {
    let server = Server::on_api().await;
    let plain = reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none());
    let plain = plain.build().unwrap();
    let url = |path: &str| format!("http://{}{path}", server.address);
    let root = plain.get(url("/")).send().await.unwrap();
    assert_eq!(root.status(), 303);
    assert_eq!(root.headers()["location"], "/rhn/apidoc/");
    for path in [
        "/rhn/manager/api/api/getVersion",
        "/rhn/manager/api/nothing",
        "/healthz",
        "/readyz",
    ] {
        let answer = plain.get(url(path)).send().await.unwrap();
        assert_eq!(answer.headers()["cache-control"], "no-store", "{path}");
    }
    let call = "<methodCall><methodName>api.getVersion</methodName></methodCall>";
    let answer = plain.post(url("/rpc/api")).body(call).send().await.unwrap();
    assert_eq!(answer.headers()["cache-control"], "no-store");
}

#[tokio::test]
async fn only_the_default_https_port_speaks_for_its_host() {
    for (public_url, strict) in [
        ("https://sync.example.com", true),
        ("https://sync.example.com:8443", false),
        ("http://sync.example.com", false),
    ] {
        let (address, _) = greeter(ServeOptions {
            public_url: Some(public_url.to_owned()),
            ..ServeOptions::default()
        })
        .await;
        let answer = client().get(format!("http://{address}/hello")).send();
        let answer = answer.await.unwrap();
        let said = answer.headers().get("strict-transport-security");
        assert_eq!(said.is_some(), strict, "{public_url}");
    }
}

#[tokio::test]
async fn another_sites_page_logs_nobody_out() {
    let server = Server::on_api().await;
    let key = server.key(&[Role::ImageAdmin], false).await;
    let logout = |site: &'static str| {
        let url = format!("http://{}/rhn/manager/api/logout", server.address);
        let request = client()
            .get(url)
            .header("cookie", format!("pxt-session-cookie={key}"));
        request.header("sec-fetch-site", site).send()
    };
    let path = "image/store/listImageStores";
    assert_eq!(logout("cross-site").await.unwrap().status(), 403);
    assert_eq!(server.json("GET", path, Some(&key), None).await.0, 200);
    assert_eq!(logout("same-origin").await.unwrap().status(), 200);
    assert_eq!(server.json("GET", path, Some(&key), None).await.0, 401);
}

on_both_databases! {
    async fn a_load_balancer_is_told_whether_calls_can_be_answered(database) {
        let registry = namespaces::registry();
        let server = Server::on(database, registry, RequestLimits::default(), quick_policy()).await;
        let asked = async |path: &str| {
            let url = format!("http://{}/{path}", server.address);
            let answer = client().get(url).send().await.unwrap();
            (answer.status().as_u16(), answer.text().await.unwrap())
        };
        assert_eq!(asked("readyz").await, (200, "ready\n".to_owned()));
        let rename = async |from: &str, to: &str| {
            let statement = format!("ALTER TABLE {from} RENAME TO {to}");
            let run = move |conn: &mut registrysync::store::DbConnection| {
                Ok(diesel::sql_query(statement).execute(conn)?)
            };
            server.app.db.run(run).await.unwrap();
        };
        let becomes = async |status: u16| {
            for _ in 0..600 {
                let (found, text) = asked("readyz").await;
                if found == status {
                    return text;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            panic!("never {status}");
        };
        // The table of applied migrations is missing.
        rename("__diesel_schema_migrations", "migrations_away").await;
        let text = becomes(503).await;
        assert!(text.starts_with("not ready: "), "{text}");
        assert_eq!(asked("healthz").await, (200, "ok\n".to_owned()));
        rename("migrations_away", "__diesel_schema_migrations").await;
        becomes(200).await;
    }
}

on_both_databases! {
    async fn old_events_go_and_young_ones_stay(database) {
        use registrysync::store::trail::audit::{AuditFilter, NewAuditEvent, audit_add, audit_list, audit_remove};
        let left = database.run(|conn| {
            for method in ["a", "b", "c", "d"] {
                let new = NewAuditEvent {
                    org_id: None, login: "", address: "", method, object: "", outcome: "ok",
                };
                audit_add(conn, &new)?;
            }
            let old = "UPDATE audit_event SET time = '2020-01-01 00:00:00' WHERE method <> 'd'";
            diesel::sql_query(old).execute(conn)?;
            let before = registrysync::store::now() - chrono::TimeDelta::days(1);
            let mut gone = Vec::new();
            for _ in 0..3 {
                gone.push(audit_remove(conn, before, 2)?);
            }
            let left = audit_list(conn, &AuditFilter::default(), i64::MAX, 10)?;
            Ok((gone, left.into_iter().map(|event| event.method).collect::<Vec<_>>()))
        });
        assert_eq!(left.await.unwrap(), (vec![2, 1, 0], vec!["d".to_owned()]));
    }
}
