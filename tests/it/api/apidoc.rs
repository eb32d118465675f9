//! `/rhn/apidoc/`: every method is on a page, and its samples work.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use regex::Regex;
use registrysync::api::{Method, Namespace, Registry, namespaces};
use registrysync::surface::RequestLimits;
use registrysync::surface::docs::apidoc::samples;
use serde_json::{Value, json};

use super::server::{ADMIN_PASSWORD, Server, client};
use crate::support::tools::installed;

const OPENAPI: &str = "/rhn/manager/api/openapi.json";

async fn server() -> Server {
    Server::start(namespaces::registry(), RequestLimits::default()).await
}

async fn page(server: &Server, path: &str) -> (u16, String) {
    let url = format!("http://{}{path}", server.address);
    let answer = client().get(url).send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

fn methods(registry: &Registry) -> impl Iterator<Item = (&Namespace, &Method)> {
    let namespaces = registry.catalog().namespaces();
    namespaces.flat_map(|ns| ns.methods().map(move |method| (ns, method)))
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
            for sample in ["python", "curl", "answer"] {
                let code = article.split(&format!("<code class=\"{sample}\">")).nth(1);
                let code = code.and_then(|rest| rest.split("</code>").next()).unwrap();
                assert!(!code.trim().is_empty(), "{sample}: {article}");
            }
        }
    }
}

/// A result in the form of its sample.
#[tokio::test]
async fn a_sample_answer_has_every_member() {
    let server = server().await;
    let (_, text) = page(&server, "/rhn/apidoc/registrysync").await;
    let article = text.split(">getSchedule</a>").nth(2).unwrap();
    let code = article.split("<code class=\"answer\">").nth(1).unwrap();
    let code = code.split("</code>").next().unwrap();
    let answer: Value = serde_json::from_str(&code.replace("&#34;", "\"")).unwrap();
    assert_eq!(
        answer,
        json!({"success": true, "result": {
            "cron_expr": "0 0 2 * * ?",
            "next_fire_times": ["2027-01-02T03:04:05Z"],
            "description": "nightly mirror",
            "time_zone": "Europe/Berlin",
            "disabled_reason": "…",
        }})
    );
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

/// Runs `{name, code}` in sequence; prints `{name, fault}` for each.
const PYTHON: &str = r"
import contextlib, io, json, sys, xmlrpc.client
for sample in json.load(sys.stdin):
    said, fault = io.StringIO(), None
    try:
        with contextlib.redirect_stdout(said):
            exec(compile(sample['code'], sample['name'], 'exec'), {})
    except xmlrpc.client.Fault as error:
        fault = [error.faultCode, error.faultString]
    print(json.dumps({'name': sample['name'], 'fault': fault}))
";

fn with_secrets(command: &mut Command) -> assert_cmd::Command {
    let command = std::mem::replace(command, Command::new(""));
    let mut command = assert_cmd::Command::from_std(command);
    command
        .env("LOGIN", "admin")
        .env("PASSWORD", ADMIN_PASSWORD)
        .env("NEW_PASSWORD", "battery \\\" staple");
    command
}

/// A sample must never be refused as not understood; "no such project" is fine on an empty server.
fn understood(code: i64, text: &str) -> bool {
    !matches!(code, -1 | 2801) && !text.contains("Could not find")
}

#[tokio::test(flavor = "multi_thread")]
async fn every_python_sample_reaches_its_method() {
    if !installed(&["python3"]) {
        return;
    }
    let (server, registry) = (server().await, namespaces::registry());
    let origin = format!("http://{}", server.address);
    let all: Vec<Value> = methods(&registry)
        .map(|(ns, method)| {
            let name = format!("{}.{method:?}", ns.name());
            json!({"name": name, "code": samples::python(ns, method, &origin)})
        })
        .collect();
    let output = with_secrets(Command::new("python3").args(["-c", PYTHON]))
        .write_stdin(Value::from(all.clone()).to_string())
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let lines = String::from_utf8(output.stdout).unwrap();
    assert_eq!(lines.lines().count(), all.len());
    for line in lines.lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        if let Some(code) = line["fault"][0].as_i64() {
            assert!(
                understood(code, line["fault"][1].as_str().unwrap()),
                "{line}"
            );
        }
    }
}

/// A password may contain special characters of JSON, XML or a shell.
#[tokio::test(flavor = "multi_thread")]
async fn curl_samples_take_any_password() {
    const PASSWORD: &str = r#"a"b\c<d&e$f'g>h \n"#;
    if !installed(&["bash", "curl"]) {
        return;
    }
    let (server, registry) = (server().await, namespaces::registry());
    let origin = format!("http://{}", server.address);
    let grace =
        json!({"login": "grace", "password": PASSWORD, "first": "", "last": "", "email": ""});
    server
        .admin()
        .await
        .post("user/create", grace)
        .await
        .unwrap();
    let directory = tempfile::tempdir().unwrap();
    let auth = registry.catalog().namespace("auth").unwrap();
    let mut logins = 0;
    for method in auth.overloads("login") {
        let mut command = Command::new("bash");
        let script = samples::curl(auth, method, &origin);
        command
            .args(["-euc", &script])
            .current_dir(directory.path());
        let mut command = with_secrets(&mut command);
        let output = command
            .env("LOGIN", "grace")
            .env("PASSWORD", PASSWORD)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{script}\n{output:?}");
        let is_in = said.contains("\"success\":true")
            || (said.contains("<methodResponse>") && !said.contains("<fault>"));
        assert!(is_in, "{script}\n{said}");
        logins += 1;
    }
    assert_eq!(logins, 2);
}

fn bash(script: &str, directory: &Path) -> String {
    let mut command = Command::new("bash");
    command.args(["-euc", script]).current_dir(directory);
    let output = with_secrets(&mut command).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{script}\n{errors}");
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_curl_sample_reaches_its_method() {
    if !installed(&["bash", "curl"]) {
        return;
    }
    let (server, registry) = (server().await, namespaces::registry());
    let origin = format!("http://{}", server.address);
    let directory = tempfile::tempdir().unwrap();
    let login = registry
        .catalog()
        .namespace("auth")
        .unwrap()
        .overloads("login")
        .first();
    let login = samples::curl(
        registry.catalog().namespace("auth").unwrap(),
        login.unwrap(),
        &origin,
    );
    for (ns, method) in methods(&registry) {
        // One of them may have logged out.
        assert_eq!(bash(&login, directory.path()), "{\"success\":true}");
        let script = samples::curl(ns, method, &origin);
        let said = bash(&script, directory.path());
        if said.contains("<methodResponse>") {
            assert!(!said.contains("<fault>"), "{script}\n{said}");
            continue;
        }
        let said: Value =
            serde_json::from_str(&said).unwrap_or_else(|_| panic!("{script}\n{said}"));
        if said["success"] != true {
            let code = said["code"].as_i64().unwrap_or(-1);
            assert!(
                understood(code, said["message"].as_str().unwrap()),
                "{script}\n{said}"
            );
        }
    }
}
