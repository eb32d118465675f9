//! XML-RPC documents that come in: checked before they are parsed.

use std::collections::HashSet;

use dxr::{MethodCall, Value};
use quick_xml::Reader;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::Event;

/// Elements within elements. The parser's own bound is 128; an array in an array takes three.
const DEPTH_LIMIT: usize = 120;

/// Why a request is no call. Never repeats any of the request, which may hold a password.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(super) enum NoCall {
    #[error("the request is no XML-RPC call: it is neither UTF-8 nor plain ASCII; send UTF-8")]
    Charset,
    #[error("the request is no XML-RPC call: a DOCTYPE is not allowed")]
    DocType,
    #[error("the request is no XML-RPC call: its elements are nested more than {DEPTH_LIMIT} deep")]
    Depth,
    #[error("the request is no XML-RPC call: the XML is malformed at byte {0}")]
    Malformed(u64),
    #[error("the request is no XML-RPC call: it must be one `methodCall` element and nothing else")]
    Root,
    #[error("the request is no XML-RPC call: a name stands twice in one struct")]
    Twice,
    #[error(
        "the request is no XML-RPC call: the XML is well-formed, but a value in it is not; \
         check the types, the range of numbers and the form of dates"
    )]
    Value,
    #[error("the request is no XML-RPC call: parameter {parameter}: {form}")]
    Form {
        /// Which one, from 1 on.
        parameter: usize,
        /// How it is to be written.
        form: &'static str,
    },
}

/// A method's name and its arguments.
#[derive(Debug, PartialEq)]
pub(super) struct Call {
    pub(super) name: String,
    pub(super) args: Vec<Value>,
}

/// Reads a call. `charset` is what the HTTP header says, if it says anything.
pub(super) fn read(body: &[u8], charset: Option<&str>) -> Result<Call, NoCall> {
    let text = std::str::from_utf8(body).map_err(|_| NoCall::Charset)?;
    let text = text.trim_start_matches('\u{FEFF}');
    let declared = check(text)?;
    for name in charset.into_iter().chain(declared.as_deref()) {
        let is_utf8 = ["utf-8", "utf8"]
            .iter()
            .any(|utf8| name.eq_ignore_ascii_case(utf8));
        // In ASCII alone all the usual character sets agree.
        if !is_utf8 && !text.is_ascii() {
            return Err(NoCall::Charset);
        }
    }
    let call = MethodCall::from_xml(text).map_err(|_| wrong_value(text))?;
    Ok(Call {
        name: call.name.trim().to_owned(),
        args: call.params,
    })
}

/// How values are written, by their elements.
const FORMS: [(&str, &str); 9] = [
    (
        "int",
        "`int` is a whole number from -2147483648 to 2147483647",
    ),
    (
        "i4",
        "`i4` is a whole number from -2147483648 to 2147483647",
    ),
    ("i8", "`i8` is a whole number of at most 64 bits"),
    ("boolean", "`boolean` is 0 or 1"),
    ("double", "`double` is a number such as 1.5"),
    (
        "dateTime.iso8601",
        "`dateTime.iso8601` is written 20260131T03:00:00",
    ),
    ("base64", "`base64` is bytes in base64"),
    ("string", UNREADABLE_TEXT),
    ("value", UNREADABLE_TEXT),
];
const UNREADABLE_TEXT: &str = "text has the entities `&lt;`, `&gt;`, `&amp;`, `&apos;`, `&quot;` and numbers such as `&#233;` only";
const UNKNOWN_TYPE: &str = "a `value` has an element in it that is no type of XML-RPC";
/// Elements that hold others.
const HOLDERS: [&str; 8] = [
    "methodCall",
    "params",
    "param",
    "array",
    "data",
    "struct",
    "member",
    "name",
];

/// Looks for the value that can't be read; the document is well-formed.
fn wrong_value(text: &str) -> NoCall {
    let mut reader = Reader::from_str(text);
    // Open elements: where they begin, and whether there are others in them.
    let mut open: Vec<(usize, bool)> = Vec::new();
    let mut parameter = 0;
    loop {
        let begin = position(&reader);
        let Ok(event) = reader.read_event() else {
            return NoCall::Value;
        };
        let (name, begin) = match &event {
            Event::Start(element) => {
                parameter += usize::from(open.len() == 2 && element.name().as_ref() == "param");
                if let Some(above) = open.last_mut() {
                    above.1 = true;
                }
                open.push((begin, false));
                continue;
            }
            Event::Empty(element) => {
                if let Some(above) = open.last_mut() {
                    above.1 = true;
                }
                (element.local_name().as_ref().to_owned(), begin)
            }
            Event::End(element) => match open.pop() {
                Some((begin, false)) => (element.local_name().as_ref().to_owned(), begin),
                _ => continue,
            },
            Event::Eof => return NoCall::Value,
            _ => continue,
        };
        let whole = text.get(begin..position(&reader)).unwrap_or_default();
        if parameter > 0
            && let Some(form) = wrong_form(&name, whole)
        {
            return NoCall::Form { parameter, form };
        }
    }
}

fn position(reader: &Reader<&[u8]>) -> usize {
    usize::try_from(reader.buffer_position()).unwrap_or(usize::MAX)
}

/// What is wrong with an element that has no others in it, if something is: the parser itself says so.
fn wrong_form(name: &str, whole: &str) -> Option<&'static str> {
    if HOLDERS.contains(&name) || name == "nil" {
        return None;
    }
    let Some((_, form)) = FORMS.iter().find(|(known, _)| *known == name) else {
        return Some(UNKNOWN_TYPE);
    };
    let value = if name == "value" {
        whole.to_owned()
    } else {
        format!("<value>{whole}</value>")
    };
    let call = format!(
        "<methodCall><methodName>a</methodName><params><param>{value}</param></params></methodCall>"
    );
    MethodCall::from_xml(&call).is_err().then_some(*form)
}

/// Walks the document without building values. Returns the encoding that it declares.
fn check(text: &str) -> Result<Option<String>, NoCall> {
    let mut reader = Reader::from_str(text);
    let mut names = Names::default();
    let (mut depth, mut roots, mut encoding) = (0_usize, 0_usize, None);
    loop {
        let Ok(event) = reader.read_event() else {
            return Err(NoCall::Malformed(reader.error_position()));
        };
        names.see(&event)?;
        match event {
            Event::Start(element) => {
                if depth == 0 {
                    roots += 1;
                    if element.name().as_ref() != "methodCall" {
                        return Err(NoCall::Root);
                    }
                }
                depth += 1;
                if depth > DEPTH_LIMIT {
                    return Err(NoCall::Depth);
                }
            }
            Event::End(_) => depth = depth.saturating_sub(1),
            Event::DocType(_) => return Err(NoCall::DocType),
            Event::Decl(declaration) => {
                if let Some(Ok(name)) = declaration.encoding() {
                    encoding = Some(name.into_owned());
                }
            }
            Event::Text(content) if depth == 0 && !content.trim().is_empty() => {
                return Err(NoCall::Root);
            }
            Event::Empty(_) | Event::CData(_) | Event::GeneralRef(_) if depth == 0 => {
                return Err(NoCall::Root);
            }
            Event::Eof if depth > 0 => return Err(NoCall::Malformed(reader.buffer_position())),
            Event::Eof if roots != 1 => return Err(NoCall::Root),
            Event::Eof => return Ok(encoding),
            _ => {}
        }
    }
}

/// The names of members in the structs that are open: one that stands twice would be lost.
#[derive(Default)]
struct Names {
    structs: Vec<HashSet<String>>,
    /// The name that is being read.
    name: Option<String>,
}

impl Names {
    fn see(&mut self, event: &Event<'_>) -> Result<(), NoCall> {
        match event {
            Event::Start(element) if element.name().as_ref() == "struct" => {
                self.structs.push(HashSet::new());
            }
            Event::Start(element) if element.name().as_ref() == "name" => {
                self.name = Some(String::new());
            }
            Event::End(element) if element.name().as_ref() == "struct" => {
                self.structs.pop();
            }
            Event::End(element) if element.name().as_ref() == "name" => {
                let name = self.name.take().unwrap_or_default();
                if self
                    .structs
                    .last_mut()
                    .is_some_and(|names| !names.insert(name))
                {
                    return Err(NoCall::Twice);
                }
            }
            Event::Text(text) => self.add(text),
            Event::CData(text) => self.add(text),
            Event::GeneralRef(reference) => match reference.resolve_char_ref() {
                Ok(Some(c)) => self.add(c.encode_utf8(&mut [0; 4])),
                _ => self.add(resolve_predefined_entity(reference).unwrap_or_default()),
            },
            _ => {}
        }
        Ok(())
    }

    fn add(&mut self, text: &str) {
        if let Some(name) = &mut self.name {
            name.push_str(text);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{NoCall, read};
    use dxr::Value;

    type Check = fn(&NoCall) -> bool;

    fn with_value(value: &str) -> String {
        format!(
            "<?xml version='1.0'?><methodCall><methodName>a.b</methodName><params><param>{value}</param></params></methodCall>"
        )
    }

    #[test]
    fn every_form_of_a_value_is_read() {
        let cases = [
            ("<value>bare</value>", Value::String("bare".into())),
            ("<value></value>", Value::String(String::new())),
            ("<value/>", Value::String(String::new())),
            ("<value><string/></value>", Value::String(String::new())),
            (
                "<value><string> a &lt;&amp;&#x20AC; </string></value>",
                Value::String(" a <&€ ".into()),
            ),
            (
                "<value><string><![CDATA[<b>]]></string></value>",
                Value::String("<b>".into()),
            ),
            ("<value><int>-5</int></value>", Value::Integer(-5)),
            ("<value>\n <i4>7</i4>\n</value>", Value::Integer(7)),
            (
                "<value><i8>5000000000</i8></value>",
                Value::Long(5_000_000_000),
            ),
            (
                "<value><ex:i8>5000000000</ex:i8></value>",
                Value::Long(5_000_000_000),
            ),
            ("<value><nil/></value>", Value::Nil),
            ("<value><ex:nil/></value>", Value::Nil),
            ("<value><boolean>1</boolean></value>", Value::Boolean(true)),
            ("<value><double>1.5</double></value>", Value::Double(1.5)),
            (
                "<value><base64>AP8=</base64></value>",
                Value::Base64(vec![0, 255]),
            ),
            (
                "<value><array><data></data></array></value>",
                Value::Array(Vec::new()),
            ),
            (
                "<value><array><data/></array></value>",
                Value::Array(Vec::new()),
            ),
            (
                "<value><struct></struct></value>",
                Value::Struct(std::collections::BTreeMap::new()),
            ),
            (
                "<value><struct/></value>",
                Value::Struct(std::collections::BTreeMap::new()),
            ),
        ];
        for (xml, expected) in cases {
            let call = read(with_value(xml).as_bytes(), None);
            assert_eq!(call.map(|call| call.args), Ok(vec![expected]), "{xml}");
        }
    }

    #[test]
    fn what_is_no_call_is_refused_without_repeating_it() {
        let deep = format!(
            "{}{}",
            "<value><array><data>".repeat(45_000),
            "</data></array></value>".repeat(45_000)
        );
        let bomb = "<!DOCTYPE a [<!ENTITY x 'secret'>]><methodCall><methodName>&x;</methodName></methodCall>";
        let cases: Vec<(Vec<u8>, Check)> = vec![
            (b"".to_vec(), |e| *e == NoCall::Root),
            (b"secret".to_vec(), |e| *e == NoCall::Root),
            (b"<secret></secret>".to_vec(), |e| *e == NoCall::Root),
            (b"<methodCall/>".to_vec(), |e| *e == NoCall::Root),
            (b"<methodCall></methodCall>".to_vec(), |e| {
                *e == NoCall::Value
            }),
            (b"<methodCall><methodName>secret".to_vec(), |e| {
                matches!(e, NoCall::Malformed(_))
            }),
            (b"<methodCall></secret>".to_vec(), |e| {
                matches!(e, NoCall::Malformed(_))
            }),
            (bomb.into(), |e| *e == NoCall::DocType),
            (bomb.to_lowercase().into(), |e| *e == NoCall::DocType),
            (with_value(&deep).into(), |e| *e == NoCall::Depth),
            (
                with_value("<value><int>99999999999</int></value>").into(),
                |e| matches!(e, NoCall::Form { parameter: 1, .. }),
            ),
            (with_value("<value><int>secret</int></value>").into(), |e| {
                matches!(e, NoCall::Form { parameter: 1, .. })
            }),
            (with_value("<value>&secret;</value>").into(), |e| {
                matches!(e, NoCall::Form { parameter: 1, .. })
            }),
            (
                format!("{}<methodCall/>", with_value("<value/>")).into(),
                |e| *e == NoCall::Root,
            ),
            (b"<methodCall>\xff</methodCall>".to_vec(), |e| {
                *e == NoCall::Charset
            }),
        ];
        for (body, expected) in cases {
            let shown = String::from_utf8_lossy(&body)
                .chars()
                .take(80)
                .collect::<String>();
            let error = read(&body, None).expect_err(&shown);
            assert!(expected(&error), "{shown}: {error:?}");
            assert!(!error.to_string().contains("secret"), "{shown}");
        }
    }

    #[test]
    fn of_a_wrong_value_its_parameter_and_its_form_are_told() {
        let fine =
            "<param><value><i8>5</i8></value></param><param><value>a &amp; b</value></param>";
        let third = |value: &str| {
            format!(
                "<?xml version='1.0'?><methodCall><methodName>a.b</methodName><params>{fine}<param>{value}</param>\
                 <param><value><int>secret</int></value></param></params></methodCall>"
            )
        };
        let within = |value: &str| {
            format!(
                "<value><struct><member><name>s</name><value><array><data><value/>\
                 <value><string>x</string></value>{value}</data></array></value></member></struct></value>"
            )
        };
        for (value, form) in [
            ("<int>1.5</int>", "`int` is a whole number from -2147483648"),
            ("<i4>secret</i4>", "`i4` is a whole number"),
            ("<i8>9223372036854775808</i8>", "`i8` is a whole number"),
            ("<ex:i8>x</ex:i8>", "`i8` is a whole number"),
            ("<boolean>true</boolean>", "`boolean` is 0 or 1"),
            ("<double>secret</double>", "`double` is a number"),
            (
                "<dateTime.iso8601>2026-01-31T03:00:00Z</dateTime.iso8601>",
                "`dateTime.iso8601` is written 20260131T03:00:00",
            ),
            ("<base64>secret!</base64>", "base64"),
            ("<string>&secret;</string>", "text has the entities"),
            ("&secret;", "text has the entities"),
            ("<secret>1</secret>", "no type of XML-RPC"),
            ("<secret/>", "no type of XML-RPC"),
        ] {
            let value = format!("<value>{value}</value>");
            for value in [within(&value), value] {
                let error = read(third(&value).as_bytes(), None)
                    .expect_err(&value)
                    .to_string();
                assert!(
                    error.contains("parameter 3: ") && error.contains(form),
                    "{value}: {error}"
                );
                assert!(!error.contains("secret"), "{error}");
            }
        }
    }

    #[test]
    fn a_name_that_stands_twice_in_a_struct_is_refused() {
        let member = |name: &str, value: &str| {
            format!("<member><name>{name}</name><value>{value}</value></member>")
        };
        let holder = |members: &[String]| {
            with_value(&format!(
                "<value><struct>{}</struct></value>",
                members.concat()
            ))
        };
        let inner = format!("<struct>{}</struct>", member("a", "1"));
        let fine = [member("a", &inner), member("b", &inner), member("A", "1")];
        assert!(read(holder(&fine).as_bytes(), None).is_ok());
        for again in ["a", "&#97;", "&#x61;", "<![CDATA[a]]>"] {
            let twice = holder(&[member("a", "1"), member("b", "2"), member(again, "3")]);
            assert_eq!(read(twice.as_bytes(), None), Err(NoCall::Twice), "{again}");
        }
        let entities = holder(&[member("&lt;", "1"), member("<![CDATA[<]]>", "2")]);
        assert_eq!(read(entities.as_bytes(), None), Err(NoCall::Twice));
        let deep = format!("<struct>{}{}</struct>", member("x", "1"), member("x", "1"));
        let deep = holder(&[member("a", &deep)]);
        assert_eq!(read(deep.as_bytes(), None), Err(NoCall::Twice));
    }

    #[test]
    fn another_charset_is_accepted_only_where_it_makes_no_difference() {
        let plain = with_value("<value>plain</value>");
        let accented = with_value("<value>é</value>");
        assert!(read(plain.as_bytes(), Some("ISO-8859-1")).is_ok());
        assert!(read(accented.as_bytes(), Some("utf-8")).is_ok());
        assert_eq!(
            read(accented.as_bytes(), Some("ISO-8859-1")),
            Err(NoCall::Charset)
        );
        let declared = accented.replace("version='1.0'", "version='1.0' encoding='latin1'");
        assert_eq!(read(declared.as_bytes(), None), Err(NoCall::Charset));
    }
}
