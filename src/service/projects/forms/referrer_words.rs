//! The option `referrers` as callers give it: a list of words, or just whether.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::{Deserialize, Deserializer, SeqAccess, Visitor};

use crate::service::Error;
use crate::sync::input::referrer_choice::ReferrerChoice;

/// A list of words; true stands for `all`, false for none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReferrerWords(Vec<String>);

impl ReferrerWords {
    /// The choice. Err: a word that isn't known.
    pub(in crate::service::projects) fn choice(&self) -> Result<ReferrerChoice, Error> {
        ReferrerChoice::parse(&self.0)
            .map_err(|error| Error::invalid("referrers", error.to_string()))
    }
}

impl<'de> Deserialize<'de> for ReferrerWords {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Words;
        impl<'de> Visitor<'de> for Words {
            type Value = ReferrerWords;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("array of strings, or boolean")
            }

            fn visit_bool<E>(self, whether: bool) -> Result<ReferrerWords, E> {
                Ok(ReferrerWords(if whether {
                    ReferrerChoice::All.words()
                } else {
                    Vec::new()
                }))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut words: A) -> Result<ReferrerWords, A::Error> {
                let mut all = Vec::new();
                while let Some(word) = words.next_element()? {
                    all.push(word);
                }
                Ok(ReferrerWords(all))
            }
        }
        deserializer.deserialize_any(Words)
    }
}

/// The wires describe one type for each member: the list.
impl JsonSchema for ReferrerWords {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "ReferrerWords".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        Vec::<String>::json_schema(generator)
    }
}
