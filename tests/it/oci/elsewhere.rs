//! Registries that point elsewhere: https storage and token servers of an http registry, and hosts
//! forbidden by the policy.

use registrysync::oci::{Client, NetworkPolicy, Reference};
use registrysync::sync::Action;
use tokio::io::AsyncWriteExt as _;

use crate::support::images::{AMD64, Blob, Format, Image};
use crate::support::raw::RawServer;
use crate::support::registry::auth::{Auth, TokenAuth};
use crate::support::registry::faults::{Action as Misbehave, Fault};
use crate::support::registry::{Registry, tls};
use crate::sync::spec;
use crate::sync::{client, everything, item, options, repository, run};

fn trusting(address: &str) -> Client {
    let mut options = options(address);
    options.ca_certificate = Some(tls::certificate());
    Client::new(options).unwrap()
}

#[tokio::test]
async fn a_registry_on_http_may_have_its_blobs_on_https() {
    let storage = Registry::builder().tls().start().await;
    let source = Registry::builder().blobs_at(&storage).start().await;
    let target = Registry::start().await;
    Image::multi(Format::Oci, 1, 1000).store(&source, "app", Some("1"));
    let ran = |from: Client| {
        let wanted = spec(vec![item(&from, "app", &everything())]);
        let to = client(target.address());
        async move { run(&to, wanted).await }
    };
    // The certificate is checked.
    let failed = ran(client(source.address())).await;
    assert!(
        failed.error("1").contains("`ca_certificate`"),
        "{}",
        failed.error("1")
    );
    ran(trusting(source.address()))
        .await
        .all_done(Action::Copy, 1);
    assert_eq!(target.broken_references(), Vec::<String>::new());
}

#[tokio::test]
async fn a_registry_on_http_may_have_its_token_server_on_https() {
    let tokens = Registry::builder()
        .tls()
        .auth(Auth::Token(TokenAuth::default()))
        .start()
        .await;
    let auth = TokenAuth {
        realm: Some(format!("{}/token", tokens.url())),
        ..TokenAuth::default()
    };
    let registry = Registry::builder().auth(Auth::Token(auth)).start().await;
    // The two don't know each other's tokens; what matters is that it gets one.
    let _ = trusting(registry.address())
        .tag_list(&repository("app"))
        .await;
    assert!(!tokens.token_requests().is_empty());
    let failed = client(registry.address())
        .tag_list(&repository("app"))
        .await;
    assert!(
        failed
            .unwrap_err()
            .to_string()
            .contains("isn't trusted here")
    );
}

#[tokio::test]
async fn forbidden_hosts_get_no_requests() {
    let registry = Registry::start().await;
    let port = registry.address().rsplit(':').next().unwrap().to_owned();
    for (host, allow, deny, is_allowed) in [
        ("127.0.0.1", "", "", true),
        ("127.0.0.1", "", "127.0.0.0/8", false),
        ("2130706433", "", "127.0.0.1", false),
        ("0x7f.1", "", "127.0.0.1", false),
        ("[::ffff:127.0.0.1]", "", "127.0.0.1", false),
        ("localhost", "", "127.0.0.0/8,::1", false),
        ("LOCALHOST.", "", "localhost", false),
        ("localhost", "r.example", "", false),
        ("localhost", "localhost", "", true),
        ("127.0.0.1", "127.0.0.1/32", "", true),
        ("127.0.0.1", "10.0.0.0/8", "", false),
        ("0.0.0.0", "", "", false),
        ("0", "", "", false),
        ("[::]", "", "", false),
        ("[::ffff:0.0.0.0]", "", "", false),
    ] {
        registry.requests_clear();
        let mut options = options(&format!("{host}:{port}"));
        options.policy = Some(NetworkPolicy::parse(allow, deny).unwrap());
        let client = Client::new(options).unwrap();
        let listed = client.tag_list(&repository("app")).await;
        let text = listed.map(|_| ()).map_err(|e| e.to_string());
        assert_eq!(
            !registry.requests().0.is_empty(),
            is_allowed,
            "{host} {allow} {deny}: {text:?}"
        );
        let ping = client.ping().await;
        if !is_allowed {
            let reason = text.unwrap_err();
            assert!(
                reason.contains("registry_"),
                "{host} {allow} {deny}: {reason}"
            );
            assert!(
                !ping.is_ok() && registry.requests().0.is_empty(),
                "{host}: {ping:?}"
            );
        }
    }
}

/// A redirect to a host that the policy only knows by its address.
#[tokio::test]
async fn a_name_is_judged_by_its_address_where_a_registry_points_at_it() {
    let elsewhere = Registry::start().await;
    let port = elsewhere.address().rsplit(':').next().unwrap();
    let head = format!(
        "HTTP/1.1 307 Elsewhere\r\nLocation: http://localhost:{port}/v2/\r\nContent-Length: 0\r\n\r\n"
    );
    let registry = RawServer::start_at("127.0.0.2:0", move |_, _, mut stream| {
        let head = head.clone();
        async move { stream.write_all(head.as_bytes()).await.unwrap() }
    })
    .await;
    for (deny, is_allowed) in [("127.0.0.1,::1", false), ("127.0.0.3", true)] {
        let mut options = options(registry.address());
        options.policy = Some(NetworkPolicy::parse("", deny).unwrap());
        let tag = Reference::parse("1").unwrap();
        let client = Client::new(options).unwrap();
        let got = client.manifest_get(&repository("app"), &tag).await;
        let text = got.unwrap_err().to_string();
        assert_eq!(!elsewhere.requests().0.is_empty(), is_allowed, "{text}");
        assert_eq!(text.contains("registry_deny"), !is_allowed, "{text}");
    }
}

#[tokio::test]
async fn a_registry_may_send_nobody_to_a_metadata_service() {
    for to in [
        "http://169.254.169.254/latest",
        "http://[fe80::1]/",
        "http://0.0.0.0:1/",
        "http://metadata.google.internal./",
    ] {
        let registry = Registry::start().await;
        let redirect = Misbehave::Answer {
            status: 307,
            headers: vec![("location", to.to_owned())],
            body: String::new(),
        };
        registry.fault_add(Fault::on("GET", "/manifests/", redirect));
        let tag = Reference::parse("1").unwrap();
        let failed = client(registry.address())
            .manifest_get(&repository("app"), &tag)
            .await;
        let text = failed.unwrap_err().to_string();
        assert!(
            text.contains("the registry points at") && text.contains("metadata"),
            "{to}: {text}"
        );
        assert_eq!(registry.requests().0.len(), 1);
    }
}

/// Users who may create a store must not read responses of internal services through it.
#[tokio::test]
async fn ping_tells_nothing_that_an_internal_service_says() {
    const SECRET: &str = "internal-secret-value";
    for status in [200, 400, 401, 403, 404, 500, 503] {
        let registry = Registry::start().await;
        for body in [
            format!(r#"{{"errors":[{{"code":"INTERNALSECRET","message":"{SECRET}"}}]}}"#),
            format!(r#"{{"message":"{SECRET}"}}"#),
            SECRET.to_owned(),
        ] {
            registry.faults_clear();
            let headers = vec![("www-authenticate", format!("Basic realm=\"{SECRET}\""))];
            registry.fault_add(Fault::on(
                "GET",
                ".",
                Misbehave::Answer {
                    status,
                    headers,
                    body,
                },
            ));
            let shown = format!("{:?}", client(registry.address()).ping().await);
            assert!(
                !shown.contains(SECRET) && !shown.contains("INTERNALSECRET"),
                "{shown}"
            );
        }
    }
}

/// A target that accepts too early has less than it says.
#[tokio::test]
async fn an_answer_before_the_last_byte_is_not_believed() {
    let (source, target) = (Registry::start().await, Registry::start().await);
    let layer = Blob::layer(1, 30_000_000);
    Image::single(Format::Oci, AMD64, &[layer]).store(&source, "app", Some("1"));
    let glad = Misbehave::Answer {
        status: 201,
        headers: Vec::new(),
        body: String::new(),
    };
    target.fault_add(Fault::on("PUT", "/uploads/", glad));
    let wanted = spec(vec![item(&client(source.address()), "app", &everything())]);
    let ran = run(&client(target.address()), wanted).await;
    let error = ran.error("1");
    // Either the response was first, or the end of the connection.
    let is_seen = error.contains("of 3") && error.contains("doesn't have it");
    assert!(
        is_seen || error.contains("the connection was lost"),
        "{error}"
    );
    assert!(target.tags("app").is_empty());
}
