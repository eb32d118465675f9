//! The API: every method written once, whatever the wire.
//!
//! Reading order:
//! - [`registry`]: how namespaces and their methods are defined; [`catalog`]: the list of them.
//! - [`method`]: a definition and its signatures; [`function`]: turns a plain `async fn` into something
//!   callable.
//! - [`reply`]: what a function may return, and how it becomes text.
//! - [`context`]: what a function gets besides its arguments.
//! - [`types`]: the names of types, from their `schema`.
//! - [`call`]: from a name and arguments to a result: session, overload, permission, audit.
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
//! ```compile_fail,E0277
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

pub mod call;
pub mod catalog;
pub mod context;
pub mod error;
pub mod function;
pub mod method;
pub mod namespaces;
pub mod registry;
pub mod reply;
pub(crate) mod schema;
pub mod types;
pub mod value;

pub use call::dispatch::Dispatcher;
pub use catalog::{Catalog, Namespace};
pub use context::{Context, Peer, Visitor};
pub use error::ApiError;
pub use method::{Method, SessionUse, param};
pub use registry::{Builder, NamespaceBuilder, Registry};
pub use reply::{List, LongText, Reply};
