//! `registrysync admin`: on a server's database, without a session.

use super::server::{PASSWORD, Server, Session};
use crate::cli::{Desk, Said};
use crate::support::database::TestDatabase;

fn reset(server: &Server, further: &[&str]) -> Said {
    let data = server.data("");
    let data = data.to_str().unwrap();
    let arguments = ["admin", "reset-password", "--data-dir", data];
    Desk::new().run(&[&arguments, further].concat())
}

#[tokio::test]
async fn a_lost_password_can_be_reset() {
    let mut server = Server::start(None);
    let before = server.login().await;
    let refused = reset(&server, &["admin"]).ended(2);
    let words = "is in use by another registrysync: stop the server first";
    assert!(refused.err.contains(words), "{}", refused.err);
    server.end("TERM");

    for (arguments, words) in [
        (&["nobody"][..], "there is no account `nobody`"),
        (
            &["admin", "--password-file", "none"],
            "`--password-file`: `none`: ",
        ),
    ] {
        let refused = reset(&server, arguments);
        assert!(
            refused.code == 2 && refused.err.contains(words),
            "{refused:?}"
        );
    }
    let elsewhere = [
        "admin",
        "reset-password",
        "admin",
        "--data-dir",
        "elsewhere",
    ];
    let refused = Desk::new().run(&elsewhere).ended(2);
    assert!(
        refused
            .err
            .contains("`elsewhere/registrysync.db` doesn't exist"),
        "{refused:?}"
    );

    let made = reset(&server, &["ADMIN"]).ended(0);
    let password = made.out.trim();
    assert!(
        password.len() == 24 && !made.err.contains(password),
        "{made:?}"
    );
    assert!(made.err.contains("ended its sessions"), "{made:?}");

    server.start_again();
    let (status, _) = server.try_login_with(PASSWORD).await;
    assert_eq!(status, 401, "the old password");
    let (status, after) = server.try_login_with(password).await;
    let after = after.expect("the new one");
    assert_eq!(status, 200);
    let before = Session::at(&server.url, &before.key).await;
    assert!(after.is_valid().await && !before.is_valid().await);
    let events = after.get("audit/listEvents", &[("limit", "9")]).await;
    let events = events.expect("events").to_string();
    assert!(
        events.contains("admin reset-password") && !events.contains(password),
        "{events}"
    );
}

#[tokio::test]
async fn servers_that_share_a_database_go_on_meanwhile() {
    let Some(database) = TestDatabase::postgres() else {
        return;
    };
    let server = Server::start(Some(database.url.clone()));
    let before = server.login().await;
    let file = server.data("new");
    std::fs::write(&file, "a new and long one\n").unwrap();
    let shared = [
        "admin",
        "--database",
        &database.url,
        "--password-file",
        file.to_str().unwrap(),
    ];
    let done = reset(&server, &shared).ended(0);
    assert_eq!(done.out, "", "a given one isn't repeated");
    assert!(!before.is_valid().await);
    let (status, _) = server.try_login_with("a new and long one").await;
    assert_eq!(status, 200);
}
