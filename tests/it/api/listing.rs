//! Every listing is available page by page.

use registrysync::api::namespaces;

/// Lists of three roles, and the one of generic XML-RPC tools.
const WHOLE: [&str; 3] = [
    "user.listRoles",
    "user.listAssignableRoles",
    "system.listMethods",
];

#[test]
fn every_listing_takes_a_limit_and_where_to_begin() {
    let registry = namespaces::registry();
    let mut listings = 0;
    let mut missing = Vec::new();
    for namespace in registry.catalog().namespaces() {
        for method in namespace.methods() {
            let name = format!("{}.{}", namespace.name(), method.name());
            let lists = method.name().starts_with("list") || method.name() == "previewTags";
            if !lists || WHOLE.contains(&name.as_str()) {
                continue;
            }
            listings += 1;
            let by_pages = namespace.overloads(method.name()).iter().any(|form| {
                let has = |wanted: &str| form.parameters().iter().any(|p| p.name == wanted);
                has("limit") && (has("offset") || has("beforeId"))
            });
            if !by_pages {
                missing.push(name);
            }
        }
    }
    assert!(listings > 20, "{listings}");
    assert_eq!(missing, Vec::<String>::new());
}
