//! Both wires: members, choices, texts, and what is written is read again.

use super::{Wire, text_part, write, xml_text};
use crate::api::value::{ByteCount, Bytes, Raw, Timestamp};
use dxr::{MethodResponse, Value};
use proptest::prelude::*;
use serde::Serialize;
use std::collections::BTreeMap;

#[derive(Serialize)]
struct Sample {
    here: Option<i32>,
    gone: Option<String>,
    when: Timestamp,
    raw: Bytes,
    size: ByteCount,
    big: i64,
    list: Vec<Option<u8>>,
    nothing: Vec<Option<u8>>,
}

fn json<T: Serialize + ?Sized>(result: &T) -> serde_json::Value {
    let mut out = Vec::new();
    assert!(write(Wire::Json, result, &mut out).expect("written"));
    serde_json::from_slice(&out).expect("JSON")
}

fn xml<T: Serialize + ?Sized>(result: &T) -> Value {
    let mut out = b"<methodResponse><params><param>".to_vec();
    assert!(write(Wire::Xml, result, &mut out).expect("written"));
    out.extend_from_slice(b"</param></params></methodResponse>");
    let text = String::from_utf8(out).expect("UTF-8");
    MethodResponse::from_xml(&text).expect(&text).value
}

#[test]
fn both_wires_have_the_same_members_in_their_own_forms() {
    let sample = Sample {
        here: Some(1),
        gone: None,
        when: Timestamp(chrono::DateTime::UNIX_EPOCH),
        raw: Bytes(vec![0, 255]),
        size: ByteCount(1 << 40),
        big: 1 << 40,
        list: vec![None, Some(1), None, Some(2), None],
        nothing: vec![None],
    };
    let Value::Struct(members) = xml(&sample) else {
        panic!("not a struct");
    };
    let json = json(&sample);
    let keys: Vec<_> = members.keys().cloned().collect();
    assert_eq!(
        keys,
        ["big", "here", "list", "nothing", "raw", "size", "when"]
    );
    assert_eq!(json.as_object().map(serde_json::Map::len), Some(keys.len()));
    assert!(matches!(members["when"], Value::DateTime(_)));
    assert_eq!(members["raw"], Value::Base64(vec![0, 255]));
    assert_eq!(members["size"], Value::String("1099511627776".into()));
    assert_eq!(members["big"], Value::String("1099511627776".into()));
    let list = vec![Value::Integer(1), Value::Integer(2)];
    assert_eq!(members["list"], Value::Array(list));
    assert_eq!(json["when"], "1970-01-01T00:00:00Z");
    assert_eq!(json["raw"], "AP8=");
    assert_eq!(json["size"], "1099511627776");
    assert_eq!(json["big"], 1_i64 << 40);
    assert_eq!(json["list"], serde_json::json!([1, 2]));
    assert_eq!(json["nothing"], serde_json::json!([]));
}

#[test]
fn missing_values_are_omitted() {
    for wire in [Wire::Xml, Wire::Json] {
        let mut out = Vec::new();
        assert_eq!(write(wire, &(), &mut out), Ok(false));
        assert_eq!(write(wire, &None::<i32>, &mut out), Ok(false));
        assert_eq!(out, b"");
        assert!(write(wire, &f64::NAN, &mut out).is_err());
    }
}

#[test]
fn choices_with_content_are_structs() {
    #[derive(Serialize)]
    enum Choice {
        Bare,
        One(Option<i32>),
        Pair(i32, i32),
        Named { a: i32 },
    }
    let all = [
        Choice::Bare,
        Choice::One(Some(1)),
        Choice::One(None),
        Choice::Pair(1, 2),
        Choice::Named { a: 1 },
    ];
    let expected =
        serde_json::json!(["Bare", {"One": 1}, {}, {"Pair": [1, 2]}, {"Named": {"a": 1}}]);
    assert_eq!(json(&all), expected);
    let Value::Array(items) = xml(&all) else {
        panic!("no array");
    };
    let one = BTreeMap::from([("One".to_owned(), Value::Integer(1))]);
    assert_eq!(items[1], Value::Struct(one));
    assert_eq!(items[2], Value::Struct(BTreeMap::new()));
}

#[test]
fn a_text_in_parts_is_the_text() {
    let parts = ["a\"<", "&\u{1b}", "é\r\n"];
    for (wire, whole) in [
        (Wire::Json, "a\\\"<&\\u001bé\\r\\n"),
        (Wire::Xml, "a\"&lt;&amp;\u{FFFD}é&#13;\n"),
    ] {
        let mut out = Vec::new();
        for part in parts {
            text_part(wire, part, &mut out).expect("written");
        }
        assert_eq!(String::from_utf8(out).expect("UTF-8"), whole);
    }
}

#[test]
fn characters_that_xml_forbids_are_replaced() {
    assert_eq!(
        xml_text("a\u{1b}[0m\0\u{FFFE}\u{FFFF}\u{10FFFF}\t"),
        "a\u{FFFD}[0m\u{FFFD}\u{FFFD}\u{FFFD}\u{10FFFF}\t"
    );
    assert!(matches!(
        xml_text("plain\r\n"),
        std::borrow::Cow::Borrowed(_)
    ));
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        any::<i32>().prop_map(Value::Integer),
        any::<bool>().prop_map(Value::Boolean),
        "[ -~é€\r\n]{0,12}".prop_map(Value::String),
        any::<Vec<u8>>().prop_map(Value::Base64),
    ];
    leaf.prop_recursive(4, 40, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::Array),
            prop::collection::btree_map("[a-z<&>\"]{1,8}", inner, 0..5).prop_map(Value::Struct),
        ]
    })
}

proptest! {
    #[test]
    fn written_values_are_read_back(value in value()) {
        prop_assert_eq!(xml(&Raw(value.clone())), value);
    }
}
