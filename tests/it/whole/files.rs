//! The files of a server on SQLite: one process per database, and no silent loss.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::time::Duration;

use serde_json::json;

use super::server::{Server, serve_to_its_end};

fn refused(data: &Path, arguments: &[&str], wanted: &str) {
    let ended = serve_to_its_end(data, arguments);
    let message = String::from_utf8_lossy(&ended.stderr);
    assert_eq!(ended.status.code(), Some(2), "{message}");
    assert!(message.contains(wanted), "{message}");
}

#[test]
fn a_database_in_use_is_refused_by_whatever_name() {
    let files = tempfile::tempdir().unwrap();
    // The first start uses a link to a file that doesn't exist yet.
    let (real, link) = (files.path().join("real.db"), files.path().join("link.db"));
    symlink(&real, &link).unwrap();
    let url = |path: &Path| format!("sqlite:{}", path.display());
    let _server = Server::start(Some(url(&link)));
    let hard = files.path().join("hard.db");
    fs::hard_link(&real, &hard).unwrap();
    for (number, name) in [&real, &link, &hard].into_iter().enumerate() {
        let data = files.path().join(format!("data{number}"));
        let arguments = ["serve", "--database", &url(name)];
        refused(&data, &arguments, "is in use by another registrysync");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_was_moved_takes_nothing_more() {
    let mut server = Server::start(None);
    let session = server.login().await;
    let (file, away) = (server.data("registrysync.db"), server.data("away.db"));
    let store = |label: &str| json!({"label": label, "uri": "registry.example", "storeType": "registry", "credentials": {}});
    session
        .post("image/store/create", store("one"))
        .await
        .unwrap();
    fs::rename(&file, &away).unwrap();
    let error = session
        .post("image/store/create", store("two"))
        .await
        .unwrap_err();
    assert!(error.contains("moved, removed or replaced"), "{error}");
    fs::rename(&away, &file).unwrap();
    session
        .post("image/store/create", store("two"))
        .await
        .unwrap();

    // No empty database replaces it.
    server.end("TERM");
    fs::rename(&file, &away).unwrap();
    refused(
        &server.data(""),
        &["serve"],
        "existed before and is missing",
    );
    assert!(!file.exists());
    fs::rename(&away, &file).unwrap();
    server.start_again();
    server.login().await;
}

#[test]
fn a_first_password_is_checked_and_written_for_its_owner_only() {
    let files = tempfile::tempdir().unwrap();
    let given = files.path().join("given");
    let data = files.path().join("data");
    let flag = given.display().to_string();
    let arguments = ["serve", "--admin-password-file", &flag];
    fs::write(&given, "x\n").unwrap();
    refused(&data, &arguments, "5 to 1024 characters");
    fs::remove_file(&given).unwrap();
    let made = std::process::Command::new("mkfifo").arg(&given).status();
    assert!(made.unwrap().success());
    refused(&data, &arguments, "it isn't a file");

    let victim = files.path().join("victim");
    fs::write(&victim, "theirs").unwrap();
    symlink(&victim, data.join("admin-password")).unwrap();
    let ended = serve_to_its_end(&data, &["serve"]);
    let said = String::from_utf8_lossy(&ended.stderr);
    assert!(
        said.contains("the account `admin` has the password")
            || data.join("admin-password").exists()
    );
    assert_eq!(fs::read_to_string(&victim).unwrap(), "theirs");
    let kept = fs::symlink_metadata(data.join("admin-password")).unwrap();
    assert!(kept.is_file());
    assert_eq!(kept.permissions().mode() & 0o777, 0o600);
}

#[test]
fn a_data_directory_that_others_can_change_is_told() {
    let files = tempfile::tempdir().unwrap();
    let data = files.path().join("data");
    fs::create_dir(&data).unwrap();
    let said = |mode: u32| {
        fs::set_permissions(&data, fs::Permissions::from_mode(mode)).unwrap();
        let ended = serve_to_its_end(&data, &["serve"]);
        String::from_utf8_lossy(&ended.stderr).into_owned()
    };
    for (mode, is_told) in [(0o700, false), (0o755, false), (0o777, true), (0o770, true)] {
        let said = said(mode);
        assert_eq!(
            said.contains("others can write to it"),
            is_told,
            "{mode:o}: {said}"
        );
    }
    // Only root can change a file's owner.
    let given = std::process::Command::new("chown")
        .arg("65534")
        .arg(&data)
        .status();
    if given.is_ok_and(|status| status.success()) {
        let said = said(0o700);
        assert!(said.contains("it belongs to another user"), "{said}");
    }
}

#[test]
fn a_key_file_that_is_no_file_is_refused() {
    let files = tempfile::tempdir().unwrap();
    let key = files.path().join("key");
    let made = std::process::Command::new("mkfifo").arg(&key).status();
    assert!(made.unwrap().success());
    let key = key.display().to_string();
    refused(
        &files.path().join("data"),
        &["serve", "--key-file", &key],
        "it isn't a file",
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_others_can_read_is_told() {
    let mut server = Server::start(None);
    server.end("TERM");
    fs::set_permissions(server.data("secret.key"), fs::Permissions::from_mode(0o644)).unwrap();
    let ended = tokio::task::spawn_blocking({
        let data = server.data("");
        move || serve_to_its_end(&data, &["serve"])
    });
    let ended = tokio::time::timeout(Duration::from_mins(1), ended)
        .await
        .unwrap()
        .unwrap();
    let said = String::from_utf8_lossy(&ended.stderr);
    assert!(said.contains("other users can read the key file"), "{said}");
}
