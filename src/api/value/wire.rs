//! Newtypes whose form differs between XML-RPC and JSON.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use chrono::{DateTime, NaiveDateTime, SecondsFormat, TimeZone, Utc};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserializer, Error as _, Visitor};
use serde::ser::Serializer;
use serde::{Deserialize, Serialize};

use crate::time_zone::server_zone;

/// Marks a date for the deserialiser, which can't distinguish it from text otherwise.
pub(super) const TIMESTAMP: &str = "$registrysync::Timestamp";
/// The form of a date in XML-RPC: no zone, the server's local time.
pub(super) const XML_DATE: &str = "%Y%m%dT%H:%M:%S";

/// A point in time. `dateTime.iso8601` in the server's time zone on XML-RPC, RFC 3339 in UTC on
/// JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timestamp(pub DateTime<Utc>);

impl Timestamp {
    /// Parses what clients send: RFC 3339, or `yyyyMMddTHH:mm:ss` and `yyyy-MM-ddTHH:mm:ss` in the
    /// server's time zone.
    pub fn parse(text: &str) -> Option<Timestamp> {
        if let Ok(moment) = DateTime::parse_from_rfc3339(text) {
            return Timestamp::of(moment.to_utc());
        }
        let naive = [XML_DATE, "%Y-%m-%dT%H:%M:%S"]
            .iter()
            .find_map(|form| NaiveDateTime::parse_from_str(text, form).ok())?;
        // An ambiguous local time means the earlier one; one that doesn't exist is invalid.
        let moment = server_zone().from_local_datetime(&naive).earliest()?;
        Timestamp::of(moment.to_utc())
    }

    /// A leap second becomes the second after it: neither databases nor XML-RPC support them.
    fn of(moment: DateTime<Utc>) -> Option<Timestamp> {
        DateTime::from_timestamp_micros(moment.timestamp_micros()).map(Timestamp)
    }
}

impl From<DateTime<Utc>> for Timestamp {
    fn from(moment: DateTime<Utc>) -> Timestamp {
        Timestamp(moment)
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            return serializer.serialize_str(&self.0.to_rfc3339_opts(SecondsFormat::Secs, true));
        }
        let local = self
            .0
            .with_timezone(&server_zone())
            .format(XML_DATE)
            .to_string();
        serializer.serialize_newtype_struct(TIMESTAMP, &local)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
        struct Inner;
        impl<'de> Visitor<'de> for Inner {
            type Value = String;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("date")
            }

            fn visit_newtype_struct<D: Deserializer<'de>>(
                self,
                inner: D,
            ) -> Result<String, D::Error> {
                String::deserialize(inner)
            }
        }
        let text = deserializer.deserialize_newtype_struct(TIMESTAMP, Inner)?;
        Timestamp::parse(&text).ok_or_else(|| {
            D::Error::custom("expected a date such as `2026-01-31T23:59:59Z`, got another text")
        })
    }
}

impl JsonSchema for Timestamp {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Timestamp".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "format": "date-time"})
    }
}

/// Raw bytes: `base64` on XML-RPC, base64 text on JSON.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bytes(pub Vec<u8>);

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.serialize_str(&BASE64.encode(&self.0))
        } else {
            serializer.serialize_bytes(&self.0)
        }
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Bytes, D::Error> {
        struct Inner;
        impl Visitor<'_> for Inner {
            type Value = Vec<u8>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("base64")
            }

            fn visit_byte_buf<E>(self, bytes: Vec<u8>) -> Result<Vec<u8>, E> {
                Ok(bytes)
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Vec<u8>, E> {
                BASE64
                    .decode(text)
                    .map_err(|_| E::custom("expected base64, got another text"))
            }
        }
        deserializer.deserialize_byte_buf(Inner).map(Bytes)
    }
}

impl JsonSchema for Bytes {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Bytes".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "contentEncoding": "base64"})
    }
}

/// The result of a method without one: the number 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Done;

impl Serialize for Done {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_i32(1)
    }
}

impl JsonSchema for Done {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Done".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "integer", "const": 1})
    }
}

/// A number of bytes, which may not fit an `i4`: decimal text on both surfaces.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct ByteCount(pub u64);

impl Serialize for ByteCount {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for ByteCount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<ByteCount, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map(ByteCount)
            .map_err(|_| D::Error::custom("expected a number of bytes as decimal text"))
    }
}

impl JsonSchema for ByteCount {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "ByteCount".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "pattern": "^[0-9]+$"})
    }
}
