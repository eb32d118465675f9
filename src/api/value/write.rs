//! Serialises a result as text for either wire, without building a tree.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use quick_xml::escape::partial_escape;
use serde::Serialize;
use serde::ser::{self, Serializer};

use super::BridgeError;
use super::wire::TIMESTAMP;

#[cfg(test)]
mod tests;

/// An output format of results.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wire {
    /// A `<value>` of XML-RPC: nothing is `nil`, integers are `i4` (or decimal text if too large),
    /// and text contains only what XML 1.0 allows.
    Xml,
    /// A JSON value.
    Json,
}

/// Appends `result`. Members and items without a value are omitted; returns `false`, with nothing
/// appended, if the whole has none.
pub fn write<T: Serialize + ?Sized>(
    wire: Wire,
    result: &T,
    out: &mut Vec<u8>,
) -> Result<bool, BridgeError> {
    result.serialize(Writer {
        wire,
        out,
        kind: "string",
    })
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

/// `text` between two tags. A parser would make a line feed of a plain carriage return.
fn xml_escaped(text: &str) -> String {
    partial_escape(&*xml_text(text)).replace('\r', "&#13;")
}

/// Appends a part of a text, without its delimiters.
pub fn text_part(wire: Wire, text: &str, out: &mut Vec<u8>) -> Result<(), BridgeError> {
    match wire {
        Wire::Xml => out.extend_from_slice(xml_escaped(text).as_bytes()),
        Wire::Json => {
            let begin = out.len();
            json(out, text)?;
            out.pop();
            out.remove(begin);
        }
    }
    Ok(())
}

/// Reopens the struct that ends `out`, which has members already, for a member `name`; its value
/// comes next. Returns what ends both.
pub fn struct_reopen(
    wire: Wire,
    name: &str,
    out: &mut Vec<u8>,
) -> Result<&'static str, BridgeError> {
    let (end, ends) = match wire {
        Wire::Xml => ("</struct></value>", "</member></struct></value>"),
        Wire::Json => ("}", "}"),
    };
    if !out.ends_with(end.as_bytes()) {
        return Err(BridgeError::mismatch("a result isn't a struct"));
    }
    out.truncate(out.len() - end.len());
    if wire == Wire::Json {
        out.push(b',');
    }
    member(wire, out, name)?;
    Ok(ends)
}

fn json<T: Serialize + ?Sized>(out: &mut Vec<u8>, scalar: &T) -> Written {
    serde_json::to_writer(out, scalar).map_err(BridgeError::mismatch)?;
    Ok(true)
}

type Written = Result<bool, BridgeError>;

struct Writer<'o> {
    wire: Wire,
    out: &'o mut Vec<u8>,
    /// The element of a text.
    kind: &'static str,
}

impl<'o> Writer<'o> {
    fn put(&mut self, text: &str) {
        self.out.extend_from_slice(text.as_bytes());
    }

    /// For the wire that supports them.
    fn either(&mut self, xml: &str, json: &str) {
        self.put(match self.wire {
            Wire::Xml => xml,
            Wire::Json => json,
        });
    }

    #[allow(clippy::unnecessary_wraps)] // as serde wants it
    fn scalar(mut self, kind: &str, text: &str) -> Written {
        for part in ["<value><", kind, ">", text, "</", kind, "></value>"] {
            self.put(part);
        }
        Ok(true)
    }

    fn whole<N: Serialize + ToString + TryInto<i32> + Copy>(self, number: N) -> Written {
        if self.wire == Wire::Json {
            return json(self.out, &number);
        }
        let text = number.to_string();
        match number.try_into() {
            Ok::<i32, _>(_) => self.scalar("i4", &text),
            Err(_) => self.scalar("string", &text),
        }
    }

    fn items(mut self, end: &'static str) -> Group<'o> {
        self.either("<value><array><data>", "[");
        Group::new(self, "</data></array></value>", "]", end)
    }

    fn members(mut self, end: &'static str) -> Group<'o> {
        self.either("<value><struct>", "{");
        Group::new(self, "</struct></value>", "}", end)
    }

    /// Starts a struct with the single member `variant`; returns what ends it.
    fn variant(&mut self, variant: &str) -> Result<&'static str, BridgeError> {
        self.either("<value><struct>", "{");
        member(self.wire, self.out, variant)?;
        Ok(match self.wire {
            Wire::Xml => "</member></struct></value>",
            Wire::Json => "}",
        })
    }
}

/// Begins a member.
fn member(wire: Wire, out: &mut Vec<u8>, name: &str) -> Result<(), BridgeError> {
    match wire {
        Wire::Xml => {
            out.extend_from_slice(b"<member><name>");
            text_part(wire, name, out)?;
            out.extend_from_slice(b"</name>");
        }
        Wire::Json => {
            json(out, name)?;
            out.push(b':');
        }
    }
    Ok(())
}

macro_rules! whole_numbers {
    ($($method:ident: $type:ty),*) => {
        $(fn $method(self, number: $type) -> Written {
            self.whole(number)
        })*
    };
}

impl<'o> Serializer for Writer<'o> {
    type Ok = bool;
    type Error = BridgeError;
    type SerializeSeq = Group<'o>;
    type SerializeTuple = Group<'o>;
    type SerializeTupleStruct = Group<'o>;
    type SerializeTupleVariant = Group<'o>;
    type SerializeMap = Group<'o>;
    type SerializeStruct = Group<'o>;
    type SerializeStructVariant = Group<'o>;

    /// How the newtypes of [`super::wire`] distinguish the wires.
    fn is_human_readable(&self) -> bool {
        self.wire == Wire::Json
    }

    whole_numbers!(
        serialize_i8: i8, serialize_i16: i16, serialize_i32: i32, serialize_i64: i64,
        serialize_u8: u8, serialize_u16: u16, serialize_u32: u32, serialize_u64: u64
    );

    fn serialize_bool(self, truth: bool) -> Written {
        match (self.wire, truth) {
            (Wire::Json, _) => json(self.out, &truth),
            (Wire::Xml, true) => self.scalar("boolean", "1"),
            (Wire::Xml, false) => self.scalar("boolean", "0"),
        }
    }

    fn serialize_f32(self, number: f32) -> Written {
        self.serialize_f64(number.into())
    }

    fn serialize_f64(self, number: f64) -> Written {
        match self.wire {
            _ if !number.is_finite() => {
                Err(BridgeError::mismatch("a result is not a finite number"))
            }
            Wire::Json => json(self.out, &number),
            Wire::Xml => self.scalar("double", &number.to_string()),
        }
    }

    fn serialize_char(self, c: char) -> Written {
        self.serialize_str(c.encode_utf8(&mut [0; 4]))
    }

    fn serialize_str(self, text: &str) -> Written {
        if self.wire == Wire::Json {
            return json(self.out, text);
        }
        let kind = self.kind;
        self.scalar(kind, &xml_escaped(text))
    }

    fn serialize_bytes(self, bytes: &[u8]) -> Written {
        let text = BASE64.encode(bytes);
        match self.wire {
            Wire::Json => json(self.out, &text),
            Wire::Xml => self.scalar("base64", &text),
        }
    }

    fn serialize_none(self) -> Written {
        Ok(false)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, inner: &T) -> Written {
        inner.serialize(self)
    }

    fn serialize_unit(self) -> Written {
        Ok(false)
    }

    fn serialize_unit_struct(self, _: &'static str) -> Written {
        Ok(false)
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Written {
        self.serialize_str(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        mut self,
        name: &'static str,
        inner: &T,
    ) -> Written {
        if name == TIMESTAMP {
            self.kind = "dateTime.iso8601";
        }
        inner.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        mut self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        inner: &T,
    ) -> Written {
        let mark = self.out.len();
        let end = self.variant(variant)?;
        if write(self.wire, inner, self.out)? {
            self.put(end);
            return Ok(true);
        }
        self.out.truncate(mark);
        self.members("").end()
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Group<'o>, BridgeError> {
        Ok(self.items(""))
    }

    fn serialize_tuple(self, _: usize) -> Result<Group<'o>, BridgeError> {
        Ok(self.items(""))
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Group<'o>, BridgeError> {
        Ok(self.items(""))
    }

    fn serialize_tuple_variant(
        mut self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Group<'o>, BridgeError> {
        let end = self.variant(variant)?;
        Ok(self.items(end))
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Group<'o>, BridgeError> {
        Ok(self.members(""))
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Group<'o>, BridgeError> {
        Ok(self.members(""))
    }

    fn serialize_struct_variant(
        mut self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Group<'o>, BridgeError> {
        let end = self.variant(variant)?;
        Ok(self.members(end))
    }
}

/// An incomplete array or struct.
struct Group<'o> {
    writer: Writer<'o>,
    end: [&'static str; 2],
    is_empty: bool,
    /// The name whose value comes next.
    name: Option<String>,
}

impl<'o> Group<'o> {
    fn new(writer: Writer<'o>, xml: &'static str, json: &'static str, more: &'static str) -> Self {
        let end = match writer.wire {
            Wire::Xml => xml,
            Wire::Json => json,
        };
        Group {
            writer,
            end: [end, more],
            is_empty: true,
            name: None,
        }
    }

    fn item<T: Serialize + ?Sized>(&mut self, item: &T) -> Result<(), BridgeError> {
        self.push(None, item)
    }

    fn push<T: Serialize + ?Sized>(
        &mut self,
        name: Option<&str>,
        item: &T,
    ) -> Result<(), BridgeError> {
        let wire = self.writer.wire;
        let out = &mut *self.writer.out;
        let mark = out.len();
        if wire == Wire::Json && !self.is_empty {
            out.push(b',');
        }
        if let Some(name) = name {
            member(wire, out, name)?;
        }
        if !write(wire, item, out)? {
            out.truncate(mark);
            return Ok(());
        }
        if name.is_some() && wire == Wire::Xml {
            out.extend_from_slice(b"</member>");
        }
        self.is_empty = false;
        Ok(())
    }

    #[allow(clippy::unnecessary_wraps)] // as serde wants it
    fn end(mut self) -> Written {
        for end in self.end {
            self.writer.put(end);
        }
        Ok(true)
    }
}

macro_rules! group {
    (struct $($trait:ident),*) => {
        $(impl ser::$trait for Group<'_> {
            type Ok = bool;
            type Error = BridgeError;

            fn serialize_field<T: Serialize + ?Sized>(
                &mut self,
                name: &'static str,
                member: &T,
            ) -> Result<(), BridgeError> {
                self.push(Some(name), member)
            }

            fn end(self) -> Written {
                Group::end(self)
            }
        })*
    };
    ($($trait:ident $method:ident),*) => {
        $(impl ser::$trait for Group<'_> {
            type Ok = bool;
            type Error = BridgeError;

            fn $method<T: Serialize + ?Sized>(&mut self, item: &T) -> Result<(), BridgeError> {
                self.item(item)
            }

            fn end(self) -> Written {
                Group::end(self)
            }
        })*
    };
}

group!(
    SerializeSeq serialize_element,
    SerializeTuple serialize_element,
    SerializeTupleStruct serialize_field,
    SerializeTupleVariant serialize_field
);
group!(struct SerializeStruct, SerializeStructVariant);

impl ser::SerializeMap for Group<'_> {
    type Ok = bool;
    type Error = BridgeError;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), BridgeError> {
        self.name = match serde_json::to_value(key) {
            Ok(serde_json::Value::String(name)) => Some(name),
            Ok(serde_json::Value::Number(number)) => Some(number.to_string()),
            _ => return Err(BridgeError::mismatch("the name of a member must be text")),
        };
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, member: &T) -> Result<(), BridgeError> {
        let name = self.name.take().unwrap_or_default();
        self.push(Some(&name), member)
    }

    fn end(self) -> Written {
        Group::end(self)
    }
}
