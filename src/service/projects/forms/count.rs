//! A number in options that can be unset again.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserialize, Deserializer, Visitor};

use crate::service::Error;

/// A number from 1; "" unsets the option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Count(Option<i64>);

impl Count {
    /// The number, which is at most `limit`; `None`: unset.
    pub(in crate::service) fn checked(self, field: &str, limit: u32) -> Result<Option<u32>, Error> {
        let Some(number) = self.0 else {
            return Ok(None);
        };
        let valid = u32::try_from(number).ok();
        let valid = valid.filter(|valid| (1..=limit).contains(valid));
        let message = || format!("`{number}`: expected 1 to {limit}, or \"\" for none");
        valid
            .map(Some)
            .ok_or_else(|| Error::invalid(field, message()))
    }
}

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Count, D::Error> {
        deserializer.deserialize_any(Numbers)
    }
}

struct Numbers;

impl Visitor<'_> for Numbers {
    type Value = Count;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("int, or \"\" to unset it")
    }

    fn visit_i64<E: serde::de::Error>(self, number: i64) -> Result<Count, E> {
        Ok(Count(Some(number)))
    }

    fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<Count, E> {
        Ok(Count(Some(i64::try_from(number).unwrap_or(i64::MAX))))
    }

    // JSON has one type of number.
    fn visit_f64<E: serde::de::Error>(self, number: f64) -> Result<Count, E> {
        let text = number.to_string();
        let whole = text
            .parse()
            .map_err(|_| E::invalid_type(serde::de::Unexpected::Float(number), &self))?;
        Ok(Count(Some(whole)))
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Count, E> {
        if text.is_empty() {
            return Ok(Count(None));
        }
        let number = text.parse();
        number
            .map(|number| Count(Some(number)))
            .map_err(|_| E::custom("expected int, or \"\" to unset it, got string"))
    }
}

impl JsonSchema for Count {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Count".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "integer", "minimum": 1})
    }
}
