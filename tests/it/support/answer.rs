//! Whole answers, compared with what is expected of them.

use serde_json::Value;

/// In what is expected: any value, but not none. For ids, times and the like.
pub(crate) const ANY: &str = "[any]";

/// Asserts that `answer` is `wanted`: it has all of its members and no others.
#[track_caller]
pub(crate) fn assert_answer(answer: &Value, wanted: &Value) {
    let seen = redacted(answer, wanted);
    assert!(
        seen == *wanted,
        "the answer\n{seen:#}\nis not what is wanted\n{wanted:#}"
    );
}

/// The answer, with `ANY` where that is wanted and something is there.
fn redacted(answer: &Value, wanted: &Value) -> Value {
    match (answer, wanted) {
        (Value::Null, _) => Value::Null,
        (_, Value::String(any)) if any == ANY => wanted.clone(),
        (Value::Object(members), Value::Object(wanted)) => {
            let members = members.iter().map(|(name, value)| {
                let wanted = wanted.get(name).unwrap_or(&Value::Null);
                (name.clone(), redacted(value, wanted))
            });
            Value::Object(members.collect())
        }
        (Value::Array(values), Value::Array(wanted)) => {
            let values = values
                .iter()
                .enumerate()
                .map(|(number, value)| redacted(value, wanted.get(number).unwrap_or(&Value::Null)));
            Value::Array(values.collect())
        }
        _ => answer.clone(),
    }
}

#[test]
fn an_answer_is_wanted_whole() {
    use serde_json::json;
    let wanted = json!({"id": ANY, "of": [{"name": "a", "time": ANY}]});
    let is_wanted = |answer: Value| redacted(&answer, &wanted) == wanted;
    assert!(is_wanted(
        json!({"id": 7, "of": [{"name": "a", "time": "now"}]})
    ));
    for other in [
        json!({"id": 7, "of": [{"name": "b", "time": "now"}]}),
        json!({"id": 7, "of": [{"name": "a"}]}),
        json!({"id": null, "of": [{"name": "a", "time": "now"}]}),
        json!({"of": [{"name": "a", "time": "now"}]}),
        json!({"id": 7, "of": [{"name": "a", "time": "now"}], "more": 1}),
        json!({"id": 7, "of": [{"name": "a", "time": "now"}, {"name": "a", "time": "now"}]}),
        json!({"id": 7, "of": []}),
        json!([]),
    ] {
        assert!(!is_wanted(other.clone()), "{other}");
    }
}
