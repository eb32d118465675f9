//! `/rhn/apidoc/`: every method is on a page, and its samples work.

use std::collections::BTreeSet;

use regex::Regex;
use registrysync::api::namespaces;
use registrysync::surface::RequestLimits;
use serde_json::{Value, json};

use super::server::{Server, client};

const OPENAPI: &str = "/rhn/manager/api/openapi.json";

async fn server() -> Server {
    Server::start(namespaces::registry(), RequestLimits::default()).await
}

async fn page(server: &Server, path: &str) -> (u16, String) {
    let url = format!("http://{}{path}", server.address);
    let answer = client().get(url).send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

#[tokio::test]
async fn every_method_has_its_anchor_and_both_samples() {
    let (server, registry) = (server().await, namespaces::registry());
    for namespace in registry.catalog().namespaces() {
        let (status, page) = page(&server, &format!("/rhn/apidoc/{}", namespace.name())).await;
        assert_eq!(status, 200);
        let count = namespace.by_name().count();
        let articles: Vec<&str> = page.split("<article>").skip(1).collect();
        assert_eq!(articles.len(), count, "{}", namespace.name());
        let anchors: Vec<&str> = page
            .split(" id=\"apidoc-")
            .skip(1)
            .filter_map(|rest| rest.split('"').next())
            .collect();
        let unique: BTreeSet<&&str> = anchors.iter().collect();
        assert_eq!(anchors.len(), namespace.methods().count());
        assert_eq!(anchors.len(), unique.len(), "an anchor is there twice");
        for (article, overloads) in articles.iter().zip(namespace.by_name()) {
            let name = overloads[0].name();
            assert!(article.contains(&format!(">{name}</a>")), "{article}");
            for method in overloads {
                let names: Vec<&str> = method.parameters().iter().map(|p| p.name).collect();
                let signature = format!("<code>{name}({})</code>", names.join(", "));
                let typed: Vec<String> = method
                    .parameters()
                    .iter()
                    .map(|p| format!("{} {}", p.shape.kind(), p.name))
                    .collect();
                let typed = format!("<code>{name}({})</code>", typed.join(", "));
                let shown = [&signature, &typed].map(|text| article.matches(text.as_str()).count());
                assert_eq!(shown.iter().max(), Some(&1), "{signature}: {article}");
                for name in names {
                    let row = format!("<th scope=\"row\"><code class=\"name\">{name}</code></th>");
                    assert_eq!(article.matches(&row).count().min(1), 1, "{row}: {article}");
                }
                for code in method.fault_codes() {
                    assert!(article.contains(&format!("<li><code>{code}</code>")));
                }
            }
            // It has no answer without a channel.
            let answer = (name != "testNotification").then_some("answer");
            for sample in ["python", "curl"].into_iter().chain(answer) {
                let code = article.split(&format!("<code class=\"{sample}\">")).nth(1);
                let code = code.and_then(|rest| rest.split("</code>").next()).unwrap();
                assert!(!code.trim().is_empty(), "{sample}: {article}");
            }
        }
    }
}

/// The response to the sample, as recorded.
#[tokio::test]
async fn a_sample_response_has_real_values() {
    let server = server().await;
    let (_, text) = page(&server, "/rhn/apidoc/registrysync").await;
    let article = text.split(">getSchedule</a>").nth(2).unwrap();
    let code = article.split("<code class=\"answer\">").nth(1).unwrap();
    let code = code.split("</code>").next().unwrap();
    let answer: Value = serde_json::from_str(&code.replace("&#34;", "\"")).unwrap();
    let times = ["2027-01-02T03:04:05Z"; 2];
    assert_eq!(
        answer,
        json!({"success": true, "result": {
            "cron_expr": "0 0 2 * * ?",
            "next_fire_times": times,
            "description": answer["result"]["description"],
            "time_zone": "Etc/UTC",
        }})
    );
    let description = answer["result"]["description"].as_str().unwrap();
    assert!(description.contains("02:00"), "{description}");
}

#[tokio::test]
async fn every_link_leads_somewhere() {
    let server = server().await;
    let link = Regex::new(r#"(?:href|src)="([^"]+)""#).unwrap();
    let mut todo = vec!["/rhn/apidoc/".to_owned()];
    let mut seen = BTreeSet::new();
    while let Some(path) = todo.pop() {
        let (status, text) = page(&server, &path).await;
        assert_eq!(status, 200, "{path}");
        for found in link.captures_iter(&text) {
            let (target, anchor) = found[1].split_once('#').unwrap_or((&found[1], ""));
            let target = if target.is_empty() { &path } else { target };
            if seen.insert(format!("{target}#{anchor}")) {
                let (status, there) = page(&server, target).await;
                let id = format!("id=\"{anchor}\"");
                let found = anchor.is_empty() || there.contains(&id);
                assert!(status == 200 && found, "{path}: {target}#{anchor}");
                if target.starts_with("/rhn/apidoc/") && !target.contains("/assets/") {
                    todo.push(target.to_owned());
                }
            }
            let here = target.starts_with("/rhn/apidoc/") || target == OPENAPI;
            assert!(here, "{path}: {target}");
        }
        todo.retain(|path| !seen.contains(path));
        seen.insert(path);
    }
    assert!(seen.contains(&format!("{OPENAPI}#")), "{seen:?}");
    assert!(seen.contains("/rhn/apidoc/scripts") && seen.contains("/rhn/apidoc/registrysync"));
}

#[tokio::test]
async fn the_search_works_without_script_and_escapes() {
    let server = server().await;
    let hits = async |query: &str| {
        let (status, text) = page(&server, &format!("/rhn/apidoc/?q={query}")).await;
        assert_eq!(status, 200);
        (text.matches("<li data-text").count(), text)
    };
    let registry = namespaces::registry();
    let namespaces = registry.catalog().namespaces();
    let all: usize = namespaces.map(|ns| ns.by_name().count()).sum();
    let (found, text) = hits("list_tags").await;
    assert_eq!(found, 1, "{text}");
    assert!(text.contains("registrysync.listtags"), "{text}");
    let (found, text) = hits("registry+tags").await;
    assert!((2..all / 2).contains(&found), "{found} of {all}: {text}");
    assert!(text.contains("registrysync.previewtags"), "{text}");
    assert_eq!(hits("").await.0, all);
    let (found, text) = hits("%3Cscript%3Ealert(1)%3C/script%3E").await;
    assert_eq!(found, 0);
    assert!(
        !text.contains("<script>alert") && text.contains("alert(1)"),
        "{text}"
    );
    assert_eq!(hits(&"x".repeat(5000)).await.0, 0);
    assert_eq!(page(&server, "/rhn/apidoc/no.such").await.0, 404);
}

#[tokio::test]
async fn every_answer_has_the_security_headers_and_assets_stay_cached() {
    let server = server().await;
    let (_, index) = page(&server, "/rhn/apidoc/").await;
    let asset = Regex::new(r"/rhn/apidoc/assets/[a-z0-9-]+\.(?:css|js)").unwrap();
    let assets: Vec<&str> = asset
        .find_iter(&index)
        .map(|found| found.as_str())
        .collect();
    assert_eq!(assets.len(), 2);
    let pages = [
        "/rhn/apidoc/",
        "/rhn/apidoc/faq",
        "/rhn/manager/api/api/getVersion",
        "/none",
    ];
    for path in pages.iter().chain(&assets) {
        let url = format!("http://{}{path}", server.address);
        let answer = client().get(url).send().await.unwrap();
        let header = |name: &str| answer.headers()[name].to_str().unwrap().to_owned();
        let policy = header("content-security-policy");
        assert!(policy.starts_with("default-src 'none'"), "{path}: {policy}");
        assert!(
            policy.contains("frame-ancestors 'none'"),
            "{path}: {policy}"
        );
        assert!(!policy.contains("unsafe"), "{path}: {policy}");
        assert_eq!(header("x-content-type-options"), "nosniff");
        assert_eq!(header("referrer-policy"), "no-referrer");
        let kept = answer
            .headers()
            .get("cache-control")
            .is_some_and(|v| v.to_str().unwrap().contains("immutable"));
        assert_eq!(kept, path.contains("/assets/"), "{path}");
    }
    assert!(
        !index.contains("style=") && !index.contains("onclick"),
        "nothing inline"
    );
}
