//! How the commands use their environment: proxies, certificates, auth files.

use super::{Desk, said};
use crate::support::images::{Format, Image};
use crate::support::registry::auth::Auth;
use crate::support::registry::{Registry, tls};

async fn stored() -> Registry {
    let registry = Registry::start().await;
    Image::artifact(1, "a/b").store(&registry, "team/app", Some("1.0"));
    registry
}

#[tokio::test]
async fn a_proxy_is_used_named_and_passed_by() {
    let registry = stored().await;
    // Nobody listens there.
    let proxy = "http://user:s3cret@127.0.0.1:9";
    let name = format!("{}/team/app", registry.url());
    let list = |exceptions: &str| {
        let desk = Desk::new();
        let mut command = desk.command();
        command.args(["list-tags", &name]).env("http_proxy", proxy);
        said(command.env("NO_PROXY", exceptions))
    };
    let (_, port) = registry.address().rsplit_once(':').unwrap();
    for exceptions in ["", "127.0.0.1:1, 128.0.0.0/8, example.com"] {
        let failed = list(exceptions).ended(3);
        assert!(
            failed
                .err
                .contains("through the proxy `http://127.0.0.1:9`"),
            "{failed:?}"
        );
        assert!(!failed.err.contains("s3cret"), "{failed:?}");
    }
    assert!(registry.requests().0.is_empty());
    for exceptions in [
        "*",
        "127.0.0.0/8",
        "127.0.0.1",
        &format!("x.example, 127.0.0.1:{port}"),
    ] {
        assert_eq!(list(exceptions).ended(0).out, "1.0\n", "{exceptions}");
    }
}

/// Windows editors put a byte order mark before the text, which OpenSSL skips.
#[tokio::test]
async fn a_certificate_file_may_begin_with_a_byte_order_mark() {
    let storage = Registry::builder().tls().start().await;
    let source = Registry::builder().blobs_at(&storage).start().await;
    let (target, secure) = (
        Registry::start().await,
        Registry::builder().tls().start().await,
    );
    Image::multi(Format::Oci, 1, 1000).store(&source, "app", Some("1"));
    Image::artifact(1, "a/b").store(&secure, "app", Some("2"));
    let desk = Desk::new();
    for (name, mark) in [("plain.pem", ""), ("marked.pem", "\u{feff}")] {
        let file = desk.file(name, &format!("{mark}{}", tls::certificate()));
        let mut command = desk.command();
        let list = command.args(["list-tags", &format!("{}/app", secure.url())]);
        assert_eq!(
            said(list.env("SSL_CERT_FILE", &file)).ended(0).out,
            "2\n",
            "{name}"
        );
        // Also for the https storage of an http registry.
        let (from, to) = (source.url(), format!("{}/{name}", target.url()));
        let arguments = ["sync", "--from", &from, "--to", &to, "--repository", "app"];
        let mut command = desk.command();
        said(command.args(arguments).env("SSL_CERT_FILE", &file)).ended(0);
    }
    let refused = desk
        .run(&["list-tags", &format!("{}/app", secure.url())])
        .ended(3);
    assert!(refused.err.contains("SSL_CERT_FILE"), "{refused:?}");
}

#[tokio::test]
async fn an_auth_file_that_is_named_must_be_there() {
    let registry = stored().await;
    let desk = Desk::new();
    let mut command = desk.command();
    command.args(["list-tags", &format!("{}/team/app", registry.url())]);
    let refused = said(command.env("REGISTRY_AUTH_FILE", "/nonexistent/auth.json")).ended(2);
    assert!(
        refused.err.contains("/nonexistent/auth.json")
            && refused.err.contains("REGISTRY_AUTH_FILE"),
        "{refused:?}"
    );
    assert!(registry.requests().0.is_empty());
}

/// For each repository the most specific key of an auth file applies.
#[tokio::test]
async fn logins_by_path_are_for_their_repositories() {
    let guarded = Auth::Basic {
        user: "bot".into(),
        password: "x".into(),
    };
    let registry = Registry::builder().auth(guarded).start().await;
    Image::artifact(1, "a/b").store(&registry, "team/app", Some("1.0"));
    let host = registry.address();
    let desk = Desk::new();
    // `bot:x` and `all:x`
    let file = format!(
        r#"{{"credsStore":"","auths":{{"{host}":{{"auth":"YWxsOng="}},"{host}/team":{{"auth":"Ym90Ong="}}}}}}"#
    );
    let file = desk.file("auth.json", &file);
    let list = |path: &str| {
        let mut command = desk.command();
        command.args(["list-tags", &format!("{}/{path}", registry.url())]);
        said(command.env("REGISTRY_AUTH_FILE", &file))
    };
    assert_eq!(list("team/app").ended(0).out, "1.0\n");
    let refused = list("teams/app");
    assert!(refused.err.contains("credentials of `all`"), "{refused:?}");
    assert!(!refused.err.contains("WARN"), "{refused:?}");
}

/// Continuing without a login would end with a refusal that doesn't show the reason.
#[tokio::test]
async fn credentials_that_cant_be_used_are_told_before_anything_is_asked() {
    let registry = stored().await;
    let host = registry.address();
    let desk = Desk::new();
    let file = format!(r#"{{"credHelpers":{{"{host}":"ecr-login"}}}}"#);
    let file = desk.file("auth.json", &file);
    let mut command = desk.command();
    command.args(["list-tags", &format!("{}/team/app", registry.url())]);
    let refused = said(command.env("REGISTRY_AUTH_FILE", &file)).ended(2);
    let words = format!(
        "the credential helper `ecr-login` for `{host}`: there is no program `docker-credential-ecr-login`"
    );
    assert!(
        refused.err.contains(&words) && refused.err.contains(&file),
        "{refused:?}"
    );
    assert!(registry.requests().0.is_empty());
    // A global helper may have no credentials for this registry.
    let file = desk.file("auth.json", r#"{"credsStore":"desktop"}"#);
    let mut command = desk.command();
    command.args(["list-tags", &format!("{}/team/app", registry.url())]);
    let warned = said(command.env("REGISTRY_AUTH_FILE", &file)).ended(0);
    assert_eq!(warned.out, "1.0\n");
    assert!(warned.err.contains("`desktop`"), "{warned:?}");
}

/// The error of a listing that is too long says how to raise the limit.
#[tokio::test]
async fn a_long_listing_is_read_where_it_is_wanted() {
    use crate::support::registry::faults::{Action, Fault};
    let registry = stored().await;
    let tags: Vec<String> = (0..300_000).map(|n| format!("\"v{n}\"")).collect();
    let action = Action::Answer {
        status: 200,
        headers: Vec::new(),
        body: format!("{{\"tags\":[{}]}}", tags.join(",")),
    };
    registry.fault_add(Fault::on("GET", "/tags/list", action));
    let name = format!("{}/team/app", registry.url());
    let desk = Desk::new();
    let refused = desk.run(&["list-tags", &name]);
    assert!(
        refused.code != 0 && refused.err.contains("`--max-names`"),
        "{refused:?}"
    );
    let all = desk
        .run(&["list-tags", &name, "--max-names", "300000"])
        .ended(0);
    assert_eq!(all.out.lines().count(), 300_000);
}
