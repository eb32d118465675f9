//! Parses incoming XML-RPC documents in one pass, with a message for each error.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::str::FromStr;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use dxr::Value;
use quick_xml::Reader;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::Event;

/// Nested elements. The parser's own limit is 128; an array in an array takes three.
const DEPTH_LIMIT: usize = 120;

/// Why a request isn't a call. Never repeats any of the request, which may contain a password.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(in crate::surface) enum NoCall {
    #[error("the request is not an XML-RPC call: it is neither UTF-8 nor plain ASCII; send UTF-8")]
    Charset,
    #[error("the request is not an XML-RPC call: a DOCTYPE is not allowed")]
    DocType,
    #[error(
        "the request is not an XML-RPC call: its elements are nested more than {DEPTH_LIMIT} deep"
    )]
    Depth,
    #[error("the request is not an XML-RPC call: the XML is malformed at byte {0}")]
    Malformed(u64),
    #[error(
        "the request is not an XML-RPC call: it must be one `methodCall` element and nothing else"
    )]
    Root,
    #[error("the request is not an XML-RPC call: a name occurs twice in one struct")]
    Twice,
    #[error(
        "the request is not an XML-RPC call: a `methodCall` has one `methodName`, and one `params` with \
         `param` elements where there are parameters"
    )]
    Name,
    #[error("the request is not an XML-RPC call: parameter {parameter}: {form}")]
    Form {
        /// Its number, from 1 on.
        parameter: usize,
        /// How it should be written.
        form: &'static str,
    },
}

/// A method's name and its arguments.
#[derive(Debug, PartialEq)]
pub(in crate::surface) struct Call {
    pub(in crate::surface) name: String,
    pub(in crate::surface) args: Vec<Value>,
}

/// Parses a call. `charset` is from the HTTP header, if present.
pub(in crate::surface) fn read(body: &[u8], charset: Option<&str>) -> Result<Call, NoCall> {
    let text = std::str::from_utf8(body).map_err(|_| NoCall::Charset)?;
    let text = text.trim_start_matches('\u{FEFF}');
    let mut document = Document::new(text);
    document.charset(charset)?;
    document.call()
}

/// How values are written.
const INT: &str = "`int` is a whole number from -2147483648 to 2147483647";
const I4: &str = "`i4` is a whole number from -2147483648 to 2147483647";
const I8: &str = "`i8` is a whole number of at most 64 bits";
const BOOLEAN: &str = "`boolean` is 0 or 1";
const DOUBLE: &str = "`double` is a number such as 1.5";
const DATE: &str = "`dateTime.iso8601` is written 20260131T03:00:00";
const BASE64: &str = "`base64` is bytes in base64";
const TEXT: &str = "text has the entities `&lt;`, `&gt;`, `&amp;`, `&apos;`, `&quot;` and numbers such as `&#233;` only";
const TYPE: &str = "a `value` has an element in it that is no type of XML-RPC";
const STRUCT: &str = "a `struct` has `member` elements with one `name` and one `value` each";
const ARRAY: &str = "an `array` has one `data` element with `value` elements";
const VALUE: &str = "a `param` has one `value`, and a `value` text or one element of a type";

/// A document parsed from its start to its end.
struct Document<'a> {
    text: &'a str,
    reader: Reader<&'a [u8]>,
    /// Open elements.
    depth: usize,
    /// The current parameter, from 1 on.
    parameter: usize,
}

impl<'a> Document<'a> {
    fn new(text: &'a str) -> Document<'a> {
        let mut reader = Reader::from_str(text);
        reader.config_mut().expand_empty_elements = true;
        Document {
            text,
            reader,
            depth: 0,
            parameter: 0,
        }
    }

    /// Refuses character sets other than UTF-8, if that makes a difference.
    fn charset(&self, name: Option<&str>) -> Result<(), NoCall> {
        let is_utf8 = |name: &str| {
            let names = ["utf-8", "utf8"];
            names.iter().any(|utf8| name.eq_ignore_ascii_case(utf8))
        };
        // In pure ASCII all common character sets agree.
        if name.is_none_or(is_utf8) || self.text.is_ascii() {
            Ok(())
        } else {
            Err(NoCall::Charset)
        }
    }

    fn call(&mut self) -> Result<Call, NoCall> {
        loop {
            match self.next()? {
                Event::Decl(declaration) => {
                    if let Some(Ok(name)) = declaration.encoding() {
                        self.charset(Some(&name))?;
                    }
                }
                Event::Text(text) if is_blank(&text) => {}
                Event::Start(element) if element.local_name().as_ref() == "methodCall" => break,
                _ => return Err(NoCall::Root),
            }
        }
        let mut name = None;
        let mut args = None;
        while let Some(tag) = self.child()? {
            match &*tag {
                "methodName" if name.is_none() => name = Some(self.text(NoCall::Name)?),
                "params" if args.is_none() => args = Some(self.params()?),
                _ => return Err(NoCall::Name),
            }
        }
        loop {
            match self.next()? {
                Event::Eof => break,
                Event::Text(text) if is_blank(&text) => {}
                _ => return Err(NoCall::Root),
            }
        }
        let name = name.ok_or(NoCall::Name)?.trim().to_owned();
        let args = args.unwrap_or_default();
        Ok(Call { name, args })
    }

    fn params(&mut self) -> Result<Vec<Value>, NoCall> {
        let mut args = Vec::new();
        while let Some(tag) = self.child()? {
            if tag != "param" {
                return Err(NoCall::Name);
            }
            self.parameter = args.len() + 1;
            if self.child()?.as_deref() != Some("value") {
                return Err(self.form(VALUE));
            }
            args.push(self.value()?);
            self.end(VALUE)?;
        }
        Ok(args)
    }

    /// The content of a `value`, up to its end: text, or an element with the type.
    fn value(&mut self) -> Result<Value, NoCall> {
        let mut text = String::new();
        loop {
            match self.next()? {
                Event::Start(element) if is_blank(&text) => {
                    let value = self.typed(element.local_name().as_ref())?;
                    self.end(VALUE)?;
                    return Ok(value);
                }
                Event::End(_) => return Ok(Value::String(text)),
                event => self.push(&mut text, &event, VALUE)?,
            }
        }
    }

    fn typed(&mut self, tag: &str) -> Result<Value, NoCall> {
        Ok(match tag {
            "string" => Value::String(self.text(self.form(TEXT))?),
            "int" => Value::Integer(self.parsed(INT)?),
            "i4" => Value::Integer(self.parsed(I4)?),
            "i8" => Value::Long(self.parsed(I8)?),
            "double" => Value::Double(self.parsed(DOUBLE)?),
            "dateTime.iso8601" => Value::DateTime(self.parsed(DATE)?),
            "boolean" => match self.text(self.form(BOOLEAN))?.trim() {
                "0" => Value::Boolean(false),
                "1" => Value::Boolean(true),
                _ => return Err(self.form(BOOLEAN)),
            },
            "base64" => {
                let mut text = self.text(self.form(BASE64))?;
                // Some clients break it into lines.
                text.retain(|c| !c.is_ascii_whitespace());
                let bytes = BASE64_STANDARD.decode(text);
                Value::Base64(bytes.map_err(|_| self.form(BASE64))?)
            }
            "nil" => {
                self.end(TYPE)?;
                Value::Nil
            }
            "array" => Value::Array(self.array()?),
            "struct" => Value::Struct(self.members()?),
            _ => return Err(self.form(TYPE)),
        })
    }

    fn parsed<T: FromStr>(&mut self, form: &'static str) -> Result<T, NoCall> {
        let text = self.text(self.form(form))?;
        text.trim().parse().map_err(|_| self.form(form))
    }

    fn array(&mut self) -> Result<Vec<Value>, NoCall> {
        let mut values = Vec::new();
        match self.child()?.as_deref() {
            None => return Ok(values),
            Some("data") => {}
            Some(_) => return Err(self.form(ARRAY)),
        }
        while let Some(tag) = self.child()? {
            if tag != "value" {
                return Err(self.form(ARRAY));
            }
            values.push(self.value()?);
        }
        self.end(ARRAY)?;
        Ok(values)
    }

    fn members(&mut self) -> Result<BTreeMap<String, Value>, NoCall> {
        let mut members = BTreeMap::new();
        while let Some(tag) = self.child()? {
            if tag != "member" || self.child()?.as_deref() != Some("name") {
                return Err(self.form(STRUCT));
            }
            let name = self.text(self.form(STRUCT))?;
            if self.child()?.as_deref() != Some("value") {
                return Err(self.form(STRUCT));
            }
            let value = self.value()?;
            self.end(STRUCT)?;
            // One of two equal names would be lost.
            if members.insert(name, value).is_some() {
                return Err(NoCall::Twice);
            }
        }
        Ok(members)
    }

    /// The text of the open element, up to its end; `wrong` if there is something else.
    fn text(&mut self, wrong: NoCall) -> Result<String, NoCall> {
        let mut text = String::new();
        loop {
            match self.next()? {
                Event::End(_) => return Ok(text),
                Event::Start(_) => return Err(wrong),
                event => self.push(&mut text, &event, TEXT)?,
            }
        }
    }

    fn push(&self, text: &mut String, event: &Event<'_>, form: &'static str) -> Result<(), NoCall> {
        match event {
            Event::Text(part) => text.push_str(&one_line_end(part)),
            Event::CData(part) => text.push_str(&one_line_end(part)),
            Event::GeneralRef(reference) => {
                if let Ok(Some(c)) = reference.resolve_char_ref() {
                    text.push(c);
                } else {
                    let resolved = resolve_predefined_entity(reference);
                    text.push_str(resolved.ok_or_else(|| self.form(TEXT))?);
                }
            }
            _ => return Err(self.form(form)),
        }
        Ok(())
    }

    /// The name of the next element in the open one; `None` at its end.
    fn child(&mut self) -> Result<Option<String>, NoCall> {
        loop {
            match self.next()? {
                Event::Start(element) => {
                    return Ok(Some(element.local_name().as_ref().to_owned()));
                }
                Event::End(_) => return Ok(None),
                Event::Text(text) if is_blank(&text) => {}
                _ => return Err(self.form(VALUE)),
            }
        }
    }

    /// The end of the open element.
    fn end(&mut self, form: &'static str) -> Result<(), NoCall> {
        match self.child()? {
            None => Ok(()),
            Some(_) => Err(self.form(form)),
        }
    }

    /// The error about the current parameter; before all parameters, that it isn't a call.
    fn form(&self, form: &'static str) -> NoCall {
        match self.parameter {
            0 => NoCall::Name,
            parameter => NoCall::Form { parameter, form },
        }
    }

    /// The next significant event.
    fn next(&mut self) -> Result<Event<'a>, NoCall> {
        loop {
            let Ok(event) = self.reader.read_event() else {
                return Err(NoCall::Malformed(self.reader.error_position()));
            };
            match &event {
                Event::Start(_) => {
                    self.depth += 1;
                    if self.depth > DEPTH_LIMIT {
                        return Err(NoCall::Depth);
                    }
                }
                Event::End(_) => self.depth = self.depth.saturating_sub(1),
                Event::DocType(_) => return Err(NoCall::DocType),
                Event::Comment(_) | Event::PI(_) => continue,
                Event::Eof if self.depth > 0 => {
                    return Err(NoCall::Malformed(self.reader.buffer_position()));
                }
                _ => {}
            }
            return Ok(event);
        }
    }
}

/// XML 1.0, 2.11: a line's end is one character, however it was sent.
fn one_line_end(text: &str) -> Cow<'_, str> {
    if text.contains('\r') {
        text.replace("\r\n", "\n").replace('\r', "\n").into()
    } else {
        text.into()
    }
}

fn is_blank(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_whitespace())
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

    /// As the crate `dxr` reads them, apart from what it loses or refuses without need.
    #[test]
    fn documents_are_read_as_others_read_them() {
        let long = format!("<value>{}</value>", "é&amp;\n".repeat(2000));
        let pair = "<value><struct><member><name>a</name><value>1</value></member>\n<member>\n<name>b</name> <value> <i4> 5 </i4> </value></member></struct></value>";
        for value in [
            "<value> bare </value>",
            "<value><string>  </string></value>",
            "<value>a<!-- no -->b</value>",
            "<value><string>a<?no no?>b</string></value>",
            "<value>a\r\nb\rc</value>",
            "<value><string>a\r\nb</string></value>",
            "<value>&#13;&#10;&#x1F600;&apos;&quot;&gt;</value>",
            "<value>]]&gt;<![CDATA[ a & <b> ]]>c</value>",
            "<value><int> +5\n</int></value>",
            "<value><int>-0</int></value>",
            "<value><double> 1e3 </double></value>",
            "<value><double>-.5</double></value>",
            "<value><base64> AP\n8= </base64></value>",
            "<value><base64></base64></value>",
            "<value><base64>AP8</base64></value>",
            "<value><dateTime.iso8601>20260131T03:00:00</dateTime.iso8601></value>",
            "<value><dateTime.iso8601>20260231T03:00:00</dateTime.iso8601></value>",
            "<value><nil></nil></value>",
            "<value><nil> </nil></value>",
            "<value><array/></value>",
            "<value><array> <data> <value/>\n<value>x</value> </data> </array></value>",
            "<value><struct><member><name> a </name><value/></member></struct></value>",
            "<value><int></int></value>",
            "<value>1<int>1</int></value>",
            "<value><int>1</int>1</value>",
            "<value><int>1</int><int>1</int></value>",
            "<value><int>1<b/></int></value>",
            pair,
            &long,
        ] {
            let document = with_value(value);
            let ours = read(document.as_bytes(), None).map(|call| call.args).ok();
            let theirs = dxr::MethodCall::from_xml(&document).ok();
            let theirs = theirs.map(|call| call.params);
            assert_eq!(ours, theirs, "{value}");
        }
        let text = |text: &str| Value::String(text.into());
        for (value, read_as) in [
            ("<value>  </value>", text("  ")),
            ("<value>\n</value>", text("\n")),
            ("<value a='b'><string c=\"d\">x</string></value>", text("x")),
            (
                "<value><boolean> 1 </boolean></value>",
                Value::Boolean(true),
            ),
            (
                "<value><struct><member><name/><value>x</value></member></struct></value>",
                Value::Struct([(String::new(), text("x"))].into()),
            ),
        ] {
            let call = read(with_value(value).as_bytes(), None);
            assert_eq!(call.map(|call| call.args), Ok(vec![read_as]), "{value}");
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
            (b"<methodCall/>".to_vec(), |e| *e == NoCall::Name),
            (b"<methodCall></methodCall>".to_vec(), |e| {
                *e == NoCall::Name
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
