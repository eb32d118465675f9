//! A repository of 100 000 tags: listed completely within a memory limit, and page by page for clients
//! that read at most 512 KiB.

use std::collections::BTreeSet;

use dxr::Value;
use serde_json::json;

use super::server::{PASSWORD, Server};
use crate::cli::memory::peak;
use crate::support::images::client;
use crate::support::registry::Registry;

const TAGS: usize = 100_000;
/// How much xmlrpc-c reads of a response by default.
const XMLRPC_C_BYTES: usize = 512 * 1024;
/// A page of tags of this length stays below that.
const PAGE: usize = 10_000;
/// How much listing all of them may add to the server's peak memory. The responses are 4.6 MB of
/// XML and 1.5 MB of JSON; in memory are the names and their processed form.
const GROWTH_KIB: u64 = 48 * 1024;
/// How often they are listed, and after how many times the process has all the memory it will ever
/// need, except for the allocator's waste.
const ROUNDS: usize = 10;
const SETTLED: usize = 3;
/// How much all the other rounds may add: a server that kept a round's two responses, or only the
/// names, would add more.
const FLAT_KIB: u64 = 16 * 1024;

async fn registry() -> Registry {
    let registry = Registry::builder().page_size(1000).start().await;
    for number in 0..TAGS {
        let tag = format!("build-{number:06}");
        let kind = "application/vnd.oci.image.manifest.v1+json";
        registry.manifest_put("app", Some(&tag), kind, "{}");
    }
    registry
}

/// A call over XML-RPC: the result, and the size of its document.
async fn xml(server: &Server, name: &str, params: Vec<Value>) -> (Value, usize) {
    let name = name.into();
    let call = dxr::MethodCall { name, params }.to_xml().unwrap();
    let request = client().post(format!("{}/rpc/api", server.url));
    let answer = request.header("content-type", "text/xml").body(call);
    let document = answer.send().await.unwrap().text().await.unwrap();
    let result = dxr::MethodResponse::from_xml(&document).expect("no fault");
    (result.value, document.len())
}

fn names(value: Value) -> Vec<String> {
    let Value::Array(items) = value else {
        panic!("{value:?}")
    };
    let name = |item| match item {
        Value::String(name) => name,
        other => panic!("{other:?}"),
    };
    items.into_iter().map(name).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_thousand_tags_are_listed_in_bounded_memory_and_by_pages() {
    let registry = registry().await;
    let server = Server::start(None);
    let session = server.login().await;
    session.store("from", registry.address()).await;
    let text = |text: &str| Value::String(text.into());
    let (key, _) = xml(&server, "auth.login", vec![text("admin"), text(PASSWORD)]).await;
    let place = [key, text("from"), text("app")];
    let whole = [("storeLabel", "from"), ("repository", "app")];

    let before = peak(server.id()).unwrap();
    let mut peaks = Vec::new();
    for _ in 0..ROUNDS {
        let (listed, _) = xml(&server, "registrysync.listTags", place.to_vec()).await;
        assert_eq!(names(listed).len(), TAGS);
        let listed = session.get("registrysync/listTags", &whole).await.unwrap();
        assert_eq!(listed.as_array().unwrap().len(), TAGS);
        peaks.push(peak(server.id()).unwrap());
    }
    let last = peaks[ROUNDS - 1];
    assert!(last < before + GROWTH_KIB, "{before} KiB, then {peaks:?}");
    assert!(last < peaks[SETTLED - 1] + FLAT_KIB, "it grows: {peaks:?}");

    let mut seen = BTreeSet::new();
    for offset in (0..TAGS).step_by(PAGE) {
        let (limit, from) = (PAGE.to_string(), offset.to_string());
        let number = |n: usize| Value::Integer(i32::try_from(n).unwrap());
        let mut params = place.to_vec();
        params.extend([text(""), number(PAGE), number(offset)]);
        let (page, size) = xml(&server, "registrysync.listTags", params).await;
        assert!(size < XMLRPC_C_BYTES, "{size} bytes");
        let mut query = whole.to_vec();
        query.extend([("filter", ""), ("limit", &limit), ("offset", &from)]);
        let other = session.get("registrysync/listTags", &query).await.unwrap();
        let page = names(page);
        assert_eq!(other, json!(page));
        assert_eq!(page.len(), PAGE);
        seen.extend(page);
    }
    assert_eq!(seen.len(), TAGS);
}
