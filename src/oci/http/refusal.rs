//! The message of a registry's or token server's refusal, in any form: the specification's `errors`,
//! other formats, plain text, a web page.

use serde_json::{Map, Value};

use crate::text::{NAME, SENTENCE, readable};

/// A refusal's message, made readable.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::oci) struct Refusal {
    /// The code, such as `MANIFEST_UNKNOWN`.
    pub(in crate::oci) code: Option<String>,
    /// The sentence.
    pub(in crate::oci) message: Option<String>,
}

/// Members with a code, and members with a message; preferred ones first.
const CODES: [&str; 2] = ["code", "error"];
const SENTENCES: [&str; 8] = [
    "message",
    "error_description",
    "error",
    "details",
    "detail",
    "description",
    "reason",
    "title",
];

impl Refusal {
    /// Parses the body of a refusal.
    pub(in crate::oci) fn read(body: &[u8]) -> Self {
        match serde_json::from_slice(body) {
            Ok(value) => Self::of_json(&value),
            Err(_) => Self::of_text(&String::from_utf8_lossy(body)),
        }
    }

    fn of_json(value: &Value) -> Self {
        match value {
            Value::String(text) => Some(Self::of_text(text)),
            Value::Array(items) => items.iter().map(Self::of_json).find(Self::is_any),
            Value::Object(members) => {
                let inner = ["errors", "error"]
                    .into_iter()
                    .filter_map(|key| members.get(key));
                let inner = inner.filter(|v| v.is_array() || v.is_object());
                let named = || {
                    let message = first(members, &SENTENCES, None);
                    let taken = message.as_ref().map(|(key, _)| *key);
                    let code = first(members, &CODES, taken);
                    Self::new(code.map(|(_, code)| code), message.map(|(_, text)| text))
                };
                inner
                    .map(Self::of_json)
                    .find(Self::is_any)
                    .or_else(|| Some(named()))
            }
            _ => None,
        }
        .unwrap_or_default()
    }

    fn of_text(text: &str) -> Self {
        let text = if text.trim_start().starts_with('<') {
            page_text(text)
        } else {
            text.split_whitespace().collect::<Vec<_>>().join(" ")
        };
        Self::new(None, Some(text))
    }

    fn new(code: Option<String>, message: Option<String>) -> Self {
        let filled = |text: Option<String>, limit| {
            text.map(|text| readable(&text, limit))
                .filter(|text| !text.is_empty())
        };
        Self {
            code: filled(code, NAME),
            message: filled(message, SENTENCE),
        }
    }

    /// Code and message combined.
    pub(in crate::oci) fn words(self) -> Option<String> {
        match (self.code, self.message) {
            (Some(code), Some(message)) => Some(format!("{code}: {message}")),
            (code, message) => code.or(message),
        }
    }

    fn is_any(&self) -> bool {
        self.code.is_some() || self.message.is_some()
    }
}

/// The first of the members that isn't empty, and isn't `taken`.
fn first(
    members: &Map<String, Value>,
    keys: &[&'static str],
    taken: Option<&str>,
) -> Option<(&'static str, String)> {
    keys.iter()
        .filter(|key| Some(**key) != taken)
        .find_map(|key| Some((*key, said(members.get(*key)?)?)))
}

/// A member's text: a string, or else its JSON.
fn said(value: &Value) -> Option<String> {
    let text = match value {
        Value::String(text) => text.trim().to_owned(),
        Value::Number(number) => number.to_string(),
        Value::Object(members) if !members.is_empty() => value.to_string(),
        Value::Array(items) if !items.is_empty() => value.to_string(),
        _ => String::new(),
    };
    Some(text).filter(|text| !text.is_empty())
}

/// The visible text of a web page.
fn page_text(page: &str) -> String {
    let mut text = String::new();
    let mut rest = page;
    while let Some((before, after)) = rest.split_once('<') {
        text.push_str(before);
        text.push(' ');
        let hidden = ["script", "style", "!--"].into_iter().find(|tag| {
            after
                .get(..tag.len())
                .is_some_and(|start| start.eq_ignore_ascii_case(tag))
        });
        let end = match hidden {
            Some("!--") => after.find("-->").map(|at| at + "-->".len()),
            Some(tag) => {
                let close = after.to_ascii_lowercase().find(&format!("</{tag}"));
                close.and_then(|at| Some(at + after.get(at..)?.find('>')? + 1))
            }
            None => after.find('>').map(|at| at + 1),
        };
        rest = end.and_then(|end| after.get(end..)).unwrap_or_default();
    }
    text.push_str(rest);
    let text = [
        ("&nbsp;", " "),
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", "\""),
        ("&#39;", "'"),
        ("&amp;", "&"),
    ]
    .iter()
    .fold(text, |text, (from, to)| text.replace(from, to));
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_found_in_all_forms() {
        for (body, code, message) in [
            (
                r#"{"errors":[{"code":"DENIED","message":"no push"}]}"#,
                Some("DENIED"),
                Some("no push"),
            ),
            (
                r#"{"errors":[{"code":"DENIED","message":"","detail":"ask Ann"}]}"#,
                Some("DENIED"),
                Some("ask Ann"),
            ),
            (r#"{"errors":[{"code":"DENIED"}]}"#, Some("DENIED"), None),
            (
                r#"{"errors":[{"code":"TOOBIG","message":"x","detail":{"limit":7}}]}"#,
                Some("TOOBIG"),
                Some("x"),
            ),
            (
                r#"{"errors":[{},{"message":"second"}]}"#,
                None,
                Some("second"),
            ),
            (r#"{"errors":["just text"]}"#, None, Some("just text")),
            (r#"{"errors":[]}"#, None, None),
            (
                r#"{"errors":[],"message":"outside"}"#,
                None,
                Some("outside"),
            ),
            (
                r#"{"message":"sign in to page further"}"#,
                None,
                Some("sign in to page further"),
            ),
            (r#"{"error":"plain"}"#, None, Some("plain")),
            (
                r#"{"error":{"code":7,"message":"inner"}}"#,
                Some("7"),
                Some("inner"),
            ),
            (
                r#"{"error":"invalid_grant","error_description":"expired"}"#,
                Some("invalid_grant"),
                Some("expired"),
            ),
            (
                r#"{"error":"Bad Request","message":"nested"}"#,
                Some("Bad Request"),
                Some("nested"),
            ),
            (
                r#"{"details":"incorrect username or password"}"#,
                None,
                Some("incorrect username or password"),
            ),
            (
                r#"{"details":{"why":"quota"}}"#,
                None,
                Some(r#"{"why":"quota"}"#),
            ),
            (r#""only a text""#, None, Some("only a text")),
            ("404 page not found\n", None, Some("404 page not found")),
            ("", None, None),
            ("{}", None, None),
            ("null", None, None),
            (
                "<html><head><title>403 Forbidden</title><style>p { x: y }</style></head>\n<body><!-- a > b -->\
                 <h1>No &amp; never</h1><SCRIPT>if (a < b) {}</SCRIPT></body>",
                None,
                Some("403 Forbidden No & never"),
            ),
            ("<broken", None, None),
            (
                "{\"message\": \"cut of",
                None,
                Some("{\"message\": \"cut of"),
            ),
            ("esc \u{1b}[31m", None, Some("esc \u{fffd}[31m")),
        ] {
            let read = Refusal::read(body.as_bytes());
            assert_eq!(
                (read.code.as_deref(), read.message.as_deref()),
                (code, message),
                "{body}"
            );
        }
        let long = Refusal::read(format!(r#"{{"message":"{}"}}"#, "x".repeat(100_000)).as_bytes());
        assert_eq!(long.message.unwrap().chars().count(), SENTENCE + 1);
    }
}
