//! A result to an XML-RPC value, or to a JSON tree.

use std::borrow::Cow;
use std::collections::BTreeMap;

use dxr::Value;
use serde::Serialize;
use serde::ser::{self, Serializer};

use super::BridgeError;
use super::wire::TIMESTAMP;

/// The value for XML-RPC: members without a value are left out, nothing is `nil`, whole numbers
/// are `i4` (one that doesn't fit is decimal text), and text holds only what XML 1.0 allows.
pub fn to_value<T: Serialize + ?Sized>(result: &T) -> Result<Value, BridgeError> {
    // Row 5: a method without result answers 1.
    Ok(match result.serialize(Bridge)? {
        Value::Nil => Value::Integer(1),
        value => value,
    })
}

/// The JSON tree of a result, without the members that have no value.
pub fn to_json<T: Serialize + ?Sized>(result: &T) -> Result<serde_json::Value, BridgeError> {
    let mut tree = serde_json::to_value(result).map_err(BridgeError::mismatch)?;
    nulls_remove(&mut tree);
    Ok(match tree {
        serde_json::Value::Null => serde_json::Value::from(1),
        tree => tree,
    })
}

fn nulls_remove(tree: &mut serde_json::Value) {
    match tree {
        serde_json::Value::Object(members) => {
            members.retain(|_, member| !member.is_null());
            members.values_mut().for_each(nulls_remove);
        }
        serde_json::Value::Array(items) => {
            items.retain(|item| !item.is_null());
            items.iter_mut().for_each(nulls_remove);
        }
        _ => {}
    }
}

/// `text` with U+FFFD for each character that XML 1.0 forbids.
pub fn xml_text(text: &str) -> Cow<'_, str> {
    let allowed = |c: char| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{FFFD}' | '\u{10000}'..);
    if text.chars().all(allowed) {
        return Cow::Borrowed(text);
    }
    let replaced = text
        .chars()
        .map(|c| if allowed(c) { c } else { '\u{FFFD}' });
    Cow::Owned(replaced.collect())
}

fn text(text: &str) -> Value {
    Value::String(xml_text(text).into_owned())
}

struct Bridge;

type Outcome = Result<Value, BridgeError>;

macro_rules! whole_numbers {
    ($($method:ident: $type:ty),*) => {
        $(fn $method(self, number: $type) -> Outcome {
            Ok(i32::try_from(number).map_or_else(|_| Value::String(number.to_string()), Value::Integer))
        })*
    };
}

impl Serializer for Bridge {
    type Ok = Value;
    type Error = BridgeError;
    type SerializeSeq = Items;
    type SerializeTuple = Items;
    type SerializeTupleStruct = Items;
    type SerializeTupleVariant = Variant<Items>;
    type SerializeMap = Members;
    type SerializeStruct = Members;
    type SerializeStructVariant = Variant<Members>;

    fn is_human_readable(&self) -> bool {
        false
    }

    whole_numbers!(
        serialize_i8: i8, serialize_i16: i16, serialize_i32: i32, serialize_i64: i64,
        serialize_u8: u8, serialize_u16: u16, serialize_u32: u32, serialize_u64: u64
    );

    fn serialize_bool(self, truth: bool) -> Outcome {
        Ok(Value::Boolean(truth))
    }

    fn serialize_f32(self, number: f32) -> Outcome {
        self.serialize_f64(number.into())
    }

    fn serialize_f64(self, number: f64) -> Outcome {
        if number.is_finite() {
            Ok(Value::Double(number))
        } else {
            Err(BridgeError::mismatch("a result is not a finite number"))
        }
    }

    fn serialize_char(self, c: char) -> Outcome {
        Ok(text(c.encode_utf8(&mut [0; 4])))
    }

    fn serialize_str(self, string: &str) -> Outcome {
        Ok(text(string))
    }

    fn serialize_bytes(self, bytes: &[u8]) -> Outcome {
        Ok(Value::Base64(bytes.to_vec()))
    }

    fn serialize_none(self) -> Outcome {
        Ok(Value::Nil)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, inner: &T) -> Outcome {
        inner.serialize(self)
    }

    fn serialize_unit(self) -> Outcome {
        Ok(Value::Nil)
    }

    fn serialize_unit_struct(self, _: &'static str) -> Outcome {
        Ok(Value::Nil)
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Outcome {
        Ok(text(variant))
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        inner: &T,
    ) -> Outcome {
        let value = inner.serialize(self)?;
        match &value {
            Value::String(date) if name == TIMESTAMP => date
                .parse()
                .map(Value::DateTime)
                .map_err(BridgeError::mismatch),
            _ => Ok(value),
        }
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        inner: &T,
    ) -> Outcome {
        let inner = inner.serialize(self)?;
        Ok(Value::Struct(BTreeMap::from([(variant.to_owned(), inner)])))
    }

    fn serialize_seq(self, length: Option<usize>) -> Result<Items, BridgeError> {
        Ok(Items(Vec::with_capacity(length.unwrap_or(0))))
    }

    fn serialize_tuple(self, length: usize) -> Result<Items, BridgeError> {
        self.serialize_seq(Some(length))
    }

    fn serialize_tuple_struct(self, _: &'static str, length: usize) -> Result<Items, BridgeError> {
        self.serialize_seq(Some(length))
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        length: usize,
    ) -> Result<Variant<Items>, BridgeError> {
        let inner = self.serialize_seq(Some(length))?;
        Ok(Variant { variant, inner })
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Members, BridgeError> {
        Ok(Members::default())
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Members, BridgeError> {
        Ok(Members::default())
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Variant<Members>, BridgeError> {
        let inner = Members::default();
        Ok(Variant { variant, inner })
    }
}

/// The items of an array so far.
struct Items(Vec<Value>);

impl Items {
    fn push<T: Serialize + ?Sized>(&mut self, item: &T) -> Result<(), BridgeError> {
        match item.serialize(Bridge)? {
            Value::Nil => {}
            value => self.0.push(value),
        }
        Ok(())
    }
}

/// The members of a struct so far, and the name that waits for its value.
#[derive(Default)]
struct Members {
    members: BTreeMap<String, Value>,
    name: Option<String>,
}

impl Members {
    fn push<T: Serialize + ?Sized>(&mut self, name: &str, member: &T) -> Result<(), BridgeError> {
        match member.serialize(Bridge)? {
            Value::Nil => {}
            value => {
                self.members.insert(xml_text(name).into_owned(), value);
            }
        }
        Ok(())
    }
}

/// The content of an enum variant with data.
struct Variant<Inner> {
    variant: &'static str,
    inner: Inner,
}

impl ser::SerializeSeq for Items {
    type Ok = Value;
    type Error = BridgeError;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, item: &T) -> Result<(), BridgeError> {
        self.push(item)
    }

    fn end(self) -> Outcome {
        Ok(Value::Array(self.0))
    }
}

impl ser::SerializeTuple for Items {
    type Ok = Value;
    type Error = BridgeError;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, item: &T) -> Result<(), BridgeError> {
        self.push(item)
    }

    fn end(self) -> Outcome {
        Ok(Value::Array(self.0))
    }
}

impl ser::SerializeTupleStruct for Items {
    type Ok = Value;
    type Error = BridgeError;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, item: &T) -> Result<(), BridgeError> {
        self.push(item)
    }

    fn end(self) -> Outcome {
        Ok(Value::Array(self.0))
    }
}

impl ser::SerializeTupleVariant for Variant<Items> {
    type Ok = Value;
    type Error = BridgeError;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, item: &T) -> Result<(), BridgeError> {
        self.inner.push(item)
    }

    fn end(self) -> Outcome {
        let inner = Value::Array(self.inner.0);
        Ok(Value::Struct(BTreeMap::from([(
            self.variant.to_owned(),
            inner,
        )])))
    }
}

impl ser::SerializeMap for Members {
    type Ok = Value;
    type Error = BridgeError;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), BridgeError> {
        self.name = match key.serialize(Bridge)? {
            Value::String(name) => Some(name),
            Value::Integer(number) => Some(number.to_string()),
            _ => return Err(BridgeError::mismatch("the name of a member must be text")),
        };
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, member: &T) -> Result<(), BridgeError> {
        let name = self.name.take().unwrap_or_default();
        self.push(&name, member)
    }

    fn end(self) -> Outcome {
        Ok(Value::Struct(self.members))
    }
}

impl ser::SerializeStruct for Members {
    type Ok = Value;
    type Error = BridgeError;

    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        name: &'static str,
        member: &T,
    ) -> Result<(), BridgeError> {
        self.push(name, member)
    }

    fn end(self) -> Outcome {
        Ok(Value::Struct(self.members))
    }
}

impl ser::SerializeStructVariant for Variant<Members> {
    type Ok = Value;
    type Error = BridgeError;

    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        name: &'static str,
        member: &T,
    ) -> Result<(), BridgeError> {
        self.inner.push(name, member)
    }

    fn end(self) -> Outcome {
        let inner = Value::Struct(self.inner.members);
        Ok(Value::Struct(BTreeMap::from([(
            self.variant.to_owned(),
            inner,
        )])))
    }
}

#[cfg(test)]
mod tests {
    use super::{to_json, to_value, xml_text};
    use crate::api::value::{ByteCount, Bytes, Done, Timestamp};
    use dxr::Value;
    use serde::Serialize;

    #[derive(Serialize)]
    struct Sample {
        here: Option<i32>,
        gone: Option<String>,
        when: Timestamp,
        raw: Bytes,
        size: ByteCount,
        big: i64,
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
        };
        let Value::Struct(members) = to_value(&sample).expect("a struct") else {
            panic!("not a struct");
        };
        let json = to_json(&sample).expect("an object");
        let keys: Vec<_> = members.keys().cloned().collect();
        assert_eq!(keys, ["big", "here", "raw", "size", "when"]);
        assert_eq!(json.as_object().map(serde_json::Map::len), Some(keys.len()));
        assert!(matches!(members["when"], Value::DateTime(_)));
        assert_eq!(members["raw"], Value::Base64(vec![0, 255]));
        assert_eq!(members["size"], Value::String("1099511627776".into()));
        assert_eq!(members["big"], Value::String("1099511627776".into()));
        assert_eq!(json["when"], "1970-01-01T00:00:00Z");
        assert_eq!(json["raw"], "AP8=");
        assert_eq!(json["size"], "1099511627776");
    }

    #[test]
    fn no_result_is_one() {
        assert_eq!(to_value(&()).expect("a value"), Value::Integer(1));
        assert_eq!(to_value(&Done).expect("a value"), Value::Integer(1));
        assert_eq!(to_json(&()).expect("a value"), 1);
        assert_eq!(to_json(&Done).expect("a value"), 1);
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
}
