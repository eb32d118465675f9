//! Invalid definitions are found when the registry is built.

use registrysync::api::error::code;
use registrysync::api::value::{Done, Either};
use registrysync::api::{ApiError, Builder, Context, Method, NamespaceBuilder, param};
use registrysync::surface::docs::{asciidoc, openapi};

async fn by_text(_: Context, _: String) -> Result<Done, ApiError> {
    Ok(Done)
}

async fn by_id(_: Context, _: i32) -> Result<Done, ApiError> {
    Ok(Done)
}

async fn by_two(_: Context, _: i32, _: String) -> Result<Done, ApiError> {
    Ok(Done)
}

async fn by_two_turned(_: Context, _: String, _: i32) -> Result<Done, ApiError> {
    Ok(Done)
}

fn build(define: fn(&mut NamespaceBuilder<'_>)) -> Result<(), String> {
    let built = std::panic::catch_unwind(|| {
        let mut builder = Builder::default();
        builder.namespace("sample", "SampleHandler", "Samples.", define);
        builder.build();
    });
    built.map_err(|panic| panic.downcast_ref::<String>().cloned().unwrap_or_default())
}

#[test]
fn overloads_must_differ_by_position_and_by_name() {
    let fine = build(|ns| {
        ns.method("a", "A.", [param("x", "x")], by_text);
        ns.method("a", "A.", [param("x", "x")], by_id);
    });
    assert_eq!(fine, Ok(()));
    let same_types = build(|ns| {
        ns.method("a", "A.", [param("x", "x")], by_text);
        ns.method("a", "A.", [param("y", "y")], by_text);
    });
    assert!(same_types.unwrap_err().contains("can't be told apart"));
    let same_names = build(|ns| {
        ns.method("a", "A.", [param("x", "x"), param("y", "y")], by_two);
        ns.method("a", "A.", [param("y", "y"), param("x", "x")], by_two_turned);
    });
    assert!(same_names.unwrap_err().contains("can't be told apart"));
    let differing = build(|ns| {
        ns.method("a", "A.", [param("x", "x")], by_text).read_only();
        ns.method("a", "A.", [param("x", "x")], by_id);
    });
    assert!(differing.unwrap_err().contains("differ in read-only"));
}

async fn paged(_: Context, _: String, _: Option<i32>, _: Option<i32>) -> Result<Done, ApiError> {
    Ok(Done)
}

async fn named(_: Context, _: Either<i32, String>, _: Option<bool>) -> Result<Done, ApiError> {
    Ok(Done)
}

fn signatures(define: impl FnOnce(&mut NamespaceBuilder<'_>)) -> Vec<String> {
    let mut builder = Builder::default();
    builder.namespace("sample", "SampleHandler", "Samples.", define);
    let registry = builder.build();
    let namespace = registry.catalog().namespace("sample").unwrap();
    namespace.methods().map(Method::signature).collect()
}

#[test]
fn a_definition_with_optional_parameters_has_overloads() {
    let listed = signatures(|ns| {
        let params = [
            param("label", "l"),
            param("limit", "l").optional(),
            param("offset", "o").with_previous(),
        ];
        ns.method("list", "L.", params, paged);
    });
    assert_eq!(
        listed,
        [
            "list(string sessionKey, string label)",
            "list(string sessionKey, string label, int limit, int offset)",
        ]
    );
    let single = signatures(|ns| {
        let params = [
            param("label", "l"),
            param("limit", "l").optional(),
            param("offset", "o").optional(),
        ];
        ns.method("list", "L.", params, paged)
            .overloads([&["limit"], &["limit", "offset"]]);
    });
    assert_eq!(
        single,
        [
            "list(string sessionKey, string label, int limit)",
            "list(string sessionKey, string label, int limit, int offset)",
        ]
    );
}

#[test]
fn a_parameter_with_two_forms_has_overloads() {
    let listed = signatures(|ns| {
        let params = [
            param("id", "i").or("label", "l"),
            param("all", "a").optional(),
        ];
        ns.method("show", "S.", params, named);
    });
    assert_eq!(
        listed,
        [
            "show(string sessionKey, int id)",
            "show(string sessionKey, string label)",
            "show(string sessionKey, int id, boolean all)",
            "show(string sessionKey, string label, boolean all)",
        ]
    );
}

#[test]
fn a_deprecated_method_is_marked_in_every_document() {
    let mut builder = Builder::default();
    builder.namespace("sample", "SampleHandler", "Samples.", |ns| {
        ns.method("old", "O.", [], nothing)
            .deprecated("use `sample.new`");
        ns.method("new", "N.", [], nothing);
    });
    let registry = builder.build();
    let catalog = registry.catalog();
    let document = openapi::document(catalog);
    assert_eq!(document["paths"]["/sample/old"]["post"]["deprecated"], true);
    assert!(
        document["paths"]["/sample/new"]["post"]
            .get("deprecated")
            .is_none()
    );
    let pages = asciidoc::pages(catalog);
    let (_, page) = pages
        .iter()
        .find(|(name, _)| name == "sample.adoc")
        .unwrap();
    assert_eq!(
        page.matches("*Deprecated*: use `sample.new`.").count(),
        1,
        "{page}"
    );
}

async fn nothing(_: Context) -> Result<Done, ApiError> {
    Ok(Done)
}

#[test]
fn a_method_lists_its_fault_codes() {
    let mut builder = Builder::default();
    builder.namespace("sample", "SampleHandler", "Samples.", |ns| {
        ns.method("a", "A.", [], nothing).any_user();
        ns.method("b", "B.", [param("x", "x")], by_text)
            .faults([code::NOT_FOUND]);
    });
    let registry = builder.build();
    let namespace = registry.catalog().namespace("sample").unwrap();
    let codes = |name: &str| namespace.overloads(name)[0].fault_codes();
    assert_eq!(codes("a"), [code::GENERAL, code::UNAVAILABLE]);
    let all = [
        code::PERMISSION,
        code::GENERAL,
        code::VALIDATION,
        code::UNAVAILABLE,
        code::NOT_FOUND,
    ];
    assert_eq!(codes("b"), all);
    let document = openapi::document(registry.catalog());
    let answers = &document["paths"]["/sample/b"]["post"]["responses"]["200"];
    let fault = &answers["content"]["application/json"]["schema"]["oneOf"][1];
    assert_eq!(fault["properties"]["code"]["enum"], serde_json::json!(all));
}
