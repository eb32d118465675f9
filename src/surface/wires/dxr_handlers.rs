//! The methods as handlers of the crate `dxr_server`, for programs that already have such a server.
//!
//! Its interface passes arguments by reference and expects the result as one value, so both are copied
//! here. This crate's own server (`xmlrpc`) doesn't use it; its limits on requests don't apply here.

use std::collections::HashMap;
use std::sync::Arc;

use dxr::{Fault, MethodResponse, Value};
use dxr_server::{Handler, HandlerResult};
use http::HeaderMap;

use super::response::XML;
use crate::api::value::Wire;
use crate::api::{ApiError, Dispatcher, Peer};

/// Determines a call's peer from the headers that `dxr_server` passes on.
type PeerOf = dyn Fn(&HeaderMap) -> Peer + Send + Sync;

/// A handler for each method of `dispatcher`, by its full name, such as `image.store.create`.
///
/// `dxr_server` doesn't pass the client's address to handlers, but the login limits and the audit
/// trail need it. `peer_of` returns it, from a header that the embedding server sets itself. Call this
/// once: the names stay in memory until the process ends.
///
/// ```
/// use std::net::{IpAddr, Ipv4Addr};
/// use std::sync::Arc;
///
/// use registrysync::api::{Dispatcher, Peer};
/// use registrysync::surface::dxr_handlers;
///
/// fn handlers(dispatcher: &Dispatcher) -> dxr_server::HandlerMap {
///     let address = IpAddr::from(Ipv4Addr::LOCALHOST);
///     Arc::new(dxr_handlers(dispatcher, move |_| Peer { address }))
/// }
/// ```
pub fn dxr_handlers(
    dispatcher: &Dispatcher,
    peer_of: impl Fn(&HeaderMap) -> Peer + Send + Sync + 'static,
) -> HashMap<&'static str, Box<dyn Handler>> {
    let peer_of: Arc<PeerOf> = Arc::new(peer_of);
    let mut handlers = HashMap::new();
    for namespace in dispatcher.catalog().namespaces() {
        for method in namespace.methods() {
            let name = format!("{}.{}", namespace.name(), method.name());
            // The arguments select the overload.
            if handlers.contains_key(name.as_str()) {
                continue;
            }
            let name: &'static str = name.leak();
            let handler: Box<dyn Handler> = Box::new(MethodHandler {
                dispatcher: dispatcher.clone(),
                peer_of: Arc::clone(&peer_of),
                name,
            });
            handlers.insert(name, handler);
        }
    }
    handlers
}

struct MethodHandler {
    dispatcher: Dispatcher,
    peer_of: Arc<PeerOf>,
    name: &'static str,
}

#[dxr_server::async_trait]
impl Handler for MethodHandler {
    async fn handle(&self, params: &[Value], headers: HeaderMap) -> HandlerResult {
        let peer = (self.peer_of)(&headers);
        let params = params.to_vec();
        let value = self.value(peer, params).await;
        value.map_err(|error| Fault::new(error.code(), error.message().to_owned()))
    }
}

impl MethodHandler {
    /// Replies are streamed as text, so the whole document is collected and parsed.
    async fn value(&self, peer: Peer, params: Vec<Value>) -> Result<Value, ApiError> {
        let reply = self.dispatcher.call_positional(peer, self.name, params);
        let (before, after) = XML;
        let mut pieces = reply.await?.pieces(Wire::Xml, before, after);
        let mut document = Vec::new();
        while let Some(piece) = pieces.next().await? {
            document.extend_from_slice(&piece);
        }
        let document = String::from_utf8(document).map_err(ApiError::unexpected)?;
        let response = MethodResponse::from_xml(&document).map_err(ApiError::unexpected)?;
        Ok(response.value)
    }
}
