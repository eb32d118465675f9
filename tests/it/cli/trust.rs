//! Registries with certificates of a private authority: how they are trusted, and the messages if they
//! aren't.

use super::Desk;
use crate::support::images::Image;
use crate::support::registry::{Registry, tls};

#[tokio::test(flavor = "multi_thread")]
async fn an_authority_of_ones_own_is_named_by_a_flag_or_a_variable() {
    let source = Registry::builder().tls().start().await;
    let target = Registry::builder().tls().start().await;
    Image::artifact(1, "a/b").store(&source, "app", Some("1"));
    let (from, to) = (source.address(), target.address());
    let desk = Desk::new();
    let file = desk.file("ca.pem", &tls::certificate());
    let trusted = ["--ca-certificate", &file];
    let name = format!("{from}/app");
    let list = ["list-tags", &name];
    let sync = ["sync", "--from", from, "--to", to, "--repository", "app"];
    let dry = [&sync[..], &["--dry-run"]].concat();
    for words in [&list[..], &dry, &sync] {
        let said = desk.run(words);
        assert_ne!(said.code, 0, "{said:?}");
        let told = format!("{}{}", said.out, said.err);
        assert!(told.contains("`--ca-certificate FILE`"), "{said:?}");
        desk.run(&[words, &trusted].concat()).ended(0);
    }
    assert_eq!(target.tags("app").len(), 1);
    let mut command = desk.command();
    command.args(list).env("SSL_CERT_FILE", &file);
    assert_eq!(super::said(&mut command).ended(0).out, "1\n");

    let no_pem = desk.file("no.pem", "no certificate\n");
    for wrong in [&no_pem, "/nowhere/ca.pem"] {
        let said = desk
            .run(&[&list[..], &["--ca-certificate", wrong]].concat())
            .ended(2);
        assert!(
            said.err.contains("certificate") || said.err.contains(wrong),
            "{said:?}"
        );
    }
}
