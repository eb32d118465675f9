//! Answers as XML-RPC documents, written piece by piece: the document of a long list is never
//! whole in memory, and the list itself goes as it is written.

use std::collections::btree_map;
use std::vec;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use dxr::{Fault, Value};
use quick_xml::escape::partial_escape;

use crate::api::value::xml_text;

const BEGIN: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<methodResponse>";
/// A piece is sent when it has this size. Shorter answers, which is most of them, are one piece.
const PIECE_BYTES: usize = 64 * 1024;

/// A document, piece by piece.
pub(super) struct Document {
    /// What is still to be written, the next one last.
    todo: Vec<Todo>,
}

enum Todo {
    Text(&'static str),
    Value(Value),
    Items(vec::IntoIter<Value>),
    Members(btree_map::IntoIter<String, Value>),
}

impl Document {
    /// The answer to a call.
    pub(super) fn of(outcome: Result<Value, Fault>) -> Self {
        let (begin, value, end) = match outcome {
            Ok(value) => ("<params><param>", value, "</param></params>"),
            Err(fault) => ("<fault>", fault_value(&fault), "</fault>"),
        };
        let parts = [Todo::Text(BEGIN), Todo::Text(begin), Todo::Value(value)];
        let ends = [Todo::Text(end), Todo::Text("</methodResponse>")];
        let todo = parts.into_iter().chain(ends).rev().collect();
        Self { todo }
    }

    /// Whether all of it has been given out.
    pub(super) fn is_done(&self) -> bool {
        self.todo.is_empty()
    }

    fn write(&mut self, todo: Todo, out: &mut String) {
        match todo {
            Todo::Text(text) => out.push_str(text),
            Todo::Value(value) => self.value_write(value, out),
            Todo::Items(mut items) => {
                if let Some(item) = items.next() {
                    self.todo.extend([Todo::Items(items), Todo::Value(item)]);
                }
            }
            Todo::Members(mut members) => {
                if let Some((name, member)) = members.next() {
                    element(out, "<member><name>", &name, "</name>");
                    let end = Todo::Text("</member>");
                    self.todo
                        .extend([Todo::Members(members), end, Todo::Value(member)]);
                }
            }
        }
    }

    fn value_write(&mut self, value: Value, out: &mut String) {
        match value {
            Value::Array(items) => {
                out.push_str("<value><array><data>");
                let items = Todo::Items(items.into_iter());
                self.todo
                    .extend([Todo::Text("</data></array></value>"), items]);
            }
            Value::Struct(members) => {
                out.push_str("<value><struct>");
                let members = Todo::Members(members.into_iter());
                self.todo.extend([Todo::Text("</struct></value>"), members]);
            }
            Value::Integer(number) => scalar(out, "i4", &number.to_string()),
            // Never `i8`: not all clients know it.
            Value::Long(number) => scalar(out, "string", &number.to_string()),
            Value::Boolean(truth) => scalar(out, "boolean", if truth { "1" } else { "0" }),
            Value::Double(number) => scalar(out, "double", &number.to_string()),
            Value::DateTime(date) => scalar(out, "dateTime.iso8601", &date.to_string()),
            Value::Base64(bytes) => scalar(out, "base64", &STANDARD.encode(bytes)),
            Value::String(text) => scalar(out, "string", &text),
            // Nothing else is made of a result.
            _ => scalar(out, "string", ""),
        }
    }
}

impl Iterator for Document {
    type Item = String;

    fn next(&mut self) -> Option<String> {
        if self.todo.is_empty() {
            return None;
        }
        let mut out = String::with_capacity(1024);
        while out.len() < PIECE_BYTES {
            let Some(todo) = self.todo.pop() else { break };
            self.write(todo, &mut out);
        }
        Some(out)
    }
}

fn fault_value(fault: &Fault) -> Value {
    let members = [
        ("faultCode", Value::Integer(fault.code())),
        (
            "faultString",
            Value::String(xml_text(fault.string()).into_owned()),
        ),
    ];
    Value::Struct(members.map(|(name, value)| (name.to_owned(), value)).into())
}

fn scalar(out: &mut String, kind: &str, text: &str) {
    for part in [
        "<value><",
        kind,
        ">",
        &partial_escape(text),
        "</",
        kind,
        "></value>",
    ] {
        out.push_str(part);
    }
}

fn element(out: &mut String, begin: &str, text: &str, end: &str) {
    for part in [begin, &partial_escape(text), end] {
        out.push_str(part);
    }
}

#[cfg(test)]
mod tests {
    use super::{Document, PIECE_BYTES};
    use dxr::{Fault, FaultResponse, MethodResponse, Value};
    use proptest::prelude::*;

    fn whole(outcome: Result<Value, Fault>) -> String {
        Document::of(outcome).collect()
    }

    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            any::<i32>().prop_map(Value::Integer),
            any::<bool>().prop_map(Value::Boolean),
            "[ -~é€]{0,12}".prop_map(Value::String),
            any::<Vec<u8>>().prop_map(Value::Base64),
        ];
        leaf.prop_recursive(4, 40, 5, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Value::Array),
                prop::collection::btree_map("[a-z<&>\"]{1,8}", inner, 0..5).prop_map(Value::Struct),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(value in value()) {
            let document = whole(Ok(value.clone()));
            let read = MethodResponse::from_xml(&document).map(|response| response.value);
            prop_assert_eq!(read.unwrap(), value, "{}", document);
        }
    }

    #[test]
    fn faults_are_escaped_and_documents_have_a_prologue() {
        let document = whole(Err(Fault::new(7, "a <b> & \u{1b}".into())));
        assert!(document.starts_with("<?xml version=\"1.0\" encoding=\"UTF-8\"?>"));
        let fault = FaultResponse::from_xml(&document).unwrap().fault;
        assert_eq!((fault.code(), fault.string()), (7, "a <b> & \u{FFFD}"));
        assert!(
            document.contains("a &lt;b&gt; &amp; \u{FFFD}"),
            "{document}"
        );
    }

    #[test]
    fn no_piece_is_much_longer_than_its_bound() {
        let items = vec![Value::String("x".repeat(100)); 10_000];
        let mut document = Document::of(Ok(Value::Array(items)));
        let mut count = 0;
        while let Some(piece) = document.next() {
            count += 1;
            assert!(piece.len() < PIECE_BYTES + 200);
            assert_eq!(document.is_done(), piece.ends_with("</methodResponse>"));
        }
        assert!(count > 10);
        assert_eq!(Document::of(Ok(Value::Integer(1))).count(), 1);
    }
}
