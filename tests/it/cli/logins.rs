//! Logins that aren't a user name and a password in a file: credential helpers and identity tokens.

use std::os::unix::fs::PermissionsExt as _;

use super::{Desk, Said, said};
use crate::support::images::Image;
use crate::support::registry::Registry;
use crate::support::registry::auth::{Auth, TokenAuth, TokenField};
use crate::support::registry::faults::Fault;

const SECRET: &str = "s3cret-w0rd";

/// A registry whose tokens are only for `bot`, or for the holder of a refresh token.
async fn guarded(refresh: Option<&str>) -> Registry {
    let auth = TokenAuth {
        account: Some(("bot".into(), SECRET.into())),
        anonymous_pull: false,
        refresh_token: refresh.map(str::to_owned),
        field: TokenField::AccessToken,
        ..TokenAuth::default()
    };
    let registry = Registry::builder().auth(Auth::Token(auth)).start().await;
    Image::artifact(1, "a/b").store(&registry, "team/app", Some("1.0"));
    registry
}

/// A desk whose only credential helper, `docker-credential-vault`, is this shell script.
fn with_helper(script: &str) -> Desk {
    let desk = Desk::new();
    let path = desk.file("docker-credential-vault", &format!("#!/bin/sh\n{script}\n"));
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
    desk
}

fn list(desk: &Desk, registry: &Registry, auth_file: &str) -> Said {
    let file = desk.file("auth.json", auth_file);
    let mut command = desk.command();
    let path = format!("{}:/usr/bin:/bin", desk.path("").display());
    command.args(["list-tags", &format!("{}/team/app", registry.url())]);
    said(command.env("REGISTRY_AUTH_FILE", file).env("PATH", path))
}

fn for_host(registry: &Registry) -> String {
    format!(r#"{{"credHelpers":{{"{}":"vault"}}}}"#, registry.address())
}

const STORE: &str = r#"{"credsStore":"vault"}"#;

fn login(username: &str, secret: &str) -> String {
    format!(r#"echo '{{"ServerURL":"x","Username":"{username}","Secret":"{secret}"}}'"#)
}

/// The helper is asked for the registry, by its name alone.
#[tokio::test]
async fn a_helper_knows_the_login() {
    let registry = guarded(None).await;
    let script = format!(
        r#"read server; [ "$1 $server" = "get {}" ] || exit 1; {}"#,
        registry.address(),
        login("bot", SECRET)
    );
    let desk = with_helper(&script);
    for file in [&for_host(&registry), STORE] {
        assert_eq!(list(&desk, &registry, file).ended(0).out, "1.0\n", "{file}");
    }
    // A login in the file comes first.
    let host = registry.address();
    let both = format!(r#"{{"credsStore":"vault","auths":{{"{host}":{{"auth":"Ym90Ong="}}}}}}"#);
    let refused = list(&desk, &registry, &both);
    assert!(refused.err.contains("credentials of `bot`"), "{refused:?}");
    // An empty one says that the helper has it.
    let empty = format!(r#"{{"credsStore":"vault","auths":{{"{host}":{{}}}}}}"#);
    list(&desk, &registry, &empty).ended(0);
}

/// An identity token is exchanged for tokens by POST; it is never sent to the registry.
#[tokio::test]
async fn an_identity_token_is_exchanged() {
    let registry = guarded(Some("r3fresh")).await;
    let host = registry.address();
    let in_file =
        format!(r#"{{"auths":{{"{host}":{{"auth":"MDA6","identitytoken":"r3fresh"}}}}}}"#);
    let desk = with_helper(&login("<token>", "r3fresh"));
    for file in [&in_file, &for_host(&registry)] {
        assert_eq!(list(&desk, &registry, file).ended(0).out, "1.0\n", "{file}");
    }
    let requests = registry.token_requests();
    assert!(!requests.is_empty() && requests.iter().all(|one| one.method == "POST"));
    assert!(
        requests
            .iter()
            .all(|one| one.scopes == ["repository:team/app:pull"])
    );

    let wrong = with_helper(&login("<token>", "0ther"));
    let refused = list(&wrong, &registry, &for_host(&registry)).ended(1);
    assert!(
        refused.err.contains("refuses the identity token"),
        "{refused:?}"
    );
    assert!(!refused.err.contains("0ther"), "{refused:?}");

    // It is no password.
    let basic = Auth::Basic {
        user: "bot".into(),
        password: SECRET.into(),
    };
    let basic = Registry::builder().auth(basic).start().await;
    let refused = list(&desk, &basic, &for_host(&basic)).ended(1);
    assert!(
        refused.err.contains("there is only an identity token"),
        "{refused:?}"
    );
}

/// A token server that doesn't answer GET gets the login as a form.
#[tokio::test]
async fn a_token_server_that_takes_only_post_gets_a_form() {
    let registry = guarded(None).await;
    registry.fault_add(Fault::status("GET", "^/token", 405));
    let desk = with_helper(&login("bot", SECRET));
    assert_eq!(list(&desk, &registry, STORE).ended(0).out, "1.0\n");
    let requests = registry.token_requests();
    let posts = requests.iter().filter(|one| one.method == "POST");
    assert!(posts.clone().count() > 0);
    assert!(
        posts
            .clone()
            .all(|one| one.account.as_deref() == Some("bot"))
    );
}

/// A helper without a login for the registry is no error.
#[tokio::test]
async fn a_helper_that_knows_no_login_leaves_the_registry_public() {
    let registry = Registry::start().await;
    Image::artifact(1, "a/b").store(&registry, "team/app", Some("1.0"));
    let desk = with_helper("echo credentials not found in native keychain; exit 1");
    for file in [&for_host(&registry), STORE] {
        let said = list(&desk, &registry, file).ended(0);
        assert_eq!(
            (said.out.as_str(), said.err.as_str()),
            ("1.0\n", ""),
            "{file}"
        );
    }
}

/// What a helper does wrong is told, without what may be the secret; the registry isn't asked.
#[tokio::test]
async fn helpers_that_fail_are_told_by_name() {
    let registry = guarded(None).await;
    for (script, words) in [
        (
            "echo 'the vault is sealed'; exit 1",
            "it says: the vault is sealed",
        ),
        ("exit 3", "it failed without a message"),
        ("echo s3cret-w0rd", "its answer isn't the JSON of a login"),
        (
            "echo '{\"Username\":\"s3cret-w0rd\"}'",
            "its answer isn't the JSON of a login",
        ),
        (
            "head -c 300000 /dev/zero",
            "its answer is longer than 256 KiB",
        ),
        (r"printf '\033[31mred'; exit 1", "red"),
    ] {
        let desk = with_helper(script);
        for file in [&for_host(&registry), STORE] {
            let refused = list(&desk, &registry, file).ended(2);
            assert!(
                refused.err.contains("credential helper `vault`"),
                "{refused:?}"
            );
            assert!(refused.err.contains(words), "{refused:?}");
            assert!(!refused.err.contains("s3cret"), "{refused:?}");
            assert!(!refused.err.contains('\u{1b}'), "{refused:?}");
        }
    }
    let desk = with_helper("exit 0");
    let host = registry.address();
    let elsewhere = format!(r#"{{"credHelpers":{{"{host}":"../vault"}}}}"#);
    let refused = list(&desk, &registry, &elsewhere).ended(2);
    assert!(
        refused.err.contains("its name has other characters"),
        "{refused:?}"
    );
    assert!(registry.requests().0.is_empty());
}

/// It is given up, even if a process that it started keeps its output open.
#[tokio::test]
async fn a_helper_that_hangs_is_given_up() {
    let registry = guarded(None).await;
    let desk = with_helper("sleep 50 & sleep 50");
    let file = desk.file("auth.json", STORE);
    let path = format!("{}:/usr/bin:/bin", desk.path("").display());
    let mut command = desk.command();
    command.args(["list-tags", &format!("{}/team/app", registry.url())]);
    let command = command.env("REGISTRY_AUTH_FILE", file).env("PATH", path);
    let refused = said(command).ended(2);
    assert!(
        refused.err.contains("no answer within 30 seconds"),
        "{refused:?}"
    );
}
