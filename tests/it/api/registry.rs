//! Definitions that can't work are found when the registry is built.

use registrysync::api::value::Done;
use registrysync::api::{ApiError, Builder, Context, Namespace, param};

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

fn build(define: fn(&mut Namespace)) -> Result<(), String> {
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
