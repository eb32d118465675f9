//! What the routes share.

use axum::body::Bytes;

use super::docs::apidoc::rendered::Rendered;
use super::readiness::Readiness;
use super::requests::body::Intake;
use super::wires::streams::Streams;
use crate::api::Dispatcher;

/// What the routes share.
#[derive(Debug)]
pub(super) struct Surface {
    pub(super) dispatcher: Dispatcher,
    pub(super) intake: Intake,
    /// The document, which never changes while the server runs.
    pub(super) openapi: Bytes,
    pub(super) rendered: Rendered,
    pub(super) streams: Streams,
    pub(super) readiness: Readiness,
}
