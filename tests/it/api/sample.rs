//! A namespace with every kind of method and overload.

use std::time::Duration;

use registrysync::api::error::code;
use registrysync::api::value::{ByteCount, Bytes, Done, Timestamp};
use registrysync::api::{ApiError, Context, Registry, Visitor, param};
use registrysync::service::Role;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Options {
    name: Option<String>,
    count: Option<i32>,
    on: Option<bool>,
    tags: Option<Vec<String>>,
}

#[derive(Serialize, JsonSchema)]
struct Everything {
    int: i32,
    on: bool,
    text: String,
    when: Timestamp,
    raw: Bytes,
    size: ByteCount,
    absent: Option<String>,
    empty: Vec<String>,
}

type Answer<T> = Result<T, ApiError>;

async fn hello(_: Visitor) -> Answer<String> {
    Ok("hello".into())
}

async fn whoami(context: Context) -> Answer<String> {
    Ok(context.caller().login().into())
}

async fn everything(_: Context) -> Answer<Everything> {
    Ok(Everything {
        int: -7,
        on: true,
        text: "<b> & \"q\" \u{1b}[0m".into(),
        when: Timestamp::parse("2026-01-02T03:04:05Z").unwrap(),
        raw: Bytes(vec![0, 255]),
        size: ByteCount(5_000_000_000),
        absent: None,
        empty: Vec::new(),
    })
}

async fn change(_: Context, name: String) -> Answer<Done> {
    match name.as_str() {
        "missing" => Err(ApiError::not_found("no sample named `missing`")),
        "broken" => Err(ApiError::unexpected("SELECT secret FROM table")),
        "panic" => panic!("a secret in a panic"),
        _ => Ok(Done),
    }
}

/// Queries the database shortly before the first session check during a call.
async fn linger(context: Context) -> Answer<Done> {
    tokio::time::sleep(Duration::from_millis(800)).await;
    let asked = context.app().db.run(|_| Ok(Done)).await;
    asked.map_err(ApiError::unexpected)
}

/// Registers the namespace.
pub(super) fn registry() -> Registry {
    let mut builder = Registry::builder();
    builder.namespace("sample", "SampleHandler", "Samples.", |ns| {
        ns.method("hello", "Greet.", [], hello).read_only();
        ns.method("whoami", "Who.", [], whoami)
            .read_only()
            .any_user();
        ns.method("everything", "All types.", [], everything)
            .read_only();
        ns.method("change", "Change.", [param("name", "what")], change)
            .faults([code::NOT_FOUND]);
        ns.method(
            "stumble",
            "Panic.",
            [],
            async |_: Context| -> Answer<Done> { panic!("a secret in a panic") },
        )
        .read_only();
        ns.method("linger", "Ask the database after a while.", [], linger)
            .read_only();
        ns.method("rule", "Rule.", [], async |_: Context| Ok(Done))
            .role(Role::SatelliteAdmin);
        let item = || [param("item", "an id or a label")];
        ns.method("pick", "By id.", item(), async |_: Context, id: i32| {
            Ok(format!("id {id}"))
        })
        .read_only();
        ns.method(
            "pick",
            "By label.",
            item(),
            async |_: Context, label: String| Ok(format!("label {label}")),
        )
        .read_only();
        ns.method(
            "pick",
            "By labels.",
            item(),
            async |_: Context, all: Vec<String>| Ok(format!("labels {all:?}")),
        )
        .read_only();
        let two = || [param("item", "an id or a label"), param("on", "a switch")];
        ns.method(
            "both",
            "By id.",
            two(),
            async |_: Context, id: i32, on: bool| Ok(format!("id {id} {on}")),
        );
        ns.method(
            "both",
            "By label.",
            two(),
            async |_: Context, label: String, on: bool| Ok(format!("label {label} {on}")),
        );
        ns.method(
            "setSwitch",
            "Switch.",
            [param("onOff", "a switch")],
            async |_: Context, on: bool| Ok(on),
        );
        ns.method(
            "number",
            "Number.",
            [param("n", "a number")],
            async |_: Context, n: i32| Ok(n),
        )
        .read_only();
        ns.method(
            "echo",
            "Text.",
            [param("text", "a text")],
            async |_: Context, text: String| Ok(text),
        )
        .read_only();
        ns.method(
            "list",
            "Texts.",
            [param("texts", "texts")],
            async |_: Context, texts: Vec<String>| Ok(texts),
        )
        .read_only();
        ns.method(
            "when",
            "Date.",
            [param("date", "a date")],
            async |_: Context, date: Timestamp| Ok(date),
        );
        ns.method(
            "options",
            "Struct.",
            [param("options", "options")],
            async |_: Context, options: Options| Ok(options),
        );
    });
    builder.build()
}
