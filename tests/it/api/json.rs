//! JSON over HTTP: rows 40 to 46b of the wire's contract.

use registrysync::service::Role;
use registrysync::surface::RequestLimits;
use serde_json::json;

use super::sample;
use super::server::{Server, client};

async fn server() -> (Server, String) {
    let server = Server::start(sample::registry(), RequestLimits::default()).await;
    let key = server.key(&[Role::ImageAdmin], false).await;
    (server, key)
}

#[tokio::test]
async fn results_have_the_members_of_xml_rpc_in_json_forms() {
    let (server, key) = server().await;
    let (status, body) = server
        .json("GET", "sample/everything", Some(&key), None)
        .await;
    let expected = json!({"success": true, "result": {
        "int": -7, "on": true, "text": "<b> & \"q\" \u{1b}[0m", "when": "2026-01-02T03:04:05Z",
        "raw": "AP8=", "size": "5000000000", "empty": [],
    }});
    assert_eq!((status, body), (200, expected));
}

#[tokio::test]
async fn arguments_go_by_name_from_query_and_body() {
    let (server, key) = server().await;
    let cases = [
        ("GET", "sample/echo?text=1.10", None, json!("1.10")),
        ("GET", "sample/echo?text=true", None, json!("true")),
        ("GET", "sample/echo?text=a%20b%C3%A9", None, json!("a bé")),
        ("GET", "sample/pick?item=17", None, json!("label 17")),
        ("GET", "sample/list?texts=a", None, json!(["a"])),
        (
            "GET",
            "sample/list?texts=a&texts=1.10",
            None,
            json!(["a", "1.10"]),
        ),
        ("GET", "sample/list?texts=%5B%22a%22%5D", None, json!(["a"])),
        ("GET", "sample/number?n=12", None, json!(12)),
        (
            "POST",
            "sample/both",
            Some(r#"{"item": 17.0, "on": true}"#),
            json!("id 17 true"),
        ),
        ("GET", "sample/whoami?", None, json!("tester0")),
        (
            "POST",
            "sample/setSwitch",
            Some(r#"{"onOff": "1"}"#),
            json!(true),
        ),
        (
            "POST",
            "sample/set_switch",
            Some(r#"{"on_off": 0}"#),
            json!(false),
        ),
        ("POST", "sample/setSwitch?onOff=true", None, json!(true)),
        (
            "POST",
            "sample/setSwitch?onOff=true",
            Some("null"),
            json!(true),
        ),
        (
            "POST",
            "sample/setSwitch?onOff=true",
            Some(r#"{"onOff": false}"#),
            json!(false),
        ),
        (
            "POST",
            "sample/both",
            Some(r#"{"item": 17, "on": true}"#),
            json!("id 17 true"),
        ),
        (
            "POST",
            "sample/when",
            Some(r#"{"date": "2026-01-02T05:04:05+02:00"}"#),
            json!("2026-01-02T03:04:05Z"),
        ),
        (
            "POST",
            "sample/options",
            Some(r#"{"options": {"count": "3", "name": null}}"#),
            json!({"count": 3}),
        ),
        (
            "POST",
            "sample/options",
            Some(r#"{"options": "{\"count\": 3}"}"#),
            json!({"count": 3}),
        ),
        ("POST", "sample/change", Some(r#"{"name": "x"}"#), json!(1)),
    ];
    for (verb, path, body, expected) in cases {
        let came = server.json(verb, path, Some(&key), body).await;
        assert_eq!(
            came,
            (200, json!({"success": true, "result": expected})),
            "{path} {body:?}"
        );
    }
}

#[tokio::test]
async fn bad_arguments_are_400_and_named() {
    let (server, key) = server().await;
    let cases = [
        ("sample/change", "{}", "`name` is missing"),
        ("sample/change", r#"{"name": null}"#, "`name` is missing"),
        (
            "sample/change",
            r#"{"name": "x", "more": 1}"#,
            "`more` is not a parameter",
        ),
        (
            "sample/setSwitch",
            r#"{"onOff": "yes"}"#,
            "`onOff` must be a boolean, got a string",
        ),
        (
            "sample/both",
            r#"{"item": "17", "on": 1}"#,
            "more than one method candidate",
        ),
        (
            "sample/options",
            r#"{"options": {"count": "many"}}"#,
            "`options.count`: expected int, got string",
        ),
        (
            "sample/change",
            r#"{"name": "a\u0000b"}"#,
            "`name`: text can't contain the character NUL",
        ),
        (
            "sample/change",
            "[1]",
            "expected a JSON object, got an array",
        ),
        ("sample/change", "name=x", "it isn't JSON (line 1"),
    ];
    for (path, body, expected) in cases {
        let (status, answer) = server.json("POST", path, Some(&key), Some(body)).await;
        assert_eq!(
            (status, &answer["success"]),
            (400, &json!(false)),
            "{path} {body}: {answer}"
        );
        let message = answer["message"].as_str().unwrap();
        assert!(message.contains(expected), "{path} {body}: {message}");
    }
}

#[tokio::test]
async fn faults_are_200_with_a_code() {
    let (server, key) = server().await;
    let (status, body) = server
        .json(
            "POST",
            "sample/change",
            Some(&key),
            Some(r#"{"name":"missing"}"#),
        )
        .await;
    let expected = json!({"success": false, "message": "no sample named `missing`", "code": 10101});
    assert_eq!((status, body), (200, expected));
    let options = Some(r#"{"options":{"b":1,"a":2}}"#);
    let (status, body) = server
        .json("POST", "sample/options", Some(&key), options)
        .await;
    let expected = json!({"success": false, "message": "Invalid argument(s): a, b", "code": 2801});
    assert_eq!((status, body), (200, expected));
    let reader = server.key(&[Role::ImageAdmin], true).await;
    let (status, body) = server
        .json(
            "POST",
            "sample/change",
            Some(&reader),
            Some(r#"{"name":"x"}"#),
        )
        .await;
    assert_eq!(status, 403);
    assert_eq!(
        body["message"],
        "The method is not available to read-only API users"
    );
}

#[tokio::test]
async fn without_session_there_is_401_and_nothing_else() {
    let (server, key) = server().await;
    let wrong = format!("1x{}", "0".repeat(64));
    for (path, key) in [
        ("sample/echo?text=a", None),
        ("sample/echo?text=a", Some("garbage")),
        ("sample/echo?text=a", Some(wrong.as_str())),
        ("sample/nothing", None),
        ("nowhere/nothing", None),
        ("", None),
    ] {
        let came = server.json("GET", path, key, None).await;
        assert_eq!(came, (401, serde_json::Value::Null), "{path}");
    }
    for path in ["sample/nothing", "nowhere/nothing", "nodot", ""] {
        let (status, body) = server.json("GET", path, Some(&key), None).await;
        assert_eq!(
            (status, &body["success"]),
            (404, &json!(false)),
            "{path}: {body}"
        );
    }
    let stale = server.json("GET", "sample/hello", Some(&wrong), None).await;
    assert_eq!(stale, (200, json!({"success": true, "result": "hello"})));
}

#[tokio::test]
async fn a_method_has_one_verb() {
    let (server, key) = server().await;
    for (verb, path, allow) in [
        ("POST", "sample/whoami", "GET"),
        ("GET", "sample/change?name=x", "POST"),
    ] {
        let response = server.json_response(verb, path, Some(&key), None).await;
        assert_eq!(response.status(), 405, "{path}");
        assert_eq!(response.headers()["allow"], allow);
        let body: serde_json::Value =
            serde_json::from_str(&response.text().await.unwrap()).unwrap();
        assert_eq!(body["success"], false);
    }
}

#[tokio::test]
async fn the_cookie_is_renewed_once_and_a_bearer_needs_none() {
    let (server, key) = server().await;
    let response = server
        .json_response("GET", "sample/whoami", Some(&key), None)
        .await;
    let cookies: Vec<_> = response.headers().get_all("set-cookie").iter().collect();
    let expected =
        format!("pxt-session-cookie={key}; HttpOnly; SameSite=Lax; Path=/; Max-Age=3600");
    assert_eq!(cookies, [expected.as_str()]);
    let url = format!("http://{}/rhn/manager/api/sample/whoami", server.address);
    let request = client()
        .get(url)
        .bearer_auth(&key)
        .header("cookie", "pxt-session-cookie=stale");
    let response = request.send().await.unwrap();
    assert_eq!(response.status(), 200);
    assert!(response.headers().get("set-cookie").is_none());
}

#[tokio::test]
async fn another_sites_page_is_refused() {
    let (server, key) = server().await;
    let own = format!("http://{}", server.address);
    for (origin, status) in [
        (own.as_str(), 200),
        ("http://evil.example", 403),
        ("null", 403),
    ] {
        let request = client()
            .post(format!(
                "http://{}/rhn/manager/api/sample/change",
                server.address
            ))
            .header("cookie", format!("pxt-session-cookie={key}"))
            .header("origin", origin)
            .body(r#"{"name": "x"}"#);
        assert_eq!(request.send().await.unwrap().status(), status, "{origin}");
    }
}
