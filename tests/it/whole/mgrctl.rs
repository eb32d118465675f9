//! `mgrctl api`, byte by byte: the requests that Go's client sends for it, over TLS.
//!
//! Each `mgrctl` command is a process with its own connection. It saves the cookie's value in a file,
//! and first checks with `user/listAssignableRoles` whether the session is still valid.

use std::io::Read as _;

use flate2::read::GzDecoder;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use super::server::{PASSWORD, Server};
use super::tls::{connect, trial};
use crate::support::images::{AMD64, Blob, Format, Image};
use crate::support::registry::Registry;

const PROBE: &str = "user/listAssignableRoles";

/// One `mgrctl` command: its connection, and its saved cookie.
struct Command<'a> {
    stream: TlsStream<TcpStream>,
    host: &'a str,
    cookie: Option<&'a str>,
}

#[derive(Debug)]
struct Answer {
    status: u16,
    /// Names in lower case.
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl<'a> Command<'a> {
    /// It trusts the self-signed certificate, and offers no HTTP/2, since its TLS is configured
    /// manually.
    async fn start(server: &'a Server, cookie: Option<&'a str>) -> Self {
        let pem = std::fs::read_to_string(server.data("tls-self-signed.crt")).unwrap();
        Self {
            stream: connect(&server.url, &pem).await.unwrap(),
            host: server.url.strip_prefix("https://").unwrap(),
            cookie,
        }
    }

    /// A request as written by Go: these headers, in this order, and the given target.
    async fn ask(&mut self, verb: &str, target: &str, body: Option<&str>) -> Answer {
        use std::fmt::Write as _;
        let mut request = format!(
            "{verb} /rhn/manager/api/{target} HTTP/1.1\r\nHost: {}\r\nUser-Agent: Go-http-client/1.1\r\n",
            self.host
        );
        if let Some(body) = body {
            let _ = write!(request, "Content-Length: {}\r\n", body.len());
        }
        request.push_str("Accept: application/json; charset=utf-8\r\n");
        request.push_str("Content-Type: application/json; charset=utf-8\r\n");
        if let Some(cookie) = self.cookie {
            let _ = write!(request, "Cookie: pxt-session-cookie={cookie}\r\n");
        }
        request.push_str("Accept-Encoding: gzip\r\n\r\n");
        request.push_str(body.unwrap_or_default());
        self.stream.write_all(request.as_bytes()).await.unwrap();
        self.answer().await
    }

    async fn answer(&mut self) -> Answer {
        let head = String::from_utf8(self.read_until(b"\r\n\r\n").await).unwrap();
        let mut lines = head.trim_end().split("\r\n");
        let status = lines.next().unwrap();
        let status = status.strip_prefix("HTTP/1.1 ").unwrap()[..3]
            .parse()
            .unwrap();
        let headers: Vec<(String, String)> = lines
            .map(|line| line.split_once(": ").unwrap())
            .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
            .collect();
        let mut answer = Answer {
            status,
            headers,
            body: Vec::new(),
        };
        answer.body = if answer.header("transfer-encoding") == Some("chunked") {
            self.chunks().await
        } else {
            let length = answer.header("content-length").unwrap().parse().unwrap();
            self.read(length).await
        };
        if answer.header("content-encoding") == Some("gzip") {
            let mut plain = Vec::new();
            GzDecoder::new(&answer.body[..])
                .read_to_end(&mut plain)
                .unwrap();
            answer.body = plain;
        }
        answer
    }

    async fn chunks(&mut self) -> Vec<u8> {
        let mut body = Vec::new();
        loop {
            let size = String::from_utf8(self.read_until(b"\r\n").await).unwrap();
            let size = usize::from_str_radix(size.trim_end(), 16).unwrap();
            let chunk = self.read(size + 2).await;
            body.extend_from_slice(&chunk[..size]);
            if size == 0 {
                return body;
            }
        }
    }

    async fn read(&mut self, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        self.stream.read_exact(&mut bytes).await.unwrap();
        bytes
    }

    async fn read_until(&mut self, end: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        while !bytes.ends_with(end) {
            bytes.push(self.stream.read_u8().await.unwrap());
        }
        bytes
    }

    /// The probe, then the call, which must succeed; on one connection.
    async fn result(&mut self, verb: &str, target: &str, body: Option<&str>) -> Value {
        assert_eq!(self.ask("GET", PROBE, None).await.status, 200);
        let answer = self.ask(verb, target, body).await;
        let mut said = answer.json();
        assert_eq!(
            (answer.status, &said["success"]),
            (200, &json!(true)),
            "{target}: {said}"
        );
        said["result"].take()
    }
}

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(other, _)| other == name);
        found.map(|(_, value)| value.as_str())
    }

    fn json(&self) -> Value {
        assert_eq!(
            self.header("content-type"),
            Some("application/json; charset=utf-8")
        );
        serde_json::from_slice(&self.body).unwrap()
    }

    /// The cookie, which Go accepts if `Max-Age` is above 0; there must be only one.
    fn cookie(&self) -> (String, i64) {
        let lines = self.headers.iter().filter(|(name, _)| name == "set-cookie");
        let lines: Vec<&String> = lines.map(|(_, value)| value).collect();
        let [line] = lines[..] else {
            panic!("{lines:?}")
        };
        let mut parts = line.split("; ");
        let key = parts
            .next()
            .unwrap()
            .strip_prefix("pxt-session-cookie=")
            .unwrap();
        let age = parts
            .find_map(|part| part.strip_prefix("Max-Age="))
            .unwrap();
        (key.to_owned(), age.parse().unwrap())
    }
}

fn login_body(password: &str) -> String {
    format!(r#"{{"login":"admin","password":"{password}"}}"#)
}

async fn login(server: &Server) -> String {
    let mut command = Command::start(server, None).await;
    let answer = command
        .ask("POST", "auth/login", Some(&login_body(PASSWORD)))
        .await;
    assert_eq!(
        (answer.status, answer.json()),
        (200, json!({"success": true}))
    );
    let (key, age) = answer.cookie();
    assert!(age > 0, "{age}");
    key
}

#[tokio::test(flavor = "multi_thread")]
async fn mgrctl_logs_in_gets_and_posts() {
    let (source, target) = (Registry::start().await, Registry::start().await);
    for (seed, tag) in [(1, "1.9"), (2, "1.10"), (3, "2.0")] {
        let image = Image::single(Format::Oci, AMD64, &[Blob::layer(seed, 2000)]);
        image.store(&source, "team/app", Some(tag));
    }
    let server = trial();
    let key = login(&server).await;
    let call = async |verb: &str, target: &str, body: Option<&str>| {
        let mut command = Command::start(&server, Some(&key)).await;
        command.result(verb, target, body).await
    };

    // Several `k=v` are sent as an object of strings, including structs.
    for (label, registry) in [("from", &source), ("é", &target)] {
        let body = json!({"label": label, "uri": format!("http://{}", registry.address()),
            "storeType": "registry", "credentials": "{}"});
        let made = call("POST", "image/store/create", Some(&body.to_string())).await;
        assert_eq!(made, 1);
    }
    let body =
        r#"{"destStore":"é","label":"web","options":"{\"enabled\": \"true\"}","srcStore":"from"}"#;
    assert_eq!(
        call("POST", "registrysync/create", Some(body)).await["enabled"],
        true
    );
    let body = r#"{"label":"web","repository":"team/app","tags":"1.10"}"#;
    let item = call("POST", "registrysync/addImage", Some(body)).await;
    assert_eq!(item["tags"], json!(["1.10"]));
    let body = format!(
        r#"{{"details":"{{\"tags_regex\":\"^1\"}}","itemId":"{}"}}"#,
        item["id"]
    );
    let item = call("POST", "registrysync/updateImage", Some(&body)).await;
    assert_eq!(item["tags_regex"], "^1");

    // Arguments of a `get` are in the query as typed; without any it is a bare `?`.
    assert_eq!(
        call("GET", "registrysync/listProjects?", None).await[0]["label"],
        "web"
    );
    for (query, tags) in [
        ("filter=^1\\.[0-9]{2}|`", json!(["1.10"])),
        ("filter=1.9", json!(["1.9"])),
        ("filter=%5E2", json!(["2.0"])),
        ("filter=^[0-9]&limit=1&offset=1", json!(["1.10"])),
    ] {
        let target = format!("registrysync/listTags?storeLabel=from&repository=team/app&{query}");
        assert_eq!(call("GET", &target, None).await, tags, "{query}");
    }
    assert_eq!(
        call("GET", "image/store/getDetails?label=é", None).await["label"],
        "é"
    );
    let preview = "registrysync/previewTags?storeLabel=from&repository=team/app&selector={%22tags%22:[%222.0%22]}";
    let tags = call("GET", preview, None).await;
    let of_tag = tags
        .as_array()
        .unwrap()
        .iter()
        .find(|tag| tag["tag"] == "2.0");
    assert_eq!(of_tag.unwrap()["selected"], true, "{tags}");

    // A single JSON argument is sent in parsed form.
    let run = call("POST", "registrysync/run", Some(r#"{"label":"web"}"#)).await;
    assert!(run.as_i64().unwrap() > 0, "{run}");

    // Any other is lost: the body is `null`. Methods without arguments work like this.
    let mut command = Command::start(&server, Some(&key)).await;
    let answer = command.ask("POST", "registrysync/run", Some("null")).await;
    let said = answer.json();
    assert_eq!((answer.status, &said["success"]), (400, &json!(false)));
    assert!(
        said["message"]
            .as_str()
            .unwrap()
            .contains("`label` is missing"),
        "{said}"
    );
    let answer = command.ask("POST", "auth/logout", Some("null")).await;
    assert_eq!((answer.status, answer.cookie().1), (200, 0));
    let answer = command.ask("GET", PROBE, None).await;
    assert_eq!((answer.status, answer.body.len()), (401, 0));
}

/// It shows the user the member `message`, which must be text.
#[tokio::test(flavor = "multi_thread")]
async fn mgrctl_is_told_why() {
    let server = trial();
    let mut command = Command::start(&server, None).await;
    let answer = command
        .ask("POST", "auth/login", Some(&login_body("wrong")))
        .await;
    let text = "Either the password or username is incorrect.";
    let expected = json!({"success": false, "message": text});
    assert_eq!((answer.status, answer.json()), (401, expected));
    let answer = command.ask("GET", PROBE, None).await;
    assert_eq!((answer.status, answer.body.len()), (401, 0));

    let key = login(&server).await;
    let mut command = Command::start(&server, Some(&key)).await;
    let answer = command
        .ask("GET", "registrysync/getDetails?label=none", None)
        .await;
    let expected =
        json!({"success": false, "message": "there is no project `none`", "code": 10101});
    assert_eq!((answer.status, answer.json()), (200, expected));
    let answer = command
        .ask("GET", "registrysync/run?label=none", None)
        .await;
    assert_eq!((answer.status, answer.header("allow")), (405, Some("POST")));
    // Go sends these raw too, but then the line isn't a valid request.
    for raw in ["a b", "\"a\"", "<a>"] {
        let mut command = Command::start(&server, Some(&key)).await;
        let target = format!("registrysync/getDetails?label={raw}");
        assert_eq!(command.ask("GET", &target, None).await.status, 400, "{raw}");
    }
}
