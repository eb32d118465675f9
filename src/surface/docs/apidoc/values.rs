//! The arguments of the samples: each call works on a server with these objects, as a test shows.
//!
//! - image stores `hub`, `mirror` and, unused, `attic`;
//! - project `web` (1), whose run 1 has ended; project `databases`, whose run 2 waits;
//! - organisation `Acme` (2), account `anna.k`; housekeeping run 3.

use serde_json::Value as Json;

use crate::api::catalog::camel_case;
use crate::api::types::{Kind, Member, Shape};
use crate::api::{Method, Namespace};

/// Minimum number of members in a sample struct, if the type has that many.
const MEMBERS_SHOWN: usize = 2;

/// The id of the schedule of project `web`: the server's own come before.
const SCHEDULE: i64 = 4;

/// A value in a sample.
pub(super) enum Example {
    /// The same in JSON and Python, except for true and false.
    Plain(Json),
    /// In this year.
    Date(u16),
    Bytes,
    /// From this environment variable.
    Variable(&'static str),
    /// The key of the sample's own session.
    Session,
    Struct(Vec<(String, Example)>),
    Array(Vec<Example>),
}

/// The arguments of a call, with the names of their parameters.
pub(super) fn examples<'a>(namespace: &Namespace, method: &'a Method) -> Vec<(&'a str, Example)> {
    let parameters = method.parameters().iter();
    parameters
        .map(|p| {
            let own = own(namespace.name(), method.name(), p.name, p.shape.kind());
            (p.name, own.unwrap_or_else(|| example(p.name, &p.shape)))
        })
        .collect()
}

/// The argument of a parameter whose name alone doesn't determine it.
fn own(namespace: &str, method: &str, parameter: &str, kind: Kind) -> Option<Example> {
    let text = |text: &str| Some(Example::Plain(text.into()));
    let number = |number: i64| Some(Example::Plain(number.into()));
    let members = |members: &[(&str, Json)]| {
        let members = members.iter();
        let members =
            members.map(|(name, value)| ((*name).to_owned(), Example::Plain(value.clone())));
        Some(Example::Struct(members.collect()))
    };
    let is_org = namespace == "taskomatic.org";
    match (namespace, method, parameter) {
        ("auth", _, "login") => Some(Example::Variable("LOGIN")),
        ("auth", _, "password") => Some(Example::Variable("PASSWORD")),
        ("auth", _, "sessionKey" | "token") => Some(Example::Session),
        ("image.store", "create", "label") => text("quay"),
        ("image.store", "delete", "label") => text("attic"),
        ("image.store", _, "label") => text("hub"),
        ("image.store", "setDetails", "details") => members(&[("max_connections", 8.into())]),
        ("registrysync", "create", "label") | ("image.sync", "createProject", "name") => {
            text("tools")
        }
        ("image.sync", _, "src" | "newSrc") if kind == Kind::Text => text("hub"),
        ("image.sync", _, "dest" | "newDest") if kind == Kind::Text => text("mirror"),
        ("registrysync", "addImage", "options") => members(&[("on_empty", "fail".into())]),
        ("registrysync", "run", "options") => members(&[("queue", true.into())]),
        ("user", "create", "login") => text("ben.s"),
        ("user", "setDetails", "details") => {
            members(&[("first_name", "Anna".into()), ("last_name", "Kern".into())])
        }
        ("org", "create", "name") => text("Globex"),
        ("org", "create", "adminLogin") => text("carol.d"),
        ("org", "create", "usePam") => Some(Example::Plain(false.into())),
        ("org", "updateName", "name") => text("Acme Labs"),
        ("org", _, "name") => text("Acme"),
        ("org", _, "id") | ("image.sync", _, "dest") | ("registrysync", "cancelRun", "runId") => {
            number(2)
        }
        ("taskomatic", _, "runId") => number(3),
        ("taskomatic.org" | "taskomatic", _, "name" | "bunch") => text(if is_org {
            "image-registry-sync-bunch"
        } else {
            "session-cleanup-bunch"
        }),
        ("taskomatic.org", "scheduleBunch" | "scheduleSingleBunchRun", "jobLabel")
        | ("taskomatic", "scheduleSatBunch" | "scheduleSingleSatBunchRun", "jobLabel") => {
            text("by-hand")
        }
        ("taskomatic.org", _, "jobLabel") => text("image-registry-sync-1"),
        ("taskomatic.org", _, "params") if kind == Kind::Struct => {
            members(&[("project_id", "1".into())])
        }
        ("taskomatic.org", _, "scheduleId" | "id") => number(SCHEDULE),
        ("taskomatic", _, "jobLabels") => {
            let label = Example::Plain("session-cleanup-default".into());
            Some(Example::Array(vec![label]))
        }
        _ => None,
    }
}

fn example(name: &str, shape: &Shape) -> Example {
    match shape.kind() {
        Kind::Struct => struct_example(&shape.members()),
        Kind::Array if shape.item_kind() == Some(Kind::Struct) => {
            Example::Array(vec![struct_example(&shape.members())])
        }
        Kind::Array if shape.item_kind() == Some(Kind::Int) => {
            Example::Array(vec![Example::Plain(1.into())])
        }
        kind => scalar_example(name, kind),
    }
}

fn struct_example(members: &[Member]) -> Example {
    let needed = members.iter().filter(|member| member.required).count();
    let shown = needed.max(MEMBERS_SHOWN);
    let (first, others): (Vec<&Member>, Vec<&Member>) =
        members.iter().partition(|member| member.required);
    let chosen = first.into_iter().chain(others).take(shown);
    Example::Struct(
        chosen
            .map(|m| (m.name.clone(), scalar_example(&m.name, m.kind)))
            .collect(),
    )
}

fn scalar_example(name: &str, kind: Kind) -> Example {
    let name = camel_case(name);
    match kind {
        Kind::Text if name.to_lowercase().contains("password") => Example::Variable("NEW_PASSWORD"),
        Kind::Text => Example::Plain(text_example(&name).into()),
        Kind::Int => Example::Plain(match name.as_str() {
            "limit" => 100.into(),
            "offset" => 0.into(),
            "duration" => 600.into(),
            _ => 1.into(),
        }),
        Kind::Boolean => Example::Plain(true.into()),
        Kind::Double => Example::Plain(1.5.into()),
        Kind::Date => Example::Date(if name == "end" { 2028 } else { 2027 }),
        Kind::Bytes => Example::Bytes,
        Kind::Struct => Example::Struct(Vec::new()),
        Kind::Array => Example::Array(match name.as_str() {
            "params" => Vec::new(),
            "architectures" => vec![Example::Plain("linux/amd64".into())],
            _ => vec![Example::Plain("1.27".into()), Example::Plain("1.28".into())],
        }),
    }
}

/// An example of a text with that name.
fn text_example(name: &str) -> &'static str {
    match name {
        "storeLabel" | "srcStore" | "srcStoreLabel" | "sourceStore" => "hub",
        "destStore" | "destStoreLabel" => "mirror",
        "repository" | "image" | "targetRepository" => "library/nginx",
        "tag" => "1.27",
        "tagsRegex" => "^1\\.2[78]$",
        "filter" => "^1",
        "architecture" => "linux/arm64",
        "placement" => "path",
        "uri" => "registry.example.com",
        "storeType" => "registry",
        "status" => "done",
        "login" | "adminLogin" => "anna.k",
        "username" => "robot",
        "email" => "anna@example.com",
        "first" | "firstName" => "Anna",
        "last" | "lastName" => "Kern",
        "prefix" => "Ms.",
        "role" => "image_admin",
        "cronExpr" => "0 0 2 * * ?",
        "namespace" => "image.store",
        "method" | "methodName" => "api.getVersion",
        "description" => "nightly mirror",
        _ => "web",
    }
}
