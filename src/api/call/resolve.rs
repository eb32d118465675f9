//! Selects the overload of a call: by number of arguments, then exact types, then conversion.

use dxr::Value;

use crate::api::method::{Method, Parameter};
use crate::api::types::Kind;
use crate::api::value::de::{
    DATE_FOR_TEXT, NUMBER_FOR_TEXT, boolean, fractional, moment, text, type_name, whole,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

/// How well an argument fits a parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Fit {
    No,
    Converted,
    Exact,
}

/// A signature with the arguments in its order.
#[derive(Clone, Debug)]
pub(super) struct Candidate<'m> {
    pub(in crate::api) method: &'m Method,
    pub(in crate::api) args: Vec<Value>,
    /// Whether nil stands for an omitted parameter: in calls by name. By position it fits nothing.
    pub(in crate::api) has_omitted: bool,
}

/// The result of a selection.
#[derive(Debug)]
pub(super) enum Choice<'m> {
    /// This one is selected.
    One(Candidate<'m>),
    /// Several fit, all by conversion only.
    Ambiguous,
    /// None fits; the candidates are returned.
    None(Vec<Candidate<'m>>),
}

/// Selects among candidates with the right number of arguments.
pub(super) fn choose(candidates: Vec<Candidate<'_>>) -> Choice<'_> {
    let (mut best, mut count, mut chosen) = (Fit::No, 0, None);
    for (index, candidate) in candidates.iter().enumerate() {
        let fit = candidate.fit();
        if fit > best {
            (best, count, chosen) = (fit, 1, Some(index));
        } else if fit == best && fit != Fit::No {
            count += 1;
        }
    }
    match chosen {
        Some(_) if count > 1 => Choice::Ambiguous,
        Some(index) => match candidates.into_iter().nth(index) {
            Some(candidate) => Choice::One(candidate),
            None => Choice::None(Vec::new()),
        },
        None => Choice::None(candidates),
    }
}

impl Candidate<'_> {
    fn fit(&self) -> Fit {
        let parameters = self.method.parameters().iter();
        parameters
            .zip(&self.args)
            .map(|(parameter, arg)| self.fit_of(parameter, arg))
            .min()
            .unwrap_or(Fit::Exact)
    }

    fn fit_of(&self, parameter: &Parameter, arg: &Value) -> Fit {
        if self.has_omitted && parameter.is_optional && *arg == Value::Nil {
            return Fit::Exact;
        }
        fit(parameter, arg)
    }

    /// The first argument that doesn't fit: the parameter's name, the expected type, the given
    /// type.
    pub(super) fn first_misfit(&self) -> Option<(&'static str, Kind, &'static str)> {
        let mut parameters = self.method.parameters().iter().zip(&self.args);
        parameters
            .find(|(parameter, arg)| self.fit_of(parameter, arg) == Fit::No)
            .map(|(parameter, arg)| (parameter.name, parameter.shape.kind(), type_name(arg)))
    }

    /// The parameter to report, and why, if the only problem is a date or number instead of text,
    /// whose original text is lost (row 12).
    pub(super) fn text_lost(&self) -> Option<(&'static str, &'static str)> {
        let mut blamed = None;
        for (p, arg) in self.method.parameters().iter().zip(&self.args) {
            let reason = match (p.shape.kind(), arg) {
                (Kind::Text, Value::DateTime(_)) => Some(DATE_FOR_TEXT),
                (Kind::Text, Value::Double(_)) => Some(NUMBER_FOR_TEXT),
                _ => None,
            };
            match (self.fit_of(p, arg), reason) {
                (Fit::No, Some(reason)) => blamed = blamed.or(Some((p.name, reason))),
                (Fit::No, None) => return None,
                _ => {}
            }
        }
        blamed
    }
}

fn fit(parameter: &Parameter, arg: &Value) -> Fit {
    let converts = match (parameter.shape.kind(), arg) {
        (Kind::Text, Value::String(_))
        | (Kind::Int, Value::Integer(_) | Value::Long(_))
        | (Kind::Boolean, Value::Boolean(_))
        | (Kind::Double, Value::Double(_))
        | (Kind::Date, Value::DateTime(_))
        | (Kind::Bytes, Value::Base64(_))
        | (Kind::Struct, Value::Struct(_))
        | (Kind::Array, Value::Array(_)) => return Fit::Exact,
        (Kind::Text, arg) => text(arg).is_some(),
        (Kind::Int, arg) => whole(arg).is_some(),
        (Kind::Boolean, arg) => boolean(arg).is_some(),
        (Kind::Double, arg) => fractional(arg).is_some(),
        (Kind::Date, arg) => moment(arg).is_some(),
        (Kind::Bytes, Value::String(text)) => BASE64.decode(text).is_ok(),
        _ => false,
    };
    if converts { Fit::Converted } else { Fit::No }
}
