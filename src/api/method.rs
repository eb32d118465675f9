//! A method: a plain `async fn`, its types, and what the surfaces must know of it.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};

use dxr::Value;
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use tracing::Instrument as _;

use super::audit::AuditRecord;
use super::context::{FirstParameter, Visitor};
use super::error::ApiError;
use super::reply::{IntoReply, Reply};
use super::types::Shape;
use super::underway;
use super::value;
use crate::service::{Caller, Role};

/// What comes of a call.
pub type Answer = Result<Reply, ApiError>;
/// A call under way.
pub(super) type Pending = Pin<Box<dyn Future<Output = Answer> + Send>>;
/// Numbers the calls of this process, for its log.
static CALLS: AtomicU64 = AtomicU64::new(1);
type Call = dyn Fn(Visitor, Option<Caller>, Vec<Value>) -> Pending + Send + Sync;

/// A function that can be a method with `N` parameters; `Args` is the tuple of its types.
pub trait MethodFn<Args, const N: usize>: Send + Sync + 'static {
    /// Whether a session is needed.
    const SESSION: bool;

    /// The shapes of the parameters, without the first.
    fn arguments() -> [Shape; N];

    /// The shape of the result.
    fn result() -> Shape;

    /// Reads the arguments and calls the function.
    fn call(
        &self,
        names: [&'static str; N],
        visitor: Visitor,
        caller: Option<Caller>,
        args: Vec<Value>,
    ) -> Pending;
}

macro_rules! method_fn {
    ($count:literal: $($argument:ident $index:tt),*) => {
        impl<F, Answered, T, O, $($argument),*> MethodFn<(O, $($argument,)*), $count> for F
        where
            F: Fn(O, $($argument),*) -> Answered + Send + Sync + 'static,
            Answered: Future<Output = Result<T, ApiError>> + Send + 'static,
            T: IntoReply + JsonSchema + Send + 'static,
            O: FirstParameter,
            $($argument: DeserializeOwned + JsonSchema + Send + 'static,)*
        {
            const SESSION: bool = O::SESSION;

            fn arguments() -> [Shape; $count] {
                [$(Shape::argument::<$argument>()),*]
            }

            fn result() -> Shape {
                Shape::result::<T>()
            }

            #[allow(unused_mut, unused_variables, reason = "a method may have no parameter")]
            fn call(&self, names: [&'static str; $count], visitor: Visitor, caller: Option<Caller>, args: Vec<Value>) -> Pending {
                let mut args = args.into_iter();
                let read = || {
                    let origin = O::of(visitor, caller)
                        .ok_or_else(|| ApiError::unexpected("a method with session was called without"))?;
                    Ok::<_, ApiError>(self(origin, $(argument::<$argument>(names[$index], args.next())?),*))
                };
                match read() {
                    Ok(answered) => Box::pin(async move {
                        answered.await.map(IntoReply::into_reply)
                    }),
                    Err(error) => Box::pin(std::future::ready(Err(error))),
                }
            }
        }
    };
}

method_fn!(0:);
method_fn!(1: A 0);
method_fn!(2: A 0, B 1);
method_fn!(3: A 0, B 1, C 2);
method_fn!(4: A 0, B 1, C 2, D 3);
method_fn!(5: A 0, B 1, C 2, D 3, E 4);
method_fn!(6: A 0, B 1, C 2, D 3, E 4, G 5);
method_fn!(8: A 0, B 1, C 2, D 3, E 4, G 5, H 6, I 7);

fn argument<T: DeserializeOwned>(name: &str, argument: Option<Value>) -> Result<T, ApiError> {
    value::from_value(argument.unwrap_or(Value::Nil))
        .map_err(|error| ApiError::unreadable(name, error))
}

/// A parameter as a method's definition names it.
#[derive(Clone, Copy, Debug)]
pub struct Param {
    name: &'static str,
    doc: &'static str,
}

/// A parameter named `name`, in camelCase, with one line of documentation.
pub const fn param(name: &'static str, doc: &'static str) -> Param {
    Param { name, doc }
}

/// A parameter of a method.
#[derive(Clone, Debug)]
pub struct Parameter {
    /// The name, in camelCase; XML-RPC goes by position, JSON by this.
    pub name: &'static str,
    /// One line of documentation.
    pub doc: &'static str,
    /// The type.
    pub shape: Shape,
}

/// The parameter that [`Method::or_self`] looks at.
pub(super) const LOGIN_PARAMETER: &str = "login";

/// When a session is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionUse {
    /// On both surfaces.
    Always,
    /// On JSON; XML-RPC clients may go without.
    OnJson,
    /// Never; a session that is given is ignored.
    Never,
}

/// One signature of a method. Only the dispatcher can call it, after its checks.
pub struct Method {
    name: &'static str,
    doc: &'static str,
    parameters: Vec<Parameter>,
    result: Shape,
    returns: &'static str,
    session: SessionUse,
    read_only: bool,
    /// One of them is enough; none: any user.
    roles: Vec<Role>,
    /// Whether a call whose `login` is the caller's own needs no role.
    or_self: bool,
    call: Box<Call>,
}

impl fmt::Debug for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.signature())
    }
}

impl Method {
    pub(super) fn new<Args, F, const N: usize>(
        name: &'static str,
        doc: &'static str,
        params: [Param; N],
        function: F,
    ) -> Method
    where
        F: MethodFn<Args, N>,
    {
        let names = params.map(|param| param.name);
        let parameters = params
            .into_iter()
            .zip(F::arguments())
            .map(|(param, shape)| Parameter {
                name: param.name,
                doc: param.doc,
                shape,
            });
        Method {
            name,
            doc,
            parameters: parameters.collect(),
            result: F::result(),
            returns: "",
            session: if F::SESSION {
                SessionUse::Always
            } else {
                SessionUse::Never
            },
            read_only: false,
            roles: F::SESSION.then_some(Role::ImageAdmin).into_iter().collect(),
            or_self: false,
            call: Box::new(move |visitor, caller, args| {
                function.call(names, visitor, caller, args)
            }),
        }
    }

    /// Documents the result.
    pub fn returns(&mut self, doc: &'static str) -> &mut Method {
        self.returns = doc;
        self
    }

    /// Marks the method as one that changes nothing: GET on JSON, allowed to read-only users.
    pub fn read_only(&mut self) -> &mut Method {
        self.read_only = true;
        self
    }

    /// Asks for `role` instead of [`Role::ImageAdmin`].
    pub fn role(&mut self, role: Role) -> &mut Method {
        self.one_role_of([role])
    }

    /// Asks for one of `roles` instead of [`Role::ImageAdmin`].
    pub fn one_role_of<const N: usize>(&mut self, roles: [Role; N]) -> &mut Method {
        self.roles = roles.to_vec();
        self
    }

    /// Asks for no role where the parameter `login` is the caller's own.
    pub fn or_self(&mut self) -> &mut Method {
        self.or_self = true;
        self
    }

    /// Lets every user call it who has a session.
    pub fn any_user(&mut self) -> &mut Method {
        self.one_role_of([])
    }

    /// Asks for a session on JSON, though not on XML-RPC. For functions that take a [`Visitor`].
    pub fn session_on_json(&mut self) -> &mut Method {
        self.session = SessionUse::OnJson;
        self
    }

    /// The name, in camelCase, without namespace.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// One line of documentation.
    pub fn doc(&self) -> &'static str {
        self.doc
    }

    /// The parameters, without the session.
    pub fn parameters(&self) -> &[Parameter] {
        &self.parameters
    }

    /// The type of the result.
    pub fn result(&self) -> &Shape {
        &self.result
    }

    /// One line about the result; may be empty.
    pub fn returns_doc(&self) -> &'static str {
        self.returns
    }

    /// When a session is needed.
    pub fn session(&self) -> SessionUse {
        self.session
    }

    /// Whether it changes nothing.
    pub fn is_read_only(&self) -> bool {
        self.read_only
    }

    /// The roles of which a caller needs one; none: any user may call it.
    pub fn needed_roles(&self) -> &[Role] {
        &self.roles
    }

    /// Whether a call whose `login` is the caller's own needs no role.
    pub fn is_open_to_self(&self) -> bool {
        self.or_self
    }

    /// Whether calls are written to the audit trail: those that change something, login and
    /// logout among them.
    pub fn is_audited(&self) -> bool {
        !self.read_only && self.session != SessionUse::OnJson
    }

    /// As a person reads it: `listTags(string sessionKey, string storeLabel)`.
    pub fn signature(&self) -> String {
        let session = (self.session == SessionUse::Always).then(|| "string sessionKey".to_owned());
        let others = self
            .parameters
            .iter()
            .map(|p| format!("{} {}", p.shape.kind(), p.name));
        let all: Vec<String> = session.into_iter().chain(others).collect();
        format!("{}({})", self.name, all.join(", "))
    }

    /// Checks that `caller` may call this, calls, and writes what changes something to the audit
    /// trail. The one way to a method's function.
    pub(super) async fn invoke(
        &self,
        namespace: &str,
        visitor: Visitor,
        caller: Option<Caller>,
        args: Vec<Value>,
    ) -> Answer {
        // Every line that is logged on the way says which call it belongs to.
        let span = tracing::info_span!(
            "call",
            id = CALLS.fetch_add(1, Ordering::Relaxed),
            method = %format_args!("{namespace}.{}", self.name),
            caller = caller.as_ref().map(Caller::login),
        );
        let checked = self.invoke_checked(namespace, visitor, caller, args);
        checked.instrument(span).await
    }

    async fn invoke_checked(
        &self,
        namespace: &str,
        visitor: Visitor,
        caller: Option<Caller>,
        args: Vec<Value>,
    ) -> Answer {
        let draft = AuditRecord::of(namespace, self, &visitor, caller.as_ref(), &args);
        let admitted = match &caller {
            Some(caller) => self.admit(caller, &args),
            None => Ok(()),
        };
        let reading = self.read_only.then(|| {
            let caller = caller.clone();
            (std::sync::Arc::clone(visitor.app()), caller)
        });
        let call: Pending = match admitted {
            Ok(()) => (self.call)(visitor, caller, args),
            Err(error) => Box::pin(std::future::ready(Err(error))),
        };
        match (reading, draft) {
            (Some((app, caller)), _) => underway::reading(call, app, caller).await,
            // In boxes, or each call that reads would carry the room for them.
            (None, Some(draft)) => {
                let call = Box::pin(underway::spawn_detached(call));
                Box::pin(underway::changing(draft.wrap(call))).await
            }
            (None, None) => Box::pin(underway::changing(call)).await,
        }
    }

    fn admit(&self, caller: &Caller, args: &[Value]) -> Result<(), ApiError> {
        let held = self.roles.iter().any(|role| caller.has_role(*role));
        match self.roles.first() {
            Some(role) if !held && !self.is_about(caller, args) => {
                return Err(ApiError::permission(*role));
            }
            _ => {}
        }
        if caller.is_read_only() && !self.read_only && self.session == SessionUse::Always {
            return Err(ApiError::read_only_user(self.name));
        }
        Ok(())
    }

    /// Whether this is open to oneself and the call's `login` is the caller's own.
    fn is_about(&self, caller: &Caller, args: &[Value]) -> bool {
        let mut pairs = self.parameters.iter().zip(args);
        let login = pairs.find(|(parameter, _)| parameter.name == LOGIN_PARAMETER);
        let login = login.and_then(|(_, arg)| value::from_value::<String>(arg.clone()).ok());
        self.or_self
            && login.is_some_and(|login| login.to_uppercase() == caller.login().to_uppercase())
    }
}
