//! Deserialises an argument from an XML-RPC value, with the conversions that clients rely on: numbers
//! for text, numeric text for numbers, 1/0 and "true"/"false" for booleans.

use std::collections::{BTreeMap, btree_map};

use dxr::Value;
use serde::de::value::StringDeserializer;
use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, Expected, IntoDeserializer,
    MapAccess, SeqAccess, VariantAccess, Visitor,
};

use super::raw::RAW;
use super::wire::TIMESTAMP;
use super::{BridgeError, Timestamp};

/// Why a date is refused if text is expected (row 12), and what to do.
pub const DATE_FOR_TEXT: &str = "expected string, got date: the client turned text that looks like a date into one, \
     and the original text is lost; send it as a string (in spacecmd, in JSON quotes)";

/// Why a number with a fraction or exponent is refused if text is expected, and what to do.
pub const NUMBER_FOR_TEXT: &str = "expected string, got double: a number such as `1.10` or `1e3` loses its original \
     form; send it as a quoted string";

/// Deserialises an argument. Unknown members of a struct are refused, all at once.
pub fn from_value<T: DeserializeOwned>(value: Value) -> Result<T, BridgeError> {
    T::deserialize(ValueDeserializer(value))
}

/// Row 11a: what is accepted as a boolean.
pub fn boolean(value: &Value) -> Option<bool> {
    match value {
        Value::Boolean(truth) => Some(*truth),
        Value::Integer(1) | Value::Long(1) => Some(true),
        Value::Integer(0) | Value::Long(0) => Some(false),
        Value::String(text) if text == "true" || text == "1" => Some(true),
        Value::String(text) if text == "false" || text == "0" => Some(false),
        _ => None,
    }
}

/// What is accepted as an integer. JSON has one type of number: `148.0` is an integer.
pub fn whole(value: &Value) -> Option<i64> {
    match value {
        Value::Double(number) => number.to_string().parse().ok(),
        Value::Integer(number) => Some((*number).into()),
        Value::Long(number) => Some(*number),
        Value::String(text) => text.parse().ok(),
        _ => None,
    }
}

/// What is accepted as a floating-point number.
pub fn fractional(value: &Value) -> Option<f64> {
    match value {
        Value::Double(number) => Some(*number),
        Value::Integer(number) => Some((*number).into()),
        Value::String(text) => text.parse().ok().filter(|number: &f64| number.is_finite()),
        _ => None,
    }
}

/// What is accepted as text: an integer becomes its digits. A number with a fraction or exponent
/// isn't accepted, since its original form is lost.
pub fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Integer(number) => Some(number.to_string()),
        Value::Long(number) => Some(number.to_string()),
        _ => None,
    }
}

/// What is accepted as a date.
pub fn moment(value: &Value) -> Option<Timestamp> {
    match value {
        Value::DateTime(date) => Timestamp::parse(&date.to_string()),
        Value::String(text) => Timestamp::parse(text),
        _ => None,
    }
}

/// The name of a value's type in introspection and messages.
pub fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Integer(_) | Value::Long(_) => "int",
        Value::Boolean(_) => "boolean",
        Value::String(_) => "string",
        Value::Double(_) => "double",
        Value::DateTime(_) => "date",
        Value::Base64(_) => "base64",
        Value::Struct(_) => "struct",
        Value::Array(_) => "array",
        _ => "nil",
    }
}

/// Why text with a NUL is refused: PostgreSQL can't store it, and it is useless.
const NUL_IN_TEXT: &str = "text can't contain the character NUL";

struct ValueDeserializer(Value);

impl ValueDeserializer {
    fn unexpected(&self, expected: &dyn Expected) -> BridgeError {
        BridgeError::mismatch(format!("expected {expected}, got {}", type_name(&self.0)))
    }

    fn whole<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, BridgeError> {
        match whole(&self.0) {
            Some(number) => visitor.visit_i64(number),
            None => Err(self.unexpected(&"int")),
        }
    }

    fn text<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, BridgeError> {
        match (text(&self.0), &self.0) {
            (Some(text), _) if text.contains('\0') => Err(BridgeError::mismatch(NUL_IN_TEXT)),
            (Some(text), _) => visitor.visit_string(text),
            (None, Value::DateTime(_)) => Err(BridgeError::mismatch(DATE_FOR_TEXT)),
            (None, Value::Double(_)) => Err(BridgeError::mismatch(NUMBER_FOR_TEXT)),
            (None, _) => Err(self.unexpected(&"string")),
        }
    }
}

macro_rules! deserialize_as {
    ($way:ident: $($method:ident),*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, BridgeError> {
            self.$way(visitor)
        })*
    };
}

impl<'de> Deserializer<'de> for ValueDeserializer {
    type Error = BridgeError;

    fn is_human_readable(&self) -> bool {
        false
    }

    deserialize_as!(whole: deserialize_i8, deserialize_i16, deserialize_i32, deserialize_i64,
        deserialize_u8, deserialize_u16, deserialize_u32, deserialize_u64);
    deserialize_as!(text: deserialize_str, deserialize_string, deserialize_char, deserialize_identifier);
    deserialize_as!(deserialize_any: deserialize_ignored_any, deserialize_unit);
    deserialize_as!(deserialize_byte_buf: deserialize_bytes);
    deserialize_as!(deserialize_f64: deserialize_f32);

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, BridgeError> {
        match self.0 {
            Value::Integer(number) => visitor.visit_i32(number),
            Value::Long(number) => visitor.visit_i64(number),
            Value::Boolean(truth) => visitor.visit_bool(truth),
            Value::String(text) => visitor.visit_string(text),
            Value::Double(number) => visitor.visit_f64(number),
            Value::DateTime(date) => visitor.visit_string(date.to_string()),
            Value::Base64(bytes) => visitor.visit_byte_buf(bytes),
            Value::Struct(members) => visitor.visit_map(Members::new(members)),
            Value::Array(items) => visitor.visit_seq(Items::new(items)),
            _ => visitor.visit_unit(),
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, BridgeError> {
        match boolean(&self.0) {
            Some(truth) => visitor.visit_bool(truth),
            None => Err(self.unexpected(&"boolean")),
        }
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, BridgeError> {
        match fractional(&self.0) {
            Some(number) => visitor.visit_f64(number),
            None => Err(self.unexpected(&"double")),
        }
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, BridgeError> {
        match self.0 {
            Value::Base64(bytes) => visitor.visit_byte_buf(bytes),
            Value::String(text) => visitor.visit_string(text),
            _ => Err(self.unexpected(&"base64")),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, BridgeError> {
        match self.0 {
            Value::Nil => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, BridgeError> {
        self.deserialize_any(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, BridgeError> {
        if name == RAW {
            let Value::DateTime(date) = self.0 else {
                return self.deserialize_any(visitor);
            };
            let text: StringDeserializer<BridgeError> = date.to_string().into_deserializer();
            return visitor.visit_newtype_struct(text);
        }
        if name != TIMESTAMP {
            return visitor.visit_newtype_struct(self);
        }
        match moment(&self.0) {
            Some(Timestamp(moment)) => {
                let text: StringDeserializer<BridgeError> = moment.to_rfc3339().into_deserializer();
                visitor.visit_newtype_struct(text)
            }
            None => Err(self.unexpected(&"date")),
        }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, BridgeError> {
        match self.0 {
            Value::Array(items) => visitor.visit_seq(Items::new(items)),
            _ => Err(self.unexpected(&"array")),
        }
    }

    fn deserialize_tuple<V: Visitor<'de>>(
        self,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, BridgeError> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, BridgeError> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, BridgeError> {
        match self.0 {
            Value::Struct(members) => visitor.visit_map(Members::new(members)),
            _ => Err(self.unexpected(&"struct")),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, BridgeError> {
        let Value::Struct(members) = self.0 else {
            return Err(self.unexpected(&"struct"));
        };
        let unknown: Vec<String> = members
            .keys()
            .filter(|name| !fields.contains(&name.as_str()))
            .cloned()
            .collect();
        if !unknown.is_empty() {
            return Err(BridgeError::UnknownKeys(unknown));
        }
        visitor.visit_map(Members::new(members))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, BridgeError> {
        match (text(&self.0), self.0) {
            (Some(variant), _) => visitor.visit_enum(Variant(variant, None)),
            (None, Value::Struct(mut members)) if members.len() == 1 => match members.pop_first() {
                Some((variant, inner)) => visitor.visit_enum(Variant(variant, Some(inner))),
                None => Err(BridgeError::mismatch("expected one member")),
            },
            (None, other) => Err(ValueDeserializer(other).unexpected(&"string")),
        }
    }
}

struct Items {
    items: std::vec::IntoIter<Value>,
    index: usize,
}

impl Items {
    fn new(items: Vec<Value>) -> Items {
        let items = items.into_iter();
        Items { items, index: 0 }
    }
}

impl<'de> SeqAccess<'de> for Items {
    type Error = BridgeError;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, BridgeError> {
        let Some(item) = self.items.next() else {
            return Ok(None);
        };
        let index = self.index;
        self.index += 1;
        seed.deserialize(ValueDeserializer(item))
            .map(Some)
            .map_err(|error| error.inside(format!("[{index}]")))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.items.len())
    }
}

struct Members {
    members: btree_map::IntoIter<String, Value>,
    current: Option<(String, Value)>,
}

impl Members {
    fn new(members: BTreeMap<String, Value>) -> Members {
        Members {
            members: members.into_iter(),
            current: None,
        }
    }
}

impl<'de> MapAccess<'de> for Members {
    type Error = BridgeError;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, BridgeError> {
        // A member that is nil (in JSON: null) counts as omitted.
        self.current = self.members.find(|(_, member)| *member != Value::Nil);
        match &self.current {
            Some((name, _)) => seed
                .deserialize(ValueDeserializer(Value::String(name.clone())))
                .map(Some),
            None => Ok(None),
        }
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(
        &mut self,
        seed: V,
    ) -> Result<V::Value, BridgeError> {
        let (name, member) = self.current.take().unwrap_or((String::new(), Value::Nil));
        seed.deserialize(ValueDeserializer(member))
            .map_err(|error| error.inside(name))
    }
}

/// An enum's variant: its name and, for one with data, its content.
struct Variant(String, Option<Value>);

impl<'de> EnumAccess<'de> for Variant {
    type Error = BridgeError;
    type Variant = Content;

    fn variant_seed<V: DeserializeSeed<'de>>(
        self,
        seed: V,
    ) -> Result<(V::Value, Content), BridgeError> {
        let variant = seed.deserialize(ValueDeserializer(Value::String(self.0)))?;
        Ok((variant, Content(self.1)))
    }
}

/// The content of a variant.
struct Content(Option<Value>);

impl Content {
    fn bridge(self) -> ValueDeserializer {
        ValueDeserializer(self.0.unwrap_or(Value::Nil))
    }
}

impl<'de> VariantAccess<'de> for Content {
    type Error = BridgeError;

    fn unit_variant(self) -> Result<(), BridgeError> {
        match self.0 {
            None => Ok(()),
            Some(content) => {
                Err(ValueDeserializer(content).unexpected(&"a choice without content"))
            }
        }
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(
        self,
        seed: T,
    ) -> Result<T::Value, BridgeError> {
        seed.deserialize(self.bridge())
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, BridgeError> {
        self.bridge().deserialize_seq(visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, BridgeError> {
        self.bridge().deserialize_struct("", fields, visitor)
    }
}
