//! A small tree of a YAML file in which every scalar keeps its literal text (`1.10`, `0362525`, `no`)
//! and every node its line. Aliases are resolved; what the tree can't represent exactly (tags, merge
//! keys, further documents) is refused.

use std::collections::HashMap;

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Span, StrInput};

use crate::text::readable;

/// Levels of nesting; the files read here need four.
const DEPTH_LIMIT: usize = 16;
/// Maximum number of nodes after resolving aliases, so that a small file can't become a large tree.
const NODE_LIMIT: usize = 100_000;

/// Why a file was refused, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {message}")]
pub struct FileError {
    /// Line in the file, from 1.
    pub line: usize,
    /// The error, with the path of keys to it.
    pub message: String,
}

impl FileError {
    pub(in crate::sync) fn new(line: usize, message: impl AsRef<str>) -> Self {
        Self {
            line,
            message: readable(message.as_ref(), 600),
        }
    }
}

/// A node with its first line.
#[derive(Clone, Debug)]
pub(in crate::sync) struct Node {
    pub(in crate::sync) line: usize,
    pub(in crate::sync) value: Value,
}

#[derive(Clone, Debug)]
pub(in crate::sync) enum Value {
    /// The literal text, and whether it was written without quotes.
    Scalar {
        text: String,
        is_plain: bool,
    },
    List(Vec<Node>),
    Map(Vec<Entry>),
}

/// One key of a map and its value.
#[derive(Clone, Debug)]
pub(in crate::sync) struct Entry {
    pub(in crate::sync) key: String,
    pub(in crate::sync) line: usize,
    pub(in crate::sync) node: Node,
}

impl Node {
    /// A plain `null`, `~` or nothing.
    pub(in crate::sync) fn is_null(&self) -> bool {
        matches!(&self.value, Value::Scalar { text, is_plain: true }
            if matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL"))
    }

    /// The kind of node, as text.
    pub(in crate::sync) fn kind(&self) -> &'static str {
        match self.value {
            _ if self.is_null() => "nothing",
            Value::Scalar { .. } => "a text",
            Value::List(_) => "a list",
            Value::Map(_) => "a map",
        }
    }

    fn size(&self) -> usize {
        1 + match &self.value {
            Value::Scalar { .. } => 0,
            Value::List(nodes) => nodes.iter().map(Node::size).sum(),
            Value::Map(entries) => entries.iter().map(|entry| 1 + entry.node.size()).sum(),
        }
    }
}

/// Parses a file of one document; `None` if it is empty.
pub(in crate::sync) fn tree(text: &str) -> Result<Option<Node>, FileError> {
    let mut builder = Builder {
        parser: Parser::new_from_str(text),
        anchors: HashMap::new(),
        size: 0,
    };
    let mut root = None;
    while let Some((event, line)) = builder.next()? {
        match event {
            Event::StreamEnd => break,
            Event::DocumentStart(_) if root.is_some() => {
                return Err(FileError::new(
                    line,
                    "a second document (`---`) isn't supported; use one file each",
                ));
            }
            Event::Nothing | Event::StreamStart | Event::DocumentStart(_) | Event::DocumentEnd => {}
            other => root = Some(builder.node(other, line, 1)?),
        }
    }
    Ok(root)
}

struct Builder<'t> {
    parser: Parser<'t, StrInput<'t>>,
    anchors: HashMap<usize, Node>,
    size: usize,
}

impl<'t> Builder<'t> {
    fn next(&mut self) -> Result<Option<(Event<'t>, usize)>, FileError> {
        let located = |(event, span): (Event<'t>, Span)| (event, span.start.line());
        self.parser
            .next_event()
            .transpose()
            .map(|next| next.map(located))
            .map_err(|error: ScanError| {
                FileError::new(error.marker().line(), format!("not YAML: {}", error.info()))
            })
    }

    fn required(&mut self) -> Result<(Event<'t>, usize), FileError> {
        self.next()?
            .ok_or_else(|| FileError::new(0, "the file ends in the middle"))
    }

    fn node(&mut self, event: Event<'t>, line: usize, depth: usize) -> Result<Node, FileError> {
        if depth > DEPTH_LIMIT {
            return Err(FileError::new(
                line,
                format!("nested deeper than {DEPTH_LIMIT} levels"),
            ));
        }
        self.count(1, line)?;
        let (value, anchor, tag) = match event {
            Event::Scalar(text, style, anchor, tag) => {
                let is_plain = style == ScalarStyle::Plain && tag.is_none();
                (
                    Value::Scalar {
                        text: text.into_owned(),
                        is_plain,
                    },
                    anchor,
                    tag,
                )
            }
            Event::SequenceStart(anchor, tag) => (Value::List(self.list(depth)?), anchor, tag),
            Event::MappingStart(anchor, tag) => (Value::Map(self.map(depth)?), anchor, tag),
            Event::Alias(anchor) => return self.resolved(anchor, line),
            _ => return Err(FileError::new(line, "not YAML: a value was expected")),
        };
        if let Some(tag) = tag.filter(|tag| !(tag.is_yaml_core_schema() && tag.suffix == "str")) {
            let name = &tag.suffix;
            return Err(FileError::new(
                line,
                format!("the YAML tag `{name}` isn't supported; every value is literal text"),
            ));
        }
        let node = Node { line, value };
        // The parser uses 0 for none.
        if anchor != 0 {
            self.anchors.insert(anchor, node.clone());
        }
        Ok(node)
    }

    fn list(&mut self, depth: usize) -> Result<Vec<Node>, FileError> {
        let mut nodes = Vec::new();
        loop {
            match self.required()? {
                (Event::SequenceEnd, _) => return Ok(nodes),
                (event, line) => nodes.push(self.node(event, line, depth + 1)?),
            }
        }
    }

    fn map(&mut self, depth: usize) -> Result<Vec<Entry>, FileError> {
        let mut entries: Vec<Entry> = Vec::new();
        let mut first_lines: HashMap<String, usize> = HashMap::new();
        loop {
            let (event, line) = self.required()?;
            if event == Event::MappingEnd {
                return Ok(entries);
            }
            let Value::Scalar {
                text: key,
                is_plain,
            } = self.node(event, line, depth + 1)?.value
            else {
                return Err(FileError::new(line, "a key must be a text"));
            };
            if key == "<<" && is_plain {
                return Err(FileError::new(
                    line,
                    "merge keys (`<<`) aren't supported; write the keys out",
                ));
            }
            if let Some(first) = first_lines.insert(key.clone(), line) {
                return Err(FileError::new(
                    line,
                    format!("`{key}` is already set in line {first}"),
                ));
            }
            let (event, value_line) = self.required()?;
            let node = self.node(event, value_line, depth + 1)?;
            entries.push(Entry { key, line, node });
        }
    }

    /// An alias stands for a copy of the anchored node; one inside its own anchor finds nothing.
    fn resolved(&mut self, anchor: usize, line: usize) -> Result<Node, FileError> {
        let Some(node) = self.anchors.get(&anchor).cloned() else {
            return Err(FileError::new(
                line,
                "an alias inside the node that it names",
            ));
        };
        self.count(node.size(), line)?;
        Ok(Node { line, ..node })
    }

    fn count(&mut self, nodes: usize, line: usize) -> Result<(), FileError> {
        self.size += nodes;
        if self.size > NODE_LIMIT {
            return Err(FileError::new(
                line,
                format!("more than {NODE_LIMIT} values"),
            ));
        }
        Ok(())
    }
}
