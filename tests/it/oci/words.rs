//! Error messages of registries and token servers are shown, and no other cause is claimed.

use registrysync::oci::{Client, Credentials};

use crate::support::images::Image;
use crate::support::raw::RawServer;
use crate::support::registry::Registry;
use crate::support::registry::auth::{Auth, TokenAuth};
use crate::support::registry::faults::{Action, Fault};
use crate::support::registry::log::Kind;
use crate::sync::spec;
use crate::sync::{client, item, literal, options, options_for, repository, run};

const USER: &str = "user";

fn says(status: u16, body: &str) -> Action {
    Action::Answer {
        status,
        headers: Vec::new(),
        body: body.to_owned(),
    }
}

const FORMS: [(&str, &str); 7] = [
    (
        r#"{"errors":[{"code":"DENIED","message":"ask Ann"}]}"#,
        "DENIED (ask Ann)",
    ),
    (
        r#"{"message":"sign in to page further"}"#,
        "sign in to page further",
    ),
    (r#"{"error":"no \u001b[31mway"}"#, "no \u{fffd}[31mway"),
    (r#"{"error":{"code":"X1","message":"deep"}}"#, "X1 (deep)"),
    (r#"{"details":"quota"}"#, "quota"),
    ("blocked by the firewall", "blocked by the firewall"),
    (
        "<html><title>403</title><body>No <b>entry</b></body></html>",
        "403 No entry",
    ),
];

#[tokio::test]
async fn a_registrys_own_words_are_shown() {
    for (body, words) in FORMS {
        let registry = Registry::start().await;
        registry.fault_add(Fault::on("GET", "/tags/list", says(403, body)));
        let failed = client(registry.address())
            .tag_list(&repository("app"))
            .await;
        let text = failed.unwrap_err().to_string();
        assert!(
            text.contains("403") && text.contains(words),
            "{body}: {text}"
        );
    }
}

/// HEAD has no message; it is requested by GET.
#[tokio::test]
async fn a_tag_that_is_refused_shows_the_words() {
    let (source, target) = (Registry::start().await, Registry::start().await);
    for method in ["HEAD", "GET"] {
        let refusal = says(403, r#"{"message":"image is quarantined"}"#);
        source.fault_add(Fault::on(method, "/manifests/", refusal));
    }
    let wanted = spec(vec![item(
        &client(source.address()),
        "app",
        &literal(&["1"]),
    )]);
    let ran = run(&client(target.address()), wanted).await;
    let error = ran.error("1");
    assert!(
        error.contains("403") && error.contains("image is quarantined"),
        "{error}"
    );
}

#[tokio::test]
async fn a_token_servers_own_words_are_shown_and_credentials_are_not_blamed() {
    for status in [400, 403, 404, 422] {
        for (body, words) in FORMS {
            let registry = Registry::builder()
                .auth(Auth::Token(TokenAuth::default()))
                .start()
                .await;
            registry.fault_add(Fault::on("GET", "^/token", says(status, body)));
            let mut options = options(registry.address());
            options.credentials = Credentials::from_parts(USER, "secret");
            let failed = Client::new(options)
                .unwrap()
                .tag_list(&repository("app"))
                .await;
            let text = failed.unwrap_err().to_string();
            let words = words.split(" (").next().unwrap();
            assert!(
                text.contains(&status.to_string()) && text.contains(words),
                "{text}"
            );
            assert!(
                !text.contains("refuses the credentials") && !text.contains("secret"),
                "{text}"
            );
        }
    }
}

/// Accounts are locked after a few wrong passwords.
#[tokio::test]
async fn a_wrong_password_is_not_tried_for_each_tag() {
    let basic = Auth::Basic {
        user: USER.into(),
        password: "right".into(),
    };
    let token = Auth::Token(TokenAuth {
        account: Some((USER.into(), "right".into())),
        anonymous_pull: false,
        ..TokenAuth::default()
    });
    let tags: Vec<String> = (0..30).map(|n| format!("v{n}")).collect();
    let names: Vec<&str> = tags.iter().map(String::as_str).collect();
    for auth in [basic, token] {
        for is_source in [true, false] {
            let guarded = Registry::builder().auth(auth.clone()).start().await;
            let open = Registry::start().await;
            for tag in &names {
                Image::artifact(1, "a/b").store(&open, "app", Some(tag));
            }
            let mut wrong = options(guarded.address());
            wrong.credentials = Credentials::from_parts(USER, "wrong");
            let (wrong, open) = (Client::new(wrong).unwrap(), client(open.address()));
            let (from, to) = if is_source {
                (&wrong, &open)
            } else {
                (&open, &wrong)
            };
            let ran = run(to, spec(vec![item(from, "app", &literal(&names))])).await;
            assert_eq!(ran.end.totals.failed, 30);
            assert!(
                ran.error("v29")
                    .contains("refuses the credentials of `user`")
            );
            let requests = guarded.requests();
            let logins = requests
                .0
                .iter()
                .filter(|r| r.has_authorization && r.status == 401);
            let logins = logins.count() + requests.of(Kind::Token).len();
            assert!(
                (1..=2).contains(&logins),
                "{auth:?}: {logins} failed logins"
            );
        }
    }
}

/// Nor for each repository, whose tokens differ.
#[tokio::test]
async fn a_wrong_password_is_not_tried_for_each_repository() {
    let guarded = Auth::Token(TokenAuth {
        account: Some((USER.into(), "right".into())),
        anonymous_pull: false,
        ..TokenAuth::default()
    });
    let source = Registry::builder().auth(guarded).start().await;
    let target = Registry::start().await;
    let mut wrong = options(source.address());
    wrong.credentials = Credentials::from_parts(USER, "wrong");
    let wrong = Client::new(wrong).unwrap();
    let names: Vec<String> = (0..12).map(|n| format!("app{n}")).collect();
    let items = names
        .iter()
        .map(|name| item(&wrong, name, &literal(&["1"])));
    let ran = run(&client(target.address()), spec(items.collect())).await;
    assert_eq!(ran.end.totals.failed, 12);
    let logins = source.requests().of(Kind::Token).len();
    assert!((1..=2).contains(&logins), "{logins} failed logins");
}

/// A valid login isn't considered wrong because of a repository that it can't access.
#[tokio::test]
async fn a_login_for_a_path_is_used_for_its_repositories() {
    let login = |user: &str| Credentials::from_parts(user, "right").unwrap();
    let basic = Auth::Basic {
        user: "team".into(),
        password: "right".into(),
    };
    let registry = Registry::builder().auth(basic).start().await;
    Image::artifact(1, "a/b").store(&registry, "team/app", Some("1"));
    let mut options = options(registry.address());
    options.credentials = Some(login("all"));
    options.path_credentials = vec![
        (repository("team"), login("team")),
        (repository("team/other"), login("other")),
        (repository("tea"), login("tea")),
    ];
    let client = Client::new(options).unwrap();
    assert_eq!(
        client.tag_list(&repository("team/app")).await.unwrap(),
        ["1"]
    );
    for (path, user) in [
        ("team/other/x", "other"),
        ("teams", "all"),
        ("tea/x", "tea"),
    ] {
        let text = client
            .tag_list(&repository(path))
            .await
            .unwrap_err()
            .to_string();
        assert!(text.contains(&format!("`{user}`")), "{path}: {text}");
    }
}

#[tokio::test]
async fn tls_errors_say_what_to_do() {
    let registry = Registry::builder().tls().start().await;
    let mut untrusting = options_for(&registry);
    untrusting.ca_certificate = None;
    let text =
        |failed: Result<Vec<String>, registrysync::oci::Error>| failed.unwrap_err().to_string();
    let said = text(
        Client::new(untrusting)
            .unwrap()
            .tag_list(&repository("app"))
            .await,
    );
    assert!(
        said.contains("`ca_certificate`") && said.contains("SSL_CERT_FILE"),
        "{said}"
    );
    assert!(said.contains("`--ca-certificate FILE`"), "{said}");
    // http on an https port, and https on an http port.
    let said = text(
        client(registry.address())
            .tag_list(&repository("app"))
            .await,
    );
    assert!(said.contains("write `https://`"), "{said}");
    let plain = Registry::start().await;
    let address = registrysync::oci::RegistryAddress::parse(plain.address()).unwrap();
    let mistaken = Client::new(registrysync::oci::ClientOptions::new(address)).unwrap();
    let said = text(mistaken.tag_list(&repository("app")).await);
    assert!(said.contains("write `http://`"), "{said}");
    assert!(plain.requests().0.is_empty());
}

/// Servers whose https port answers http with a message, like docker-registry and nginx.
#[tokio::test]
async fn a_port_of_https_that_answers_http_is_told_so() {
    const NGINX: &str = "<html><head><title>400 The plain HTTP request was sent to HTTPS port</title></head>\
        <body><center><h1>400 Bad Request</h1></center></body></html>";
    const APACHE: &str =
        "Bad Request: Reason: You're speaking plain HTTP to an SSL-enabled server port.";
    let hint = "if it speaks TLS, write `https://` before its address";
    for (status, body, is_told) in [
        (
            400,
            "Client sent an HTTP request to an HTTPS server.\n",
            true,
        ),
        (400, NGINX, true),
        (400, APACHE, true),
        (400, "HTTP header too large", false),
        (403, NGINX, false),
    ] {
        let registry = Registry::start().await;
        let answer = Action::Answer {
            status,
            headers: Vec::new(),
            body: body.to_owned(),
        };
        registry.fault_add(Fault::on("GET", "", answer));
        let failed = client(registry.address())
            .tag_list(&repository("app"))
            .await;
        let said = failed.unwrap_err().to_string();
        assert_eq!(said.contains(hint), is_told, "{said}");
    }
    // Over https it means something else.
    let registry = Registry::builder().tls().start().await;
    let answer = Action::Answer {
        status: 400,
        headers: Vec::new(),
        body: "Client sent an HTTP request to an HTTPS server.\n".to_owned(),
    };
    registry.fault_add(Fault::on("GET", "", answer));
    let client = Client::new(options_for(&registry)).unwrap();
    let said = client
        .tag_list(&repository("app"))
        .await
        .unwrap_err()
        .to_string();
    assert!(
        said.contains("HTTPS server") && !said.contains(hint),
        "{said}"
    );
}

/// The peer isn't a registry and doesn't speak HTTP.
#[tokio::test]
async fn a_peer_without_http_is_reported() {
    let server = RawServer::start(|_, _, mut stream| async move {
        use tokio::io::AsyncWriteExt as _;
        let _ = stream.write_all(b"\x15\x03\x03\x00\x02\x02\x46").await;
    })
    .await;
    let failed = client(server.address()).tag_list(&repository("app")).await;
    let text = failed.unwrap_err().to_string();
    assert!(
        text.contains("doesn't answer in HTTP") && text.contains("`https://`"),
        "{text}"
    );
    assert_eq!(server.requests(), 1);
}
