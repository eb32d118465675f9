//! A plain `async fn` as something that a dispatcher can call.

use dxr::Value;
use schemars::JsonSchema;
use serde::de::DeserializeOwned;

use super::context::{FirstParameter, Visitor};
use super::error::ApiError;
use super::reply::{IntoReply, PendingCall};
use super::types::Shape;
use super::value;
use crate::service::Caller;

/// The function behind a method: parses all arguments by name, and calls the function.
pub(super) type Function =
    dyn Fn(&[&'static str], Visitor, Option<Caller>, Vec<Value>) -> PendingCall + Send + Sync;

/// A function that can be a method with `N` parameters; `Args` is the tuple of its types.
///
/// The first parameter is a [`Context`](super::Context) or a [`Visitor`]. An optional parameter is
/// an `Option`; one with two forms is an [`Either`](super::value::Either).
pub trait MethodFn<Args, const N: usize>: Send + Sync + 'static {
    /// Whether a session is needed.
    const SESSION: bool;

    /// The shapes of the parameters, without the first: one for each form.
    fn arguments() -> [Vec<Shape>; N];

    /// The shape of the result.
    fn result() -> Shape;

    /// Parses the arguments and calls the function.
    fn call(
        &self,
        names: &[&'static str],
        visitor: Visitor,
        caller: Option<Caller>,
        args: Vec<Value>,
    ) -> PendingCall;
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

            fn arguments() -> [Vec<Shape>; $count] {
                [$(Shape::forms::<$argument>()),*]
            }

            fn result() -> Shape {
                Shape::result::<T>()
            }

            #[allow(unused_mut, unused_variables, reason = "a method may have no parameter")]
            fn call(&self, names: &[&'static str], visitor: Visitor, caller: Option<Caller>, args: Vec<Value>) -> PendingCall {
                let mut args = args.into_iter();
                let read = || {
                    let first = O::of(visitor, caller)
                        .ok_or_else(|| ApiError::unexpected("a method with session was called without"))?;
                    Ok::<_, ApiError>(self(first, $(argument::<$argument>(names.get($index), args.next())?),*))
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

fn argument<T: DeserializeOwned>(
    name: Option<&&'static str>,
    argument: Option<Value>,
) -> Result<T, ApiError> {
    value::from_value(argument.unwrap_or(Value::Nil))
        .map_err(|error| ApiError::unreadable(name.copied().unwrap_or_default(), error))
}
