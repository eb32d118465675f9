//! The paths of the wires and the pages, below the server's root.

/// The path of XML-RPC calls.
pub(super) const XMLRPC_PATHS: [&str; 4] =
    ["/rpc/api", "/rpc/api/", "/rhn/rpc/api", "/rhn/rpc/api/"];
/// The root of the JSON surface.
pub(super) const JSON_ROOT: &str = "/rhn/manager/api";
/// The root of the pages.
pub(super) const PAGES_ROOT: &str = "/rhn/apidoc/";
