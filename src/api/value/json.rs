//! JSON arguments as values, so that both surfaces resolve and parse them in the same way.

use dxr::Value;
use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value as Json};

/// Parses a JSON text. A duplicate key in an object is an error, since one of the values would be
/// lost.
pub fn parse(text: &[u8]) -> Result<Json, serde_json::Error> {
    serde_json::from_slice(text).map(|Strict(json)| json)
}

/// The value of a JSON argument. `null` becomes nil, which counts as omitted. Numbers keep their
/// kind: `1e3` and `1.10` aren't integers, `-0` isn't `0`.
pub fn from_json(json: Json) -> Value {
    match json {
        Json::Null => Value::Nil,
        Json::Bool(truth) => Value::Boolean(truth),
        Json::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(whole), _) => i32::try_from(whole).map_or(Value::Long(whole), Value::Integer),
            (None, Some(double)) if number.is_f64() => Value::Double(double),
            // Beyond 63 bits: its digits, which a text parameter may still accept.
            _ => Value::String(number.to_string()),
        },
        Json::String(text) => Value::String(text),
        Json::Array(items) => Value::Array(items.into_iter().map(from_json).collect()),
        Json::Object(members) => {
            let members = members
                .into_iter()
                .map(|(name, member)| (name, from_json(member)));
            Value::Struct(members.collect())
        }
    }
}

/// JSON without duplicate keys.
struct Strict(Json);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Strict, D::Error> {
        deserializer.deserialize_any(Any).map(Strict)
    }
}

struct Any;

impl<'de> Visitor<'de> for Any {
    type Value = Json;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, truth: bool) -> Result<Json, E> {
        Ok(Json::Bool(truth))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Json, E> {
        Ok(number.into())
    }

    fn visit_u64<E>(self, number: u64) -> Result<Json, E> {
        Ok(number.into())
    }

    fn visit_f64<E: serde::de::Error>(self, number: f64) -> Result<Json, E> {
        Number::from_f64(number)
            .map(Json::Number)
            .ok_or_else(|| E::custom("a number out of range"))
    }

    fn visit_str<E>(self, text: &str) -> Result<Json, E> {
        Ok(text.into())
    }

    fn visit_string<E>(self, text: String) -> Result<Json, E> {
        Ok(text.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Json, A::Error> {
        let mut all = Vec::new();
        while let Some(Strict(item)) = items.next_element()? {
            all.push(item);
        }
        Ok(Json::Array(all))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Json, A::Error> {
        let mut all = Map::new();
        while let Some((name, Strict(member))) = members.next_entry::<String, Strict>()? {
            if all.insert(name, member).is_some() {
                return Err(A::Error::custom("a key occurs twice"));
            }
        }
        Ok(Json::Object(all))
    }
}

#[cfg(test)]
mod tests {
    use super::{from_json, parse};
    use crate::api::value::from_value;
    use dxr::Value;

    #[test]
    fn a_key_that_stands_twice_is_refused_at_any_depth() {
        for text in [r#"{"a":1,"a":1}"#, r#"[{"b":{"a":1,"\u0061":2}}]"#] {
            let error = parse(text.as_bytes()).expect_err(text).to_string();
            assert!(error.contains("a key occurs twice"), "{error}");
        }
        let text = r#"{"a":{"a":[null,true,-1,18446744073709551615,1.5,"x"]},"b":{}}"#;
        let read = parse(text.as_bytes()).expect("JSON");
        assert_eq!(read.to_string(), text);
    }

    #[test]
    fn a_number_is_text_only_where_its_digits_are_what_was_written() {
        let text = |json: &str| {
            let value = from_json(parse(json.as_bytes()).expect("JSON"));
            from_value::<String>(value).map_err(|error| error.to_string())
        };
        for whole in [
            "0",
            "-1",
            "2024",
            "5000000000",
            "9223372036854775808",
            "18446744073709551615",
        ] {
            assert_eq!(text(whole).as_deref(), Ok(whole));
        }
        for lost in [
            "1.10",
            "1.0",
            "1e3",
            "1E3",
            "10e-1",
            "-0",
            "-0.0",
            "123456789012345678901234567890",
        ] {
            let error = text(lost).expect_err(lost);
            assert!(error.contains("as a quoted string"), "{lost}: {error}");
        }
    }

    #[test]
    fn a_number_that_is_whole_is_one_whatever_its_form() {
        let whole =
            |json: &str| from_value::<i64>(from_json(parse(json.as_bytes()).expect("JSON")));
        for (json, number) in [
            ("148.0", 148),
            ("1e3", 1000),
            ("-0", 0),
            ("5000000000", 5_000_000_000),
        ] {
            assert_eq!(whole(json), Ok(number), "{json}");
        }
        for json in [
            "1.5",
            "1e-1",
            "18446744073709551615",
            "1e30",
            "true",
            "\"1.0\"",
        ] {
            assert!(whole(json).is_err(), "{json}");
        }
        assert_eq!(
            from_json(parse(b"1e3").expect("JSON")),
            Value::Double(1000.0)
        );
    }
}
