//! The methods as handlers of the crate `dxr_server`, for who has such a server already.
//!
//! Its interface lends the arguments, and wants the result as one value: both are copied here. The
//! server of this crate goes past it (`xmlrpc`), and so do its limits of what a request may cost.

use std::collections::HashMap;
use std::sync::Arc;

use dxr::{Fault, MethodResponse, Value};
use dxr_server::{Handler, HandlerResult};
use http::HeaderMap;

use super::response::XML;
use crate::api::value::Wire;
use crate::api::{ApiError, Dispatcher, Peer};

/// Where a call came from, told by the headers that `dxr_server` hands on.
type PeerOf = dyn Fn(&HeaderMap) -> Peer + Send + Sync;

/// A handler for each method of `dispatcher`, by its full name, such as `image.store.create`.
///
/// `dxr_server` doesn't tell handlers the client's address, by which logins are limited and which
/// the audit trail keeps: `peer_of` tells it, from a header that the embedding server has set
/// itself. The names are kept until the process ends, so this is to be called once.
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
            // An overload is found by its arguments.
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
    /// Replies are written as text, piece by piece: the document is put together, and read.
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
