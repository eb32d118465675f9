//! The server's time zone: used for schedules, and for dates on XML-RPC.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use dxr::{MethodCall, MethodResponse, Value};

use crate::cli::Desk;
use crate::support::images::client;

const PASSWORD: &str = "correct horse battery";

async fn call(url: &str, name: &str, args: &[&str]) -> Value {
    let params = args
        .iter()
        .map(|arg| Value::String((*arg).to_owned()))
        .collect();
    let call = MethodCall {
        name: name.into(),
        params,
    };
    let request = client()
        .post(format!("{url}/rpc/api"))
        .body(call.to_xml().unwrap());
    let answer = request.send().await.unwrap().text().await.unwrap();
    MethodResponse::from_xml(&answer).expect(&answer).value
}

#[tokio::test(flavor = "multi_thread")]
async fn schedules_go_by_the_time_zone_of_the_configuration() {
    let desk = Desk::new();
    let mut command = desk.command();
    command
        .args(["serve", "--listen", "127.0.0.1:0", "--data-dir", "data"])
        .args(["--admin-password-file", &desk.file("password", PASSWORD)])
        .env("REGISTRYSYNC_TIME_ZONE", "Asia/Tokyo")
        .env("TZ", "Europe/Berlin");
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    let url = line
        .trim()
        .strip_prefix("registrysync listening on ")
        .expect(&line);

    let Value::String(key) = call(url, "auth.login", &["admin", PASSWORD]).await else {
        panic!("no key");
    };
    for store in ["a", "b"] {
        let params = vec![
            Value::String(key.clone()),
            Value::String(store.into()),
            Value::String(format!("{store}.example")),
            Value::String("registry".into()),
            Value::Struct([].into()),
        ];
        let call = MethodCall {
            name: "image.store.create".into(),
            params,
        };
        let request = client()
            .post(format!("{url}/rpc/api"))
            .body(call.to_xml().unwrap());
        let answer = request.send().await.unwrap().text().await.unwrap();
        assert!(MethodResponse::from_xml(&answer).is_ok(), "{answer}");
    }
    call(url, "registrysync.create", &[&key, "web", "a", "b"]).await;
    call(
        url,
        "registrysync.setSchedule",
        &[&key, "web", "0 30 3 * * ?"],
    )
    .await;
    let Value::Struct(shown) = call(url, "registrysync.getSchedule", &[&key, "web"]).await else {
        panic!("no schedule");
    };
    let Value::Array(times) = &shown["next_fire_times"] else {
        panic!("{shown:?}")
    };
    let local = |time: &Value| matches!(time, Value::DateTime(time) if time.to_string().ends_with("T03:30:00"));
    assert!(times.len() == 5 && times.iter().all(local), "{times:?}");

    let url = format!("{url}/rhn/manager/api/registrysync/getSchedule?label=web");
    let answer = client().get(url).bearer_auth(&key).send().await.unwrap();
    let answer = answer.text().await.unwrap();
    assert!(answer.contains("T18:30:00Z"), "{answer}");
    child.kill().unwrap();
    child.wait().unwrap();
}
