//! A method as the surfaces know it: its parameters, its result, and who may call it.
//!
//! A [`Definition`] is written once. Optional parameters and parameters with two forms give it several
//! signatures; each one is a [`Method`].

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use dxr::Value;

use super::error::code;
use super::types::{Kind, Shape};
use crate::service::Role;

/// When a parameter may be omitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Presence {
    Required,
    /// There are overloads with and without it.
    Optional,
    /// Overloads with the parameter before it have it as well.
    WithPrevious,
}

/// A parameter in a method's definition.
#[derive(Clone, Copy, Debug)]
pub struct Param {
    name: &'static str,
    doc: &'static str,
    /// The name and documentation of its second form.
    second: Option<(&'static str, &'static str)>,
    presence: Presence,
}

/// A parameter named `name`, in camelCase, with one line of documentation.
pub const fn param(name: &'static str, doc: &'static str) -> Param {
    Param {
        name,
        doc,
        second: None,
        presence: Presence::Required,
    }
}

impl Param {
    /// Adds a second form, of another type: the function takes an [`Either`](super::value::Either).
    /// A method with several such parameters takes all of them in the same form.
    #[must_use]
    pub const fn or(self, name: &'static str, doc: &'static str) -> Param {
        Param {
            second: Some((name, doc)),
            ..self
        }
    }

    /// It may be omitted: the function takes an `Option`.
    #[must_use]
    pub const fn optional(self) -> Param {
        Param {
            presence: Presence::Optional,
            ..self
        }
    }

    /// It may be omitted together with the parameter before it.
    #[must_use]
    pub const fn with_previous(self) -> Param {
        Param {
            presence: Presence::WithPrevious,
            ..self
        }
    }
}

/// A parameter of a method.
#[derive(Clone, Debug)]
pub struct Parameter {
    /// The name, in camelCase; XML-RPC uses the position, JSON the name.
    pub name: &'static str,
    /// One line of documentation.
    pub doc: &'static str,
    /// The type.
    pub shape: Shape,
    /// Whether the method has overloads without it.
    pub is_optional: bool,
}

/// The parameter that [`Definition::or_self`] checks.
pub(super) const LOGIN_PARAMETER: &str = "login";

/// When a session is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionUse {
    /// On both surfaces.
    Always,
    /// On JSON; XML-RPC clients may do without.
    OnJson,
    /// Never; a given session is ignored.
    Never,
}

/// What is defined once for a method, whatever its parameters.
#[derive(Debug)]
pub struct Definition {
    name: &'static str,
    doc: &'static str,
    params: Vec<(Param, Vec<Shape>)>,
    result: Shape,
    returns: &'static str,
    session: SessionUse,
    read_only: bool,
    /// One of them is sufficient; none: any user.
    roles: Vec<Role>,
    /// Whether a call whose `login` is the caller's own needs no role.
    or_self: bool,
    /// The optional parameters of each overload, unless they are simply omitted from the end.
    choices: Vec<&'static [&'static str]>,
    /// Fault codes in addition to the implied ones.
    faults: Vec<i32>,
    /// The replacement, if it is deprecated.
    deprecated: Option<&'static str>,
    /// The index of its function in the registry.
    function: usize,
}

impl Definition {
    pub(super) fn new(
        name: &'static str,
        doc: &'static str,
        params: Vec<(Param, Vec<Shape>)>,
        result: Shape,
        needs_session: bool,
        function: usize,
    ) -> Definition {
        Definition {
            name,
            doc,
            params,
            returns: if result.is_done() { "1 on success" } else { "" },
            result,
            session: if needs_session {
                SessionUse::Always
            } else {
                SessionUse::Never
            },
            read_only: false,
            roles: needs_session
                .then_some(Role::ImageAdmin)
                .into_iter()
                .collect(),
            or_self: false,
            choices: Vec::new(),
            faults: Vec::new(),
            deprecated: None,
            function,
        }
    }

    /// Documents the result.
    pub fn returns(&mut self, doc: &'static str) -> &mut Definition {
        self.returns = doc;
        self
    }

    /// Marks the method as read-only: GET on JSON, allowed for read-only accounts.
    pub fn read_only(&mut self) -> &mut Definition {
        self.read_only = true;
        self
    }

    /// Requires `role` instead of [`Role::ImageAdmin`].
    pub fn role(&mut self, role: Role) -> &mut Definition {
        self.one_role_of([role])
    }

    /// Requires one of `roles` instead of [`Role::ImageAdmin`].
    pub fn one_role_of<const N: usize>(&mut self, roles: [Role; N]) -> &mut Definition {
        self.roles = roles.to_vec();
        self
    }

    /// Requires no role if the parameter `login` is the caller's own.
    pub fn or_self(&mut self) -> &mut Definition {
        self.or_self = true;
        self
    }

    /// Allows all users with a session.
    pub fn any_user(&mut self) -> &mut Definition {
        self.one_role_of([])
    }

    /// Requires a session on JSON, but not on XML-RPC. For functions that take a
    /// [`Visitor`](super::Visitor).
    pub fn session_on_json(&mut self) -> &mut Definition {
        self.session = SessionUse::OnJson;
        self
    }

    /// Sets the optional parameters of each overload, if they aren't just omitted from the end.
    pub fn overloads<const N: usize>(
        &mut self,
        choices: [&'static [&'static str]; N],
    ) -> &mut Definition {
        self.choices = choices.to_vec();
        self
    }

    /// Adds fault codes (see [`code`]) that only this method's function returns.
    pub fn faults<const N: usize>(&mut self, codes: [i32; N]) -> &mut Definition {
        self.faults = codes.to_vec();
        self
    }

    /// Marks the method as deprecated; `instead` names the replacement, such as "use `listTags`".
    pub fn deprecated(&mut self, instead: &'static str) -> &mut Definition {
        self.deprecated = Some(instead);
        self
    }

    /// Every fault code that a call can return, in ascending order.
    fn fault_codes(&self) -> Vec<i32> {
        let mut codes = vec![code::GENERAL, code::UNAVAILABLE];
        codes.extend(&self.faults);
        if !self.roles.is_empty() {
            codes.push(code::PERMISSION);
        }
        if !self.params.is_empty() {
            codes.push(code::VALIDATION);
        }
        let mut shapes = self.params.iter().flat_map(|(_, shapes)| shapes);
        let has_members =
            |shape: &Shape| shape.kind() == Kind::Struct || shape.item_kind() == Some(Kind::Struct);
        if shapes.any(has_members) {
            codes.push(code::UNKNOWN_KEYS);
        }
        codes.sort_unstable();
        codes.dedup();
        codes
    }

    /// The optional parameters of each overload.
    fn optional_parameters(&self) -> Vec<Vec<&'static str>> {
        if !self.choices.is_empty() {
            return self.choices.iter().map(|names| names.to_vec()).collect();
        }
        let mut overloads = vec![Vec::new()];
        for (param, _) in &self.params {
            match param.presence {
                Presence::Required => {}
                Presence::Optional => {
                    let mut longer = overloads.last().cloned().unwrap_or_default();
                    longer.push(param.name);
                    overloads.push(longer);
                }
                Presence::WithPrevious => {
                    if let Some(last) = overloads.last_mut() {
                        last.push(param.name);
                    }
                }
            }
        }
        overloads
    }

    /// Every signature: of each overload, each form.
    pub(super) fn methods(self) -> Vec<Method> {
        let forms = self.params.iter().map(|(_, shapes)| shapes.len());
        let forms = forms.max().unwrap_or(1).max(1);
        let overloads = self.optional_parameters();
        let all = self.params.iter();
        let optional = all.filter(|(param, _)| param.presence != Presence::Required);
        let optional = optional.count();
        let definition = Arc::new(self);
        let mut methods = Vec::new();
        for chosen in &overloads {
            for form in 0..forms {
                let by_name = if definition.choices.is_empty() {
                    (chosen.len() == optional).then_some(ByName::WithoutOptional)
                } else {
                    Some(ByName::Whole)
                };
                methods.push(Method::of(&definition, form, chosen, by_name));
            }
        }
        methods
    }
}

/// How a call with named arguments finds a signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ByName {
    /// It must name all parameters.
    Whole,
    /// It may omit any of the optional ones.
    WithoutOptional,
}

/// One signature of a method. Only the dispatcher can call it, after its checks.
pub struct Method {
    definition: Arc<Definition>,
    parameters: Vec<Parameter>,
    /// The names of all parameters of the function.
    names: Vec<&'static str>,
    /// What each of them gets.
    slots: Vec<Slot>,
    by_name: Option<ByName>,
}

/// What a parameter of the function gets in a call.
#[derive(Clone, Copy, Debug)]
enum Slot {
    /// Nil: the signature omits it.
    Omitted,
    /// The next argument.
    Argument,
    /// The next argument, with the number of its form.
    Form(usize),
}

impl fmt::Debug for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.signature())
    }
}

impl Method {
    fn of(
        definition: &Arc<Definition>,
        form: usize,
        chosen: &[&'static str],
        by_name: Option<ByName>,
    ) -> Method {
        let mut method = Method {
            definition: Arc::clone(definition),
            parameters: Vec::new(),
            names: Vec::new(),
            slots: Vec::new(),
            by_name,
        };
        for (param, shapes) in &definition.params {
            let (name, doc) = match param.second {
                Some(second) if form == 1 => second,
                _ => (param.name, param.doc),
            };
            method.names.push(name);
            let is_optional = param.presence != Presence::Required;
            let shape = shapes.get(form).or(shapes.first());
            let Some(shape) = shape.filter(|_| !is_optional || chosen.contains(&param.name)) else {
                method.slots.push(Slot::Omitted);
                continue;
            };
            method.slots.push(match shapes.len() {
                1 => Slot::Argument,
                _ => Slot::Form(form),
            });
            method.parameters.push(Parameter {
                name,
                doc,
                shape: shape.clone(),
                is_optional,
            });
        }
        method
    }

    /// The name, in camelCase, without namespace.
    pub fn name(&self) -> &'static str {
        self.definition.name
    }

    /// One line of documentation.
    pub fn doc(&self) -> &'static str {
        self.definition.doc
    }

    /// The parameters, without the session.
    pub fn parameters(&self) -> &[Parameter] {
        &self.parameters
    }

    /// The type of the result.
    pub fn result(&self) -> &Shape {
        &self.definition.result
    }

    /// One line about the result; may be empty.
    pub fn returns_doc(&self) -> &'static str {
        self.definition.returns
    }

    /// When a session is needed.
    pub fn session(&self) -> SessionUse {
        self.definition.session
    }

    /// Whether it changes nothing.
    pub fn is_read_only(&self) -> bool {
        self.definition.read_only
    }

    /// The roles of which a caller needs one; none: any user may call it.
    pub fn needed_roles(&self) -> &[Role] {
        &self.definition.roles
    }

    /// Whether a call whose `login` is the caller's own needs no role.
    pub fn is_open_to_self(&self) -> bool {
        self.definition.or_self
    }

    /// Every fault code that a call can return, in ascending order.
    pub fn fault_codes(&self) -> Vec<i32> {
        self.definition.fault_codes()
    }

    /// The replacement of a deprecated method.
    pub fn deprecated_text(&self) -> Option<&'static str> {
        self.definition.deprecated
    }

    /// Whether both are signatures of one definition.
    pub fn is_overload_of(&self, other: &Method) -> bool {
        Arc::ptr_eq(&self.definition, &other.definition)
    }

    /// Whether calls are recorded in the audit trail: those that change something, including login
    /// and logout.
    pub fn is_audited(&self) -> bool {
        !self.definition.read_only && self.definition.session != SessionUse::OnJson
    }

    /// In readable form: `listTags(string sessionKey, string storeLabel)`.
    pub fn signature(&self) -> String {
        let session =
            (self.session() == SessionUse::Always).then(|| "string sessionKey".to_owned());
        let others = self.typed_names();
        let all: Vec<String> = session.into_iter().chain(others).collect();
        format!("{}({})", self.name(), all.join(", "))
    }

    /// The parameters with their types, without the session: `string storeLabel`.
    pub fn typed_names(&self) -> impl Iterator<Item = String> {
        let parameters = self.parameters.iter();
        parameters.map(|p| format!("{} {}", p.shape.kind(), p.name))
    }

    /// The names of the parameters, without the session: `storeLabel, repository`.
    pub fn name_list(&self) -> String {
        let names: Vec<&str> = self.parameters.iter().map(|p| p.name).collect();
        names.join(", ")
    }

    /// The names that a call by name must give; `None` if such a call selects another signature of
    /// the same definition.
    pub fn names_required(&self) -> Option<Vec<&'static str>> {
        let by_name = self.by_name?;
        let needed = |p: &&Parameter| by_name == ByName::Whole || !p.is_optional;
        Some(
            self.parameters
                .iter()
                .filter(needed)
                .map(|p| p.name)
                .collect(),
        )
    }

    pub(super) fn by_name(&self) -> Option<ByName> {
        self.by_name
    }

    /// The index of its function in the registry.
    pub(super) fn function(&self) -> usize {
        self.definition.function
    }

    /// The names of all parameters of the function.
    pub(super) fn names(&self) -> &[&'static str] {
        &self.names
    }

    /// The arguments of the function: nil for omitted parameters, and the form next to a value that
    /// has two.
    pub(super) fn placed(&self, args: Vec<Value>) -> Vec<Value> {
        let mut args = args.into_iter();
        let mut next = || args.next().unwrap_or(Value::Nil);
        let placed = self.slots.iter().map(|slot| match slot {
            Slot::Omitted => Value::Nil,
            Slot::Argument => next(),
            Slot::Form(form) => Value::Struct(BTreeMap::from([(form.to_string(), next())])),
        });
        placed.collect()
    }
}
