//! `system.*`: introspection for generic XML-RPC tools (row 16).

use dxr::Value;
use registrysync::api::namespaces;
use registrysync::surface::RequestLimits;
use serde_json::json;

use super::server::{Server, members, text, texts};

/// The result of a call in `system.multicall`.
fn fault(code: i32, message: &str) -> Value {
    members(&[
        ("faultCode", Value::Integer(code)),
        ("faultString", text(message)),
    ])
}

fn call(name: &str, params: Vec<Value>) -> Value {
    members(&[("methodName", text(name)), ("params", Value::Array(params))])
}

async fn server() -> Server {
    Server::start(namespaces::registry(), RequestLimits::default()).await
}

#[tokio::test]
async fn signatures_and_help_are_given_in_both_spellings() {
    let server = server().await;
    for name in ["registrysync.getRunLog", "registrysync.get_run_log"] {
        let signatures = server.xml("system.methodSignature", vec![text(name)]).await;
        let expected = vec![
            texts(&["array", "string", "int"]),
            texts(&["array", "string", "int", "int", "int"]),
        ];
        assert_eq!(signatures, Ok(Value::Array(expected)));
        let Ok(Value::String(help)) = server.xml("system.methodHelp", vec![text(name)]).await
        else {
            panic!("no help");
        };
        let signature = "getRunLog(string sessionKey, int runId)\n";
        assert!(help.starts_with(signature), "{help}");
        assert!(help.contains("\n  runId: id of the run\n"), "{help}");
    }
    // A method without a session has none in its signature.
    let login = server
        .xml("system.methodSignature", vec![text("auth.login")])
        .await;
    let expected = vec![
        texts(&["string", "string", "string"]),
        texts(&["string", "string", "string", "int"]),
    ];
    assert_eq!(login, Ok(Value::Array(expected)));
    for name in ["registrysync.nothing", "nothing", ""] {
        for method in ["system.methodSignature", "system.methodHelp"] {
            let refused = server.xml(method, vec![text(name)]).await;
            assert_eq!(refused.map_err(|(code, _)| code), Err(10101), "{name}");
        }
    }
}

#[tokio::test]
async fn several_calls_in_one_are_answered_one_by_one() {
    let server = server().await;
    let key = server.admin().await.key;
    let session = || text(&key);
    let calls = vec![
        call("api.getVersion", vec![]),
        call("image.store.getDetails", vec![session(), text("hub")]),
        members(&[("methodName", text("api.get_version"))]),
        call("image.store.delete", vec![text("1x"), text("hub")]),
        call("system.multicall", vec![Value::Array(vec![])]),
        members(&[("params", texts(&[]))]),
        text("api.getVersion"),
        call("image.store.listImageStores", vec![session()]),
    ];
    let Ok(Value::Array(answers)) = server
        .xml("system.multicall", vec![Value::Array(calls)])
        .await
    else {
        panic!("no answers");
    };
    assert_eq!(answers.len(), 8);
    assert_eq!(answers[0], texts(&["27"]));
    assert_eq!(answers[1], fault(10010, "Image Store not found: hub"));
    assert_eq!(answers[2], texts(&["27"]));
    let Value::Struct(no_session) = &answers[3] else {
        panic!("{answers:?}");
    };
    assert_eq!(no_session["faultCode"], Value::Integer(-1));
    let nested = "`calls[4]`: a multicall inside a multicall is refused";
    assert_eq!(answers[4], fault(2800, nested));
    for (index, answer) in [(5, &answers[5]), (6, &answers[6])] {
        let Value::Struct(members) = answer else {
            panic!("{answer:?}");
        };
        assert_eq!(members["faultCode"], Value::Integer(2800));
        let Value::String(message) = &members["faultString"] else {
            panic!("{members:?}");
        };
        assert!(
            message.starts_with(&format!("`calls[{index}]`: ")),
            "{message}"
        );
    }
    assert_eq!(answers[7], Value::Array(vec![texts(&[])]));
}

#[tokio::test]
async fn at_most_a_hundred_calls_are_made_at_once() {
    let server = server().await;
    let key = server.admin().await.key;
    for (count, taken) in [(0, true), (100, true), (101, false)] {
        let mut calls = vec![call("api.getVersion", vec![]); count];
        // It contains a session key, since only requests with a session may be that large.
        if let Some(first) = calls.first_mut() {
            *first = call("auth.isSessionKeyValid", vec![text(&key)]);
        }
        let answer = server
            .xml("system.multicall", vec![Value::Array(calls)])
            .await;
        match answer {
            Ok(Value::Array(answers)) => assert!(taken && answers.len() == count),
            answer => assert_eq!(
                (taken, answer.map_err(|(code, _)| code)),
                (false, Err(2800))
            ),
        }
        let calls = vec![json!({"methodName": "api.getVersion"}); count];
        let body = json!({"calls": calls}).to_string();
        let path = "system/multicall";
        let (status, answer) = server.json("POST", path, Some(&key), Some(&body)).await;
        assert_eq!(
            (status, answer["success"] == json!(true)),
            (200, taken),
            "{answer}"
        );
    }
}
