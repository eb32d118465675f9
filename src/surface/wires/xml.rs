//! Parses XML-RPC requests in one pass, with a specific message for each error.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::str::FromStr;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use dxr::Value;
use quick_xml::Reader;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::Event;

#[cfg(test)]
mod tests;

/// Maximum depth of nested elements. The parser's own limit is 128; each nested array takes three.
const DEPTH_LIMIT: usize = 120;

/// Why a request isn't a call. Never quotes the request, which may contain a password.
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

    /// Refuses character sets other than UTF-8, unless the document is plain ASCII.
    fn charset(&self, name: Option<&str>) -> Result<(), NoCall> {
        let is_utf8 = |name: &str| {
            let names = ["utf-8", "utf8"];
            names.iter().any(|utf8| name.eq_ignore_ascii_case(utf8))
        };
        // ASCII text is the same in all common character sets.
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
                // Some clients break base64 into lines.
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
            // Otherwise one of the two values would be lost.
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

    /// An error in the current parameter, or in the call if there is none yet.
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

/// Normalises line ends to `\n` (XML 1.0, 2.11).
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
