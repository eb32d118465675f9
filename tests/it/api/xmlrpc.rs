//! XML-RPC: rows 1 to 15, 25 and 29 of the wire's contract.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;

use dxr::Value;
use registrysync::api::namespaces;
use registrysync::service::Role;
use registrysync::surface::RequestLimits;

use super::sample;
use super::server::{Server, client, members, outcome, text, texts};

async fn server() -> (Server, String) {
    let server = Server::start(sample::registry(), RequestLimits::default()).await;
    let key = server.key(&[Role::ImageAdmin], false).await;
    (server, key)
}

const HELLO: &str =
    "<?xml version='1.0'?>\n<methodCall><methodName>sample.hello</methodName></methodCall>";

#[tokio::test]
async fn both_paths_answer_with_and_without_slash() {
    let (server, _) = server().await;
    for path in ["/rpc/api", "/rpc/api/", "/rhn/rpc/api", "/rhn/rpc/api/"] {
        let request = client()
            .post(format!("http://{}{path}", server.address))
            .body(HELLO);
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 200, "{path}");
        assert_eq!(
            response.headers()["content-type"],
            "text/xml; charset=utf-8"
        );
        let document = response.text().await.unwrap();
        assert!(
            document.starts_with("<?xml version=\"1.0\" encoding=\"UTF-8\"?>"),
            "{document}"
        );
        assert_eq!(outcome(&document), Ok(text("hello")));
        let get = client()
            .get(format!("http://{}{path}", server.address))
            .send()
            .await
            .unwrap();
        assert_eq!(
            (get.url().path(), get.status().as_u16()),
            ("/rhn/apidoc/", 200)
        );
        let put = client()
            .put(format!("http://{}{path}", server.address))
            .send()
            .await
            .unwrap();
        assert_eq!(
            (put.status().as_u16(), &put.headers()["allow"]),
            (405, &"POST".parse().unwrap())
        );
    }
}

#[tokio::test]
async fn old_and_odd_requests_work() {
    let (server, _) = server().await;
    let length = HELLO.len();
    let plain = format!("POST /rpc/api HTTP/1.0\r\nContent-Length: {length}\r\n\r\n{HELLO}");
    let chunked = format!(
        "POST /rpc/api HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\
         Content-Type: text/xml; charset=\"UTF-8\"\r\n\r\n{:x}\r\n{}\r\n{:x}\r\n{}\r\n0\r\n\r\n",
        10,
        &HELLO[..10],
        length - 10,
        &HELLO[10..]
    );
    for request in [plain, chunked] {
        let answer = server.raw(request.as_bytes()).await;
        assert!(answer.contains(" 200 OK"), "{answer}");
        assert!(answer.contains("<string>hello</string>"), "{answer}");
    }
}

#[tokio::test]
async fn gzip_works_both_ways_and_is_bounded() {
    let server = Server::start(
        sample::registry(),
        RequestLimits {
            body_bytes: 100_000,
            ..RequestLimits::default()
        },
    )
    .await;
    let url = format!("http://{}/rpc/api", server.address);
    let gzip = |plain: &[u8]| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(plain).unwrap();
        encoder.finish().unwrap()
    };
    let request = client()
        .post(&url)
        .header("content-encoding", "gzip")
        .header("accept-encoding", "gzip");
    // A small response isn't worth compressing.
    let key = server.key(&[Role::ImageAdmin], false).await;
    let long = "hello".repeat(2000);
    let call = dxr::MethodCall {
        name: "sample.pick".into(),
        params: vec![text(&key), text(&long)],
    };
    let call = gzip(call.to_xml().unwrap().as_bytes());
    let response = request.body(call).send().await.unwrap();
    assert_eq!(response.headers()["content-encoding"], "gzip");
    let mut plain = String::new();
    let packed = response.bytes().await.unwrap();
    std::io::Read::read_to_string(&mut flate2::read::GzDecoder::new(&packed[..]), &mut plain)
        .unwrap();
    assert_eq!(outcome(&plain), Ok(text(&format!("label {long}"))));

    for body in [gzip(&vec![b' '; 10_000_000]), b"no gzip".to_vec()] {
        let request = client()
            .post(&url)
            .header("content-encoding", "gzip")
            .body(body);
        let document = request.send().await.unwrap().text().await.unwrap();
        assert!(outcome(&document).is_err(), "{document}");
    }
}

#[tokio::test]
async fn a_body_over_the_limit_is_a_fault() {
    let server = Server::start(
        sample::registry(),
        RequestLimits {
            body_bytes: 100_000,
            ..RequestLimits::default()
        },
    )
    .await;
    for size in [100_001, 350_000] {
        let document = HELLO.replace("hello", &"x".repeat(size));
        let head = format!(
            "POST /rpc/api HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
            document.len()
        );
        let answer = server.raw(format!("{head}{document}").as_bytes()).await;
        assert!(answer.contains("larger than 97.66 KiB"), "{size}: {answer}");
    }
}

/// Each `NAME.in.xml` is sent with `SESSION` replaced by a key; the response must be
/// `NAME.out.xml`.
#[tokio::test]
async fn documents_are_answered_as_recorded() {
    let (server, key) = server().await;
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/xmlrpc");
    let mut count = 0;
    for entry in std::fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let Some(stem) = name.strip_suffix(".in.xml") else {
            continue;
        };
        let request = std::fs::read_to_string(&path)
            .unwrap()
            .replace("SESSION", &key);
        let answer = server.post_xml(&request).await;
        let recorded = folder.join(format!("{stem}.out.xml"));
        if std::env::var_os("REGISTRYSYNC_RECORD").is_some() {
            std::fs::write(&recorded, format!("{answer}\n")).unwrap();
        }
        let expected = std::fs::read_to_string(&recorded).unwrap();
        assert_eq!(answer, expected.trim_end(), "{name}");
        count += 1;
    }
    assert!(count >= 5, "only {count} cases were found");
}

/// Method, arguments, and the result or the fault's code and part of its text.
type OverloadCase = (
    &'static str,
    Vec<Value>,
    Result<&'static str, (i32, &'static str)>,
);

#[tokio::test]
async fn overloads_are_chosen_by_exact_types_then_by_conversion() {
    let (server, key) = server().await;
    let date = Value::DateTime("20260102T03:04:05".parse().unwrap());
    let yes = || Value::Boolean(true);
    let cases: Vec<OverloadCase> = vec![
        ("pick", vec![Value::Integer(17)], Ok("id 17")),
        ("pick", vec![Value::Long(17)], Ok("id 17")),
        ("pick", vec![text("17")], Ok("label 17")),
        ("pick", vec![texts(&[])], Ok("labels []")),
        (
            "pick",
            vec![texts(&["a", "b"])],
            Ok("labels [\"a\", \"b\"]"),
        ),
        ("both", vec![text("17"), yes()], Ok("label 17 true")),
        (
            "both",
            vec![text("17"), Value::Integer(1)],
            Err((-1, "more than one method candidate found")),
        ),
        (
            "both",
            vec![text("seventeen"), Value::Integer(0)],
            Ok("label seventeen false"),
        ),
        (
            "both",
            vec![text("a"), text("yes")],
            Err((-1, "both(string sessionKey, string item, boolean on)")),
        ),
        ("echo", vec![Value::Integer(1234)], Ok("1234")),
        (
            "echo",
            vec![Value::Double(1.5)],
            Err((2800, "loses its original form")),
        ),
        (
            "echo",
            vec![date.clone()],
            Err((2800, "`text`: expected string, got date")),
        ),
        (
            "echo",
            vec![Value::Nil],
            Err((-1, "`text` must be a string, got nil")),
        ),
        (
            "echo",
            vec![yes()],
            Err((
                -1,
                "Could not find method: echo in class: SampleHandler with params: [string, boolean]",
            )),
        ),
        (
            "echo",
            vec![],
            Err((-1, "echo(string sessionKey, string text)")),
        ),
        (
            "nothing",
            vec![],
            Err((-1, "Could not find method: nothing in class: SampleHandler")),
        ),
    ];
    for (method, args, expected) in cases {
        let shown = format!("{method} {args:?}");
        let params = std::iter::once(text(&key)).chain(args).collect();
        let came = server.xml(&format!("sample.{method}"), params).await;
        match (came, expected) {
            (Ok(Value::String(came)), Ok(expected)) => assert_eq!(came, expected, "{shown}"),
            (Err((code, came)), Err((expected_code, part))) => {
                assert_eq!(code, expected_code, "{shown}: {came}");
                assert!(came.contains(part), "{shown}: {came}");
            }
            (came, expected) => panic!("{shown}: {came:?} instead of {expected:?}"),
        }
    }
}

#[tokio::test]
async fn simple_values_are_converted() {
    let (server, key) = server().await;
    let date = || Value::DateTime("20260102T03:04:05".parse().unwrap());
    let cases = [
        ("setSwitch", Value::Integer(1), Ok(Value::Boolean(true))),
        ("set_switch", text("false"), Ok(Value::Boolean(false))),
        ("setSwitch", text("0"), Ok(Value::Boolean(false))),
        ("setSwitch", Value::Integer(2), Err(-1)),
        ("setSwitch", text("True"), Err(-1)),
        ("number", text("-12"), Ok(Value::Integer(-12))),
        ("number", text("12a"), Err(-1)),
        ("number", Value::Long(1 << 40), Err(2800)),
        ("when", date(), Ok(date())),
        ("when", text("20260102T03:04:05"), Ok(date())),
        ("when", text("tomorrow"), Err(-1)),
        (
            "list",
            Value::Array(vec![text("a"), Value::Integer(2)]),
            Ok(texts(&["a", "2"])),
        ),
        ("list", Value::Array(vec![text("a"), date()]), Err(2800)),
        ("list", text("a"), Err(-1)),
    ];
    for (method, arg, expected) in cases {
        let shown = format!("{method} {arg:?}");
        let came = server
            .xml(&format!("sample.{method}"), vec![text(&key), arg])
            .await;
        assert_eq!(came.map_err(|(code, _)| code), expected, "{shown}");
    }
}

#[tokio::test]
async fn structs_are_read_leniently_and_unknown_keys_named() {
    let (server, key) = server().await;
    let options = |members: &[(&str, Value)]| {
        Value::Struct(
            members
                .iter()
                .map(|(name, value)| ((*name).to_owned(), value.clone()))
                .collect(),
        )
    };
    let good = options(&[
        ("name", Value::Integer(2024)),
        ("count", text("5")),
        ("on", Value::Integer(1)),
        ("tags", Value::Nil),
    ]);
    let expected = options(&[
        ("name", text("2024")),
        ("count", Value::Integer(5)),
        ("on", Value::Boolean(true)),
    ]);
    let call = async |options| {
        server
            .xml("sample.options", vec![text(&key), options])
            .await
    };
    assert_eq!(call(good).await, Ok(expected));
    let unknown = options(&[
        ("zeta", text("1")),
        ("name", text("n")),
        ("alpha", text("s3cret")),
    ]);
    assert_eq!(
        call(unknown).await,
        Err((2801, "Invalid argument(s): alpha, zeta".into()))
    );
    let wrong = options(&[(
        "tags",
        Value::Array(vec![text("a"), Value::Struct(BTreeMap::new())]),
    )]);
    let message = "`options.tags[1]`: expected string, got struct";
    assert_eq!(call(wrong).await, Err((2800, message.into())));
}

#[tokio::test]
async fn the_session_is_checked_before_the_method_is_looked_up() {
    let (server, key) = server().await;
    let secret = key.split_once('x').unwrap().1;
    let other = format!("1x{}", "0".repeat(64));
    let cases = [
        (
            "sample.nothing",
            format!("99x{secret}"),
            "Could not find session with id: 99",
        ),
        ("nowhere.nothing", other, "Session id: 1 is not valid."),
        (
            "sample.nothing",
            format!("9223372036854775808x{secret}"),
            "Could not find session with id: 9223372036854775808",
        ),
        (
            "nowhere.nothing",
            key.clone(),
            "Could not find namespace: nowhere",
        ),
        ("nodot", key.clone(), "Could not find method: nodot"),
        (
            "sample.echo",
            "garbage".into(),
            "the first parameter must be the session key",
        ),
    ];
    for (name, key, expected) in cases {
        let (code, message) = server
            .xml(name, vec![text(&key), text("x")])
            .await
            .unwrap_err();
        assert_eq!(code, -1, "{name}: {message}");
        assert!(message.contains(expected), "{name}: {message}");
    }
    let spaced = server
        .xml("sample.whoami", vec![text(&format!(" {key}\n"))])
        .await;
    assert_eq!(spaced, Ok(text("tester0")));
    let stale = server
        .xml("sample.hello", vec![text(&format!("99x{secret}"))])
        .await;
    assert_eq!(stale, Ok(text("hello")));
}

#[tokio::test]
async fn a_stale_key_before_the_login_is_ignored() {
    let server = Server::start(namespaces::registry(), RequestLimits::default()).await;
    let stale = format!("99x{}", "0".repeat(64));
    // A password of digits could be taken for a duration.
    for password in ["wrong", "17"] {
        let args = vec![text(&stale), text("nobody"), text(password)];
        let (code, message) = server.xml("auth.login", args).await.unwrap_err();
        assert_eq!(code, 2950, "{message}");
    }
}

#[tokio::test]
async fn faults_stay_short_whatever_came() {
    let (server, key) = server().await;
    let many = vec![text("x"); 5000];
    let params = std::iter::once(text(&key)).chain(many).collect();
    let (_, message) = server.xml("sample.echo", params).await.unwrap_err();
    assert!(message.len() < 1000, "{} bytes", message.len());
    let keys: Vec<String> = (0..5000).map(|number| format!("{number:0>200}")).collect();
    let keys: Vec<_> = keys.iter().map(|key| (key.as_str(), text("x"))).collect();
    let params = vec![text(&key), members(&keys)];
    let (code, message) = server.xml("sample.options", params).await.unwrap_err();
    assert_eq!(code, 2801, "{message}");
    assert!(message.len() < 4000, "{} bytes", message.len());
}

#[tokio::test]
async fn roles_and_read_only_accounts_are_held_back() {
    let (server, key) = server().await;
    let none = server.key(&[], false).await;
    let org = server.key(&[Role::OrgAdmin], false).await;
    let reader = server.key(&[Role::ImageAdmin], true).await;
    let change = async |key: &str| {
        server
            .xml("sample.change", vec![text(key), text("x")])
            .await
    };
    assert_eq!(change(&org).await, Ok(Value::Integer(1)));
    let (code, message) = change(&none).await.unwrap_err();
    assert_eq!(code, -23);
    assert!(
        message.ends_with("at least a Image Administrator role to perform this action"),
        "{message}"
    );
    let message = "The change API is not available to read-only API users".to_owned();
    assert_eq!(change(&reader).await, Err((-1, message)));
    assert_eq!(
        server.xml("sample.whoami", vec![text(&none)]).await,
        Ok(text("tester1"))
    );
    assert_eq!(
        server
            .xml("sample.everything", vec![text(&reader)])
            .await
            .map(|_| ()),
        Ok(())
    );
    let rule = server.xml("sample.rule", vec![text(&key)]).await;
    assert_eq!(rule.map_err(|(code, _)| code), Err(-23));
}

#[tokio::test]
async fn faults_have_codes_and_unexpected_errors_only_an_id() {
    let (server, key) = server().await;
    let change = async |name: &str| {
        server
            .xml("sample.change", vec![text(&key), text(name)])
            .await
            .unwrap_err()
    };
    assert_eq!(
        change("missing").await,
        (10101, "no sample named `missing`".into())
    );
    for name in ["broken", "panic"] {
        let (code, message) = change(name).await;
        assert_eq!(code, -1);
        assert!(
            message.starts_with("unhandled internal exception: "),
            "{message}"
        );
        assert!(
            !message.contains("secret") && !message.contains("SELECT"),
            "{message}"
        );
        let (_, id) = message.split_once(" under the id ").expect("an id");
        let (id, after) = id.split_once(';').expect("what is known of the change");
        assert!(after.contains("it is unknown whether"), "{message}");
        assert!(
            id.len() == 16 && id.bytes().all(|b| b.is_ascii_hexdigit()),
            "{message}"
        );
    }
    // A call that reads has no task of its own, but a panic still ends only that call.
    let (code, message) = server
        .xml("sample.stumble", vec![text(&key)])
        .await
        .unwrap_err();
    assert_eq!(code, -1);
    assert!(
        message.starts_with("unhandled internal exception: ") && !message.contains("secret"),
        "{message}"
    );
}

#[tokio::test]
async fn bad_documents_are_faults_that_repeat_nothing() {
    let (server, _) = server().await;
    let deep = "<value><array><data>".repeat(45_000);
    let documents = [
        String::new(),
        "s3cret".into(),
        "<methodCall><methodName>s3cret".into(),
        format!("<!DOCTYPE x [<!ENTITY e 's3cret'>]>{HELLO}"),
        format!("<methodCall><methodName>s3cret</methodName><params><param>{deep}"),
        HELLO.replace("hello", "hello</methodName><params><param><value><int>9999999999s3cret</int></value></param></params><methodName>"),
    ];
    for document in documents {
        let answer = server.post_xml(&document).await;
        let (code, message) = outcome(&answer).unwrap_err();
        assert_eq!(code, -1);
        assert!(
            !answer.contains("s3cret") && message.len() < 300,
            "{answer}"
        );
    }
    assert_eq!(outcome(&server.post_xml(HELLO).await), Ok(text("hello")));
}
