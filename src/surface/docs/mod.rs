//! The reference, generated from the registry of methods.
//!
//! - [`openapi`]: a description of the JSON surface for client generators.
//! - [`asciidoc`]: the methods as pages; `roles`: who may call which.
//! - `overloads`: a method with optional parameters, whatever its overloads.
//! - [`apidoc`]: the same as HTML, served at `/rhn/apidoc/`.
//! - `anchor`: the anchors by which both refer to methods.

mod anchor;
pub mod apidoc;
pub mod asciidoc;
pub mod openapi;
pub(in crate::surface) mod overloads;
pub(in crate::surface) mod roles;
