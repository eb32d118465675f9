//! From a name and arguments to a result. All surfaces use it, and only here are sessions checked.
//! `invoke` does the rest: permission and audit trail.

use std::collections::BTreeMap;
use std::sync::Arc;

use dxr::Value;

use super::invoke::invoke;
use super::resolve::{Candidate, Choice, choose};
use crate::api::catalog::{Catalog, Namespace, camel_case, snake_case};
use crate::api::context::{Backend, Peer, Visitor};
use crate::api::error::ApiError;
use crate::api::method::{ByName, Method, SessionUse};
use crate::api::registry::Registry;
use crate::api::reply::{CallResult, PendingCall};
use crate::api::types::Kind;
use crate::api::value::de::type_name;
use crate::api::value::{BridgeError, from_json, json_parse};
use crate::service::access::session::{SessionKey, session_check, session_peek};
use crate::service::error::{listed, shortened};
use crate::service::{App, Caller};

/// Row 11's text.
const AMBIGUOUS: &str = "more than one method candidate found during conversion fallback";

/// Dispatches calls to methods.
#[derive(Clone, Debug)]
pub struct Dispatcher {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    registry: Registry,
    app: Arc<App>,
}

impl Dispatcher {
    /// A dispatcher for the methods of `registry` on `app`.
    pub fn new(registry: Registry, app: Arc<App>) -> Dispatcher {
        Dispatcher {
            inner: Arc::new(Inner { registry, app }),
        }
    }

    /// What the methods work on.
    pub(in crate::api) fn app(&self) -> &App {
        &self.inner.app
    }

    /// What there is.
    pub fn catalog(&self) -> &Catalog {
        self.inner.registry.catalog()
    }

    /// The caller of a session key, whose session is renewed.
    pub async fn session(&self, key: &str) -> Result<Caller, ApiError> {
        match SessionKey::parse(key) {
            Some(key) => Ok(session_check(self.app(), &key).await?),
            None => Err(ApiError::bad_arguments(NEEDS_SESSION)),
        }
    }

    /// The same without renewing the session; `None` if there is no such session.
    pub async fn session_peek(&self, key: &str) -> Result<Option<Caller>, ApiError> {
        Ok(session_peek(self.app(), key).await?)
    }

    /// Whether calls can be answered: the database is reachable, at this program's version, and
    /// this process has its key.
    pub async fn ready(&self) -> Result<(), ApiError> {
        let checked = self.app().db.run_checked().await;
        checked.map_err(|error| ApiError::from(crate::service::Error::from(error)))
    }

    /// A positional call, as in XML-RPC: `name` with namespace, the session key first.
    pub async fn call_positional(&self, peer: Peer, name: &str, args: Vec<Value>) -> CallResult {
        self.call_positional_seen(peer, name, args, || {}).await
    }

    /// The same; `seen` is called if the call has a valid session.
    pub async fn call_positional_seen(
        &self,
        peer: Peer,
        name: &str,
        args: Vec<Value>,
        seen: impl FnOnce(),
    ) -> CallResult {
        let found = self.find(name);
        if let Ok((namespace, overloads)) = found
            && overloads
                .iter()
                .all(|method| method.session() != SessionUse::Always)
        {
            let candidate = sessionless(namespace, overloads, args)?;
            return self.invoke(namespace, candidate, peer, None).await;
        }
        // Row 25: the session is checked before the method is looked up.
        let caller = match args.first() {
            Some(Value::String(key)) if SessionKey::parse(key).is_some() => {
                Some(self.session(key).await?)
            }
            _ => None,
        };
        if caller.is_some() {
            seen();
        }
        let (namespace, overloads) = found.map_err(|missing| missing.error(&args))?;
        let types = type_list(&args);
        let Some(caller) = caller else {
            return Err(no_signature(
                namespace,
                overloads,
                &types,
                &[NEEDS_SESSION.to_owned()],
            ));
        };
        let args: Vec<Value> = args.into_iter().skip(1).collect();
        let candidate = pick(namespace, overloads, of_arity(overloads, args), &types)?;
        self.invoke(namespace, candidate, peer, Some(caller)).await
    }

    /// A call by parameter names, as in JSON. `caller` is the result of [`Dispatcher::session`].
    pub async fn call_named(
        &self,
        peer: Peer,
        caller: Option<Caller>,
        name: &str,
        args: BTreeMap<String, Value>,
    ) -> CallResult {
        let (namespace, overloads) = self.find(name).map_err(|missing| missing.error(&[]))?;
        let args: BTreeMap<String, Value> = args
            .into_iter()
            .filter(|(_, arg)| *arg != Value::Nil)
            .collect();
        let mut aligned = Vec::new();
        let mut misfits = Vec::new();
        for method in overloads {
            let Some(by_name) = method.by_name() else {
                continue;
            };
            match align(method, by_name, args.clone()) {
                Ok(args) => aligned.push(Candidate {
                    method,
                    args,
                    has_omitted: true,
                }),
                Err(misfit) => misfits.push(misfit),
            }
        }
        if aligned.is_empty() {
            misfits.sort_by_key(|misfit| misfit.weight);
            let nearest: Vec<String> = misfits
                .into_iter()
                .take(1)
                .map(|misfit| misfit.text)
                .collect();
            let names = listed(args.keys());
            return Err(no_signature(namespace, overloads, &names, &nearest));
        }
        let types = type_list(args.values());
        let aligned = match choose(aligned) {
            Choice::One(candidate) => vec![candidate],
            Choice::Ambiguous => return Err(ApiError::bad_arguments(AMBIGUOUS)),
            Choice::None(candidates) => candidates.into_iter().map(json_conversion).collect(),
        };
        let candidate = pick(namespace, overloads, aligned, &types)?;
        self.invoke(namespace, candidate, peer, caller).await
    }

    async fn invoke(
        &self,
        namespace: &Namespace,
        candidate: Candidate<'_>,
        peer: Peer,
        caller: Option<Caller>,
    ) -> CallResult {
        let visitor = Visitor::new(Arc::clone(&self.inner) as Arc<dyn Backend>, peer);
        let Candidate { method, args, .. } = candidate;
        let registry = &self.inner.registry;
        invoke(registry, namespace.name(), method, visitor, caller, args).await
    }

    fn find<'a>(&'a self, name: &'a str) -> Result<(&'a Namespace, &'a [Method]), Missing<'a>> {
        let (namespace, method) = name
            .rsplit_once('.')
            .filter(|(namespace, method)| !namespace.is_empty() && !method.is_empty())
            .ok_or(Missing::Form(name))?;
        let known = self.catalog().namespace(namespace).ok_or_else(|| {
            let names = self.catalog().namespaces().map(Namespace::name).collect();
            Missing::Namespace(namespace, names)
        })?;
        match known.overloads(method) {
            [] => Err(Missing::Method(known, method)),
            overloads => Ok((known, overloads)),
        }
    }
}

impl Backend for Inner {
    fn app(&self) -> &Arc<App> {
        &self.app
    }

    fn catalog(&self) -> &Catalog {
        self.registry.catalog()
    }

    fn call_positional(self: Arc<Self>, peer: Peer, name: String, args: Vec<Value>) -> PendingCall {
        let dispatcher = Dispatcher { inner: self };
        Box::pin(async move { dispatcher.call_positional(peer, &name, args).await })
    }
}

const NEEDS_SESSION: &str = "the first parameter must be the session key that auth.login returned";

const FORM: &str = "a name is `namespace.method`, such as `auth.login`";

/// Why no method has this name.
enum Missing<'a> {
    Form(&'a str),
    Namespace(&'a str, Vec<&'static str>),
    Method(&'a Namespace, &'a str),
}

impl Missing<'_> {
    fn error(&self, args: &[Value]) -> ApiError {
        ApiError::no_such_method(match self {
            Missing::Form("") => format!("no method given: {FORM}"),
            Missing::Form(name) => format!("Could not find method: {} ({FORM})", shortened(name)),
            Missing::Namespace(name, known) => {
                format!(
                    "Could not find namespace: {}{}; available: {}",
                    shortened(name),
                    did_you_mean(name, known.iter().copied(), ""),
                    known.join(", ")
                )
            }
            Missing::Method(namespace, name) => {
                let mut known: Vec<&str> = namespace.methods().map(Method::name).collect();
                known.dedup();
                format!(
                    "Could not find method: {} in class: {} with params: [{}]{}; available: {}",
                    shortened(name),
                    namespace.handler(),
                    type_list(args),
                    did_you_mean(name, known.iter().copied(), namespace.name()),
                    known.join(", ")
                )
            }
        })
    }
}

/// The known name closest to `name`, if one is close enough, with its prefix.
fn did_you_mean<'a>(name: &str, known: impl Iterator<Item = &'a str>, before: &str) -> String {
    // Names are short; longer ones aren't typos, and would be slow to compare.
    const LONGEST: usize = 64;
    if name.len() > LONGEST {
        return String::new();
    }
    let name = camel_case(name).to_lowercase();
    let distances = known.map(|known| {
        let lower = known.to_lowercase();
        (strsim::damerau_levenshtein(&name, &lower), known)
    });
    let dot = if before.is_empty() { "" } else { "." };
    match distances.min() {
        Some((distance, known)) if distance <= 1 + name.len() / 4 => {
            format!("; did you mean `{before}{dot}{known}`?")
        }
        _ => String::new(),
    }
}

fn type_list<'a>(args: impl IntoIterator<Item = &'a Value>) -> String {
    listed(args.into_iter().map(type_name))
}

/// The overload of a method without a session. A leading session key is ignored (row 25a).
fn sessionless<'m>(
    namespace: &Namespace,
    overloads: &'m [Method],
    mut args: Vec<Value>,
) -> Result<Candidate<'m>, ApiError> {
    let types = type_list(&args);
    let ignorable = match args.first() {
        Some(Value::String(key)) => {
            overloads
                .iter()
                .all(|method| method.session() == SessionUse::OnJson)
                || SessionKey::parse(key).is_some()
        }
        _ => false,
    };
    let takes = |count| {
        overloads
            .iter()
            .any(|method| method.parameters().len() == count)
    };
    let mut candidates = Vec::new();
    if ignorable && takes(args.len() - 1) {
        let rest = args.get(1..).unwrap_or_default().to_vec();
        candidates = of_arity(overloads, rest);
    }
    if takes(args.len()) {
        candidates.splice(0..0, of_arity(overloads, std::mem::take(&mut args)));
    }
    pick(namespace, overloads, candidates, &types)
}

/// The overloads with this number of arguments. The last one gets the arguments; others get copies.
fn of_arity(overloads: &[Method], args: Vec<Value>) -> Vec<Candidate<'_>> {
    let fitting = overloads
        .iter()
        .filter(|method| method.parameters().len() == args.len());
    let fitting: Vec<&Method> = fitting.collect();
    let copies = std::iter::repeat_n(args, fitting.len());
    fitting
        .into_iter()
        .zip(copies)
        .map(|(method, args)| Candidate {
            method,
            args,
            has_omitted: false,
        })
        .collect()
}

fn pick<'m>(
    namespace: &Namespace,
    overloads: &[Method],
    candidates: Vec<Candidate<'m>>,
    types: &str,
) -> Result<Candidate<'m>, ApiError> {
    match choose(candidates) {
        Choice::One(candidate) => Ok(candidate),
        Choice::Ambiguous => Err(ApiError::bad_arguments(AMBIGUOUS)),
        Choice::None(candidates) => {
            if let Some((name, reason)) = candidates.iter().find_map(Candidate::text_lost) {
                return Err(ApiError::unreadable(name, BridgeError::mismatch(reason)));
            }
            let misfits: Vec<String> = candidates
                .iter()
                .filter_map(Candidate::first_misfit)
                .map(|(name, kind, came)| {
                    let (wanted, got) = (with_article(kind.name()), with_article(came));
                    format!(
                        "`{name}` must be {wanted}, got {got}{}",
                        choices(kind, came)
                    )
                })
                .collect();
            Err(no_signature(namespace, overloads, types, &misfits))
        }
    }
}

fn with_article(kind: &str) -> String {
    match kind {
        "nil" | "base64" => kind.to_owned(),
        "int" | "array" => format!("an {kind}"),
        _ => format!("a {kind}"),
    }
}

/// The required form of a text that is converted.
fn choices(kind: Kind, came: &str) -> &'static str {
    match (kind, came) {
        (Kind::Boolean, "string" | "int") => " that isn't true, false, 1 or 0",
        (Kind::Int, "string") => " that isn't an integer",
        (Kind::Date, "string") => " that isn't a date",
        _ => "",
    }
}

/// Row 13, with every signature of the name and the mismatch.
fn no_signature(
    namespace: &Namespace,
    overloads: &[Method],
    came: &str,
    misfits: &[String],
) -> ApiError {
    let name = overloads.first().map_or("", Method::name);
    let signatures: Vec<String> = overloads.iter().map(Method::signature).collect();
    let reason = if misfits.is_empty() {
        String::new()
    } else {
        format!(" ({})", misfits.join("; "))
    };
    ApiError::bad_arguments(format!(
        "Could not find method: {name} in class: {} with params: [{came}]{reason}; available: {}",
        namespace.handler(),
        signatures.join(", ")
    ))
}

/// Why named arguments don't fit a signature; the lighter, the closer.
struct Mismatch {
    weight: usize,
    text: String,
}

/// Puts named arguments into the order of a signature.
fn align(
    method: &Method,
    by_name: ByName,
    mut args: BTreeMap<String, Value>,
) -> Result<Vec<Value>, Mismatch> {
    let mut ordered = Vec::new();
    let mut missing = Vec::new();
    for parameter in method.parameters() {
        let found = args
            .remove(parameter.name)
            .or_else(|| args.remove(&snake_case(parameter.name)));
        match found {
            Some(arg) => ordered.push(arg),
            None if parameter.is_optional && by_name == ByName::WithoutOptional => {
                ordered.push(Value::Nil);
            }
            None => missing.push(format!("`{}` is missing", parameter.name)),
        }
    }
    let extra = args
        .keys()
        .map(|name| format!("`{}` is not a parameter", shortened(name)));
    let wrong: Vec<String> = missing.into_iter().chain(extra).collect();
    if wrong.is_empty() {
        return Ok(ordered);
    }
    Err(Mismatch {
        weight: wrong.len(),
        text: listed(wrong),
    })
}

/// Row 43: JSON text for a struct or an array, and a single value for an array of it.
fn json_conversion(candidate: Candidate<'_>) -> Candidate<'_> {
    let kinds = candidate
        .method
        .parameters()
        .iter()
        .map(|parameter| parameter.shape.kind());
    let args = kinds.zip(candidate.args).map(|(kind, arg)| {
        let parsed = match (&arg, kind) {
            (Value::String(text), Kind::Struct | Kind::Array) => {
                json_parse(text.as_bytes()).ok().map(from_json)
            }
            _ => None,
        };
        match (kind, parsed, arg) {
            (Kind::Struct, Some(parsed @ Value::Struct(_)), _)
            | (Kind::Array, Some(parsed @ Value::Array(_)), _) => parsed,
            (Kind::Array, _, arg @ (Value::Array(_) | Value::Nil)) => arg,
            (Kind::Array, _, arg) => Value::Array(vec![arg]),
            (_, _, arg) => arg,
        }
    });
    Candidate {
        method: candidate.method,
        args: args.collect(),
        ..candidate
    }
}
