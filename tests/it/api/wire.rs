//! Connections and bodies of old, odd and greedy clients (row 2).

use std::io::Write as _;
use std::time::Duration;

use registrysync::surface::RequestLimits;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::sample;
use super::server::{Server, client, outcome, text};

const HELLO: &str = "<methodCall><methodName>sample.hello</methodName></methodCall>";

async fn server(body_bytes: usize) -> Server {
    Server::start(
        sample::registry(),
        RequestLimits {
            body_bytes,
            ..RequestLimits::default()
        },
    )
    .await
}

/// Reads one response with a length, and leaves the connection unchanged.
async fn answer(stream: &mut TcpStream) -> String {
    let mut read = Vec::new();
    loop {
        read.push(stream.read_u8().await.unwrap());
        let text = String::from_utf8_lossy(&read);
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            continue;
        };
        let length = head.lines().find_map(|line| {
            let (name, value) = line.split_once(": ")?;
            let is_length = name.eq_ignore_ascii_case("content-length");
            is_length.then(|| value.parse::<usize>().unwrap())
        });
        if body.len() == length.expect("a length") {
            return text.into_owned();
        }
    }
}

#[tokio::test]
async fn a_connection_is_kept_as_its_version_says() {
    let server = server(100_000).await;
    for (version, header) in [("1.1", "Host: x"), ("1.0", "Connection: keep-alive")] {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        let request = format!(
            "POST /rpc/api HTTP/{version}\r\n{header}\r\nContent-Length: {}\r\n\r\n{HELLO}",
            HELLO.len()
        );
        for _ in 0..3 {
            stream.write_all(request.as_bytes()).await.unwrap();
            let answer = answer(&mut stream).await;
            assert!(answer.contains("<string>hello</string>"), "{answer}");
        }
    }
}

#[tokio::test]
async fn a_packed_body_may_come_in_chunks() {
    let server = server(100_000).await;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(HELLO.as_bytes()).unwrap();
    let packed = encoder.finish().unwrap();
    let mut request = b"POST /rpc/api HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\
        Transfer-Encoding: chunked\r\nContent-Encoding: gzip\r\n\r\n"
        .to_vec();
    for chunk in packed.chunks(7) {
        request.extend(format!("{:x}\r\n", chunk.len()).bytes());
        request.extend(chunk);
        request.extend(b"\r\n");
    }
    request.extend(b"0\r\n\r\n");
    let answer = server.raw(&request).await;
    assert!(answer.contains("<string>hello</string>"), "{answer}");
}

/// The client reads only after it has written everything, or never writes all that it announced.
#[tokio::test]
async fn too_much_is_a_fault_however_it_comes() {
    let server = server(RequestLimits::default().body_bytes).await;
    let large = vec![b' '; 20_000_000];
    let url = format!("http://{}/rpc/api", server.address);
    let request = client().post(&url).body(large.clone());
    let document = request.send().await.unwrap().text().await.unwrap();
    let (code, message) = outcome(&document).unwrap_err();
    assert_eq!(code, -1);
    assert!(message.contains("larger than 8.00 MiB"), "{message}");

    let url = format!("http://{}/rhn/manager/api/sample/hello", server.address);
    let response = client().get(&url).body(large).send().await.unwrap();
    assert_eq!(response.status(), 400);
    let body = response.text().await.unwrap();
    let body: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(body["success"], false);

    let announced = "POST /rpc/api HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\
        Content-Length: 999999999999\r\n\r\n";
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(announced.as_bytes()).await.unwrap();
    let mut head = [0; 15];
    let patience = Duration::from_mins(1);
    let read = tokio::time::timeout(patience, stream.read_exact(&mut head)).await;
    read.expect("the server waits for ever").unwrap();
    assert_eq!(&head, b"HTTP/1.1 200 OK");
    // Others were served all the time.
    assert_eq!(outcome(&server.post_xml(HELLO).await), Ok(text("hello")));
}

#[tokio::test]
async fn a_query_that_is_too_long_is_refused_in_json_or_without_a_body() {
    let server = server(100_000).await;
    for length in [10_000, 100_000, 1 << 20] {
        let request = format!(
            "GET /rhn/manager/api/sample/hello?x={} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
            "y".repeat(length)
        );
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        // The server may have answered and closed before everything is written.
        let _ = stream.write_all(request.as_bytes()).await;
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        let answer = String::from_utf8_lossy(&answer);
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
        let status = head.split(' ').nth(1).unwrap_or_default();
        assert!(
            ["400", "414", "431", ""].contains(&status),
            "{length}: {head}"
        );
        assert!(
            body.is_empty() || body.starts_with("{\"success\":false"),
            "{body}"
        );
    }
}
