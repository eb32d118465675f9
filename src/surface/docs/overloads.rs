//! The overloads of a method as one method with optional parameters.

use crate::api::Method;
use crate::api::method::Parameter;

/// Whether a call needs a parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::surface) enum Need {
    Required,
    Optional,
    /// Exactly one of the parameters with this mark.
    Either,
    /// One or more of the parameters with this mark.
    AtLeastOne,
}

impl Need {
    /// In readable form.
    pub(in crate::surface) fn text(self) -> &'static str {
        match self {
            Need::Required => "required",
            Need::Optional => "optional",
            Need::Either => "one of these",
            Need::AtLeastOne => "at least one of these",
        }
    }
}

/// The signatures of each definition; those of one only differ in their parameters.
pub(in crate::surface) fn definitions(overloads: &[Method]) -> impl Iterator<Item = &[Method]> {
    overloads.chunk_by(Method::is_overload_of)
}

/// The signature of a definition whose call is the simplest sample: the shortest.
pub(in crate::surface) fn simplest(signatures: &[Method]) -> Option<&Method> {
    signatures.iter().min_by_key(|one| one.parameters().len())
}

/// All parameters of a definition, in the order of calls.
pub(in crate::surface) fn parameters(signatures: &[Method]) -> Vec<(&Parameter, Need)> {
    let longest = signatures.iter().map(|one| one.parameters().len()).max();
    let forms: Vec<&Method> = signatures
        .iter()
        .filter(|one| Some(one.parameters().len()) == longest)
        .collect();
    let needed = needed_options(signatures);
    let mut all: Vec<(&Parameter, Need)> = Vec::new();
    for place in 0..longest.unwrap_or_default() {
        let at_place = forms.iter().filter_map(|one| one.parameters().get(place));
        let mut shapes: Vec<&Parameter> = Vec::new();
        for parameter in at_place {
            let is_same = |other: &&Parameter| {
                other.name == parameter.name && other.shape.kind() == parameter.shape.kind()
            };
            if !shapes.iter().any(is_same) {
                shapes.push(parameter);
            }
        }
        let is_either = shapes.len() > 1;
        all.extend(shapes.into_iter().map(|parameter| {
            let need = match (parameter.is_optional, is_either) {
                (true, _) if needed.contains(&parameter.name) => Need::AtLeastOne,
                (true, _) => Need::Optional,
                (false, true) => Need::Either,
                (false, false) => Need::Required,
            };
            (parameter, need)
        }));
    }
    all
}

/// The optional parameters of which each signature has at least one.
fn needed_options(signatures: &[Method]) -> Vec<&str> {
    let options = signatures.iter().map(|one| {
        let optional = one.parameters().iter().filter(|p| p.is_optional);
        optional.map(|p| p.name).collect::<Vec<&str>>()
    });
    let options: Vec<Vec<&str>> = options.collect();
    if options.iter().any(Vec::is_empty) {
        return Vec::new();
    }
    let alone = options.into_iter().filter(|names| names.len() == 1);
    alone.flatten().collect()
}

/// The parameters of a method as one line: optional ones in brackets, forms next to each other.
pub(in crate::surface) fn line(overloads: &[Method]) -> String {
    let mut texts: Vec<String> = Vec::new();
    for signatures in definitions(overloads) {
        let mut parameters = parameters(signatures);
        parameters.dedup_by_key(|(parameter, _)| parameter.name);
        let mut text = String::new();
        let mut before = None;
        for (parameter, need) in parameters {
            text.push_str(match (before, need) {
                (None, _) => "",
                (Some(Need::Either), Need::Either) | (Some(Need::AtLeastOne), Need::AtLeastOne) => {
                    " | "
                }
                (Some(_), _) => ", ",
            });
            before = Some(need);
            match need {
                Need::Optional => text.extend(["[", parameter.name, "]"]),
                Need::Required | Need::Either | Need::AtLeastOne => text.push_str(parameter.name),
            }
        }
        if !texts.contains(&text) {
            texts.push(text);
        }
    }
    // A form without parameters makes those of the others optional.
    let count = texts.len();
    texts.retain(|text| !text.is_empty());
    let line = texts.join(" / ");
    if !texts.is_empty() && texts.len() < count {
        return format!("[{line}]");
    }
    line
}
