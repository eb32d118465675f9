//! Row 48: requests sent by another site's page through a browser are refused. Scripts send none of the
//! headers checked here.

use axum::http::header::{CONTENT_TYPE, HOST, ORIGIN};
use axum::http::{HeaderMap, HeaderName};

use super::arrival::Origin;

const SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const FORWARDED: HeaderName = HeaderName::from_static("x-forwarded-host");
/// Content types that a page's form can send without a preflight request.
const FORM_TYPES: [&str; 3] = [
    "application/x-www-form-urlencoded",
    "multipart/form-data",
    "text/plain",
];

/// Whether the headers show that another site's page sent the request. `own` is the server's
/// address. If users reach the server by https, a page of the same host over plain http counts as
/// another site's: an attacker on the network may have changed it. If the server itself has no TLS, a
/// proxy may provide it, so the scheme isn't checked.
pub(in crate::surface) fn is_foreign(headers: &HeaderMap, own: &Origin) -> bool {
    // A sibling host's page counts as another site's, too.
    if headers
        .get(SITE)
        .is_some_and(|site| site == "cross-site" || site == "same-site")
    {
        return true;
    }
    let Some(origin) = headers.get(ORIGIN) else {
        return false;
    };
    let origin = origin
        .to_str()
        .ok()
        .and_then(|origin| origin.split_once("://"));
    if let Some((scheme, host)) = origin
        && own.is_secure()
        && host.eq_ignore_ascii_case(own.host())
        && scheme != own.scheme()
    {
        return true;
    }
    let origin = origin.map(|(_, host)| host);
    let mut hosts = [HOST, FORWARDED]
        .into_iter()
        .filter_map(|name| headers.get(name)?.to_str().ok());
    !hosts.any(|host| Some(host) == origin)
}

/// Whether the content type is one of a form.
pub(in crate::surface) fn is_form(headers: &HeaderMap) -> bool {
    let kind = headers
        .get(CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok());
    let kind = kind.and_then(|kind| kind.split(';').next()).map(str::trim);
    kind.is_some_and(|kind| {
        FORM_TYPES
            .iter()
            .any(|form| kind.eq_ignore_ascii_case(form))
    })
}

#[cfg(test)]
mod tests {
    use super::{FORWARDED, SITE, is_foreign, is_form};
    use crate::surface::requests::arrival::Origin;
    use axum::http::header::{CONTENT_TYPE, HOST, HeaderName, ORIGIN};
    use axum::http::{HeaderMap, HeaderValue};

    fn headers(pairs: &[(HeaderName, &'static str)]) -> HeaderMap {
        let pairs = pairs.iter().cloned();
        pairs
            .map(|(name, value)| (name, HeaderValue::from_static(value)))
            .collect()
    }

    #[test]
    fn pages_of_other_hosts_are_foreign() {
        let host = (HOST, "sync.example:8080");
        for (other, foreign) in [
            (host.clone(), false),
            ((ORIGIN, "https://sync.example:8080"), false),
            ((ORIGIN, "https://sync.example"), true),
            ((ORIGIN, "https://evil.example"), true),
            ((ORIGIN, "https://evil-sync.example:8080"), true),
            ((ORIGIN, "https://sync.example:8080.evil.example"), true),
            ((ORIGIN, "null"), true),
            ((SITE, "cross-site"), true),
            ((SITE, "same-site"), true),
            ((SITE, "same-origin"), false),
        ] {
            let shown = format!("{other:?}");
            let headers = headers(&[host.clone(), other]);
            let own = Origin::asked(false, &headers);
            assert_eq!(is_foreign(&headers, &own), foreign, "{shown}");
        }
        let proxied = [
            host,
            (FORWARDED, "outside.example"),
            (ORIGIN, "https://outside.example"),
        ];
        let proxied = headers(&proxied);
        assert!(!is_foreign(&proxied, &Origin::asked(false, &proxied)));
    }

    #[test]
    fn a_page_by_plain_http_is_foreign_to_a_server_by_https() {
        let secure = Origin::Public("https://sync.example".into());
        let plain = Origin::Public("http://sync.example".into());
        let host = (HOST, "sync.example");
        for (origin, own, foreign) in [
            ("https://sync.example", &secure, false),
            ("http://sync.example", &secure, true),
            ("HTTP://SYNC.example", &secure, true),
            // A proxy may provide https.
            ("https://sync.example", &plain, false),
            ("http://sync.example", &plain, false),
        ] {
            let headers = headers(&[host.clone(), (ORIGIN, origin)]);
            assert_eq!(is_foreign(&headers, own), foreign, "{origin} {own:?}");
        }
        // Under an internal name, as another program in the same network uses it.
        let inside = headers(&[(HOST, "inside:8080"), (ORIGIN, "http://inside:8080")]);
        assert!(!is_foreign(&inside, &secure));
    }

    #[test]
    fn forms_are_recognised_by_their_content_type() {
        for (kind, form) in [
            ("application/x-www-form-urlencoded", true),
            ("multipart/form-data; boundary=x", true),
            ("Text/Plain;charset=utf-8", true),
            ("application/json; charset=utf-8", false),
        ] {
            assert_eq!(is_form(&headers(&[(CONTENT_TYPE, kind)])), form, "{kind}");
        }
        assert!(!is_form(&HeaderMap::new()));
    }
}
