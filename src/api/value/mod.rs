//! Conversion between `serde` types and XML-RPC values.
//!
//! - [`write`](mod@write): a result as text, for either wire.
//! - [`de`]: an argument from a [`Value`](dxr::Value), with the conversions that clients rely on.
//! - [`either`]: a parameter with two forms.
//! - [`json`]: a JSON argument as a value.
//! - [`raw`]: a value that is passed on unchanged.
//! - [`wire`]: the newtypes whose form differs between the surfaces.
//!
//! Deserialising, and serialising for XML-RPC, report `is_human_readable() == false`; that is how the
//! newtypes of [`wire`] distinguish XML-RPC from JSON.

pub mod de;
pub mod either;
pub mod json;
pub mod raw;
pub mod wire;
pub mod write;

use std::fmt;

pub use de::from_value;
pub use either::Either;
pub use json::{from_json, parse as json_parse};
pub use raw::Raw;
pub use wire::{ByteCount, Bytes, Done, Timestamp};
pub use write::Wire;

/// Why a value couldn't be converted. Names types and places, never the value itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BridgeError {
    /// Unknown members of a struct, sorted.
    UnknownKeys(Vec<String>),
    /// A value of the wrong type or out of range.
    Mismatch {
        /// The position in the argument, outermost last.
        path: Vec<String>,
        /// The expected and the given type.
        reason: String,
    },
}

impl BridgeError {
    pub(super) fn mismatch(reason: impl fmt::Display) -> BridgeError {
        BridgeError::Mismatch {
            path: Vec::new(),
            reason: reason.to_string(),
        }
    }

    /// Adds the enclosing step: a member's name or `[index]`.
    fn inside(mut self, step: impl Into<String>) -> BridgeError {
        if let BridgeError::Mismatch { path, .. } = &mut self {
            path.push(step.into());
        }
        self
    }

    /// The position in readable form: `details.tags[2]` for the parameter `details`.
    pub fn place(&self, parameter: &str) -> String {
        let mut place = parameter.to_owned();
        if let BridgeError::Mismatch { path, .. } = self {
            for step in path.iter().rev() {
                if !step.starts_with('[') && !place.is_empty() {
                    place.push('.');
                }
                place.push_str(step);
            }
        }
        place
    }

    /// The problem, without the position.
    pub fn reason(&self) -> String {
        match self {
            BridgeError::UnknownKeys(keys) => format!("unknown keys {}", keys.join(", ")),
            BridgeError::Mismatch { reason, .. } => reason.clone(),
        }
    }
}

impl fmt::Display for BridgeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.place("") {
            place if place.is_empty() => f.write_str(&self.reason()),
            place => write!(f, "`{place}`: {}", self.reason()),
        }
    }
}

impl std::error::Error for BridgeError {}

impl serde::ser::Error for BridgeError {
    fn custom<T: fmt::Display>(message: T) -> BridgeError {
        BridgeError::mismatch(message)
    }
}

impl serde::de::Error for BridgeError {
    fn custom<T: fmt::Display>(message: T) -> BridgeError {
        BridgeError::mismatch(message)
    }

    // serde's own texts for these two repeat the value, which may be a password.
    fn invalid_type(
        unexpected: serde::de::Unexpected<'_>,
        expected: &dyn serde::de::Expected,
    ) -> BridgeError {
        BridgeError::mismatch(format!("expected {expected}, got {}", type_of(unexpected)))
    }

    fn invalid_value(
        unexpected: serde::de::Unexpected<'_>,
        expected: &dyn serde::de::Expected,
    ) -> BridgeError {
        use serde::de::Unexpected;
        BridgeError::mismatch(match unexpected {
            Unexpected::Unsigned(_) | Unexpected::Signed(_) => {
                "the number is out of range".to_owned()
            }
            other => format!("expected {expected}, got another {}", type_of(other)),
        })
    }

    fn missing_field(field: &'static str) -> BridgeError {
        BridgeError::mismatch(format!("the member `{field}` is missing"))
    }
}

fn type_of(unexpected: serde::de::Unexpected<'_>) -> &'static str {
    use serde::de::Unexpected;
    match unexpected {
        Unexpected::Bool(_) => "boolean",
        Unexpected::Unsigned(_) | Unexpected::Signed(_) => "int",
        Unexpected::Float(_) => "double",
        Unexpected::Char(_) | Unexpected::Str(_) => "string",
        Unexpected::Bytes(_) => "base64",
        Unexpected::Seq => "array",
        Unexpected::Map => "struct",
        _ => "value",
    }
}
