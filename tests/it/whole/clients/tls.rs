//! The commands that talk to a server over https: which certificates they trust, and their messages if
//! they don't.

use super::commands::Person;
use crate::whole::server::Server;
use crate::whole::tls::{pair_write_for, trial};

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_is_trusted_when_it_is_named() {
    let server = trial();
    let person = Person::at(&server);
    let password_file = person.password_file.to_str().unwrap();
    let login = ["--user", "admin", "--password-file", password_file];
    let list = ["project", "list", "--json"];
    let listing = [&list[..], &login].concat();

    let err = person.fails(&listing, 3);
    assert!(
        err.contains(&format!("can't reach `{}`", server.url)),
        "{err}"
    );
    assert!(
        err.contains("certificate") && err.contains("UnknownIssuer"),
        "{err}"
    );
    assert!(err.contains("--ca-certificate"), "{err}");

    let trusted = server.data("tls-self-signed.crt");
    let by_flag = ["--ca-certificate", trusted.to_str().unwrap()];
    person.well(&[&listing[..], &by_flag].concat());
    // The session is saved, the trust isn't.
    person.fails(&list, 3);
    person.well(&[&list[..], &by_flag].concat());
    for words in [
        &list[..],
        &["api", "registrysync.listProjects"],
        &["store", "list"],
    ] {
        person.well(&[words, &by_flag].concat());
        let mut command = person.command(env!("CARGO_BIN_EXE_registrysync"));
        command
            .env("REGISTRYSYNC_CA_CERTIFICATE", &trusted)
            .args(words);
        let (code, out, err) = super::ended(command, "");
        assert_eq!(code, 0, "{out}{err}");
    }
    person.well(&[&list[..], &["--insecure"]].concat());

    let both = [&list[..], &by_flag, &["--insecure"]].concat();
    assert!(person.fails(&both, 2).contains("cannot be used with"));
    let other = person.home.path().join("other.pem");
    let other = other.to_str().unwrap();
    for (text, code, reason) in [
        (None, 2, "other.pem"),
        (Some("no PEM"), 2, "the CA file has no certificate"),
    ] {
        if let Some(text) = text {
            std::fs::write(other, text).unwrap();
        }
        let err = person.fails(&[&list[..], &["--ca-certificate", other]].concat(), code);
        assert!(err.contains(reason), "{err}");
    }
    let pem = pair_write_for(person.home.path(), &["127.0.0.1"]);
    std::fs::write(other, pem).unwrap();
    let err = person.fails(&[&list[..], &["--ca-certificate", other]].concat(), 3);
    assert!(err.contains("certificate"), "{err}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_of_another_host_and_plain_http_are_refused() {
    let files = tempfile::tempdir().unwrap();
    pair_write_for(files.path(), &["sync.example.com"]);
    let path = |name: &str| files.path().join(name).to_str().unwrap().to_owned();
    let (certificate, key) = (path("cert.pem"), path("key.pem"));
    let arguments = ["--tls-cert", &certificate, "--tls-key", &key];
    let server = Server::with(arguments.map(str::to_owned).to_vec());
    let person = Person::at(&server);
    let password_file = person.password_file.to_str().unwrap();
    let login = [
        "api",
        "login",
        "--user",
        "admin",
        "--password-file",
        password_file,
    ];

    let err = person.fails(
        &[&login[..], &["--ca-certificate", &certificate]].concat(),
        3,
    );
    assert!(err.contains("for another name"), "{err}");
    person.well(&[&login[..], &["--insecure"]].concat());

    let plain = server.url.replace("https://", "http://");
    let err = person.fails(&[&login[..], &["--url", &plain]].concat(), 2);
    assert!(err.contains(&format!("use {}", server.url)), "{err}");
}
