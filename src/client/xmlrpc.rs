//! XML-RPC documents as written and parsed by a client.

use chrono::{NaiveDateTime, SecondsFormat, TimeZone as _};
use chrono_tz::Tz;
use dxr::{FaultResponse, MethodCall, MethodResponse, Value};
use serde_json::{Map, Number, Value as Json};

use super::Error;

const PROLOGUE: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";
const SESSION_GONE: [&str; 2] = ["Could not find session", "Session id: "];
const NO_METHOD: &str = "Could not find method";

/// The document of a call.
pub(super) fn call(method: &str, params: Vec<Value>) -> Result<String, Error> {
    let call = MethodCall {
        name: method.into(),
        params,
    };
    match call.to_xml() {
        Ok(document) => Ok(format!("{PROLOGUE}{document}")),
        Err(error) => Err(Error::Call(format!("`{method}` can't be called: {error}"))),
    }
}

/// The result in a document whose dates are in `zone`; a fault is an error. Err(None): it isn't a
/// response at all.
pub(super) fn answer(document: &str, zone: Option<Tz>) -> Result<Json, Option<Error>> {
    if let Ok(response) = MethodResponse::from_xml(document) {
        return Ok(json(response.value, zone));
    }
    let fault = FaultResponse::from_xml(document).map_err(|_| None)?.fault;
    let message = fault.string().to_owned();
    Err(Some(match fault.code() {
        -1 if SESSION_GONE.iter().any(|text| message.contains(text)) => Error::Session,
        -1 if message.starts_with(NO_METHOD) => Error::Call(message),
        code => Error::Fault {
            code: Some(code.into()),
            message,
        },
    }))
}

/// A value as JSON. A date is RFC 3339 in UTC like on the other wire, or without a zone if the zone
/// is unknown.
fn json(value: Value, zone: Option<Tz>) -> Json {
    match value {
        Value::Integer(number) => number.into(),
        Value::Long(number) => number.into(),
        Value::Boolean(truth) => truth.into(),
        Value::String(text) => text.into(),
        Value::Double(number) => Number::from_f64(number).map_or(Json::Null, Json::Number),
        Value::DateTime(time) => {
            let time = NaiveDateTime::from(time);
            // An ambiguous hour can't be resolved.
            match zone.and_then(|zone| zone.from_local_datetime(&time).earliest()) {
                Some(moment) => moment.to_utc().to_rfc3339_opts(SecondsFormat::Secs, true),
                None => time.format("%Y-%m-%dT%H:%M:%S").to_string(),
            }
            .into()
        }
        Value::Base64(bytes) => {
            use base64::Engine as _;
            base64::engine::general_purpose::STANDARD
                .encode(bytes)
                .into()
        }
        Value::Struct(members) => {
            let members = members
                .into_iter()
                .map(|(name, member)| (name, json(member, zone)));
            Json::Object(members.collect::<Map<String, Json>>())
        }
        Value::Array(items) => items.into_iter().map(|item| json(item, zone)).collect(),
        // Nil, and future additions to the wire.
        _ => Json::Null,
    }
}

#[cfg(test)]
mod tests {
    use super::{Error, answer, call};
    use dxr::Value;
    use serde_json::json;

    fn document(value: &str) -> String {
        format!(
            "<?xml version='1.0'?><methodResponse><params><param><value>{value}</value></param></params></methodResponse>"
        )
    }

    fn fault(code: i32, text: &str) -> String {
        format!(
            "<?xml version='1.0'?><methodResponse><fault><value><struct>\
             <member><name>faultCode</name><value><i4>{code}</i4></value></member>\
             <member><name>faultString</name><value><string>{text}</string></value></member>\
             </struct></value></fault></methodResponse>"
        )
    }

    #[test]
    fn results_become_json() {
        for (xml, expected) in [
            ("<i4>7</i4>", json!(7)),
            ("<boolean>1</boolean>", json!(true)),
            ("plain", json!("plain")),
            (
                "<dateTime.iso8601>20261124T03:04:05</dateTime.iso8601>",
                json!("2026-11-24T03:04:05"),
            ),
            (
                "<array><data><value><i4>1</i4></value><value>b</value></data></array>",
                json!([1, "b"]),
            ),
            (
                "<struct><member><name>a</name><value><i4>1</i4></value></member></struct>",
                json!({"a": 1}),
            ),
        ] {
            assert_eq!(answer(&document(xml), None).unwrap(), expected, "{xml}");
        }
    }

    #[test]
    fn dates_are_of_the_servers_zone() {
        for (date, utc) in [
            ("20261124T03:04:05", "2026-11-24T02:04:05Z"),
            ("20260724T03:04:05", "2026-07-24T01:04:05Z"),
            ("20261025T02:30:00", "2026-10-25T00:30:00Z"),
        ] {
            let list = format!(
                "<array><data><value><dateTime.iso8601>{date}</dateTime.iso8601></value></data></array>"
            );
            let zone = Some(chrono_tz::Europe::Berlin);
            assert_eq!(answer(&document(&list), zone).unwrap(), json!([utc]));
        }
    }

    #[test]
    fn faults_are_told_apart() {
        let of = |code, text: &str| answer(&fault(code, text), None).unwrap_err().unwrap();
        assert!(matches!(
            of(-1, "Could not find session with id: 9"),
            Error::Session
        ));
        assert!(matches!(
            of(-1, "Session id: 9 is not valid."),
            Error::Session
        ));
        assert!(matches!(
            of(-1, "Could not find method: x in class: y"),
            Error::Call(_)
        ));
        assert_eq!(of(10101, "gone").to_string(), "gone (fault 10101)");
        assert!(answer("<html></html>", None).unwrap_err().is_none());
    }

    #[test]
    fn texts_are_escaped_in_a_call() {
        let xml = call("a.b", vec![Value::String("<&".into())]).unwrap();
        assert!(xml.contains("&lt;&amp;"), "{xml}");
    }
}
