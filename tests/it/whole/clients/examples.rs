//! Each script does a complete job: it logs in, creates and changes stores, project and items, runs,
//! deletes what it created, and logs out.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::json;

use super::ended;
use crate::support::docker_registry::AnyRegistry;
use crate::support::tools::usable;
use crate::whole::scripts::{BY_CURL, assert_equal, seed};
use crate::whole::server::Server;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

/// Runs a script between both kinds of registry; it must copy the same as the curl script, and
/// leave nothing at the server.
async fn goes_the_whole_way(command: impl Fn(&Server, [String; 2]) -> Command) {
    let targets = AnyRegistry::each().await;
    for (source, target) in AnyRegistry::each().await.into_iter().zip(targets) {
        seed(&source).await;
        let server = Server::start(None);
        let addresses = [&source, &target].map(|place| format!("http://{}", place.address()));
        let (code, out, err) = ended(command(&server, addresses), "");
        assert_eq!(code, 0, "{out}\n{err}");
        assert!(
            !format!("{out}{err}").contains("correct horse"),
            "{out}\n{err}"
        );
        assert_equal(&source, &target, &BY_CURL).await;
        let session = server.login().await;
        for listing in ["registrysync/listProjects", "image/store/listImageStores"] {
            assert_eq!(session.get(listing, &[]).await, Ok(json!([])), "{listing}");
        }
    }
}

fn by_arguments(program: &str, script: &str, server: &Server, addresses: [String; 2]) -> Command {
    let mut command = Command::new(program);
    command.arg(root().join(script));
    command
        .args([&server.url, "admin"])
        .arg(server.password_file());
    command.args(addresses);
    command
}

#[tokio::test(flavor = "multi_thread")]
async fn the_perl_client_goes_the_whole_way() {
    if !usable("perl", &["-MRPC::XML::Client", "-e1"]) {
        return;
    }
    let script = "examples/perl/sync_project.pl";
    goes_the_whole_way(|server, addresses| by_arguments("perl", script, server, addresses)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_ruby_client_goes_the_whole_way() {
    if !usable("ruby", &["-rxmlrpc/client", "-e1"]) {
        return;
    }
    let script = "examples/ruby/sync_project.rb";
    goes_the_whole_way(|server, addresses| by_arguments("ruby", script, server, addresses)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_as_strict_as_gos_goes_the_whole_way() {
    if !usable("python3", &["--version"]) {
        return;
    }
    let script = "tests/it/whole/clients/strict.py";
    goes_the_whole_way(|server, addresses| by_arguments("python3", script, server, addresses))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_ansible_playbook_goes_the_whole_way() {
    if !usable("ansible-playbook", &["--version"]) {
        return;
    }
    let home = tempfile::tempdir().unwrap();
    goes_the_whole_way(|server, [source, target]| {
        let mut command = Command::new("ansible-playbook");
        command
            .args(["-i", "localhost,"])
            .arg(root().join("examples/ansible/sync_project.yml"))
            // It must not use the user's files, and it needs UTF-8.
            .env("HOME", home.path())
            .env("LC_ALL", "C.UTF-8")
            .env("ANSIBLE_NOCOLOR", "1");
        let password_file = server.password_file().display().to_string();
        for (name, value) in [
            ("server", &server.url),
            ("login", &"admin".to_owned()),
            ("password_file", &password_file),
            ("source", &source),
            ("target", &target),
        ] {
            command.args(["-e", &format!("{name}={value}")]);
        }
        command
    })
    .await;
}
