//! The API's documentation as HTML under `/rhn/apidoc/`, generated from the registry.
//!
//! - this file: the routes and the pages, which work without JavaScript.
//! - `view`: a namespace and its methods as a page shows them.
//! - [`samples`]: each method as a Python and a curl call; `values`: their arguments; [`answer`]: their
//!   responses.
//! - `rendered`: the pages of namespaces, which requests share.
//! - [`guide`]: the pages on scripts and on questions, for HTML and for `AsciiDoc`.

pub mod answer;
pub mod guide;
pub(in crate::surface) mod rendered;
pub mod samples;
mod values;
mod view;

use std::sync::{Arc, LazyLock};

use askama::Template;
use axum::Router;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Extension, Path, Query, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, LOCATION};
use axum::http::{HeaderName, StatusCode};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use crate::surface::paths::PAGES_ROOT;
use crate::surface::requests::arrival::Arrival;
use crate::surface::state::Surface;
use crate::surface::wires::encoding::Shared;
use guide::Guide;
use rendered::ORIGIN;
use view::{Entry, Hit, NamespaceView};

/// Only the server's own style and script, no frames, no forms to elsewhere.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; form-action 'self'; \
     base-uri 'none'; frame-ancestors 'none'";
/// An asset's name changes with its content.
const FOR_EVER: &str = "public, max-age=31536000, immutable";
/// Longer search texts are cut off; no method's name is that long.
const SEARCH_CHARS: usize = 100;

/// An embedded file of the pages.
struct Asset {
    name: String,
    kind: &'static str,
    text: &'static str,
}

static STYLE: LazyLock<Asset> = LazyLock::new(|| {
    let text = include_str!("../../assets/apidoc.css");
    Asset::new("css", "text/css; charset=utf-8", text)
});
static SCRIPT: LazyLock<Asset> = LazyLock::new(|| {
    let text = include_str!("../../assets/apidoc.js");
    Asset::new("js", "text/javascript; charset=utf-8", text)
});

impl Asset {
    fn new(suffix: &str, kind: &'static str, text: &'static str) -> Self {
        let hash = hex::encode(Sha256::digest(text));
        let name = format!("apidoc-{}.{suffix}", hash.get(..12).unwrap_or(&hash));
        Self { name, kind, text }
    }
}

#[derive(Template)]
#[template(path = "apidoc/index.html")]
struct IndexPage<'a> {
    style: &'a str,
    script: &'a str,
    query: &'a str,
    namespaces: Vec<Entry<'a>>,
    /// The search results; `None` without a search.
    hits: Option<Vec<Hit<'a>>>,
}

#[derive(Template)]
#[template(path = "apidoc/namespace.html")]
struct NamespacePage<'a> {
    style: &'a str,
    script: &'a str,
    query: &'a str,
    namespace: NamespaceView<'a>,
}

#[derive(Template)]
#[template(path = "apidoc/guide.html")]
struct GuidePage<'a> {
    style: &'a str,
    script: &'a str,
    query: &'a str,
    guide: Guide,
}

/// The routes.
pub(in crate::surface) fn router() -> Router<Arc<Surface>> {
    let to_root = || async { (StatusCode::FOUND, [(LOCATION, PAGES_ROOT)]) };
    Router::new()
        .route(PAGES_ROOT.trim_end_matches('/'), get(to_root))
        .route(PAGES_ROOT, get(index))
        .route(&format!("{PAGES_ROOT}scripts"), get(scripts))
        .route(&format!("{PAGES_ROOT}faq"), get(faq))
        .route(&format!("{PAGES_ROOT}assets/{{name}}"), get(asset))
        .route(&format!("{PAGES_ROOT}{{namespace}}"), get(namespace))
}

#[derive(Deserialize)]
struct Search {
    #[serde(default)]
    q: String,
}

async fn index(
    State(surface): State<Arc<Surface>>,
    search: Result<Query<Search>, QueryRejection>,
) -> Response {
    let catalog = surface.dispatcher.catalog();
    let text = search.map(|Query(search)| search.q).unwrap_or_default();
    let query: String = text.trim().chars().take(SEARCH_CHARS).collect();
    page(&IndexPage {
        style: &STYLE.name,
        script: &SCRIPT.name,
        query: &query,
        namespaces: catalog.namespaces_in_order().map(Entry::of).collect(),
        hits: (!query.is_empty()).then(|| view::search(catalog, &query)),
    })
}

async fn namespace(
    State(surface): State<Arc<Surface>>,
    Extension(arrival): Extension<Arrival>,
    Path(name): Path<String>,
) -> Response {
    let Some(namespace) = surface.dispatcher.catalog().namespace(&name) else {
        return missing();
    };
    let page = surface.rendered.page(&name, &arrival.origin.text(), || {
        let page = NamespacePage {
            style: &STYLE.name,
            script: &SCRIPT.name,
            query: "",
            namespace: NamespaceView::of(namespace, ORIGIN),
        };
        page.render()
    });
    (Extension(Shared), response(page.map(Html))).into_response()
}

async fn scripts(Extension(arrival): Extension<Arrival>) -> Response {
    guide_page(guide::scripts(&arrival.origin.text()))
}

async fn faq() -> Response {
    guide_page(guide::faq())
}

fn guide_page(guide: Guide) -> Response {
    page(&GuidePage {
        style: &STYLE.name,
        script: &SCRIPT.name,
        query: "",
        guide,
    })
}

async fn asset(Path(name): Path<String>) -> Response {
    let assets: [&Asset; 2] = [&STYLE, &SCRIPT];
    match assets.into_iter().find(|asset| asset.name == name) {
        Some(asset) => {
            let headers = [(CONTENT_TYPE, asset.kind), (CACHE_CONTROL, FOR_EVER)];
            (Extension(Shared), headers, asset.text).into_response()
        }
        None => missing(),
    }
}

fn missing() -> Response {
    let text = format!("no such page; {PAGES_ROOT} lists all of them\n");
    (StatusCode::NOT_FOUND, text).into_response()
}

fn page(template: &impl Template) -> Response {
    response(template.render().map(Html))
}

fn response(page: Result<impl IntoResponse, askama::Error>) -> Response {
    let policy: [(HeaderName, &str); 1] = [(CONTENT_SECURITY_POLICY, POLICY)];
    match page {
        Ok(page) => (policy, page).into_response(),
        Err(error) => {
            tracing::error!(%error, "can't render a page");
            let text = "the page can't be rendered; see the server's log\n";
            (StatusCode::INTERNAL_SERVER_ERROR, text).into_response()
        }
    }
}
