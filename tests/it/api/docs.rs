//! The pages of `api-docs/` match the server.

use std::collections::BTreeMap;
use std::path::Path;

use registrysync::api::namespaces;
use registrysync::surface::docs::{asciidoc, openapi};

/// With `REGISTRYSYNC_RECORD` set, writes the pages instead.
#[test]
fn the_pages_are_up_to_date() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("api-docs");
    let pages: BTreeMap<String, String> = asciidoc::pages(namespaces::registry().catalog())
        .into_iter()
        .collect();
    if std::env::var_os("REGISTRYSYNC_RECORD").is_some() {
        std::fs::create_dir_all(&folder).unwrap();
        for (name, page) in &pages {
            std::fs::write(folder.join(name), page).unwrap();
        }
    }
    let recorded: BTreeMap<String, String> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.path().extension().is_some_and(|kind| kind == "adoc"))
        .map(|entry| {
            let page = std::fs::read_to_string(entry.path()).unwrap();
            (entry.file_name().into_string().unwrap(), page)
        })
        .collect();
    let names: Vec<&String> = pages.keys().collect();
    assert_eq!(
        recorded.keys().collect::<Vec<_>>(),
        names,
        "run `registrysync api-docs api-docs`"
    );
    for (name, page) in &pages {
        assert!(
            &recorded[name] == page,
            "api-docs/{name} is stale: run `registrysync api-docs api-docs`"
        );
    }
}

/// The same for the description of the JSON surface.
#[test]
fn the_openapi_document_is_up_to_date() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("api-docs")
        .join(openapi::NAME);
    let document = openapi::page(namespaces::registry().catalog());
    if std::env::var_os("REGISTRYSYNC_RECORD").is_some() {
        std::fs::write(&path, &document).unwrap();
    }
    assert!(
        std::fs::read_to_string(&path).is_ok_and(|recorded| recorded == document),
        "api-docs/{} is stale: run `registrysync api-docs api-docs`",
        openapi::NAME
    );
}
