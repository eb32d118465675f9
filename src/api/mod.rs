//! The API: every method written once, whatever the wire.
//!
//! Reading order:
//! - [`registry`]: how namespaces and their methods are defined; [`catalog`]: the list of them.
//! - [`method`]: a definition and its signatures; [`function`]: turns a plain `async fn` into something
//!   callable.
//! - [`reply`]: what a function may return, and how it becomes text.
//! - `underway`: calls in progress, and what ends them early.
//! - [`context`]: what a function gets besides its arguments.
//! - [`types`]: the names of types, from their schema.
//! - `resolve`: selects the overload of a call.
//! - [`dispatch`]: from a name and arguments to a result; the only place that checks sessions.
//! - `invoke`: the only way to a method's function; `permission`: who may call it; `audit`: what the
//!   audit trail records of a call.
//! - [`value`]: between Rust types and XML-RPC values.
//! - [`error`]: faults and their codes.
//! - [`namespaces`]: the definitions.
//!
//! A definition looks like this:
//! ```
//! use registrysync::api::{ApiError, Builder, Context, param};
//!
//! async fn tag_count(_: Context, repository: String) -> Result<i32, ApiError> {
//!     Ok(if repository.is_empty() { 0 } else { 1 })
//! }
//!
//! let mut builder = Builder::default();
//! builder.namespace("sample", "SampleHandler", "A sample.", |ns| {
//!     ns.method("tagCount", "Count tags.", [param("repository", "such as `library/nginx`")], tag_count)
//!         .returns("the number of tags")
//!         .read_only();
//! });
//! assert!(!builder.build().catalog().namespace("sample").unwrap().overloads("tag_count").is_empty());
//! ```
//! A list of parameters that is longer or shorter than the function's doesn't compile:
//! ```compile_fail
//! use registrysync::api::{ApiError, Builder, Context, param};
//!
//! async fn tag_count(_: Context, repository: String) -> Result<i32, ApiError> {
//!     Ok(if repository.is_empty() { 0 } else { 1 })
//! }
//!
//! Builder::default().namespace("sample", "SampleHandler", "A sample.", |ns| {
//!     ns.method("tagCount", "Count tags.", [], tag_count);
//! });
//! ```

mod audit;
pub mod catalog;
pub mod context;
pub mod dispatch;
pub mod error;
pub mod function;
mod invoke;
pub mod method;
pub mod namespaces;
mod permission;
pub mod registry;
pub mod reply;
mod resolve;
pub mod types;
mod underway;
pub mod value;

pub use catalog::{Catalog, Namespace};
pub use context::{Context, Peer, Visitor};
pub use dispatch::Dispatcher;
pub use error::ApiError;
pub use method::{Method, SessionUse, param};
pub use registry::{Builder, NamespaceBuilder, Registry};
pub use reply::{List, LongText, Reply};
