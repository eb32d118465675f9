//! Where the wires and the pages are, below the server's root.

/// Where calls by XML-RPC are taken.
pub(super) const XMLRPC_PATHS: [&str; 4] =
    ["/rpc/api", "/rpc/api/", "/rhn/rpc/api", "/rhn/rpc/api/"];
/// Where the JSON surface lives.
pub(super) const JSON_ROOT: &str = "/rhn/manager/api";
/// Where the pages live.
pub(super) const PAGES_ROOT: &str = "/rhn/apidoc/";
