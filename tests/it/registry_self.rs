//! The test registry tested: what other tests conclude from it must hold.

use reqwest::{Client, Method, Response, StatusCode, header};
use serde_json::Value;

use crate::support::{
    images::{AMD64, Blob, Format, Image, client},
    registry::{
        LinkStyle, LocationStyle, Registry,
        auth::{Auth, TokenAuth, TokenField, TokenRequest},
        content::{Content, digest_of},
        faults::{Action, Fault, Quirk},
        log::Kind,
    },
};

/// Sends a request without content; gives the answer.
async fn ask(client: &Client, method: Method, address: &str, path: &str) -> Response {
    let url = format!("http://{address}{path}");
    client.request(method, url).send().await.expect("an answer")
}

async fn get(client: &Client, address: &str, path: &str) -> Response {
    ask(client, Method::GET, address, path).await
}

fn head<'a>(response: &'a Response, name: &str) -> &'a str {
    response
        .headers()
        .get(name)
        .map_or("", |v| v.to_str().unwrap())
}

async fn json(response: Response) -> Value {
    serde_json::from_slice(&response.bytes().await.unwrap()).unwrap()
}

/// Follows the links of a listing; gives the names under `key`.
async fn pages(client: &Client, address: &str, start: &str, key: &str) -> Vec<String> {
    let mut path = start.to_owned();
    let mut names = Vec::new();
    loop {
        let response = get(client, address, &path).await;
        assert_eq!(response.status(), 200, "{path}");
        let link = head(&response, "link").to_owned();
        let json = json(response).await;
        let page = json[key].as_array().unwrap();
        names.extend(page.iter().map(|name| name.as_str().unwrap().to_owned()));
        match link.strip_prefix('<').and_then(|link| link.split_once('>')) {
            None => return names,
            Some((next, _)) => path = next.replace(&format!("http://{address}"), ""),
        }
    }
}

#[tokio::test]
async fn what_is_pushed_comes_back_byte_for_byte() {
    let registry = Registry::start().await;
    let image = Image::multi(Format::Oci, 1, 200_000);
    image
        .push(registry.address(), "library/app", Some("1.0"))
        .await;
    assert_eq!(registry.tags("library/app")["1.0"], image.digest());
    assert_eq!(registry.broken_references(), Vec::<String>::new());
    assert_eq!(registry.uploads_open(), 0);
    let requests = registry.requests();
    // Three configs, the shared layer, three of their own; three children and the index.
    assert_eq!(requests.count("PUT", Kind::Upload), 7);
    assert_eq!(requests.count("PUT", Kind::Manifest), 4);
    let sent: u64 = requests.of(Kind::Upload).iter().map(|r| r.bytes_in).sum();
    assert_eq!(
        sent,
        image
            .blobs
            .iter()
            .map(|blob| blob.content.size())
            .sum::<u64>()
    );

    let client = client();
    registry.requests_clear();
    let response = get(&client, registry.address(), "/v2/library/app/manifests/1.0").await;
    assert_eq!(head(&response, "content-type"), image.top.media_type);
    assert_eq!(response.bytes().await.unwrap(), image.top.bytes);
    for Blob { digest, content } in &image.blobs {
        let path = format!("/v2/library/app/blobs/{digest}");
        let head_answer = ask(&client, Method::HEAD, registry.address(), &path).await;
        assert_eq!(
            head(&head_answer, "content-length"),
            content.size().to_string()
        );
        let bytes = get(&client, registry.address(), &path)
            .await
            .bytes()
            .await
            .unwrap();
        assert_eq!(&digest_of(&bytes), digest);
    }
    let requests = registry.requests();
    assert_eq!(requests.count("GET", Kind::Manifest), 1);
    assert_eq!(
        requests.of(Kind::Manifest)[0].bytes_out,
        image.top.bytes.len() as u64
    );
    assert!(
        requests
            .0
            .iter()
            .all(|r| r.status == 200 && !r.has_authorization)
    );
}

#[tokio::test]
async fn a_token_serves_exactly_its_scope() {
    let auth = TokenAuth {
        account: Some(("ann".to_owned(), "secret".to_owned())),
        field: TokenField::Both,
        uses: Some(2),
        refresh_token: Some("refresh".to_owned()),
        ..TokenAuth::default()
    };
    let token_server = Registry::builder()
        .auth(Auth::Token(auth.clone()))
        .start()
        .await;
    let realm = Some(format!("http://{}/token", token_server.address()));
    let auth = Auth::Token(TokenAuth {
        realm: realm.clone(),
        ..auth
    });
    let registry = Registry::builder().auth(auth).start().await;
    Image::artifact(1, "application/json").store(&registry, "app", Some("1"));
    let client = client();

    let refused = get(&client, registry.address(), "/v2/app/tags/list").await;
    let challenge = head(&refused, "www-authenticate");
    let wanted = "service=\"test-registry\",scope=\"repository:app:pull\"";
    assert_eq!(
        challenge,
        format!("Bearer realm=\"{}\",{wanted}", realm.unwrap())
    );
    let mount = "/v2/app/blobs/uploads/?mount=sha256:0&from=other";
    let refused = ask(&client, Method::POST, registry.address(), mount).await;
    let both = "scope=\"repository:app:pull,push repository:other:pull\"";
    assert!(head(&refused, "www-authenticate").ends_with(both));
    let refused = get(&client, registry.address(), "/v2/_catalog").await;
    assert!(head(&refused, "www-authenticate").ends_with("scope=\"registry:catalog:*\""));

    // Anonymous, asks for more than it gets.
    let path =
        "/token?service=test-registry&scope=repository:app:pull,push&scope=repository:b:pull";
    let answer = json(get(&client, token_server.address(), path).await).await;
    assert_eq!(
        (&answer["token"], &answer["expires_in"]),
        (&"".into(), &300.into())
    );
    let token = answer["access_token"].as_str().unwrap();
    let with_token = |method: Method, path: &str| {
        let url = format!("http://{}{path}", registry.address());
        client.request(method, url).bearer_auth(token).send()
    };
    assert_eq!(
        with_token(Method::GET, "/v2/app/tags/list")
            .await
            .unwrap()
            .status(),
        200
    );
    let refused = with_token(Method::POST, "/v2/app/blobs/uploads/")
        .await
        .unwrap();
    assert!(head(&refused, "www-authenticate").ends_with("error=\"insufficient_scope\""));
    let used_up = with_token(Method::GET, "/v2/app/tags/list").await.unwrap();
    assert!(head(&used_up, "www-authenticate").ends_with("error=\"invalid_token\""));

    let url = format!("http://{}/token", token_server.address());
    let form = |form: &'static str| client.post(&url).body(form).send();
    for (sent, status) in [
        (
            "service=test-registry&grant_type=password&username=ann&password=secret",
            200,
        ),
        (
            "service=test-registry&grant_type=password&username=ann&password=wrong",
            401,
        ),
        (
            "service=test-registry&grant_type=refresh_token&refresh_token=refresh",
            200,
        ),
        (
            "service=another&grant_type=refresh_token&refresh_token=refresh",
            400,
        ),
    ] {
        assert_eq!(form(sent).await.unwrap().status(), status, "{sent}");
    }
    let requests = token_server.token_requests();
    let scopes = ["repository:app:pull,push", "repository:b:pull"].map(str::to_owned);
    let first = TokenRequest {
        method: "GET".to_owned(),
        account: None,
        scopes: scopes.into(),
    };
    assert_eq!((requests.len(), &requests[0]), (5, &first));
    assert_eq!(requests[1].account.as_deref(), Some("ann"));
}

#[tokio::test]
async fn token_answers_vary_and_tokens_end() {
    for (field, expires_in, keys) in [
        (TokenField::Token, Some(0), vec!["expires_in", "token"]),
        (TokenField::AccessToken, None, vec!["access_token"]),
        (TokenField::Neither, None, vec![]),
    ] {
        let auth = TokenAuth {
            account: Some(("ann".to_owned(), "secret".to_owned())),
            anonymous_pull: false,
            grants: [("app".to_owned(), vec!["pull".to_owned()])].into(),
            field,
            expires_in,
            ..TokenAuth::default()
        };
        let registry = Registry::builder().auth(Auth::Token(auth)).start().await;
        let client = client();
        let url = format!(
            "http://{}/token?service=test-registry&scope=repository:app:pull,push",
            registry.address()
        );
        assert_eq!(client.get(&url).send().await.unwrap().status(), 401);
        let answer = client
            .get(&url)
            .basic_auth("ann", Some("secret"))
            .send()
            .await
            .unwrap();
        let answer = json(answer).await;
        assert_eq!(answer.as_object().unwrap().keys().collect::<Vec<_>>(), keys);
        let token = answer[if field == TokenField::Token {
            "token"
        } else {
            "access_token"
        }]
        .as_str();
        let Some(token) = token else { continue };
        let ask = |method: Method, path: &str| {
            let url = format!("http://{}{path}", registry.address());
            client.request(method, url).bearer_auth(token).send()
        };
        let base = ask(Method::GET, "/v2/").await.unwrap();
        assert_eq!(base.status(), if expires_in == Some(0) { 401 } else { 200 });
        // `push` was asked for, and not granted.
        let upload = ask(Method::POST, "/v2/app/blobs/uploads/").await.unwrap();
        assert_eq!(upload.status(), 401);
    }
}

#[tokio::test]
async fn basic_wants_user_and_password() {
    let auth = Auth::Basic {
        user: "ann".to_owned(),
        password: "a:b".to_owned(),
    };
    let registry = Registry::builder().auth(auth).start().await;
    let url = format!("http://{}/v2/", registry.address());
    for (password, status) in [("a:b", 200), ("wrong", 401)] {
        let answer = client()
            .get(&url)
            .basic_auth("ann", Some(password))
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), status);
    }
    let refused = client().get(&url).send().await.unwrap();
    assert_eq!(
        head(&refused, "www-authenticate"),
        "Basic realm=\"test-registry\""
    );
    assert!(registry.requests().0[0].has_authorization);
}

#[tokio::test]
async fn listings_come_in_pages() {
    let names: Vec<String> = (0..7).map(|number| format!("t{number}")).collect();
    for style in [LinkStyle::Relative, LinkStyle::Absolute, LinkStyle::Opaque] {
        let registry = Registry::builder()
            .page_size(3)
            .link(style.clone())
            .start()
            .await;
        let image = Image::artifact(1, "application/json");
        for name in &names {
            image.store(&registry, "app", Some(name));
            image.store(&registry, name, None);
        }
        let (client, address) = (client(), registry.address());
        let tags = pages(&client, address, "/v2/app/tags/list?n=2", "tags").await;
        assert_eq!(tags, names, "{style:?}");
        let repositories = pages(&client, address, "/v2/_catalog", "repositories").await;
        assert_eq!(repositories[1..], names, "{style:?}");
        assert_eq!(registry.requests().count("GET", Kind::Catalog), 3);
        if matches!(style, LinkStyle::Opaque) {
            let query = registry.requests().of(Kind::Catalog)[1].query.clone();
            let decoded = format!("/v2/_catalog?{}", query.replace("%2B", "+"));
            assert_eq!(get(&client, address, &decoded).await.status(), 400);
        }
    }
}

#[tokio::test]
async fn listings_misbehave_when_asked_to() {
    let client = client();
    for (style, link) in [
        (
            LinkStyle::Looping,
            "</v2/app/tags/list?n=100>; rel=\"next\"",
        ),
        (LinkStyle::OtherHost("example.test".to_owned()), ""),
    ] {
        let registry = Registry::builder().link(style).start().await;
        Image::artifact(1, "application/json").store(&registry, "app", Some("1"));
        let answer = get(&client, registry.address(), "/v2/app/tags/list").await;
        assert_eq!(head(&answer, "link"), link);
        Image::artifact(1, "application/json").store(&registry, "app", Some("2"));
        let answer = get(&client, registry.address(), "/v2/app/tags/list?n=1").await;
        assert_eq!(
            head(&answer, "link").contains("//example.test/v2/"),
            link.is_empty()
        );
        let none = get(&client, registry.address(), "/v2/none/tags/list").await;
        assert_eq!(none.status(), 404);
        registry.quirk_set(Quirk::TagsMissing, true);
        let none = json(get(&client, registry.address(), "/v2/none/tags/list").await).await;
        assert_eq!(none, serde_json::json!({ "name": "none" }));
        registry.quirk_set(Quirk::TagsNull, true);
        let none = json(get(&client, registry.address(), "/v2/none/tags/list").await).await;
        assert_eq!(none, serde_json::json!({ "name": "none", "tags": null }));
    }
}

#[tokio::test]
async fn blobs_at_object_storage_take_no_authorization() {
    let storage = Registry::start().await;
    let registry = Registry::builder().blobs_at(&storage).start().await;
    let digest = registry.blob_put("app", "0123456789");
    let client = client();
    let answer = get(
        &client,
        registry.address(),
        &format!("/v2/app/blobs/{digest}"),
    )
    .await;
    assert_eq!(answer.status(), StatusCode::TEMPORARY_REDIRECT);
    let location = head(&answer, "location").to_owned();
    let part = client
        .get(&location)
        .header(header::RANGE, "bytes=3-5")
        .send()
        .await
        .unwrap();
    assert_eq!(
        (part.status().as_u16(), head(&part, "content-range")),
        (206, "bytes 3-5/10")
    );
    assert_eq!(part.text().await.unwrap(), "345");
    let refused = client
        .get(&location)
        .bearer_auth("token")
        .send()
        .await
        .unwrap();
    assert_eq!(refused.status(), 400);
    let changed = location.replace("%2F", "/");
    assert_eq!(client.get(changed).send().await.unwrap().status(), 403);
    let kept: Vec<_> = (storage.requests().of(Kind::Storage).iter())
        .map(|request| (request.status, request.has_authorization))
        .collect();
    assert_eq!(kept, [(206, false), (400, true), (403, false)]);
}
