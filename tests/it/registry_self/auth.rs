//! Basic, tokens, the token server.

use std::collections::BTreeSet;

use reqwest::Method;

use super::{ask, get, head, json};
use crate::support::{
    images::{Image, client},
    registry::{
        Registry,
        auth::{Auth, TokenAuth, TokenField, TokenRequest},
    },
};

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
    let realm = format!("http://{}/token", token_server.address());
    let auth = Auth::Token(TokenAuth {
        realm: Some(realm.clone()),
        ..auth
    });
    let registry = Registry::builder().auth(auth).start().await;
    Image::artifact(1, "application/json").store(&registry, "app", Some("1"));
    let client = client();

    let refused = get(&client, registry.address(), "/v2/app/tags/list").await;
    let challenge = head(&refused, "www-authenticate");
    let wanted = "service=\"test-registry\",scope=\"repository:app:pull\"";
    assert_eq!(challenge, format!("Bearer realm=\"{realm}\",{wanted}"));
    let mount = "/v2/app/blobs/uploads/?mount=sha256:0&from=other";
    let refused = ask(&client, Method::POST, registry.address(), mount).await;
    let both = "scope=\"repository:app:pull,push repository:other:pull\"";
    assert!(head(&refused, "www-authenticate").ends_with(both));
    let refused = get(&client, registry.address(), "/v2/_catalog").await;
    assert!(head(&refused, "www-authenticate").ends_with("scope=\"registry:catalog:*\""));

    // Anonymous, requests more than it gets.
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
        let found: BTreeSet<&str> = answer
            .as_object()
            .unwrap()
            .keys()
            .map(String::as_str)
            .collect();
        assert_eq!(found, keys.into_iter().collect());
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
        // `push` was requested, but not granted.
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
